"""Log-Mel, MFCC, zero-crossing rate and RMS of a waveform, and the network's input made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.config import FeatureConfig, WindowConfig

if TYPE_CHECKING:
    from ml.audio import Waveform

RELATIVE_FLOOR_DB = 70.0
"""`model_input` cuts off what lies this far under the window's mean power; padding lies there."""


@dataclass(frozen=True)
class Features:
    """Frame-aligned short-time features; frame ``t`` is centred on sample ``t * hop_length``.

    Attributes
    ----------
    log_mel : numpy.ndarray, shape (n_mels, frames)
        Power in Mel bands (Slaney's scale and area normalisation), dB relative to 1.
    mfcc : numpy.ndarray, shape (n_mfcc, frames)
        Orthonormal DCT-II of `log_mel`.
    zcr : numpy.ndarray, shape (frames,)
        Share of neighbouring samples that differ in sign, 0 to 1.
    rms : numpy.ndarray, shape (frames,)
        Root mean square of the samples in the frame, 0 to 1.
    """

    log_mel: np.ndarray
    mfcc: np.ndarray
    zcr: np.ndarray
    rms: np.ndarray


def extract(waveform: Waveform, config: FeatureConfig | None = None) -> Features:
    """Compute all four features of a whole waveform with librosa.

    Parameters
    ----------
    waveform : Waveform
        Mono, at ``config.sample_rate_hz``.
    config : FeatureConfig, optional

    Returns
    -------
    Features
        With ``1 + len(samples) // hop_length`` frames, float32.

    Raises
    ------
    ValueError
        If the waveform has another sample rate than the configuration.
    """
    config = config or FeatureConfig()
    if waveform.sample_rate_hz != config.sample_rate_hz:
        raise ValueError(
            f"waveform has {waveform.sample_rate_hz} Hz, the features want "
            f"{config.sample_rate_hz} Hz: resample it, as ml.decode does"
        )
    return extract_samples(waveform.samples, config)


def extract_samples(samples: np.ndarray, config: FeatureConfig) -> Features:
    """Like `extract`, for an array of shape (samples,) at ``config.sample_rate_hz``."""
    import librosa

    length, hop = config.frame_length, config.hop_length
    power = librosa.feature.melspectrogram(
        y=samples,
        sr=config.sample_rate_hz,
        n_fft=length,
        hop_length=hop,
        n_mels=config.n_mels,
        fmin=config.fmin_hz,
        fmax=config.fmax_hz,
    )
    log_mel = librosa.power_to_db(power, ref=1.0, amin=10 ** (config.floor_db / 10), top_db=None)
    crossings = librosa.feature.zero_crossing_rate(samples, frame_length=length, hop_length=hop)
    return Features(
        log_mel=log_mel,
        mfcc=librosa.feature.mfcc(S=log_mel, n_mfcc=config.n_mfcc),
        zcr=crossings[0].astype(np.float32),
        rms=librosa.feature.rms(y=samples, frame_length=length, hop_length=hop)[0],
    )


def window_frames(features: FeatureConfig, window: WindowConfig) -> tuple[int, int]:
    """Length and hop of a window in frames."""
    per_second = features.sample_rate_hz / features.hop_length
    return round(window.window_s * per_second), round(window.hop_s * per_second)


def model_input(
    features: Features, start: int, frames: int, config: FeatureConfig, lead: int | None = None
) -> np.ndarray:
    """Cut one window for the network, free of the recording's level, padded to full length.

    Levels are relative to the window's mean power, so that moving the microphone changes nothing
    while the course of loudness and the slope of the spectrum stay. What lies more than
    `RELATIVE_FLOOR_DB` below is cut off: there the room speaks, not the voice. A window that
    reaches beyond the end is laid between frames of that floor.

    Parameters
    ----------
    features : Features
    start : int
        First frame of the window.
    frames : int
        Frames that the network wants.
    config : FeatureConfig
    lead : int, optional
        Frames of floor before a window that is too short; by default it is centred.

    Returns
    -------
    numpy.ndarray, shape (frames, n_mels + n_mfcc + 2), float32
        Columns: log-Mel (dB), MFCC of it, ZCR, RMS (dB).
    """
    import librosa

    cut = slice(start, start + frames)
    log_mel, rms = features.log_mel[:, cut], features.rms[cut]
    mean_power_db = 10 * np.log10(np.mean(10 ** (log_mel / 10)))
    levelled = np.maximum(log_mel - mean_power_db, -RELATIVE_FLOOR_DB)
    rms_db = 20 * np.log10(np.maximum(rms, 1e-10))

    made = np.zeros((frames, config.n_features), np.float32)
    n_mels, mfcc_end = config.n_mels, config.n_mels + config.n_mfcc
    made[:, :n_mels] = -RELATIVE_FLOOR_DB
    made[:, -1] = -RELATIVE_FLOOR_DB
    made[:, n_mels] = -RELATIVE_FLOOR_DB * np.sqrt(n_mels)
    spare = frames - len(rms)
    first = spare // 2 if lead is None else lead
    rows = slice(first, first + len(rms))
    made[rows, :n_mels] = levelled.T
    made[rows, n_mels:mfcc_end] = librosa.feature.mfcc(S=levelled, n_mfcc=config.n_mfcc).T
    made[rows, mfcc_end] = features.zcr[cut]
    made[rows, -1] = np.maximum(rms_db - rms_db.max(), -RELATIVE_FLOOR_DB)
    return made
