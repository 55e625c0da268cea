"""Makes recordings of every kind for the tests: tones of known frequency, level and length."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import soundfile

FREQUENCY_HZ = 440.0
LEVEL = 0.5


def tone(seconds: float, rate_hz: int = 16_000, frequency_hz: float = FREQUENCY_HZ) -> np.ndarray:
    """A sine at `LEVEL`, float32, shape (n,)."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return (LEVEL * np.sin(2 * np.pi * frequency_hz * times)).astype(np.float32)


def ffmpeg(*arguments: str | Path) -> bytes:
    """Run the bundled ffmpeg; what it wrote to ``pipe:1``."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y"]
    command += map(str, arguments)
    return subprocess.run(command, check=True, timeout=120, stdout=subprocess.PIPE).stdout


def encode(path: Path, *options: str | Path, seconds: float = 2.0, rate_hz: int = 44_100) -> Path:
    """Write a mono tone to `path` with ffmpeg's output (and further input) `options`."""
    source = f"aevalsrc={LEVEL}*sin(2*PI*{FREQUENCY_HZ}*t):d={seconds}:s={rate_hz}"
    ffmpeg("-f", "lavfi", "-i", source, *options, path)
    return path


def picture(path: Path) -> Path:
    """A red square, PNG or JPEG by the name of `path`."""
    ffmpeg("-f", "lavfi", "-i", "color=red:size=300x300:d=1", "-frames:v", "1", path)
    return path


def wav(path: Path, samples: np.ndarray, rate_hz: int = 16_000, **options: str) -> Path:
    """Write `samples` with libsndfile; `options` are soundfile's format, subtype, endian."""
    soundfile.write(path, samples, rate_hz, **{"format": "WAV", **options})
    return path


def dominant_hz(samples: np.ndarray, rate_hz: int) -> float:
    """Frequency of the largest bin of the spectrum."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate_hz / len(samples))
