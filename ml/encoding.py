"""What the pretrained encoder hears: its spectrogram, cut into chunks that are encoded once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Protocol

import numpy as np

from ml.config import SAMPLE_RATE_HZ, EncoderConfig


class Samples(Protocol):
    """A recording of which stretches can be had; an array is one."""

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def __getitem__(self, span: slice, /) -> np.ndarray:
        """Return a stretch, float32."""
        ...


Encode = Callable[[np.ndarray], np.ndarray]
"""(1, chunk_frames, n_mels) -> (1, chunk_steps, width), float32."""

_QUIETEST = -16.0
_MARGIN = 3
"""Spectrogram frames whose analysis windows reach over the end of a stretch."""


@functools.cache
def _filters(config: EncoderConfig) -> np.ndarray:
    import librosa

    return librosa.filters.mel(
        sr=SAMPLE_RATE_HZ, n_fft=config.frame_length, n_mels=config.n_mels, fmin=0.0, fmax=8000.0
    )


@functools.cache
def _beyond(config: EncoderConfig) -> np.ndarray:
    """Mark the bands that reach over `EncoderConfig.band_hz`, shape (n_mels,)."""
    import librosa

    edges = librosa.mel_frequencies(config.n_mels + 2, fmin=0.0, fmax=8000.0)
    return edges[2:] > config.band_hz


def log_mel(samples: np.ndarray, config: EncoderConfig) -> np.ndarray:
    """Compute the spectrogram that the encoder was trained on, before levels are set.

    Parameters
    ----------
    samples : numpy.ndarray, shape (n,)
        At 16 kHz.

    Returns
    -------
    numpy.ndarray, shape (n // hop_length, n_mels), float32
        Decimal logarithm of the power in Slaney's Mel bands; at least one frame.
    """
    import librosa

    half = config.frame_length // 2
    spectrum = librosa.stft(
        samples,
        n_fft=config.frame_length,
        hop_length=config.hop_length,
        pad_mode="reflect" if len(samples) > half else "constant",
    )
    frames = max(1, len(samples) // config.hop_length)
    power = _filters(config) @ (np.abs(spectrum[:, :frames]) ** 2)
    return np.log10(np.maximum(power, 10**_QUIETEST)).T.astype(np.float32)


def levelled(spectrogram: np.ndarray, peak: float, config: EncoderConfig) -> np.ndarray:
    """Bring a `log_mel` to the level that the encoder knows, its range to eight decades.

    Moving the microphone changes nothing; `peak` is the loudest band's value near by.
    """
    x = np.maximum(spectrogram - peak, -config.range_decades)
    x[:, _beyond(config)] = -config.range_decades
    return ((x + config.peak + 4.0) / 4.0).astype(np.float32)


def hear(
    own: np.ndarray, near: np.ndarray, steps: int, config: EncoderConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Make what the encoder gets of a stretch, padded at its end.

    Parameters
    ----------
    own, near : numpy.ndarray, shape (frames, n_mels)
        `log_mel` of the stretch and of what lies around it, which sets the level.
    steps : int
        Length of what is made, in steps.

    Returns
    -------
    spectrogram : numpy.ndarray, shape (frames of so many steps, n_mels), float32
    loud : numpy.ndarray, shape (steps, 1), float32
        The share of each step that is within `EncoderConfig.loud_db` of the loudest near by.
    """
    frames = 2 * config.pool * steps
    around = np.concatenate([near, np.full((1, config.n_mels), _QUIETEST, np.float32)])
    peak = float(around[:, ~_beyond(config)].max())
    padded = np.full((frames, config.n_mels), -np.inf, np.float32)
    padded[: len(own)] = own
    loud = np.zeros(frames, np.float32)
    loud[: len(own)] = _energy(own) > _energy(around).max() - config.loud_db / 10
    # An encoder frame of 20 ms is loud where either of its two spectrogram frames is.
    pairs = loud.reshape(-1, 2).max(axis=1)
    share = pairs.reshape(steps, -1).mean(axis=1, keepdims=True)
    return levelled(padded, peak, config), share


class ChunkEncoder:
    """Encodes a recording chunk by chunk, each once, and hands out stretches of it.

    Parameters
    ----------
    samples : Samples
        The recording, at 16 kHz; it may go on, see `forget_unfinished`.
    encode : callable
        The encoder for one chunk.
    config : EncoderConfig
    """

    def __init__(self, samples: Samples, encode: Encode, config: EncoderConfig) -> None:
        self._samples, self._encode, self._config = samples, encode, config
        self._spectrograms: dict[int, np.ndarray] = {}
        self._chunks: dict[int, np.ndarray] = {}

    @property
    def steps(self) -> int:
        """Steps of the whole recording."""
        return max(1, -(-len(self._samples) // self._config.step_length))

    def window(self, start: int) -> np.ndarray:
        """Return as many steps as a chunk has, from the one in which sample `start` lies.

        Those of a longer recording lie wholly in it.
        """
        last = max(0, self.steps - self._config.chunk_steps)
        return self.stretch(min(start // self._config.step_length, last), self._config.chunk_steps)

    def stretch(self, start: int, steps: int) -> np.ndarray:
        """Return some steps; beyond the recording's end nothing is loud.

        Stretches are asked for in the order of time: what lies before is forgotten.

        Returns
        -------
        numpy.ndarray, shape (steps, width + 1), float32
            What the encoder says, and last the share of the step that is within
            `EncoderConfig.loud_db` of the loudest near by.
        """
        per_chunk = self._config.chunk_steps
        first, last = start // per_chunk, (start + steps - 1) // per_chunk
        for store, oldest in ((self._spectrograms, first - 1), (self._chunks, first)):
            for number in [number for number in store if number < oldest]:
                del store[number]
        chunks = np.concatenate([self._chunk(number) for number in range(first, last + 1)])
        offset = start - first * per_chunk
        return chunks[offset : offset + steps]

    def forget_unfinished(self) -> None:
        """Drop what would come out otherwise after the recording went on: call it before."""
        config = self._config
        frames = len(self._samples) // config.hop_length - _MARGIN
        whole = frames // config.chunk_frames
        # A chunk's level is set by the one after it, too.
        for store, final in ((self._spectrograms, whole), (self._chunks, whole - 1)):
            for number in [number for number in store if number >= final]:
                del store[number]

    def _chunk(self, number: int) -> np.ndarray:
        if number not in self._chunks:
            self._chunks[number] = self._encode_chunk(number)
        return self._chunks[number]

    def _encode_chunk(self, number: int) -> np.ndarray:
        config, own = self._config, self._spectrogram(number)
        near = [self._spectrogram(one) for one in (number - 1, number, number + 1)]
        spectrogram, loud = hear(own, np.concatenate(near), config.chunk_steps, config)
        return np.column_stack([self._encode(spectrogram[None])[0], loud])

    def _spectrogram(self, number: int) -> np.ndarray:
        """Spectrogram of one chunk, the very frames that the whole recording's would have."""
        if number not in self._spectrograms:
            self._spectrograms[number] = self._cut(number)
        return self._spectrograms[number]

    def _cut(self, number: int) -> np.ndarray:
        config, hop = self._config, self._config.hop_length
        total = max(1, len(self._samples) // hop)
        first = number * config.chunk_frames
        last = min(first + config.chunk_frames, total)
        if not 0 <= first < last:
            return np.empty((0, config.n_mels), np.float32)
        origin = max(0, first - _MARGIN)
        stop = (last + _MARGIN) * hop
        found = log_mel(self._samples[origin * hop : stop], config)
        return found[first - origin : last - origin]


def _energy(spectrogram: np.ndarray) -> np.ndarray:
    """Decimal logarithm of each frame's power."""
    return np.log10(np.sum(10.0**spectrogram, axis=1))
