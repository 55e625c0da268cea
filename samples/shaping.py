"""Shaping: a spoken phrase in, the same phrase with another pitch, voice and rhythm out."""

import numpy as np
import pyworld
from acting import Acting
from scipy.ndimage import gaussian_filter1d, maximum_filter1d, uniform_filter1d
from scipy.signal import fftconvolve, firwin2

FRAME_MS = 5.0

# What a raised voice does to the long-term spectrum: less below 500 Hz, more above 700 Hz.
# Shape (Hz, dB) as measured between neutral and angry acted speech.
EFFORT_HZ = (0, 100, 200, 350, 550, 750, 1000, 1400, 2000, 3000, 4500, 7000, 12000)
EFFORT_DB = (-8, -8, -6, -4.5, -1.5, 0.5, 2.5, 3.0, 2.0, 3.0, 3.0, 2.0, 1.0)


def perform(samples: np.ndarray, rate_hz: int, acting: Acting, rng: np.random.Generator):
    """Perform a phrase.

    Parameters
    ----------
    samples : np.ndarray
        float64, shape (n,), one phrase as the synthesiser spoke it.

    Returns
    -------
    np.ndarray
        float64, shape (m,), at the level that the acting asks for.
    """
    f0, envelope, aperiodicity = _analyse(samples, rate_hz)
    f0, envelope, aperiodicity = _stretch_vowels(f0, envelope, aperiodicity, acting.vowels)
    f0 = _melody(f0, acting, rng)
    envelope = _shift_formants(envelope, acting.formants)
    aperiodicity = _breathe(aperiodicity, rate_hz, acting.breath)
    performed = pyworld.synthesize(f0, envelope, aperiodicity, rate_hz, FRAME_MS)
    performed = _dynamics(_effort(performed, rate_hz, acting.effort), rate_hz, acting.dynamics)
    return performed * 10 ** (acting.level_dbfs / 20) / _spoken_rms(performed, rate_hz)


def limit(samples: np.ndarray, rate_hz: int, peak: float) -> np.ndarray:
    """Turn loud moments down so that no sample exceeds `peak`, 10 ms ahead of each."""
    width = rate_hz // 50
    loudest = np.maximum(maximum_filter1d(np.abs(samples), width), peak)
    return samples * uniform_filter1d(peak / loudest, width)


def _analyse(samples, rate_hz):
    """F0 in Hz, spectral envelope and aperiodicity for each frame."""
    rough, _ = pyworld.harvest(samples, rate_hz, 60, 500, FRAME_MS)
    median = np.median(rough[rough > 0])
    # A second pass within an octave of the speaker's median has no octave errors left in it.
    f0, times = pyworld.harvest(samples, rate_hz, median / 1.9, median * 2.2, FRAME_MS)
    f0 = pyworld.stonemask(samples, f0, times, rate_hz)
    envelope = pyworld.cheaptrick(samples, f0, times, rate_hz)
    return f0, envelope, pyworld.d4c(samples, f0, times, rate_hz)


def _stretch_vowels(f0, envelope, aperiodicity, ratio):
    if ratio == 1.0:
        return f0, envelope, aperiodicity
    voiced = gaussian_filter1d((f0 > 0).astype(float), 3)
    ends = np.cumsum(1 + (ratio - 1) * voiced)
    where = np.interp(np.arange(0, ends[-1]), ends, np.arange(len(f0)))
    low = np.floor(where).astype(int)
    high = np.minimum(low + 1, len(f0) - 1)
    part = (where - low)[:, None]
    melody = np.interp(where, np.arange(len(f0)), _filled(f0))
    stretched = envelope[low] ** (1 - part) * envelope[high] ** part
    blended = aperiodicity[low] * (1 - part) + aperiodicity[high] * part
    return np.where(f0[np.rint(where).astype(int)] > 0, melody, 0.0), stretched, blended


def _filled(f0):
    """F0 with its unvoiced gaps bridged."""
    voiced = np.flatnonzero(f0)
    return np.interp(np.arange(len(f0)), voiced, f0[voiced])


def _melody(f0, acting, rng):
    seconds = np.arange(len(f0)) * FRAME_MS / 1000
    semitones = 12 * np.log2(_filled(f0))
    centre = np.median(semitones[f0 > 0])
    along = seconds / max(seconds[-1], FRAME_MS / 1000) - 0.5
    ending = np.clip(1 - (seconds[-1] - seconds) / 0.4, 0, 1) ** 2
    swing = rng.normal(1, 0.15) * 6.5 + gaussian_filter1d(rng.normal(0, 8, len(f0)), 20)
    tremor = np.sin(2 * np.pi * np.cumsum(swing) * FRAME_MS / 1000)
    jitter = gaussian_filter1d(rng.normal(0, 1, len(f0)), 1.0) * 1.9
    moved = (
        centre + acting.pitch_st + acting.range_ratio * (semitones - centre)
        + acting.slope_st * along + acting.end_st * ending
        + acting.tremor_st * tremor + acting.jitter_st * jitter
    )  # fmt: skip
    # Beyond an octave of its new centre a wide melody turns into a squeak: bend it back softly.
    target = centre + acting.pitch_st
    moved = target + 10 * np.tanh((moved - target) / 10)
    return np.where(f0 > 0, 2 ** (moved / 12), 0.0)


def _shift_formants(envelope, ratio):
    if ratio == 1.0:
        return envelope
    bins = np.arange(envelope.shape[1])
    return np.exp([np.interp(bins / ratio, bins, row) for row in np.log(envelope)])


def _breathe(aperiodicity, rate_hz, breath):
    """Mix breath into voiced sounds, mostly above 1.5 kHz, where it is heard."""
    hz = np.linspace(0, rate_hz / 2, aperiodicity.shape[1])
    share = breath / (1 + np.exp(-(hz - 1800) / 400))
    return np.clip(aperiodicity + share * (1 - aperiodicity), 0, 1)


def _effort(samples, rate_hz, effort):
    gains = 10 ** (effort * np.array(EFFORT_DB) / 20)
    taps = firwin2(1025, EFFORT_HZ, gains, fs=rate_hz)
    return fftconvolve(samples, taps, mode="same")


def _dynamics(samples, rate_hz, ratio):
    loudness = np.sqrt(gaussian_filter1d(samples**2, 0.04 * rate_hz) + 1e-10)
    relative = loudness / _spoken_rms(samples, rate_hz)
    return samples * np.clip(relative, 0.1, 2.5) ** (ratio - 1)


def _spoken_rms(samples, rate_hz):
    """Root mean square of the frames within 30 dB of the loudest."""
    power = gaussian_filter1d(samples**2, 0.02 * rate_hz)
    return np.sqrt(power[power > power.max() / 1000].mean())
