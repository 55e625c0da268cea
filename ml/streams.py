"""A recording that goes on: its end in memory, its windows as they come, the voice in it so far."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

from ml import speech
from ml.audio import windows
from ml.config import SAMPLE_RATE_HZ, SpeechConfig, WindowConfig
from ml.judge import WINDOWS, judge_window
from ml.silero import Detector

_REMEMBERED = 200
"""Windows, five minutes of them, that say whether there is a voice and how noisy it is."""


class Recent:
    """The end of a signal that grows, in slices counted from its beginning; float32.

    Attributes
    ----------
    ended : bool
        Nothing will be added.
    """

    def __init__(self) -> None:
        self._kept = np.empty(0, np.float32)
        self._first = 0
        self.ended = False

    def __len__(self) -> int:
        return self._first + len(self._kept)

    def __getitem__(self, span: slice, /) -> np.ndarray:
        start, stop, _step = span.indices(len(self))
        if start < self._first:
            raise IndexError(f"{start} was forgotten: the signal is kept from {self._first} on")
        return self._kept[start - self._first : max(start, stop) - self._first]

    def append(self, values: np.ndarray) -> None:
        """Let it go on."""
        self._kept = np.concatenate([self._kept, values.astype(np.float32, copy=False)])

    def forget(self, before: int) -> None:
        """Keep no more than what comes from there on."""
        if before > self._first:
            self._kept = self._kept[before - self._first :].copy()
            self._first = before


def arriving_windows(
    chunks: Iterable[np.ndarray], samples: Recent, config: WindowConfig, wait: int, back: int
) -> Iterator[tuple[int, int]]:
    """Append chunks to `samples`, and yield each window when it is due.

    These are the windows of ``ml.audio.windows`` over all that will have come. However the chunks
    are cut, `samples` ends at the same place when a window is yielded.

    Parameters
    ----------
    chunks : iterable of numpy.ndarray, shape (n,), float
    samples : Recent
        Forgets what is no longer needed, and is told when the chunks have ended.
    wait : int
        A window is due when so many samples have come after it.
    back : int
        So many samples before a window are kept.

    Raises
    ------
    ValueError
        If a chunk is none of mono samples.
    """
    length, hop = (round(s * SAMPLE_RATE_HZ) for s in (config.window_s, config.hop_s))
    start = 0
    for chunk in chunks:
        rest = _checked(chunk)
        while len(rest):
            due = start + length + wait - len(samples)
            samples.append(rest[:due])
            rest = rest[due:]
            if len(samples) == start + length + wait:
                yield start, start + length
                samples.forget(start - back)
                start += hop
    samples.ended = True
    left = [span for span in windows(len(samples), config) if span[0] > start - hop]
    yield from left


def _checked(chunk: np.ndarray) -> np.ndarray:
    chunk = np.asarray(chunk)
    if chunk.ndim != 1 or not np.issubdtype(chunk.dtype, np.floating):
        raise ValueError(
            f"a chunk has shape {chunk.shape} and type {chunk.dtype}; wanted are mono samples "
            f"from -1 to 1 at {SAMPLE_RATE_HZ} Hz, shape (n,), such as numpy.float32"
        )
    if not np.isfinite(chunk).all():
        raise ValueError("a chunk holds samples that are no numbers (NaN or infinity)")
    return chunk


class Listener:
    """Finds the voice in a recording that goes on, window by window of ``ml.judge``.

    Parameters
    ----------
    samples : Recent
    config : SpeechConfig
    """

    def __init__(self, samples: Recent, config: SpeechConfig) -> None:
        self._samples, self._config = samples, config
        self._detector = Detector()
        self._voice = Recent()
        self._levels: deque[float] = deque(maxlen=speech.block_frames(config))
        self._heard_frames = 0
        self._judged = -1
        self._voiced: deque[tuple[int, int]] = deque()
        self._verdicts: deque[float | None] = deque(maxlen=_REMEMBERED)

    def listen(self) -> None:
        """Go through what has come since: whole windows, and the rest once it has ended."""
        for start, end in self._arrived():
            self._hear(-(-end // self._config.frame_length))
            self._judge(start, end)
            self._judged = start

    def speech_s(self, start: int, end: int) -> float:
        """Return how long a voice is heard between two samples, seconds.

        Asked for in the order of time: what lies before is forgotten.
        """
        length = self._config.frame_length
        first, last = start // length, min(-(-end // length), len(self._voice))
        self._voice.forget(min(first, max(0, self._judged) // length))
        while self._voiced and self._voiced[0][1] <= first:
            self._voiced.popleft()
        kept = np.zeros(last - first, bool)
        for begin, stop in self._voiced:
            kept[max(0, begin - first) : max(0, stop - first)] = True
        voice = np.where(kept, self._voice[first:last], 0.0)
        return speech.seconds_within(voice, [(start, end)], self._config, first)[0]

    def closed(self, start: int, end: int) -> str | None:
        """Return the outcome of a window that is not to be scored; None of one that is."""
        if self.speech_s(start, end) < self._config.min_speech_s or not self.holds_voice:
            return "no_speech"
        snr_db = self.snr_db
        noisy = snr_db is not None and snr_db < self._config.min_snr_db
        return "too_noisy" if noisy else None

    @property
    def holds_voice(self) -> bool:
        """Whether enough of what resembles a voice is one, as far as it is remembered."""
        voices = sum(verdict is not None for verdict in self._verdicts)
        return voices >= max(1.0, self._config.min_voice_share * len(self._verdicts))

    @property
    def snr_db(self) -> float | None:
        """Level of the voice over the noise, dB, as far as it is remembered; None without one."""
        found = [verdict for verdict in self._verdicts if verdict is not None]
        return float(np.median(found)) if found else None

    def _arrived(self) -> list[tuple[int, int]]:
        """List the windows that are whole by now and were not judged yet."""
        total, length = len(self._samples), self._config.frame_length
        if not self._samples.ended:
            total -= total % length
        size, hop = (round(s * SAMPLE_RATE_HZ) for s in (WINDOWS.window_s, WINDOWS.hop_s))
        if self._samples.ended:
            return [span for span in windows(total, WINDOWS) if span[0] > self._judged]
        first = 0 if self._judged < 0 else self._judged + hop
        return [(start, start + size) for start in range(first, total - size + 1, hop)]

    def _hear(self, last: int) -> None:
        """Let the detector go on up to a frame, at the level of the last half minute."""
        config, first = self._config, len(self._voice)
        samples = self._samples[first * config.frame_length : last * config.frame_length]
        if not len(samples):
            return
        frames = speech.framed(samples, config)
        self._levels.extend(speech.levels(frames).tolist())
        levelled = speech.levelled(frames, np.array(self._levels), config)
        voice = self._detector.process(levelled)
        if self._heard_frames * config.frame_length < config.min_speech_s * SAMPLE_RATE_HZ:
            voice = speech.hear_slower(samples, voice, config)
        self._heard_frames += int(np.count_nonzero(voice >= config.voice_probability))
        self._voice.append(voice)

    def _judge(self, start: int, end: int) -> None:
        length = self._config.frame_length
        first, last = start // length, -(-end // length)
        found = judge_window(self._samples[start:end], self._voice[first:last], self._config)
        if found is None:
            return
        likeness, ratio_db = found
        likely = likeness >= self._config.min_voice_likeness
        self._verdicts.append(ratio_db if likely else None)
        if likely:
            self._voiced.append((first, last))
