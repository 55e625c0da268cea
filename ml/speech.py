"""Voice activity: how likely each 32 ms frame of a recording holds a voice (Silero VAD)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import soxr

from ml.audio import release
from ml.config import SAMPLE_RATE_HZ, SpeechConfig
from ml.silero import Detector


def voice_probabilities(
    samples: np.ndarray, config: SpeechConfig, progress: Callable[[float], None] | None = None
) -> np.ndarray:
    """Judge every frame of a recording.

    The detector misses quiet voices (measured: half of the clips lowered by 40 dB) and stays calm
    on loud noise, so each stretch is raised to a common level first. It also needs a moment to
    settle, which a recording that begins amid a word does not give: a short one is heard twice.
    And it misses voices that scream or squeal, so a recording without a voice is heard again more
    slowly, which lowers them.

    Parameters
    ----------
    samples : numpy.ndarray, shape (n,), float32
        Mono, 16 kHz.
    config : SpeechConfig
    progress : callable, optional
        Called with the share done, 0 to 1; what it raises ends the work.

    Returns
    -------
    numpy.ndarray, shape (ceil(n / frame_length),), float32
        Probability of a voice in each frame; the last frame is filled up with silence.
    """
    found = _hear(samples, config, progress)
    heard = np.count_nonzero(found >= config.voice_probability) * config.frame_length
    if heard >= config.min_speech_s * SAMPLE_RATE_HZ or not len(samples):
        return found
    return hear_slower(samples, found, config, progress)


def hear_slower(
    samples: np.ndarray,
    found: np.ndarray,
    config: SpeechConfig,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Judge a recording again, slowed down stretch by stretch; the likelier of both counts.

    Parameters
    ----------
    samples : numpy.ndarray, shape (n,), float32
    found : numpy.ndarray, shape (ceil(n / frame_length),)
        What the first hearing found.
    config : SpeechConfig
    progress : callable, optional
        As for `voice_probabilities`.
    """
    count = block_frames(config)
    likelier = []
    for first in range(0, len(found), count):
        block = samples[first * config.frame_length : (first + count) * config.frame_length]
        again = _hear(soxr.resample(block, config.second_speed, 1.0).astype(np.float32), config)
        part = found[first : first + count]
        places = (np.arange(len(part)) / config.second_speed).astype(int)
        likelier.append(np.maximum(part, again[np.minimum(places, len(again) - 1)]))
        if progress:
            progress(1.0)
    return np.concatenate(likelier)


def _hear(
    samples: np.ndarray, config: SpeechConfig, progress: Callable[[float], None] | None = None
) -> np.ndarray:
    detector = Detector()
    if len(samples) < config.hear_twice_s * SAMPLE_RATE_HZ:
        for frames in _levelled_blocks(samples, config):
            detector.process(frames)
    found = [np.empty(0, np.float32)]
    for frames in _levelled_blocks(samples, config):
        found.append(detector.process(frames))
        if progress:
            progress(min(1.0, sum(map(len, found)) * config.frame_length / len(samples)))
    return np.concatenate(found)


def _levelled_blocks(samples: np.ndarray, config: SpeechConfig) -> Iterator[np.ndarray]:
    """Yield arrays of shape (frames, frame_length), raised to the level that the detector likes."""
    step = block_frames(config) * config.frame_length
    for start in range(0, len(samples), step):
        frames = framed(samples[start : start + step], config)
        yield levelled(frames, levels(frames), config)
        release(samples)


def framed(samples: np.ndarray, config: SpeechConfig) -> np.ndarray:
    """Cut samples into frames, shape (frames, frame_length); the last is filled up with zeros."""
    length = config.frame_length
    return np.pad(samples, (0, -len(samples) % length)).reshape(-1, length)


def levels(frames: np.ndarray) -> np.ndarray:
    """Return the root mean square of each frame, shape (frames,)."""
    return np.sqrt(np.mean(frames**2, axis=1))


def levelled(frames: np.ndarray, near: np.ndarray, config: SpeechConfig) -> np.ndarray:
    """Raise frames to the level that the detector likes, by what is loud near by.

    Parameters
    ----------
    frames : numpy.ndarray, shape (n, frame_length)
    near : numpy.ndarray, shape (m,)
        `levels` of these frames and of those around them.
    config : SpeechConfig
    """
    gain_db = config.target_dbfs - 20 * np.log10(max(np.quantile(near, 0.99), 1e-6))
    gain = 10 ** (np.clip(gain_db, 0, config.max_gain_db) / 20)
    return np.clip(frames * np.float32(gain), -1, 1)


def block_frames(config: SpeechConfig) -> int:
    """Return how many frames share a level."""
    return max(1, round(config.block_s * SAMPLE_RATE_HZ / config.frame_length))


def seconds_within(
    voice: np.ndarray, spans: Iterable[tuple[int, int]], config: SpeechConfig, first: int = 0
) -> list[float]:
    """Return how long a voice is heard in each of some spans of samples, seconds.

    Parameters
    ----------
    voice : numpy.ndarray, shape (frames,)
        Probability of a voice in each frame, from frame number `first` on.
    spans : iterable of (int, int)
        First sample and the one past the last, counted from the recording's beginning.
    """
    heard = np.concatenate([[0], np.cumsum(voice >= config.voice_probability)])
    edges = np.arange(first, first + len(heard)) * config.frame_length
    frame_s = config.frame_length / SAMPLE_RATE_HZ
    return [float(np.diff(np.interp(span, edges, heard))[0]) * frame_s for span in spans]
