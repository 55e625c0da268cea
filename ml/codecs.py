"""From the bytes of any recording to raw 16 kHz mono samples on disk: what was sent, which decoder.

Runs inside the decoder's own process only (see `decoder.py`), on unbuffered files. The content
decides: a signature names the container, libsndfile reads the plain ones, and pydub has ffmpeg
convert the rest with exactly that demuxer, so that no file can make ffmpeg take it for a playlist
and open another.
"""

import errno
import os
import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import imageio_ffmpeg
import numpy as np
import soundfile
import soxr

from ml.config import SAMPLE_RATE_HZ, DecodeLimits
from ml.errors import (
    CorruptAudioError,
    NoAudioTrackError,
    TooLongError,
    UnsupportedFormatError,
)

with warnings.catch_warnings():
    # It warns where the PATH has no ffmpeg; it is told below which one to use.
    warnings.simplefilter("ignore")
    from pydub import AudioSegment
    from pydub.exceptions import CouldntDecodeError

BLOCK_VALUES = 1 << 18
"""Samples (over all channels) that are held in memory at a time."""

_SNIFF_BYTES = 1 << 16


@dataclass(frozen=True)
class Container:
    """A kind of file: its usual name, ffmpeg's demuxer for it, and whether libsndfile reads it.

    libsndfile is kept from MP3 and Ogg, of which it loses parts: all but the first quarter where
    a variable rate has no index, all but the first link of a chain.
    """

    name: str
    demuxer: str
    libsndfile: bool = False


_MP3 = Container("mp3", "mp3")
_AAC = Container("aac", "aac")
_SIGNATURES = (
    (rb"(?:RIFF|RIFX|RF64|BW64).{4}WAVE", Container("wav", "wav", libsndfile=True)),
    (rb"riff\x2e\x91\xcf\x11", Container("w64", "w64", libsndfile=True)),
    (rb"FORM.{4}AIF[FC]", Container("aiff", "aiff", libsndfile=True)),
    (rb"fLaC", Container("flac", "flac", libsndfile=True)),
    (rb"caff", Container("caf", "caf", libsndfile=True)),
    (rb"\.snd", Container("au", "au", libsndfile=True)),
    (rb"NIST_1A\n", Container("sphere", "nistsphere", libsndfile=True)),
    (rb"OggS", Container("ogg", "ogg")),
    (rb"\x1aE\xdf\xa3.{0,60}webm", Container("webm", "matroska")),
    (rb"\x1aE\xdf\xa3", Container("matroska", "matroska")),
    # The first byte of a box's size keeps text apart; still pictures are MP4 in all but name.
    (rb"[\0-\x07].{3}ftyp(?!hei|hev|mif1|msf1|avif|avis)", Container("mp4", "mov")),
    (rb"[\0-\x07].{3}(?:moov|mdat|moof|styp|wide|free|skip|pnot)", Container("mp4", "mov")),
    (rb"#!AMR", Container("amr", "amr")),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Container("wma", "asf")),
    (rb"RIFF.{4}AVI ", Container("avi", "avi")),
    (rb"FLV\x01", Container("flv", "flv")),
    (rb"\0\0\x01\xba", Container("mpeg", "mpeg")),
    (rb"\x47.{187}\x47.{187}\x47", Container("mpegts", "mpegts")),
)


def preload() -> None:
    """Find ffmpeg, once; without one, what libsndfile reads is still read."""
    with suppress(RuntimeError):
        AudioSegment.converter = imageio_ffmpeg.get_ffmpeg_exe()


def identify(file: IO[bytes]) -> Container:
    """Tell what kind of recording `file` holds.

    Raises
    ------
    UnsupportedFormatError
        If it holds none that can be read here.
    """
    file.seek(0)
    head = file.read(_SNIFF_BYTES)
    tagged = head[:3] == b"ID3" and len(head) > 10
    if tagged:
        file.seek(_id3_length(head))
        head = file.read(_SNIFF_BYTES)
    for pattern, container in _SIGNATURES:
        if re.match(pattern, head, re.DOTALL):
            return container
    found = _mpeg_audio(head) or (_MP3 if tagged else None)
    if found is None:
        raise UnsupportedFormatError(detail=_describe(head))
    return found


def _id3_length(head: bytes) -> int:
    """Bytes of an ID3v2 tag with its header; the size is written in four groups of seven bits."""
    first, second, third, fourth = (byte & 0x7F for byte in head[6:10])
    return 10 + (first << 21 | second << 14 | third << 7 | fourth)


def _mpeg_audio(head: bytes) -> Container | None:
    """Find three frames in a row of MPEG audio (layer II, III) or ADTS AAC, after any junk."""
    for match in re.finditer(rb"\xff[\xe2-\xe7\xf0-\xf7\xf8-\xfd]", head):
        start, frames = match.start(), 0
        while frames < 3 and (length := _frame_length(head[start : start + 6])):
            start, frames = start + length, frames + 1
        if frames == 3 or (frames == 2 and start == len(head)):
            return _AAC if head[match.start() + 1] & 6 == 0 else _MP3
    return None


# kbit/s for each index of an MPEG audio header, by (MPEG-1?, layer); Hz by index and version.
_KBITS = {
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG1_RATES_HZ = (44_100, 48_000, 32_000)
_RATE_DIVISORS = {3: 1, 2: 2, 0: 4}


def _frame_length(header: bytes) -> int:
    """Bytes of the frame that `header` opens, 0 where it opens none."""
    if len(header) < 6 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    if header[1] & 0xF6 == 0xF0:
        return (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    bitrate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer not in (2, 3) or bitrate in (0, 15) or rate == 3:
        return 0
    bits = _KBITS[version == 3, layer][bitrate] * 1000
    samples = 576 if layer == 3 and version != 3 else 1152
    return samples // 8 * bits * _RATE_DIVISORS[version] // _MPEG1_RATES_HZ[rate] + (
        header[2] >> 1 & 1
    )


_OTHER_FILES = (
    (rb"%PDF", "a PDF document"),
    (rb"PK\x03\x04", "a ZIP archive or office document"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF.{4}WEBP|[\0-\x07].{3}ftyp(?:hei|mif1|avif)", "a picture"),
    (rb"(?i:\s*<(?:!doctype|html|\?xml|svg))", "a web page or XML"),
    (rb"\s*#EXTM3U|ffconcat|\[playlist\]", "a playlist, which holds no sound itself"),
    (rb"MThd", "MIDI, which holds notes instead of sound"),
    (rb"[\t\n\r -~]{16,}", "text"),
)


def _describe(head: bytes) -> str:
    for pattern, words in _OTHER_FILES:
        if re.match(pattern, head, re.DOTALL):
            return f"it looks like {words}"
    return "its first bytes are of no format known here"


@dataclass(frozen=True)
class Source:
    """What came: the container's name, its sample rate in Hz (0: unknown) and channels."""

    name: str
    rate_hz: int
    channels: int


def convert(file: IO[bytes], raw: Path, limits: DecodeLimits) -> Source:
    """Decode `file` into `raw`: float32 in [-1, 1], mono, `SAMPLE_RATE_HZ`, native byte order.

    Channels are averaged by libsndfile's way, mixed by their places (centre, left, ...) by
    ffmpeg's. What is not a number becomes 0, what exceeds full scale is clipped.

    Raises
    ------
    UnsupportedFormatError, NoAudioTrackError, CorruptAudioError, TooLongError
    OSError
        If the disk is full.
    """
    container = identify(file)
    source = _read_libsndfile(file, container, raw, limits) if container.libsndfile else None
    if source is None:
        source = _convert_ffmpeg(file, container, raw, limits)
    _make_clean(raw)
    return source


def _read_libsndfile(
    file: IO[bytes], container: Container, raw: Path, limits: DecodeLimits
) -> Source | None:
    """Decode with libsndfile; None where it cannot (an odd codec, damage)."""
    file = _with_length(file, raw.with_suffix(".repaired"))
    try:
        with soundfile.SoundFile(file.fileno(), closefd=False) as sound, raw.open("wb") as out:
            for block in _resampled(sound, limits):
                out.write(block.tobytes())
            source = Source(container.name, sound.samplerate, sound.channels)
    except soundfile.LibsndfileError:
        return None
    return source if raw.stat().st_size else None


def _with_length(file: IO[bytes], repaired: Path) -> IO[bytes]:
    """Give a WAV whose recorder never wrote its length (it died, or wrote to a pipe) the longest.

    libsndfile takes a length of 0 literally, and the greatest for "until the end".
    """
    file.seek(0)
    head = file.read(_SNIFF_BYTES)
    file.seek(0)
    found = re.match(rb"RIFF.{4}WAVEfmt .*?data\0{4}(?=.)", head, re.DOTALL)
    if not found:
        return file
    copy = repaired.open("w+b", buffering=0)
    shutil.copyfileobj(file, copy)
    for position in (4, found.end() - 4):
        copy.seek(position)
        copy.write(b"\xff" * 4)
    copy.seek(0)
    return copy


def _resampled(sound: soundfile.SoundFile, limits: DecodeLimits) -> Iterator[np.ndarray]:
    stream = soxr.ResampleStream(sound.samplerate, SAMPLE_RATE_HZ, 1, dtype="float32")
    frames = max(1, BLOCK_VALUES // sound.channels)
    seen, last = 0, False
    while not last:
        block = sound.read(frames, dtype="float32", always_2d=True)
        seen += len(block)
        if seen > limits.max_seconds * sound.samplerate:
            raise TooLongError(limit_min=limits.max_seconds / 60)
        last = len(block) < frames
        # The filter smears one bad sample over its whole length: it has to go before.
        mono = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0).mean(axis=1)
        yield stream.resample_chunk(np.clip(mono, -1.0, 1.0), last=last)


_NO_TRACK = "does not contain any stream"
_FFMPEG_FAILED = "returned error code"


def _convert_ffmpeg(
    file: IO[bytes], container: Container, raw: Path, limits: DecodeLimits
) -> Source:
    """Have pydub run ffmpeg, which writes the whole sound as a second output.

    The `AudioSegment` itself is the first second only; it tells rate and channels of the source,
    while an hour of it would not fit in memory.
    """
    seconds = limits.max_seconds + 1
    second_output = ["-t", f"{seconds:.3f}"]
    # Without `rematrix_maxval` two equal channels would add up to 1.4 times their level.
    mono = f"aresample={SAMPLE_RATE_HZ}:resampler=soxr:out_chlayout=mono:rematrix_maxval=1"
    # ffmpeg's threads hand each frame on: large ones halve what that costs.
    filters = f"{mono},asetnsamples=n=65536:p=0"
    second_output += ["-af", filters, "-c:a", "pcm_f32le", "-f", "f32le", str(raw)]
    file.seek(0)
    source = Source(container.name, 0, 1)
    try:
        start = AudioSegment.from_file_using_temporary_files(
            file, format=container.demuxer, duration=1, parameters=second_output
        )
        source = Source(container.name, start.frame_rate, start.channels)
    except CouldntDecodeError as error:
        if os.strerror(errno.ENOSPC) in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        if _NO_TRACK in str(error):
            raise NoAudioTrackError(detail=f"{container.name} without audio") from error
        # Otherwise only the first second is missing: a track that sets in later.
        if _FFMPEG_FAILED in str(error):
            raw.unlink(missing_ok=True)
    return _checked(source, raw, limits)


def _checked(source: Source, raw: Path, limits: DecodeLimits) -> Source:
    samples = raw.stat().st_size // 4 if raw.exists() else 0
    if not samples:
        raise CorruptAudioError(detail=f"{source.name}, of which no sound could be decoded")
    if samples > limits.max_seconds * SAMPLE_RATE_HZ:
        raise TooLongError(limit_min=limits.max_seconds / 60)
    return source


def _make_clean(raw: Path) -> None:
    samples = np.memmap(raw, dtype=np.float32, mode="r+")
    for start in range(0, len(samples), BLOCK_VALUES):
        block = samples[start : start + BLOCK_VALUES]
        np.nan_to_num(block, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        np.clip(block, -1.0, 1.0, out=block)
