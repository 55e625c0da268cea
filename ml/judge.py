"""A second opinion on what the detector calls a voice: is it one, and how far over the noise."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml.audio import release, windows
from ml.config import SAMPLE_RATE_HZ, SpeechConfig, WindowConfig
from ml.cues import CUES, measure_cues
from ml.processes import on_all_cores

MODEL = Path(__file__).with_name("judge.json")
"""What ``benchmarks/fit_gates.py`` fitted: each cue's mean and scale, small networks that tell
voices, and a linear model of the ratio to the noise."""

WINDOWS = WindowConfig()

_RUN = 80
"""Windows that a thread takes at a time."""


@dataclass(frozen=True)
class Judgement:
    """What the windows' sounds are, over a whole recording.

    Attributes
    ----------
    voice : numpy.ndarray, shape (frames,)
        Probability of a voice in each frame; 0 where the window around it holds none.
    likeness : float or None
        How likely the likeliest window is a voice, 0 to 1; None where none resembles one.
    snr_db : float or None
        Level of the voice over the noise, dB, the median of its windows; None without a voice.
    """

    voice: np.ndarray
    likeness: float | None
    snr_db: float | None


def judge_voice(
    samples: np.ndarray,
    voice: np.ndarray,
    config: SpeechConfig,
) -> Judgement:
    """Look again at each window in which the detector hears a voice.

    Music, animals and machines can pass for one. What tells them apart is not heard in a frame of
    32 ms but in a few seconds: whether pitch glides or holds, how fast levels change, what lies
    under them. The recording holds a voice if at least `SpeechConfig.min_voice_share` of those
    windows do; a long piece of music has some that pass.

    Parameters
    ----------
    samples : numpy.ndarray, shape (n,), float32
        Mono, 16 kHz.
    voice : numpy.ndarray, shape (ceil(n / frame_length),)
        From ``ml.speech.voice_probabilities``.
    """
    frames = np.zeros(len(voice))
    likenesses, ratios_db = [], []
    for (first, last), found in _judged(samples, voice, config):
        if found is None:
            continue
        likeness, ratio_db = found
        likenesses.append(likeness)
        if likeness >= config.min_voice_likeness:
            frames[first:last] = voice[first:last]
            ratios_db.append(ratio_db)
    if len(ratios_db) < max(1.0, config.min_voice_share * len(likenesses)):
        return Judgement(np.zeros(len(voice)), max(likenesses, default=None), None)
    return Judgement(frames, max(likenesses), float(np.median(ratios_db)))


def _judged(
    samples: np.ndarray, voice: np.ndarray, config: SpeechConfig
) -> Iterator[tuple[tuple[int, int], tuple[float, float] | None]]:
    """Yield the first frame of each window, the one past its last, and what `judge_window` says."""
    spans = windows(len(samples), WINDOWS)

    def judge(run: list[tuple[int, int]]) -> list[tuple[float, float] | None]:
        found = [
            judge_window(samples[start:end], voice[slice(*_frames(start, end, config))], config)
            for start, end in run
        ]
        release(samples)
        return found

    runs = [spans[first : first + _RUN] for first in range(0, len(spans), _RUN)]
    found = itertools.chain.from_iterable(on_all_cores(judge, runs))
    for (start, end), one in zip(spans, found, strict=True):
        yield _frames(start, end, config), one


def _frames(start: int, end: int, config: SpeechConfig) -> tuple[int, int]:
    return start // config.frame_length, -(-end // config.frame_length)


def judge_window(
    samples: np.ndarray, voice: np.ndarray, config: SpeechConfig
) -> tuple[float, float] | None:
    """Look again at one window; see `rate`. None where too little in it resembles a voice.

    Parameters
    ----------
    samples : numpy.ndarray, shape (n,), float32
        As long as `WINDOWS` has it, or all of a shorter recording.
    voice : numpy.ndarray, shape (frames,)
        Of the frames that the window touches.
    """
    heard = np.count_nonzero(voice >= config.voice_probability) * config.frame_length
    if heard < config.min_speech_s * SAMPLE_RATE_HZ:
        return None
    return rate(measure_cues(samples, voice))


def rate(cues: np.ndarray) -> tuple[float, float]:
    """Return how likely a window's cues are a voice's, 0 to 1, and its level over the noise, dB."""
    model = _model()
    inputs = inside((cues - model["mean"]) / model["scale"])
    hidden = np.maximum(inputs @ model["hidden"] + model["hidden_bias"], 0)
    logits = np.sum(hidden * model["voice"], axis=1) + model["voice_bias"]
    likeness = np.mean(1 / (1 + np.exp(-np.clip(logits, -30, 30))))
    ratio_db = float(terms(inputs) @ model["snr_db"] + model["snr_db_bias"])
    return float(likeness), float(np.clip(ratio_db, -20, 40))


def inside(standardised: np.ndarray) -> np.ndarray:
    """Keep cues within what training saw."""
    return np.clip(standardised, -3, 3)


def terms(inputs: np.ndarray) -> np.ndarray:
    """Return cues and their squares; shape (..., 2 * cues)."""
    return np.concatenate([inputs, inputs**2 - 1], axis=-1)


@functools.cache
def _model() -> Mapping[str, np.ndarray]:
    found = json.loads(MODEL.read_text(encoding="utf-8"))
    if tuple(found["cues"]) != CUES:
        raise ValueError(f"{MODEL} was fitted to other cues: run benchmarks/fit_gates.py again")
    return {key: np.array(value) for key, value in found.items() if key != "cues"}
