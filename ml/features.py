"""Log-Mel, MFCC, zero-crossing rate and RMS of a waveform, and the network's input made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ml.config import FeatureConfig, WindowConfig

if TYPE_CHECKING:
    from ml.audio import Waveform

Inputs: TypeAlias = np.ndarray | list[np.ndarray]
"""Windows of features, shape (n, frames, n_features), or for a network with an encoder of
spectrograms, of how loud their steps are (see ``ml.encoding.hear``), and of features."""


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

    Examples
    --------
    >>> import ml
    >>> waveform = ml.decode("samples/angry-woman.flac")
    >>> features = ml.extract(waveform, ml.FeatureConfig(hop_length=160, n_mels=80))
    >>> features.log_mel.shape == (80, 1 + len(waveform.samples) // 160)
    True
    >>> features.mfcc.shape[0], features.zcr.shape == features.rms.shape
    (20, True)
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


def mel_places(frequencies_hz: Sequence[float], config: FeatureConfig) -> np.ndarray:
    """Say where frequencies lie among the Mel bands: 0 at the lowest's edge, 1 at the highest's.

    Examples
    --------
    >>> import ml
    >>> ml.mel_places([40, 1000, 5400], ml.FeatureConfig()).round(2).tolist()
    [0.0, 0.37, 1.0]
    """
    import librosa

    low, high = librosa.hz_to_mel([config.fmin_hz, config.fmax_hz])
    return (librosa.hz_to_mel(np.asarray(frequencies_hz, float)) - low) / (high - low)


def window_frames(features: FeatureConfig, window: WindowConfig) -> tuple[int, int]:
    """Length and hop of a window in frames."""
    per_second = features.sample_rate_hz / features.hop_length
    return round(window.window_s * per_second), round(window.hop_s * per_second)


def model_input(
    features: Features, start: int, frames: int, config: FeatureConfig, place: float = 0.5
) -> np.ndarray:
    """Cut one window for the network, normalised, and padded to full length.

    Level-free features are relative to the window's mean power, so that moving the microphone
    changes nothing while the course of loudness and the slope of the spectrum stay. What lies
    more than ``config.relative_floor_db`` below is cut off: there the room speaks, not the voice.
    A window that reaches beyond the end is laid between frames of that floor.

    Parameters
    ----------
    features : Features
        MFCC are made anew, of the normalised log-Mel.
    start : int
        First frame of the window.
    frames : int
        Frames that the network wants.
    config : FeatureConfig
    place : float
        Share of the missing frames, 0 to 1, that goes before a window that is too short.

    Returns
    -------
    numpy.ndarray, shape (frames, n_features), float32
        Columns as ``config.columns`` has them: log-Mel (dB), MFCC of it, ZCR, RMS (dB).
    """
    cut = trimmed(features.rms, start, start + frames, config)
    log_mel, rms_db, floor = _levelled(features.log_mel[:, cut], features.rms[cut], config)
    made = _stack(log_mel, features.zcr[cut], rms_db, config)
    padding = _stack(np.full((config.n_mels, 1), floor), np.zeros(1), np.full(1, floor), config)
    if config.normalise == "feature":
        made = (made - made.mean(axis=0)) / (made.std(axis=0) + 1e-3)
        padding = np.zeros_like(padding)
    first = int(place * (frames - len(made)))
    whole = np.repeat(padding, frames, axis=0)
    whole[first : first + len(made)] = made
    return whole


def trimmed(rms: np.ndarray, start: int, end: int, config: FeatureConfig) -> slice:
    """Frames of a stretch, without what is too quiet at both ends of it.

    Parameters
    ----------
    rms : numpy.ndarray, shape (frames,)
        Of the whole recording.
    start, end : int
        The stretch; `end` may lie beyond the recording's.
    config : FeatureConfig
        Its `trim_db` counts.
    """
    end = min(end, len(rms))
    if config.trim_db <= 0:
        return slice(start, end)
    stretch = rms[start:end]
    heard = np.flatnonzero(stretch >= stretch.max() * 10 ** (-config.trim_db / 20))
    return slice(start + int(heard[0]), start + int(heard[-1]) + 1)


def loud_rows(features: Features, config: FeatureConfig, within_db: float) -> np.ndarray:
    """Inputs of the frames at most so far under the loudest, shape (frames, n_features)."""
    loud = features.rms >= features.rms.max() * 10 ** (-within_db / 20)
    return model_input(features, 0, len(loud), replace(config, trim_db=0.0))[loud]


def _levelled(
    log_mel: np.ndarray, rms: np.ndarray, config: FeatureConfig
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return log-Mel and RMS in dB as the configuration wants their level, and their floor."""
    rms_db = 20 * np.log10(np.maximum(rms, 1e-10))
    if config.normalise == "none":
        return log_mel, np.maximum(rms_db, config.floor_db), config.floor_db
    floor = -config.relative_floor_db
    mean_power_db = 10 * np.log10(np.mean(10 ** (log_mel / 10)))
    return (
        np.maximum(log_mel - mean_power_db, floor),
        np.maximum(rms_db - rms_db.max(), floor),
        floor,
    )


def _stack(
    log_mel: np.ndarray, zcr: np.ndarray, rms_db: np.ndarray, config: FeatureConfig
) -> np.ndarray:
    import librosa

    made = np.empty((len(zcr), config.n_features), np.float32)
    columns = config.columns
    if "mel" in columns:
        made[:, columns["mel"]] = log_mel.T
    if "mfcc" in columns:
        made[:, columns["mfcc"]] = librosa.feature.mfcc(S=log_mel, n_mfcc=config.n_mfcc).T
    if "zcr" in columns:
        made[:, columns["zcr"]] = zcr[:, None]
    if "rms" in columns:
        made[:, columns["rms"]] = rms_db[:, None]
    return made
