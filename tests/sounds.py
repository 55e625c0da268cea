"""Sounds that tests make for themselves."""

import numpy as np

from ml.audio import Waveform

RATE = 16_000


def voice_like(seconds: float = 2.0, seed: int = 0, level: float = 0.3) -> Waveform:
    """Make something with a voice's pitch, formants, syllables and breath; peak at `level`."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    pitch = 140 + 40 * np.sin(2 * np.pi * 0.7 * time) + 10 * np.sin(2 * np.pi * 2.3 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    harmonics = np.arange(1, 41)
    formants = sum(np.exp(-(((harmonics * 150 - f) / 250) ** 2)) for f in (500, 1500, 2500, 4000))
    sound = np.sum((formants + 0.05)[:, None] * np.sin(harmonics[:, None] * phase), axis=0)
    syllables = np.clip(np.sin(2 * np.pi * 3.1 * time), 0, 1) ** 0.5
    sound = sound * syllables + 0.02 * rng.standard_normal(len(time))
    return Waveform((level * sound / np.abs(sound).max()).astype(np.float32), RATE)


def white(seconds: float = 2.0, seed: int = 0, rms: float = 0.1) -> Waveform:
    """Make white noise of an RMS."""
    samples = np.random.default_rng(seed).standard_normal(int(seconds * RATE)) * rms
    return Waveform(samples.astype(np.float32), RATE)


def power_db(samples: np.ndarray) -> float:
    """Return the mean power in dB."""
    return float(10 * np.log10(np.mean(np.asarray(samples, np.float64) ** 2)))


def band_db(waveform: Waveform, low_hz: float, high_hz: float) -> float:
    """Return the power within a band in dB."""
    spectrum = np.abs(np.fft.rfft(waveform.samples.astype(np.float64))) ** 2
    frequency = np.fft.rfftfreq(len(waveform.samples), 1 / waveform.sample_rate_hz)
    return float(10 * np.log10(spectrum[(frequency >= low_hz) & (frequency < high_hz)].sum()))


def lag(made: Waveform, original: Waveform) -> int:
    """Return by how many samples `made` comes later than `original`."""
    n = 2 * max(len(made.samples), len(original.samples))
    crossed = np.fft.rfft(made.samples, n) * np.conj(np.fft.rfft(original.samples, n))
    found = int(np.argmax(np.fft.irfft(crossed, n)))
    return found if found < n // 2 else found - n
