"""`Waveform`, and the way from the bytes of any recording to one."""

import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO

import numpy as np

from ml import decoder
from ml.config import SAMPLE_RATE_HZ, DecodeLimits, WindowConfig
from ml.errors import EmptyFileError, TooLargeError


@dataclass(frozen=True, eq=False)
class Waveform:
    """A decoded recording.

    Attributes
    ----------
    samples : np.ndarray
        float32, shape (n,), mono, in [-1, 1]. From `decode` it is read-only and lies in a mapped
        file, so that an hour does not stay in memory.
    sample_rate_hz : int
        Rate of `samples`.
    source_format : str
        What the content was, e.g. ``"wav"`` or ``"mp4"``; empty if unknown.
    source_rate_hz : int
        Rate of what came; 0 if unknown.
    channels : int
        Channels of what came.
    """

    samples: np.ndarray
    sample_rate_hz: int
    source_format: str = ""
    source_rate_hz: int = 0
    channels: int = 1

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate_hz


def decode(source: bytes | str | Path, limits: DecodeLimits = DecodeLimits()) -> Waveform:  # noqa: B008 frozen
    """Decode a recording of any common format to 16 kHz mono.

    The content decides what it is, never a name. The work is done in a process of its own, under
    `limits`; safe to call from many threads at once.

    Parameters
    ----------
    source : bytes, str or Path
        The recording itself, or where it lies.
    limits : DecodeLimits
        What it may cost.

    Raises
    ------
    EmptyFileError, TooLargeError
        Before anything is decoded.
    UnsupportedFormatError, CorruptAudioError, NoAudioTrackError, TooLongError, DecoderTimeoutError
        From the decoder.
    NoRoomError
        If the disk is full.
    OSError
        If the path cannot be opened.

    Examples
    --------
    >>> import ml
    >>> waveform = ml.decode("samples/silence.flac")
    >>> waveform.sample_rate_hz, waveform.duration_s, waveform.samples.dtype
    (16000, 5.0, dtype('float32'))
    >>> ml.decode(b"no sound")
    Traceback (most recent call last):
    ml.errors.UnsupportedFormatError: This file is not audio in a format that can be read here...
    """
    with _opened(source, limits) as file:
        found, raw = decoder.run(file, limits)
    with raw:
        samples = np.asarray(np.memmap(raw, dtype=np.float32, mode="r"))
    return Waveform(samples, SAMPLE_RATE_HZ, found["name"], found["rate_hz"], found["channels"])


@contextmanager
def _opened(source: bytes | str | Path, limits: DecodeLimits) -> Iterator[IO[bytes]]:
    """Open a file on disk with what came, once its size is right."""
    if isinstance(source, bytes):
        _check_size(len(source), limits)
        with decoder.needing_room(), tempfile.TemporaryFile(prefix="undertone-") as file:
            file.write(source)
            file.flush()
            yield file
    else:
        with Path(source).open("rb") as file:
            _check_size(os.fstat(file.fileno()).st_size, limits)
            yield file


def _check_size(size: int, limits: DecodeLimits) -> None:
    if size == 0:
        raise EmptyFileError()
    if size > limits.max_bytes:
        mib = 1024**2
        raise TooLargeError(size_mb=size / mib, limit_mb=limits.max_bytes / mib)


def release(samples: np.ndarray) -> None:
    """Let go of what was read of a recording that lies in a mapped file; it can be read again.

    Of any other array nothing changes. An hour is 230 MB, and is read several times over.
    """
    base: object = samples
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def warm() -> None:
    """Start the decoder's server, so that the first `decode` does not wait for it.

    Examples
    --------
    >>> import ml
    >>> ml.warm()
    """
    decoder.warm()


def to_wav(waveform: Waveform) -> bytes:
    """Write `waveform` as a 16-bit PCM WAV file, mono, at its own rate.

    Examples
    --------
    >>> import ml
    >>> content = ml.to_wav(ml.decode("samples/angry-woman.flac"))
    >>> content[:4], ml.decode(content).source_format
    (b'RIFF', 'wav')
    """
    import soundfile

    buffer = BytesIO()
    samples, rate = waveform.samples, waveform.sample_rate_hz
    soundfile.write(buffer, samples, rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def windows(
    n_samples: int, config: WindowConfig, sample_rate_hz: int = SAMPLE_RATE_HZ
) -> list[tuple[int, int]]:
    """Cut a recording into overlapping windows that leave no sample out.

    Returns
    -------
    list of (int, int)
        First sample and the one past the last, in the order of time. The last window ends with
        the recording; a recording that is no longer than one window is one, an empty one none.
    """
    if not n_samples:
        return []
    length, hop = (round(s * sample_rate_hz) for s in (config.window_s, config.hop_s))
    starts = window_starts(n_samples, length, hop)
    return [(start, min(start + length, n_samples)) for start in starts]


def window_starts(total: int, length: int, hop: int) -> list[int]:
    """Where windows over `total` samples (or frames) begin; the last one is aligned to the end."""
    if total <= length:
        return [0]
    return [*range(0, total - length, hop), total - length]
