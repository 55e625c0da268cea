"""Recordings for tests: a sample's voice, and sounds made from numbers."""

import io
import math
import struct
import subprocess
import wave
from pathlib import Path

import imageio_ffmpeg

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
VOICE = SAMPLES / "angry-woman.flac"


def wav(values: list[float], rate_hz: int = 16_000) -> bytes:
    """Write values from -1 to 1 as 16-bit WAV."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(b"".join(struct.pack("<h", round(32_767 * value)) for value in values))
    return buffer.getvalue()


def silence(seconds: float) -> bytes:
    return wav([0.0] * round(16_000 * seconds))


def tone(seconds: float, frequency_hz: float = 440.0) -> bytes:
    step = 2 * math.pi * frequency_hz / 16_000
    return wav([0.5 * math.sin(step * n) for n in range(round(16_000 * seconds))])


def converted(source: Path, target: Path, *options: str) -> Path:
    """Convert a recording with the bundled ffmpeg to the format of `target`'s name."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    command = [ffmpeg, "-y", "-v", "error", "-i", source, *options, target]
    subprocess.run(command, check=True)
    return target
