"""Features of signals whose answers are known by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.fft import dct

from ml.audio import Waveform
from ml.config import FeatureConfig
from ml.features import extract, loud_rows, model_input

CONFIG = FeatureConfig()
RATE = CONFIG.sample_rate_hz
INNER = slice(3, -3)
"""Frames that do not reach over the edges."""


def tone(frequency_hz: float, amplitude: float = 0.5, seconds: float = 1.0) -> Waveform:
    time = np.arange(round(seconds * RATE)) / RATE
    samples = amplitude * np.sin(2 * np.pi * frequency_hz * time + 0.1)
    return Waveform(samples.astype(np.float32), RATE)


def mel_centres_hz() -> np.ndarray:
    """Slaney's scale by hand: linear to 1 kHz, 27 steps to each factor of 6.4 above."""

    def to_mel(hz: float) -> float:
        return hz / (200 / 3) if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)

    def to_hz(mel: float) -> float:
        return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)

    edges = np.linspace(to_mel(CONFIG.fmin_hz), to_mel(CONFIG.fmax_hz), CONFIG.n_mels + 2)
    return np.array([to_hz(mel) for mel in edges[1:-1]])


@pytest.mark.parametrize("frequency_hz", [200.0, 440.0, 1000.0, 3000.0])
def test_zero_crossing_rate_of_a_tone_is_two_per_period(frequency_hz):
    zcr = extract(tone(frequency_hz)).zcr[INNER]
    assert zcr == pytest.approx(2 * frequency_hz / RATE, abs=2 / CONFIG.frame_length)


@pytest.mark.parametrize("amplitude", [0.5, 0.01])
def test_rms_of_a_tone_is_its_amplitude_over_root_two(amplitude):
    rms = extract(tone(1000.0, amplitude)).rms[INNER]
    assert rms == pytest.approx(amplitude / np.sqrt(2), rel=0.01)


@pytest.mark.parametrize("frequency_hz", [300.0, 1000.0, 2500.0, 5000.0])
def test_a_tone_lies_in_the_mel_band_around_its_frequency(frequency_hz):
    loudest = extract(tone(frequency_hz)).log_mel[:, INNER].mean(axis=1).argmax()
    nearest = np.abs(mel_centres_hz() - frequency_hz).argmin()
    assert abs(int(loudest) - int(nearest)) <= 1


def test_doubling_the_amplitude_adds_six_decibels():
    quiet, loud = extract(tone(1000.0, 0.1)).log_mel, extract(tone(1000.0, 0.2)).log_mel
    band = quiet[:, 40].argmax()
    assert loud[band, 40] - quiet[band, 40] == pytest.approx(20 * np.log10(2), abs=1e-3)


def test_mfcc_are_the_orthonormal_cosine_transform_of_the_log_mel():
    features = extract(tone(700.0))
    by_hand = dct(features.log_mel, axis=0, type=2, norm="ortho")[: CONFIG.n_mfcc]
    assert features.mfcc == pytest.approx(by_hand, abs=1e-3)


@pytest.mark.parametrize("samples", [8_000, 16_000, 16_001, 48_199])
def test_all_features_have_a_frame_for_every_hop(samples):
    features = extract(Waveform(np.zeros(samples, np.float32), RATE))
    frames = 1 + samples // CONFIG.hop_length
    assert features.log_mel.shape == (CONFIG.n_mels, frames)
    assert features.mfcc.shape == (CONFIG.n_mfcc, frames)
    assert features.zcr.shape == features.rms.shape == (frames,)


def test_silence_lies_at_the_floor():
    features = extract(Waveform(np.zeros(RATE, np.float32), RATE))
    assert features.log_mel == pytest.approx(CONFIG.floor_db)
    assert not features.zcr.any() and not features.rms.any()


def test_another_sample_rate_is_refused_with_both_rates():
    with pytest.raises(ValueError, match=r"8000 Hz.*16000 Hz"):
        extract(Waveform(np.zeros(8000, np.float32), 8000))


def test_the_input_of_the_network_does_not_depend_on_the_level():
    loud, quiet = extract(tone(900.0, 0.8)), extract(tone(900.0, 0.08))
    one = model_input(loud, 5, 60, CONFIG)
    other = model_input(quiet, 5, 60, CONFIG)
    assert one.shape == (60, CONFIG.n_features)
    assert one == pytest.approx(other, abs=0.05)


def test_a_short_window_is_centred_between_frames_of_the_floor():
    features = extract(tone(900.0, seconds=0.5))
    frames = len(features.rms)
    made = model_input(features, 0, frames + 20, CONFIG)
    padding = np.concatenate([made[:10], made[-10:]])
    assert np.all(padding[:, : CONFIG.n_mels] == -CONFIG.relative_floor_db)
    expected = dct(np.full(CONFIG.n_mels, -CONFIG.relative_floor_db), norm="ortho")[: CONFIG.n_mfcc]
    assert padding[:, CONFIG.n_mels : -2] == pytest.approx(np.tile(expected, (20, 1)), abs=1e-3)
    assert not padding[:, -2].any()
    assert made[10:-10] == pytest.approx(model_input(features, 0, frames, CONFIG), abs=1e-5)


def test_a_network_gets_the_columns_that_it_asks_for():
    features = extract(tone(700.0))
    whole = model_input(features, 0, 60, CONFIG)
    for names, columns in (
        (("mfcc",), slice(64, 84)),
        (("mel",), slice(0, 64)),
        (("mfcc", "zcr", "rms"), slice(64, 86)),
    ):
        config = replace(CONFIG, inputs=names)
        assert model_input(features, 0, 60, config) == pytest.approx(whole[:, columns])
    assert replace(CONFIG, inputs=["zcr", "mel"]).columns == {
        "mel": slice(0, 64),
        "zcr": slice(64, 65),
    }


@pytest.mark.parametrize("wrong", [{"inputs": ("chroma",)}, {"inputs": ()}, {"normalise": "db"}])
def test_features_that_do_not_exist_are_refused(wrong):
    with pytest.raises(ValueError, match=r"mel, mfcc, zcr, rms|none, level, feature"):
        FeatureConfig(**wrong)


def test_a_description_from_before_there_were_choices_still_reads():
    old = {"n_mels": 64, "hop_length": 200, "fmax_hz": 5400.0, "n_mfcc": 20, "floor_db": -100.0}
    assert FeatureConfig(**old) == CONFIG
    assert (CONFIG.inputs, CONFIG.relative_floor_db) == (("mel", "mfcc", "zcr", "rms"), 70.0)


def test_levels_as_recorded_keep_the_level():
    config = replace(CONFIG, normalise="none")
    loud, quiet = (model_input(extract(tone(900.0, a)), 5, 60, config) for a in (0.8, 0.08))
    band = loud[30, :64].argmax()
    assert (loud - quiet)[:, band] == pytest.approx(20.0, abs=0.05)
    assert (loud - quiet)[:, -1] == pytest.approx(20.0, abs=0.05)
    beyond = model_input(extract(tone(900.0, seconds=0.5)), 0, 100, config)
    assert np.all(beyond[0, :64] == config.floor_db) and beyond[0, -1] == config.floor_db


def test_each_column_can_be_standardised_over_its_window():
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32) / 10
    config = replace(CONFIG, normalise="feature")
    made = model_input(extract(Waveform(noise, RATE)), 0, 70, config)
    assert made.mean(axis=0) == pytest.approx(0.0, abs=1e-3)
    assert made.std(axis=0) == pytest.approx(1.0, abs=0.05)
    padded = model_input(extract(Waveform(noise, RATE)), 0, 101, config)
    assert not padded[:10].any() and not padded[-10:].any()


def test_silence_at_both_ends_can_be_cut_off():
    config = replace(CONFIG, trim_db=30.0)
    silence = np.zeros(40 * CONFIG.hop_length, np.float32)
    voice = tone(500.0, seconds=0.5).samples
    samples = np.concatenate([silence, voice, silence[: len(silence) // 2]])
    made = model_input(extract(Waveform(samples, RATE)), 0, 100, config)
    filled = np.flatnonzero(made[:, -1] > -config.relative_floor_db)
    assert len(filled) == pytest.approx(len(voice) / CONFIG.hop_length, abs=4)
    assert abs(int(filled[0]) - (99 - int(filled[-1]))) <= 1
    untouched = model_input(extract(Waveform(samples, RATE)), 0, 100, CONFIG)
    assert np.flatnonzero(untouched[:, -1] > -config.relative_floor_db)[0] >= 38


@pytest.mark.parametrize(("place", "first"), [(0.0, 0), (0.5, 10), (1.0, 20)])
def test_a_short_window_lies_where_it_is_put(place, first):
    features = extract(tone(900.0, seconds=0.5))
    made = model_input(features, 0, len(features.rms) + 20, CONFIG, place=place)
    assert np.flatnonzero(made[:, -1] > -CONFIG.relative_floor_db)[0] == first


def test_frames_near_the_loudest_are_told_from_the_quiet_ones():
    samples = np.concatenate([tone(500.0).samples, tone(500.0, 0.5e-3).samples])
    rows = loud_rows(extract(Waveform(samples, RATE)), CONFIG, within_db=40.0)
    assert rows.shape == (pytest.approx(RATE / CONFIG.hop_length, abs=3), CONFIG.n_features)
