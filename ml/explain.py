"""Which parts of a sound carried an answer: found by hushing them one by one, then checked.

Occlusion (Zeiler and Fergus 2014) on the sound itself, so that it holds for every network and all
of its inputs. The check is the deletion test of Samek et al. (2017): what was found must cost more
when it is hushed than as many parts drawn by chance do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import signal

from ml.config import SAMPLE_RATE_HZ, ExplainConfig

Score = Callable[[np.ndarray], float]
"""Samples at 16 kHz -> probability of the answer, as ``Recognizer.score`` gives it."""

Part = tuple[int, int]
"""A part of the sound: its band, counted from below, and its stretch of time."""


@dataclass(frozen=True)
class Explanation:
    """How much each part of a sound mattered for one answer.

    Attributes
    ----------
    probability : float
        Of the answer, for the whole sound.
    edges_s, edges_hz : tuple of float
        Where the parts begin and end; one more than there are stretches and bands.
    drops : tuple of tuple of float
        A row for each band, from below: how much lower the probability is without each part.
        0 where there is nothing to hear.
    chosen : tuple of (int, int)
        Band and stretch of the parts that matter most, the first first.
    drop : float
        How much lower the probability is without all of these.
    random_drops : tuple of float
        The same for as many parts drawn by chance from where there is something to hear.
    reliable : bool
        Whether the chosen parts matter, and more than nearly all drawn by chance.
    """

    probability: float
    edges_s: tuple[float, ...]
    edges_hz: tuple[float, ...]
    drops: tuple[tuple[float, ...], ...]
    chosen: tuple[Part, ...]
    drop: float
    random_drops: tuple[float, ...]
    reliable: bool

    def boxes(self) -> Iterator[tuple[float, float, float, float]]:
        """Yield start and end (s), lowest and highest frequency (Hz) of each chosen part."""
        for band, stretch in self.chosen:
            start_s, end_s = self.edges_s[stretch : stretch + 2]
            low_hz, high_hz = self.edges_hz[band : band + 2]
            yield start_s, end_s, low_hz, high_hz


def explain_window(
    samples: np.ndarray,
    score: Score,
    config: ExplainConfig = ExplainConfig(),  # noqa: B008 frozen
    seed: int = 0,
) -> Explanation:
    """Find the parts of a sound that carried an answer.

    Parameters
    ----------
    samples : numpy.ndarray, shape (n,), float32
        One window of the network's, mono, 16 kHz.
    score : callable
        Is asked once for each part that can be heard, and for each draw.
    seed : int
        Of the draws.

    Examples
    --------
    >>> import ml
    >>> recognizer = ml.load("cnn-gru")
    >>> samples = ml.decode("samples/angry-woman.flac").samples[8_000:16_000]
    >>> found = ml.explain_window(samples, lambda heard: recognizer.score(heard)["angry"])
    >>> len(found.edges_hz), len(found.chosen) == len(list(found.boxes()))
    (7, True)
    """
    sound = _Sound(samples, config)
    whole = score(samples)
    drops = np.zeros(sound.shape)
    heard = sound.heard()
    for part in heard:
        drops[part] = whole - score(sound.without([part]))
    count = max(1, round(config.chosen_share * len(heard)))
    ranked = sorted(heard, key=lambda part: -drops[part])
    chosen = [part for part in ranked[:count] if drops[part] > 0]
    drop = whole - score(sound.without(chosen)) if chosen else 0.0
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(config.draws if chosen else 0):
        places = rng.permutation(len(heard))[: len(chosen)]
        drawn.append(whole - score(sound.without([heard[place] for place in places])))
    return Explanation(
        probability=whole,
        edges_s=tuple(map(float, sound.edges_s)),
        edges_hz=tuple(map(float, sound.edges_hz)),
        drops=tuple(tuple(map(float, row)) for row in drops),
        chosen=tuple(chosen),
        drop=float(drop),
        random_drops=tuple(map(float, drawn)),
        reliable=_holds(drop, np.array(drawn), config),
    )


def _holds(drop: float, drawn: np.ndarray, config: ExplainConfig) -> bool:
    """Tell whether a drop is large, and clearly beyond what parts drawn by chance cost."""
    if drop < config.least_drop:
        return False
    beaten = np.mean(drawn < drop)
    return bool(beaten >= config.beaten_share and drop >= config.least_ratio * drawn.mean())


def only_parts(
    samples: np.ndarray,
    parts: tuple[Part, ...],
    config: ExplainConfig = ExplainConfig(),  # noqa: B008 frozen
) -> np.ndarray:
    """Leave nothing but some parts of a sound, to be listened to; shape (n,), float32.

    Raises
    ------
    ValueError
        If a part lies outside.

    Examples
    --------
    >>> import ml
    >>> samples = ml.decode("samples/angry-woman.flac").samples
    >>> lowest = ml.only_parts(samples, ((0, 2), (0, 3)))
    >>> lowest.shape == samples.shape
    True
    """
    sound = _Sound(samples, config)
    bands, stretches = sound.shape
    for band, stretch in parts:
        if not (0 <= band < bands and 0 <= stretch < stretches):
            raise ValueError(
                f"part ({band}, {stretch}) lies outside: there are {bands} bands and "
                f"{stretches} stretches"
            )
    return sound.only(parts)


class _Sound:
    """A short-time spectrum, divided into parts of like size on the Mel scale and in time."""

    def __init__(self, samples: np.ndarray, config: ExplainConfig) -> None:
        import librosa

        self._length = len(samples)
        self._transform = signal.ShortTimeFFT(
            signal.windows.hann(config.frame_length, sym=False), config.hop_length, SAMPLE_RATE_HZ
        )
        self._config = config
        self._spectrum = self._transform.stft(samples)
        times = self._transform.t(self._length)
        count = max(1, round(self._length / SAMPLE_RATE_HZ / config.stretch_s))
        self.edges_s = np.linspace(0, self._length / SAMPLE_RATE_HZ, count + 1)
        self.edges_hz = librosa.mel_frequencies(
            config.bands + 1, fmin=config.fmin_hz, fmax=config.fmax_hz
        )
        self._stretch = np.clip(np.searchsorted(self.edges_s, times, "right") - 1, 0, count - 1)
        # What lies under the first band or over the last belongs to neither.
        self._band = np.searchsorted(self.edges_hz, self._transform.f, "right") - 1

    @property
    def shape(self) -> tuple[int, int]:
        """How many bands and stretches there are."""
        return self._config.bands, len(self.edges_s) - 1

    def heard(self) -> list[Part]:
        """Name the parts whose level is near enough to the loudest's."""
        power = np.abs(self._spectrum) ** 2
        levels = np.zeros(self.shape)
        for part in np.ndindex(*self.shape):
            levels[part] = power[self._mask([part])].sum()
        least = levels.max() * 10 ** (-self._config.heard_db / 10)
        return [part for part in np.ndindex(*self.shape) if levels[part] > least]

    def without(self, parts: list[Part]) -> np.ndarray:
        """Hush some parts down to the level of the same frequency's quietest tenth."""
        magnitude = np.maximum(np.abs(self._spectrum), 1e-12)
        quiet = np.quantile(magnitude, 0.1, axis=1, keepdims=True)
        gain = np.where(self._mask(parts), np.minimum(1.0, quiet / magnitude), 1.0)
        return self._sounding(self._spectrum * gain)

    def only(self, parts: tuple[Part, ...]) -> np.ndarray:
        """Silence all but some parts."""
        return self._sounding(self._spectrum * self._mask(list(parts)))

    def _mask(self, parts: list[Part]) -> np.ndarray:
        inside = np.zeros(self.shape, bool)
        for part in parts:
            inside[part] = True
        bands = np.clip(self._band, 0, self._config.bands - 1)
        known = (self._band >= 0) & (self._band < self._config.bands)
        return inside[np.ix_(bands, self._stretch)] & known[:, None]

    def _sounding(self, spectrum: np.ndarray) -> np.ndarray:
        return self._transform.istft(spectrum, k1=self._length).astype(np.float32)
