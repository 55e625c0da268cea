"""Pictures of what a network hears, of sounds whose features are known beforehand."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ml import portraits
from ml.anatomy import layers_table
from ml.audio import Waveform
from ml.config import FeatureConfig
from ml.corpora import Clip
from ml.dataset import cache_features
from ml.features import extract, model_input

CONFIG = FeatureConfig()
TIMES_S = np.arange(16_000) / 16_000


def tone(frequency_hz, amplitude):
    return (amplitude * np.sin(2 * np.pi * frequency_hz * TIMES_S)).astype(np.float32)


def features(samples):
    return extract(Waveform(samples, 16_000), CONFIG)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Two speakers of other levels; angry is 6 dB louder and higher than neutral with each."""
    folder = tmp_path_factory.mktemp("tones")
    clips = []
    for speaker, level in (("1", 0.1), ("2", 0.4)):
        for label, sound in (("neutral", tone(400, level)), ("angry", tone(2000, 2 * level))):
            path = folder / f"{speaker}-{label}.wav"
            soundfile.write(path, sound, 16_000)
            clips.append(Clip(path, label, f"cremad:{speaker}", "cremad"))
    return cache_features(clips, CONFIG, folder / "features", jobs=1)


def test_a_clip_in_a_few_numbers():
    names = list(portraits.MEASURES)
    low, high = (
        dict(zip(names, portraits.measure_clip(features(tone(hz, 0.1)), CONFIG), strict=True))
        for hz in (400, 2000)
    )
    assert low["loudness"] == pytest.approx(20 * np.log10(0.1 / np.sqrt(2)), abs=0.2)
    assert low["crossings"] == pytest.approx(100 * 800 / 16_000, abs=0.3)
    assert high["crossings"] == pytest.approx(100 * 4000 / 16_000, abs=1)
    assert low["brightness"] < -20 and high["brightness"] > 20
    assert low["duration"] == pytest.approx(1.0, abs=0.05)


def test_pauses_count_neither_as_quiet_nor_as_long():
    padded = np.concatenate([np.zeros(16_000, np.float32), tone(400, 0.1)])
    alone, paused = (
        portraits.measure_clip(features(one), CONFIG) for one in (tone(400, 0.1), padded)
    )
    assert paused[[0, 4]] == pytest.approx(alone[[0, 4]], abs=0.2)


def test_who_speaks_is_taken_out():
    values = np.array([[1.0], [3.0], [100.0], [104.0]])
    found = portraits.beside_usual(values, np.array(["a", "a", "b", "b"]))
    assert found.ravel().tolist() == [-1.0, 1.0, -2.0, 2.0]


def test_measures_show_the_emotion_and_not_the_speaker(cache):
    axes = portraits.show_measures(cache).axes
    medians = [line.get_ydata()[0] for line in axes[0].lines if line.get_color() == "#1f1d24"]
    assert medians == pytest.approx([-3.0, 3.0], abs=0.2)
    assert axes[0].get_title(loc="left") == "Loudness: RMS, dBFS"


def test_spectra_show_where_an_emotion_has_more(cache):
    axes = portraits.show_spectra(cache).axes[0]
    neutral, angry = (line.get_ydata() for line in axes.lines[1:])
    assert np.argmax(neutral) < np.argmax(angry)
    assert neutral == pytest.approx(-angry, abs=1e-4)
    assert [one.get_text() for one in axes.texts] == ["neutral", "angry"]


def test_cepstra_are_opposite_for_two_emotions(cache):
    picture = portraits.show_mfcc(cache).axes[0].images[0].get_array()
    assert picture.shape == (2, 12)
    assert np.asarray(picture[0]) == pytest.approx(-np.asarray(picture[1]), abs=1e-4)


def test_names_keep_their_distance():
    found = portraits.spread([0.0, 0.01, 5.0], 1.0)
    assert found[1] - found[0] == pytest.approx(1.0) and np.mean(found) == pytest.approx(5.01 / 3)


def test_features_lie_on_one_axis_of_time():
    waveform = Waveform(tone(400, 0.1), 16_000)
    axes = portraits.show_features(waveform, extract(waveform, CONFIG), CONFIG).axes
    assert len(axes) == 5 and {one.get_xlim() for one in axes} == {(0.0, 1.0)}
    assert axes[1].images[0].get_array().shape[0] == CONFIG.n_mels
    assert np.median(axes[4].lines[0].get_ydata()) == pytest.approx(-23, abs=0.2)


def test_sounds_stand_side_by_side_on_one_scale():
    named = [("angry", features(tone(400, 0.1))), ("as recorded", features(tone(400, 0.1)[:8000]))]
    axes = portraits.show_utterances(named, CONFIG, columns=3).axes
    assert [one.get_title(loc="left") for one in axes] == ["angry", "as recorded", ""]
    assert axes[0].get_xlim() == axes[1].get_xlim()


def test_a_window_is_drawn_column_by_column():
    matrix = model_input(features(tone(400, 0.1)), 0, 240, CONFIG)
    figure = portraits.show_input(matrix, CONFIG, "as the network gets it")
    assert [one.get_ylabel() for one in figure.axes] == ["mel", "mfcc", "zcr", "rms"]
    assert figure.axes[0].images[0].get_array().shape == (64, 240)
    assert figure.axes[1].images[0].get_array().shape == (19, 240)


def test_a_network_is_told_layer_by_layer():
    import keras

    layers = keras.layers
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(3, name="last")(layers.Dropout(0.5)(inputs)))
    assert layers_table(model).splitlines()[2:] == [
        "| last | Dense | 3 | 15 |",
        "| all |  |  | 15 |",
    ]


def test_files_of_figures_are_pictures(tmp_path):
    figure = portraits.show_input(
        model_input(features(tone(400, 0.1)), 0, 240, CONFIG), CONFIG, "window"
    )
    figure.savefig(tmp_path / "window.png")
    assert Path(tmp_path / "window.png").read_bytes().startswith(b"\x89PNG")
