"""What tells a voice from music, machines and noise: some forty numbers measured in a window."""

from __future__ import annotations

import functools

import numpy as np
from scipy import fft, sparse

from ml.config import SAMPLE_RATE_HZ

_FRAME, _HOP, _FFT = 1024, 320, 2048
_PITCH_BINS = 512
"""Pitch is sought under 4 kHz; the autocorrelation then has a step of an eighth of a ms."""
_PITCH_RATE_HZ = 8000
_MIN_PITCH_HZ, _MAX_PITCH_HZ = 75.0, 800.0
_N_BANDS = 24
_BAND_EDGES_HZ = (100.0, 5400.0)
_VOICED = 0.6
_STEADY_CENTS = 12.0
_EPSILON = 1e-10

CUES = (
    *("vad_mean", "vad_half", "vad_most", "vad_any", "vad_spread", "vad_jumps", "vad_within"),
    *("band_floor", "band_low", "band_top", "level_top", "level_mid", "level_floor"),
    *("ratio_low", "ratio_mid", "ratio_high", "ratio_all", "ratio_speech"),
    *("flux", "flux_spread", "slow", "syllables", "fast", "buzz"),
    *("flatness", "flatness_speech", "tilt", "centroid_spread", "sparseness"),
    *("harmonic_mean", "harmonic_low", "harmonic_mid", "harmonic_top", "harmonic_speech"),
    *("voiced", "very_voiced", "pitch", "pitch_range", "pitch_step", "steady", "longest_steady"),
    *("semitones", "held", "held_low"),
)
"""Names of what `measure_cues` returns, in its order."""


def measure_cues(samples: np.ndarray, voice: np.ndarray) -> np.ndarray:
    """Measure a stretch of up to a few seconds.

    None of the numbers depends on the level.

    Parameters
    ----------
    samples : numpy.ndarray, shape (n,), float32
        Mono, 16 kHz.
    voice : numpy.ndarray, shape (frames,)
        Probability of a voice in each 32 ms of it, from ``ml.speech.voice_probabilities``.

    Returns
    -------
    numpy.ndarray, shape (len(CUES),), float64
    """
    spectrum = _power_spectra(samples)
    powers = _band_powers(spectrum)
    bands = 10 * np.log10(powers + _EPSILON)
    level = 10 * np.log10(np.sum(spectrum[:, 8:700], axis=1) + _EPSILON)
    centre = (np.arange(len(spectrum)) * _HOP + _FRAME / 2) / len(samples) * len(voice)
    speech = voice[np.minimum(centre.astype(int), len(voice) - 1)] >= 0.5
    pitch_hz, strength = _pitch(spectrum)
    values = [
        *_of_detector(voice),
        *_of_levels(bands, level),
        *_of_ratios(powers, speech),
        *_of_changes(bands, level),
        *_of_shape(spectrum, level, speech),
        *_of_harmonicity(strength, speech),
        *_of_pitch(pitch_hz, strength, level),
        *_of_held_partials(spectrum),
    ]
    return np.array(values)


def _power_spectra(samples: np.ndarray) -> np.ndarray:
    """Return Hann-windowed power spectra, shape (frames, 1025), as if the window were at -20 dB."""
    samples = samples - np.mean(samples)
    scale = 0.1 / max(float(np.sqrt(np.mean(samples**2))), 1e-6)
    short = max(0, _FRAME + _HOP - len(samples))
    padded = np.pad((samples * scale).astype(np.float32), (0, short))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]
    # numpy's transform is six times slower: it does not take several rows at once.
    spectra = fft.rfft(frames * _hann(), _FFT, axis=1)
    return np.abs(spectra) ** 2 / _FRAME


@functools.cache
def _hann() -> np.ndarray:
    return np.hanning(_FRAME).astype(np.float32)


def _band_powers(spectrum: np.ndarray) -> np.ndarray:
    """Sum up the power in each of `_band_weights`, shape (frames, bands)."""
    weights = _band_weights()
    return spectrum[:, : weights.shape[0]] @ weights


@functools.cache
def _band_weights() -> sparse.csc_array:
    """Triangular Mel bands without gaps, shape (bins up to the highest edge, bands).

    Sparse, so that no BLAS is asked: its threads wait for each other on a busy machine, and sum
    up in another order.
    """
    low, high = 2595 * np.log10(1 + np.array(_BAND_EDGES_HZ) / 700)
    edges = 700 * (10 ** (np.linspace(low, high, _N_BANDS + 2) / 2595) - 1)
    bins = np.arange(0, edges[-1], SAMPLE_RATE_HZ / _FFT)[:, None]
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return sparse.csc_array(np.clip(np.minimum(rise, fall), 0, None).astype(np.float32))


def _of_detector(voice: np.ndarray) -> list[float]:
    """How sure the voice activity detector is, and how steadily."""
    speech = voice >= 0.5
    return [
        float(voice.mean()),
        float(speech.mean()),
        float(np.mean(voice >= 0.9)),
        float(np.mean(voice >= 0.15)),
        float(voice.std()),
        float(np.mean(np.abs(np.diff(voice)))) if len(voice) > 1 else 0.0,
        float(voice[speech].mean()) if speech.any() else 0.0,
    ]


def _of_levels(bands: np.ndarray, level: np.ndarray) -> list[float]:
    """How far each band and the whole rise over their own floor, dB."""
    low, mid, high, top = np.quantile(bands, [0.1, 0.5, 0.9, 0.98], axis=0)
    quiet, middle, loud = np.quantile(level, [0.05, 0.5, 0.95])
    return [
        float(np.mean(mid - low)),
        float(np.mean(high - low)),
        float(np.mean(top - mid)),
        float(loud - middle),
        float(loud - quiet),
        float(middle - quiet),
    ]


def _of_ratios(power: np.ndarray, speech: np.ndarray) -> list[float]:
    """Power over the floor of each band, after minimum statistics (Martin 2001), dB.

    A band's floor is its tenth percentile: between syllables and harmonics the noise lies bare.
    """
    floor = np.quantile(power, 0.1, axis=0) + _EPSILON
    over = np.maximum(power.mean(axis=0) - 2 * floor, 0.01 * floor)
    third = _N_BANDS // 3
    parts = [slice(0, third), slice(third, 2 * third), slice(2 * third, None), slice(None)]
    ratios = [10 * np.log10(over[part].sum() / floor[part].sum()) for part in parts]
    within, without = (
        power[rows].mean() if rows.any() else power.mean() for rows in (speech, ~speech)
    )
    return [float(ratio) for ratio in ratios] + [
        float(10 * np.log10((within + _EPSILON) / (without + _EPSILON)))
    ]


def _of_changes(bands: np.ndarray, level: np.ndarray) -> list[float]:
    """How fast bands change, and at which rates: syllables come 2 to 8 times a second."""
    flux = np.mean(np.abs(np.diff(bands, axis=0)), axis=1)
    wave = np.clip(level, level.max() - 40, None)
    wave = (wave - wave.mean()) * np.hanning(len(wave))
    modulation = np.abs(np.fft.rfft(wave, 512)) ** 2
    rates = np.fft.rfftfreq(512, _HOP / SAMPLE_RATE_HZ)
    total = modulation[rates > 0.4].sum() + _EPSILON
    edges = ((0.4, 2), (2, 8), (8, 16), (16, 25.1))
    shares = [modulation[(rates >= low) & (rates < high)].sum() / total for low, high in edges]
    return [float(flux.mean()), float(flux.std()), *map(float, shares)]


def _of_shape(spectrum: np.ndarray, level: np.ndarray, speech: np.ndarray) -> list[float]:
    """Flatness, slope and sparseness of the loud half's spectra."""
    inner = spectrum[:, 13:700] + _EPSILON
    flatness = np.mean(np.log10(inner), axis=1) - np.log10(np.mean(inner, axis=1))
    bins = np.arange(13, 700) * SAMPLE_RATE_HZ / _FFT
    centroid = np.log2(inner @ bins / inner.sum(axis=1))
    loud = level >= np.median(level)
    heard = speech if speech.any() else loud
    mean = inner[loud].mean(axis=0)
    ordered = np.sort(mean)[::-1]
    return [
        float(flatness[loud].mean()),
        float(flatness[heard].mean()),
        float(10 * np.log10(mean[: len(mean) // 6].sum() / mean[len(mean) // 6 :].sum())),
        float(centroid[loud].std()),
        float(ordered[:20].sum() / ordered.sum()),
    ]


@functools.cache
def _window_correlation() -> np.ndarray:
    power = np.abs(np.fft.rfft(np.hanning(_FRAME), _FFT)) ** 2
    correlation = np.fft.irfft(power[: _PITCH_BINS + 1], 2 * _PITCH_BINS)
    return correlation / correlation[0]


def _pitch(spectrum: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find pitch and its strength in each frame by autocorrelation (Boersma 1993).

    Returns
    -------
    tuple of two numpy.ndarray, shape (frames,)
        Hz, and the share of the power that repeats, about 0 to 1.
    """
    band = spectrum[:, : _PITCH_BINS + 1].copy()
    band[:, : int(_MIN_PITCH_HZ * 0.8 * _FFT / SAMPLE_RATE_HZ)] = 0
    correlation = fft.irfft(band, 2 * _PITCH_BINS, axis=1)
    correlation /= correlation[:, :1] + _EPSILON
    first = int(_PITCH_RATE_HZ / _MAX_PITCH_HZ)
    last = int(_PITCH_RATE_HZ / _MIN_PITCH_HZ)
    lags = np.arange(first, last)
    around = correlation[:, first - 1 : last + 1] / _window_correlation()[first - 1 : last + 1]
    inner = around[:, 1:-1]
    peak = (inner > around[:, :-2]) & (inner >= around[:, 2:])
    rated = np.where(peak, inner - 0.03 * np.log2(lags / first), -1)
    best = np.argmax(rated, axis=1)
    rows = np.arange(len(best))
    before, at, after = (around[rows, best + k] for k in range(3))
    bend = before - 2 * at + after
    shift = np.where(np.abs(bend) > 1e-9, 0.5 * (before - after) / np.where(bend, bend, 1), 0)
    found = rated[rows, best] > -1
    strength = np.where(found, np.clip(at, 0, 1), 0)
    return _PITCH_RATE_HZ / (lags[best] + np.clip(shift, -0.5, 0.5)), strength


def _of_harmonicity(strength: np.ndarray, speech: np.ndarray) -> list[float]:
    low, mid, top = np.quantile(strength, [0.1, 0.5, 0.9])
    heard = strength[speech] if speech.any() else strength
    return [float(strength.mean()), float(low), float(mid), float(top), float(heard.mean())]


def _of_pitch(pitch_hz: np.ndarray, strength: np.ndarray, level: np.ndarray) -> list[float]:
    """How much is voiced, and whether its pitch glides as a voice's or holds as an instrument's."""
    loud = level > level.max() - 35
    voiced = (strength > _VOICED) & loud
    shares = [float(voiced.mean()), float(np.mean((strength > 0.9) & loud))]
    if np.count_nonzero(voiced) < 3:
        return [*shares, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    tones = 12 * np.log2(pitch_hz / 100)
    low, high = np.quantile(tones[voiced], [0.1, 0.9])
    both = voiced[1:] & voiced[:-1]
    steps = 100 * np.abs(np.diff(tones))
    near = both & (steps < 150)
    calm = both & (steps < _STEADY_CENTS)
    return [
        *shares,
        float(np.median(tones[voiced])),
        float(high - low),
        float(np.log1p(np.median(steps[near]))) if near.any() else 0.0,
        float(calm.sum() / max(1, both.sum())),
        _longest(calm) * _HOP / SAMPLE_RATE_HZ,
        float(np.abs(np.mean(np.exp(2j * np.pi * tones[voiced])))),
    ]


def _longest(flags: np.ndarray) -> int:
    """Return the length of the longest run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return int(np.max(edges[1::2] - edges[::2], initial=0))


def _of_held_partials(spectrum: np.ndarray) -> list[float]:
    """How much of the power stays in its very frequency bin over 160 ms (after Fitzgerald 2010)."""
    reach = 4
    if len(spectrum) <= 2 * reach:
        return [0.0, 0.0]
    magnitude = np.sqrt(spectrum[:, 13:700])
    middle = magnitude.shape[1] // 2  # of an odd number: the median
    floor = np.partition(magnitude, middle, axis=1)[:, middle, None]
    peaks = np.maximum(magnitude - 2 * floor, 0)
    held = np.minimum(np.minimum(peaks[: -2 * reach], peaks[2 * reach :]), peaks[reach:-reach])
    low = slice(0, 115)  # under 1 kHz
    return [
        float(held.sum() / (peaks[reach:-reach].sum() + _EPSILON)),
        float(held[:, low].sum() / (peaks[reach:-reach, low].sum() + _EPSILON)),
    ]
