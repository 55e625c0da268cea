"""Cues of sounds whose pitch, steadiness and floor are known."""

import numpy as np
import pytest

from ml.cues import CUES, measure_cues

RATE_HZ = 16_000


def cues(samples, voice=0.9):
    found = measure_cues(np.asarray(samples, np.float32), np.full(len(samples) // 512 + 1, voice))
    return dict(zip(CUES, found, strict=True))


def tone(frequency_hz, seconds=3.0):
    """Harmonics of a pitch that is a number, or one for each sample."""
    steps = np.broadcast_to(frequency_hz, round(seconds * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(steps)
    return sum(np.sin(k * phase) / k for k in range(1, 6)) / 4


def noise(seconds=3.0, seed=0):
    return np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ)) / 8


@pytest.mark.parametrize("pitch_hz", [90, 147, 220, 331, 523])
def test_pitch_and_steadiness_of_a_held_tone(pitch_hz):
    found = cues(tone(pitch_hz))
    assert found["pitch"] == pytest.approx(12 * np.log2(pitch_hz / 100), abs=0.1)
    assert found["harmonic_mid"] > 0.95
    assert found["steady"] > 0.95
    assert found["longest_steady"] == pytest.approx(2.9, abs=0.15)
    assert found["semitones"] > 0.99
    assert found["held"] > 0.9


def test_a_glide_is_no_held_tone():
    found = cues(tone(np.geomspace(120, 360, 3 * RATE_HZ)))
    assert found["voiced"] > 0.9
    # Two octaves less a fifth in 3 s: 13 cents in each 20 ms, and all of the tones between.
    assert found["pitch_range"] == pytest.approx(0.8 * 19.02, abs=0.5)
    assert found["pitch_step"] == pytest.approx(np.log1p(1902 / 150), abs=0.1)
    assert found["semitones"] < 0.1
    assert found["held"] < 0.4


def test_noise_has_no_pitch():
    found = cues(noise())
    assert found["voiced"] < 0.05
    assert found["flatness"] > -0.3


@pytest.mark.parametrize(("snr_db", "low", "high"), [(30, 24, 33), (10, 6, 13), (0, -5, 3)])
def test_power_over_the_floor_of_bursts_in_noise(snr_db, low, high):
    """Bursts of noise take half of the time; the floor is the noise between them."""
    gate = np.sin(2 * np.pi * 4 * np.arange(3 * RATE_HZ) / RATE_HZ) > 0
    bursts = noise(seed=1) * gate * np.sqrt(2)
    assert low < cues(bursts + noise() * 10 ** (-snr_db / 20))["ratio_all"] < high


def test_syllables_come_at_their_rate():
    gate = 0.55 + 0.45 * np.sin(2 * np.pi * 5 * np.arange(3 * RATE_HZ) / RATE_HZ)
    found = cues(noise() * gate)
    assert found["syllables"] > 0.6
    assert found["slow"] < 0.2


@pytest.mark.parametrize("gain_db", [-40, 12])
def test_the_level_does_not_matter(gain_db):
    sound = tone(200) * np.linspace(0, 1, 3 * RATE_HZ) + 0.01 * noise()
    as_is, changed = cues(sound), cues(sound * 10 ** (gain_db / 20))
    for name in CUES:
        assert changed[name] == pytest.approx(as_is[name], abs=0.02), name


@pytest.mark.parametrize("samples", [np.zeros(48_000), np.full(8000, 0.3), np.zeros(300)])
def test_nothing_yields_finite_numbers(samples):
    assert np.isfinite(list(cues(samples, voice=0.0).values())).all()


def test_the_detectors_frames_are_counted():
    voice = np.array([0.95] * 50 + [0.6] * 20 + [0.0] * 24)
    found = dict(zip(CUES, measure_cues(noise().astype(np.float32), voice), strict=True))
    assert found["vad_half"] == pytest.approx(70 / 94)
    assert found["vad_most"] == pytest.approx(50 / 94)
    assert found["vad_within"] == pytest.approx((50 * 0.95 + 20 * 0.6) / 70)
