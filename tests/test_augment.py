"""Augmentation: what it must keep, and what it must change."""

import inspect
import time

import numpy as np
import pytest
from sounds import RATE, power_db, voice_like, white

from ml import augment, channels
from ml.audio import Waveform
from ml.augment import (
    CHAIN,
    add_noise,
    chain_version,
    change_pitch,
    change_speed,
    limit_band,
    overdrive,
    run_chain,
)


@pytest.fixture(scope="module")
def voice() -> Waveform:
    return voice_like(1.0, level=0.5)


@pytest.mark.parametrize("step", [step for step, _ in CHAIN], ids=lambda step: step.__name__)
@pytest.mark.parametrize("seed", range(4))
def test_a_step_yields_a_changed_playable_waveform_and_repeats_itself(step, seed, voice):
    made = step(voice, np.random.default_rng(seed))
    again = step(voice, np.random.default_rng(seed))
    assert made.samples.dtype == np.float32 and made.sample_rate_hz == RATE
    assert np.isfinite(made.samples).all() and np.abs(made.samples).max() <= 1.0
    assert np.array_equal(made.samples, again.samples)
    assert not np.array_equal(made.samples, voice.samples)
    if step.__name__ not in ("change_speed", "begin_early"):
        assert len(made.samples) == len(voice.samples)


@pytest.mark.parametrize("step", [step for step, _ in CHAIN], ids=lambda step: step.__name__)
@pytest.mark.parametrize("samples", [np.zeros(8000), np.full(160, 1e-5), np.ones(3000)])
def test_a_step_survives_silence_a_snippet_and_full_scale(step, samples):
    made = step(Waveform(samples.astype(np.float32), RATE), np.random.default_rng(0))
    assert np.isfinite(made.samples).all() and np.abs(made.samples).max() <= 1.0


@pytest.mark.parametrize("seed", range(8))
def test_noise_lies_3_to_35_db_under_the_voice(seed, voice):
    noise = add_noise(voice, np.random.default_rng(seed)).samples - voice.samples
    assert 2.9 < power_db(voice.samples) - power_db(noise) < 35.1


def test_speed_changes_the_length_by_no_more_than_eight_per_cent(voice):
    rng = np.random.default_rng(0)
    lengths = [len(change_speed(voice, rng).samples) / len(voice.samples) for _ in range(30)]
    assert 0.92 <= min(lengths) < 0.97 and 1.03 < max(lengths) <= 1.08


@pytest.mark.parametrize("seed", range(5))
def test_pitch_moves_by_at_most_a_semitone_and_a_half(seed):
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32) / 2
    made = change_pitch(Waveform(tone, RATE), np.random.default_rng(seed)).samples
    wanted = 440 * 2 ** (np.random.default_rng(seed).uniform(-1.5, 1.5) / 12)
    spectrum = np.abs(np.fft.rfft(made[2000:14000] * np.hanning(12000), 1 << 18))
    assert np.argmax(spectrum) * RATE / (1 << 18) == pytest.approx(wanted, rel=0.005)


def test_a_limited_band_loses_what_lies_above():
    made = limit_band(white(1.0), np.random.default_rng(2)).samples
    spectrum = np.abs(np.fft.rfft(made)) ** 2
    assert spectrum[7900:].mean() < spectrum[1000:2500].mean() / 10


def test_overdrive_flattens_only_the_loudest(voice):
    made = overdrive(voice, np.random.default_rng(0)).samples
    share = np.mean(np.abs(made) >= np.abs(made).max() - 1e-6)
    assert 0.0005 < share < 0.04


def test_the_chain_does_not_touch_what_it_was_given(voice):
    before = voice.samples.copy()
    for seed in range(10):
        run_chain(voice, np.random.default_rng(seed))
    assert np.array_equal(voice.samples, before)


def test_every_step_is_drawn_as_often_as_it_says(voice, monkeypatch):
    counts = dict.fromkeys((step.__name__ for step, _ in CHAIN), 0)

    def counter(name):
        def step(waveform, rng):
            counts[name] += 1
            return waveform

        return step

    monkeypatch.setattr(augment, "CHAIN", [(counter(step.__name__), p) for step, p in CHAIN])
    rng = np.random.default_rng(0)
    for _ in range(2000):
        run_chain(voice, rng)
    for step, probability in CHAIN:
        assert counts[step.__name__] / 2000 == pytest.approx(probability, abs=0.04), step.__name__


def test_the_chain_costs_at_most_25_ms_of_processor_time_for_three_seconds():
    voice = voice_like(3.0)
    spent = 0.0
    for step, probability in CHAIN:
        for seed in range(3):  # Rooms are made at their first use.
            step(voice, np.random.default_rng(seed))
        began = time.process_time()
        for seed in range(3):
            step(voice, np.random.default_rng(seed))
        spent += probability * (time.process_time() - began) / 3
    assert spent < 0.025


def version_with(monkeypatch, module, old: str, new: str) -> str:
    real = inspect.getsource
    assert old in real(module)

    def changed(thing):
        source = real(thing)
        return source.replace(old, new) if thing is module else source

    monkeypatch.setattr(inspect, "getsource", changed)
    chain_version.cache_clear()
    try:
        return chain_version()
    finally:
        chain_version.cache_clear()
        monkeypatch.undo()


def test_another_number_is_another_version_and_another_word_is_not(monkeypatch):
    now = chain_version()
    assert len(now) == 12
    assert version_with(monkeypatch, augment, "rng.uniform(3, 35)", "rng.uniform(3, 36)") != now
    assert version_with(monkeypatch, augment, "(add_room, 0.45)", "(add_room, 0.36)") != now
    assert version_with(monkeypatch, channels, "range(max(6,", "range(max(5,") != now
    assert version_with(monkeypatch, augment, "another microphone:", "a microphone:") == now
    assert version_with(monkeypatch, channels, "# ", "# So: ") == now
