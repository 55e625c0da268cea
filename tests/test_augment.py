"""Augmentation: what it must keep, and what it must change."""

import numpy as np
import pytest

from ml.audio import Waveform
from ml.augment import CHAIN, add_noise, change_speed, clip, limit_band, run_chain

RATE = 16_000


@pytest.fixture
def voice() -> Waveform:
    time = np.arange(RATE) / RATE
    sound = np.sin(2 * np.pi * 220 * time) * np.sin(2 * np.pi * 3 * time)
    return Waveform((0.5 * sound).astype(np.float32), RATE)


def power_db(samples: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.asarray(samples, np.float64) ** 2))


@pytest.mark.parametrize("step", [step for step, _ in CHAIN], ids=lambda step: step.__name__)
@pytest.mark.parametrize("seed", range(5))
def test_a_step_yields_a_changed_playable_waveform_and_repeats_itself(step, seed, voice):
    made = step(voice, np.random.default_rng(seed))
    again = step(voice, np.random.default_rng(seed))
    assert made.samples.dtype == np.float32 and made.sample_rate_hz == RATE
    assert np.isfinite(made.samples).all() and np.abs(made.samples).max() <= 1.0
    assert np.array_equal(made.samples, again.samples)
    assert not np.array_equal(made.samples, voice.samples)


@pytest.mark.parametrize("seed", range(8))
def test_noise_lies_8_to_35_db_under_the_voice(seed, voice):
    noise = add_noise(voice, np.random.default_rng(seed)).samples - voice.samples
    assert 7.9 < power_db(voice.samples) - power_db(noise) < 35.1


def test_speed_changes_the_length_by_no_more_than_eight_per_cent(voice):
    rng = np.random.default_rng(0)
    lengths = [len(change_speed(voice, rng).samples) / RATE for _ in range(30)]
    assert 0.92 <= min(lengths) < 0.97 and 1.03 < max(lengths) <= 1.08


def test_a_limited_band_loses_what_lies_above(voice):
    noise = np.random.default_rng(1).standard_normal(RATE).astype(np.float32) / 10
    made = limit_band(Waveform(noise, RATE), np.random.default_rng(2)).samples
    spectrum = np.abs(np.fft.rfft(made)) ** 2
    assert spectrum[7900:].mean() < spectrum[1000:3000].mean() / 10


def test_clipping_flattens_only_the_loudest(voice):
    made = clip(voice, np.random.default_rng(0)).samples
    share = np.mean(np.abs(made) >= np.abs(made).max() - 1e-6)
    assert 0.0005 < share < 0.03


def test_the_chain_does_not_touch_what_it_was_given(voice):
    before = voice.samples.copy()
    for seed in range(10):
        run_chain(voice, np.random.default_rng(seed))
    assert np.array_equal(voice.samples, before)
