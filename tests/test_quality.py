"""Quality against sounds whose level, noise, clipping and bandwidth are known."""

import numpy as np
import pytest

from ml import quality
from ml.audio import Waveform
from ml.config import SpeechConfig

RATE_HZ = 16_000
CONFIG = SpeechConfig()
FRAME = CONFIG.frame_length


def sine(amplitude, frequency_hz, seconds=3.0):
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def noise(rms, samples, seed=0):
    return (rms * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


@pytest.mark.parametrize(
    ("samples", "level"),
    [
        (sine(0.5, 440), -9.03),
        (sine(1.0, 1000), -3.01),
        (np.ones(5000, np.float32), 0.0),
        (sine(0.05, 440, seconds=200), -29.03),  # longer than a block
        (np.zeros(16_000, np.float32), -120.0),
        (np.zeros(0, np.float32), -120.0),
    ],
)
def test_level(samples, level):
    assert quality.level_dbfs(samples) == pytest.approx(level, abs=0.01)


@pytest.mark.parametrize("gap_db", [0.0, 6.0, 20.0, 40.0])
def test_snr_of_a_voice_at_a_known_distance_from_the_noise(gap_db):
    """Noise all along, a louder stretch in the middle; its own power over the noise's counts."""
    voice = np.zeros(300, np.float32)
    voice[100:200] = 0.9
    speech_rms = 0.001 * 10 ** (gap_db / 20)
    samples = noise(0.001, 300 * FRAME)
    samples[100 * FRAME : 200 * FRAME] += noise(speech_rms, 100 * FRAME, seed=1)
    found = quality.snr_db(quality.frame_powers(samples, FRAME), voice, CONFIG)
    assert found == pytest.approx(gap_db, abs=0.6)


def test_snr_knows_neither_a_door_nor_an_offset_for_noise():
    voice = np.zeros(300, np.float32)
    voice[100:200] = 0.9
    samples = noise(0.001, 300 * FRAME)
    samples[100 * FRAME : 200 * FRAME] += noise(0.1, 100 * FRAME, seed=1)
    samples[20 * FRAME : 25 * FRAME] += noise(0.3, 5 * FRAME, seed=2)
    found = quality.snr_db(quality.frame_powers(samples + 0.2, FRAME), voice, CONFIG)
    assert found == pytest.approx(40.0, abs=0.6)


def test_snr_needs_speech_and_a_pause():
    powers = np.full(100, 0.01)
    assert quality.snr_db(powers, np.full(100, 0.9), CONFIG) is None
    assert quality.snr_db(powers, np.zeros(100), CONFIG) is None
    silent_pauses = np.where(np.arange(100) < 50, 0.01, 0.0)
    assert quality.snr_db(silent_pauses, np.arange(100) < 50, CONFIG) == 80.0


def test_clipping_counts_runs_at_full_scale():
    samples = np.zeros(1000, np.float32)
    samples[10:12] = 1.0  # two in a row are a peak, not a clipped one
    samples[100:103] = 1.0
    samples[200:207] = -1.0
    assert quality.clipping(samples) == pytest.approx(10 / 1000)
    assert quality.clipping(sine(0.9, 200)) == 0.0
    assert quality.clipping(np.zeros(0, np.float32)) == 0.0


def test_clipping_of_a_sine_driven_over_full_scale():
    """Of a sine of amplitude 2, the part with |sin| > 1/2 is cut: two thirds."""
    assert quality.clipping(np.clip(sine(2.0, 50), -1, 1)) == pytest.approx(2 / 3, abs=0.01)


def test_clipping_across_blocks():
    block = 1024 * 1024
    samples = np.zeros(block + 100, np.float32)
    samples[block - 2 : block + 2] = 1.0
    assert quality.clipping(samples) * len(samples) == pytest.approx(4)


def test_bandwidth():
    assert quality.bandwidth_hz(sine(0.5, 1000), RATE_HZ) == pytest.approx(1000, abs=32)
    white = noise(0.1, 10 * RATE_HZ)
    assert quality.bandwidth_hz(white, RATE_HZ) == pytest.approx(0.99 * 8000, abs=60)
    assert quality.bandwidth_hz(np.zeros(RATE_HZ, np.float32), RATE_HZ) == 0.0


def test_bandwidth_leaves_rumble_out():
    samples = sine(0.9, 30) + sine(0.01, 2000)
    assert quality.bandwidth_hz(samples, RATE_HZ) == pytest.approx(2000, abs=32)


def test_narrow_band():
    spectrum = np.fft.rfft(noise(0.1, 10 * RATE_HZ))
    frequencies = np.fft.rfftfreq(10 * RATE_HZ, 1 / RATE_HZ)
    telephone = np.fft.irfft(np.where((frequencies > 300) & (frequencies < 3400), spectrum, 0))
    assert quality.is_narrow_band(telephone.astype(np.float32), RATE_HZ)
    assert not quality.is_narrow_band(noise(0.1, 10 * RATE_HZ), RATE_HZ)
    assert not quality.is_narrow_band(np.zeros(RATE_HZ, np.float32), RATE_HZ)


def test_measure_puts_all_together():
    waveform = Waveform(sine(0.5, 440, seconds=100 * FRAME / RATE_HZ), RATE_HZ)
    voice = np.where(np.arange(100) < 25, 0.9, 0.0)
    found = quality.measure(waveform, voice, 12.5, CONFIG)
    assert found.duration_s == pytest.approx(3.2)
    assert found.speech_ratio == pytest.approx(0.25)
    assert found.level_dbfs == pytest.approx(-9.03, abs=0.01)
    assert found.snr_db == 12.5


def test_measure_of_nothing():
    found = quality.measure(Waveform(np.zeros(0, np.float32), RATE_HZ), np.zeros(0), None, CONFIG)
    assert (found.duration_s, found.speech_ratio, found.snr_db) == (0.0, 0.0, None)
