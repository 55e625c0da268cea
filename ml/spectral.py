"""Augmentation of spectra that are ready: masks, noise, frequency responses, lost bands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ml.config import FeatureConfig, TrainConfig
from ml.features import Features

_RIPPLES = 3
_RIPPLE_DB = 4.0
_MOST_LOST = (0.08, 0.45)
"""Shares of the Mel bands that a narrow channel loses at the bottom and the top, at most."""


def mel_noise(power: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make stationary noise of a random slope at 5 to 30 dB SNR.

    Parameters
    ----------
    power : numpy.ndarray, shape (bands, frames)
        Of the sound that it is to be added to.
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray, shape (bands, frames)
        Power of the noise.
    """
    slope_db = rng.uniform(-20, 0) * np.linspace(0, 1, len(power))
    noise = 10 ** (slope_db / 10)[:, None] * rng.gamma(4, 1 / 4, power.shape)
    return noise * (10 ** (-rng.uniform(5, 30) / 10) * power.mean() / noise.mean())


def add_mel_noise(features: Features, rng: np.random.Generator) -> Features:
    """Add `mel_noise` to the power in the Mel bands, and to the RMS."""
    power = 10 ** (features.log_mel / 10)
    noise = mel_noise(power, rng)
    rms = np.sqrt(features.rms**2 * (1 + noise.mean() / power.mean()))
    log_mel = (10 * np.log10(power + noise)).astype(np.float32)
    return replace(features, log_mel=log_mel, rms=rms.astype(np.float32))


def mask_features(
    made: np.ndarray, features: FeatureConfig, config: TrainConfig, rng: np.random.Generator
) -> np.ndarray:
    """Hide stretches of time and runs of Mel bands, or of MFCC where there are no bands."""
    columns = features.columns
    bands = columns.get("mel") or columns.get("mfcc")
    if bands is None:
        return made
    level = made[:, bands].sum(axis=1) if "mel" in columns else made[:, bands.start]
    silence = made[level.argmin()].copy()
    mean = made[:, bands].mean(axis=0 if "mel" not in columns else None)
    for _ in range(config.time_masks):
        width = int(rng.integers(0, min(config.time_mask_frames, len(made) - 1) + 1))
        start = int(rng.integers(0, len(made) - width))
        made[start : start + width] = silence
    for _ in range(config.mel_masks):
        width = int(rng.integers(0, config.mel_mask_bands + 1))
        start = int(rng.integers(bands.start, bands.stop - width))
        made[:, start : start + width] = np.broadcast_to(mean, bands.stop)[start : start + width]
    return made


def change_channel(
    spectrogram: np.ndarray, config: TrainConfig, rng: np.random.Generator
) -> np.ndarray:
    """Let another microphone, its noise and its band change a spectrogram, each by chance.

    Parameters
    ----------
    spectrogram : numpy.ndarray, shape (frames, bands)
        Decimal logarithm of power.
    config : TrainConfig
        Its ``colouring``, ``noise`` and ``narrowing`` say how often.
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray, shape (frames, bands), float32
    """
    bands = spectrogram.shape[1]
    if rng.random() < config.colouring:
        place = np.linspace(0, np.pi, bands)
        ripples = [np.cos(number * place) for number in range(1, _RIPPLES + 1)]
        spectrogram = spectrogram + rng.normal(0, _RIPPLE_DB / 10, _RIPPLES) @ np.stack(ripples)
    if rng.random() < config.noise:
        power = 10**spectrogram.T
        spectrogram = np.log10(power + mel_noise(power, rng)).T
    if rng.random() < config.narrowing:
        low, high = (round(float(rng.uniform(0, most)) * bands) for most in _MOST_LOST)
        spectrogram = spectrogram.copy()
        spectrogram[:, :low] = spectrogram[:, bands - high :] = spectrogram.min()
    return spectrogram.astype(np.float32)


def mask_heard(
    spectrogram: np.ndarray, loud: np.ndarray, config: TrainConfig, rng: np.random.Generator
) -> None:
    """Hide steps and runs of Mel bands of what a pretrained encoder is to hear, in place.

    Parameters
    ----------
    spectrogram, loud : numpy.ndarray
        From `ml.encoding.hear`. Hidden steps count as pauses.
    """
    frames, bands = len(spectrogram) // len(loud), spectrogram.shape[1]
    lowest, mean = spectrogram.min(), spectrogram.mean()
    for _ in range(config.time_masks):
        width = int(rng.integers(0, config.step_mask_steps + 1))
        start = int(rng.integers(0, len(loud) - width))
        loud[start : start + width] = 0.0
        spectrogram[start * frames : (start + width) * frames] = lowest
    for _ in range(config.mel_masks):
        width = int(rng.integers(0, config.mel_mask_bands + 1))
        start = int(rng.integers(0, bands - width))
        spectrogram[:, start : start + width] = mean
