"""Tables and pictures of corpora, and of listeners, of clips that are counted by hand."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ml import listeners, overviews, palette
from ml.config import FeatureConfig
from ml.corpora import Clip, Speaker
from ml.dataset import Split, cache_features

SPEAKERS = {"cremad:1": Speaker("female", 25), "cremad:2": Speaker("male", 62)}


def clip(label, speaker, intensity=None, votes=None, name=None):
    corpus = speaker.partition(":")[0]
    return Clip(Path(name or f"{speaker}-{label}.wav"), label, speaker, corpus, intensity, votes)


CLIPS = (
    clip("angry", "cremad:1", 1.0, {"angry": 0.9, "sad": 0.1}),
    clip("angry", "cremad:2", 0.0, {"angry": 0.3, "sad": 0.7}),
    clip("sad", "cremad:1", None, {"sad": 1.0}),
    clip("surprised", "nemo:AB"),
)


def texts(figure):
    axes = figure.axes
    return [one.get_text() for ax in axes for one in (*ax.texts, ax.title, ax._left_title)]


def test_emotions_have_the_colours_of_the_website():
    tokens = Path(__file__).resolve().parent.parent / "static" / "css" / "tokens.css"
    light = tokens.read_text().partition("@media")[0]
    found = dict(re.findall(r"--emotion-(\w+): (#[0-9a-f]{6})", light))
    assert found == palette.EMOTIONS


def test_corpora_are_told_in_a_table():
    rows = overviews.corpora_table(CLIPS, np.array([1800.0, 1800.0, 3600.0, 36.0])).splitlines()
    assert rows[2] == "| CREMA-D | English | ODbL 1.0 | 2 | 3 | 2 | 2.00 |"
    assert rows[3] == "| nEMO | Polish | CC BY-NC-SA 4.0 | 1 | 1 | 1 | 0.01 |"


def test_clips_are_told_in_a_table():
    rows = overviews.clips_table(CLIPS[1:], SPEAKERS).splitlines()
    assert rows[2] == (
        "| cremad:2-angry | cremad | angry | cremad:2 | male | 62 | 0.0 | angry 30%, sad 70% |"
    )
    assert rows[4].endswith("| nemo:AB | not told | not told | not told | not told |")


def test_one_voice_is_the_most_strongly_played_clip_of_each_emotion():
    weak, strong = (clip("happy", "cremad:1", much, name=f"{much}.wav") for much in (0.2, 0.8))
    assert overviews.one_voice((*CLIPS, weak, strong)) == [strong, CLIPS[2], CLIPS[0]]


def test_labels_show_what_a_corpus_lacks_as_blank():
    figure = overviews.show_labels(CLIPS)
    picture = figure.axes[0].images[0].get_array()
    assert picture.shape == (2, 8)
    assert np.ma.filled(picture[0], np.nan)[[3, 4]] == pytest.approx([1 / 3, 2 / 3])
    assert np.isnan(np.ma.filled(picture[0], np.nan)[[0, 1, 2, 5, 6, 7]]).all()
    assert [one.get_text() for one in figure.axes[0].texts] == ["1", "2", "1"]


def test_durations_are_drawn_for_each_corpus():
    figure = overviews.show_durations(CLIPS, np.array([1.0, 2.0, 4.0, 5.0]), 3.0)
    assert [len(figure.axes), sum(bar.get_height() for bar in figure.axes[0].patches)] == [2, 3]
    assert "CREMA-D: median 2.0 s, 33% longer than a window" in texts(figure)


def test_speakers_are_drawn_by_sex_and_age():
    figure = overviews.show_speakers(CLIPS, SPEAKERS)
    assert "CREMA-D: 1 female, 1 male" in texts(figure)
    assert "nEMO: 1 not told" in texts(figure) and "ages are not told" in texts(figure)
    counts, ages = figure.axes[:2]
    assert [bar.get_height() for bar in counts.patches] == [2, 1]
    assert sum(bar.get_height() for bar in ages.patches if bar.get_height() <= 1) == 2


def test_sides_are_told_and_drawn():
    split = Split(CLIPS[2:3], (), (CLIPS[1], CLIPS[3]))
    rows = overviews.sides_table(split).splitlines()
    assert rows[2:] == ["| CREMA-D | 1 | 0 | 1 | 1 | 0 | 1 |", "| nEMO | 0 | 0 | 1 | 0 | 0 | 1 |"]
    assert "CREMA-D: 1 train, 0 validation, 1 test" in texts(overviews.show_sides(split))
    figure = overviews.show_balance(split)
    assert {"sad\n100%", "angry\n50%", "surprised\n50%"} == set(texts(figure)) - {""}


def test_many_speakers_are_drawn_without_names():
    many = [clip("sad", f"cremad:{number}") for number in range(40)]
    axes = overviews.show_sides(Split(tuple(many), (), ())).axes[0]
    assert axes.get_xlabel() == "40 speakers" and not len(axes.get_xticks())


def test_recordings_show_the_level_and_spectrum_of_each_corpus(tmp_path):
    loud = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)
    clips = []
    for corpus, scale in (("cremad", 0.5), ("nemo", 0.05)):
        soundfile.write(tmp_path / f"{corpus}.wav", scale * loud, 16_000)
        clips.append(Clip(tmp_path / f"{corpus}.wav", "sad", f"{corpus}:1", corpus))
    cache = cache_features(clips, FeatureConfig(), tmp_path / "features", jobs=1)
    assert overviews.durations_s(cache) == pytest.approx([1.0, 1.0], abs=0.03)
    spectra, levels = overviews.show_recordings(cache).axes
    for line in spectra.lines:
        assert line.get_xdata()[np.argmax(line.get_ydata())] == pytest.approx(0.37, abs=0.02)
    middles = [patch.get_xy()[patch.get_xy()[:, 1].argmax(), 0] for patch in levels.patches]
    assert sorted(middles) == pytest.approx([-29, -9], abs=1.5)


def test_votes_are_the_mean_over_the_clips_of_an_emotion():
    labels, shares = listeners.mean_votes(CLIPS)
    assert labels == ("sad", "angry")
    assert shares == pytest.approx(np.array([[1.0, 0.0], [0.4, 0.6]]))
    assert listeners.with_votes(CLIPS) == [CLIPS[2], CLIPS[0], CLIPS[1]]
    assert [listeners.acted_share(one) for one in CLIPS] == [0.9, 0.3, 1.0, 0.0]


def test_an_emotion_that_was_only_heard_has_no_row():
    labels, shares = listeners.mean_votes(CLIPS[:2])
    assert labels == ("sad", "angry") and np.isnan(shares[0]).all()


def test_votes_are_drawn_by_emotion_and_by_intensity():
    assert {"100%", "0%", "40%", "60%", "3 clips, by sound alone"} <= set(
        texts(listeners.show_votes(CLIPS))
    )
    found = texts(listeners.show_agreement(CLIPS))
    assert {"90% of 1 clips", "30% of 1 clips"} <= set(found)


def test_without_votes_or_intensities_the_pictures_say_so():
    assert "nobody voted on these clips" in texts(listeners.show_votes(CLIPS[3:]))
    assert "nobody voted on these clips" in texts(listeners.show_agreement(CLIPS[3:]))
    assert "intensity is not told" in texts(listeners.show_agreement(CLIPS[2:]))
