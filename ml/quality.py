"""How good a recording is: level, speech, noise, clipping and bandwidth, measured in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ml.audio import release
from ml.config import SpeechConfig
from ml.results import Quality

if TYPE_CHECKING:
    from ml.audio import Waveform

SILENCE_DBFS = -120.0
_BLOCK_FRAMES = 1024
_FULL_SCALE = 0.999
_CLIPPED_RUN = 3
_SPECTRUM_LENGTH = 1024
_SNR_LIMIT_DB = 80.0
_GUARD_FRAMES = 2
_NARROW_BAND_DB = -24.0


def measure(
    waveform: Waveform, voice: np.ndarray, snr_db: float | None, config: SpeechConfig
) -> Quality:
    """Measure a recording of any length.

    Parameters
    ----------
    waveform : Waveform
    voice : numpy.ndarray, shape (ceil(n / frame_length),)
        Probability of a voice in each frame, and
    snr_db : float or None
        level of the voice over the noise, both from ``ml.judge.judge_voice``.
    config : SpeechConfig

    Returns
    -------
    Quality
    """
    samples = waveform.samples
    return Quality(
        duration_s=waveform.duration_s,
        speech_ratio=speech_seconds(voice, config, waveform) / max(waveform.duration_s, 1e-9),
        snr_db=snr_db,
        level_dbfs=level_dbfs(samples),
        clipping=clipping(samples),
        bandwidth_hz=bandwidth_hz(samples, waveform.sample_rate_hz),
    )


def speech_seconds(voice: np.ndarray, config: SpeechConfig, waveform: Waveform) -> float:
    """Return how long a voice is heard, in seconds; never more than the recording lasts."""
    frames = int(np.count_nonzero(voice >= config.voice_probability))
    heard = frames * config.frame_length / waveform.sample_rate_hz
    return min(heard, waveform.duration_s)


def level_dbfs(samples: np.ndarray) -> float:
    """Return the RMS level in dB relative to full scale, at least `SILENCE_DBFS`."""
    energy = sum(float(np.sum(np.square(block, dtype=np.float64))) for block in _blocks(samples))
    return max(SILENCE_DBFS, _db(energy / max(len(samples), 1)))


def frame_powers(samples: np.ndarray, frame_length: int) -> np.ndarray:
    """Return the power of each frame without its mean, shape (ceil(n / frame_length),).

    A frame's mean is left out: an offset of the recorder is not noise that anybody hears.
    """
    whole = len(samples) - len(samples) % frame_length
    powers = [np.empty(0)]
    for block in _blocks(samples[:whole], frame_length * _BLOCK_FRAMES):
        powers.append(np.var(block.reshape(-1, frame_length), axis=1, dtype=np.float64))
    if whole < len(samples):
        powers.append(np.var(samples[whole:], dtype=np.float64, keepdims=True))
    return np.concatenate(powers)


def snr_db(powers: np.ndarray, voice: np.ndarray, config: SpeechConfig) -> float | None:
    """Return the level of the speech over that of the pauses, within -80 to 80 dB.

    It is exact where there are pauses that the detector knows for such, and misleads where noise
    hides them; so it is what `ml.judge` learns from, on clean recordings, and not what it says.

    The pauses' power, which lies under the speech as well, is taken off it. The pauses' median
    counts, so that a door in a pause is not taken for the noise; frames next to speech are left
    out, because a word fades in and out.

    Parameters
    ----------
    powers, voice : numpy.ndarray, shape (frames,)
        Power of each frame, and the probability of a voice in it.

    Returns
    -------
    float or None
        None where there is no speech or no pause.
    """
    speech = voice >= config.voice_probability
    if not speech.any():
        return None
    near = np.convolve(voice >= config.pause_probability, np.ones(2 * _GUARD_FRAMES + 1))
    pause = near[_GUARD_FRAMES : _GUARD_FRAMES + len(voice)] < 0.5
    if not pause.any():
        return None
    noise = float(np.median(powers[pause]))
    clean = float(np.mean(powers[speech])) - noise
    return float(np.clip(_db(clean) - _db(noise), -_SNR_LIMIT_DB, _SNR_LIMIT_DB))


def clipping(samples: np.ndarray) -> float:
    """Return the share of samples in runs of at least three at full scale."""
    clipped, halo = 0, _CLIPPED_RUN - 1
    step = _SPECTRUM_LENGTH * _BLOCK_FRAMES
    for start in range(0, len(samples), step):
        first = max(0, start - halo)
        full = np.abs(samples[first : start + step + halo]) >= _FULL_SCALE
        # Closed by a margin on both sides, a sample belongs to a run if any three around it do.
        full = np.pad(full, halo)
        run = full[2:] & full[1:-1] & full[:-2]
        inside = run[2:] | run[1:-1] | run[:-2]
        clipped += int(np.count_nonzero(inside[start - first :][:step]))
    return clipped / max(len(samples), 1)


def bandwidth_hz(samples: np.ndarray, sample_rate_hz: int) -> float:
    """Return the frequency under which 99 % of the energy above 60 Hz lies; 0 for silence."""
    spectrum = power_spectrum(samples)
    frequencies = np.fft.rfftfreq(_SPECTRUM_LENGTH, 1 / sample_rate_hz)
    energy = np.cumsum(np.where(frequencies >= 60, spectrum, 0))
    if energy[-1] <= 0:
        return 0.0
    return float(frequencies[np.searchsorted(energy, 0.99 * energy[-1])])


def is_narrow_band(samples: np.ndarray, sample_rate_hz: int) -> bool:
    """Tell whether nothing is left above 3.4 kHz, as after a telephone line.

    Measured on 240 clips of four corpora: 3.8 to 5.2 kHz lie at most 23 dB under 1 to 3.3 kHz in
    all of them, and more than 24 dB in five of six once they are cut to a telephone's band.
    """
    spectrum = power_spectrum(samples)
    frequencies = np.fft.rfftfreq(_SPECTRUM_LENGTH, 1 / sample_rate_hz)
    high = spectrum[(frequencies >= 3800) & (frequencies < 5200)].mean()
    low = spectrum[(frequencies >= 1000) & (frequencies < 3300)].mean()
    return bool(low > 0 and high < low * 10 ** (_NARROW_BAND_DB / 10))


def power_spectrum(samples: np.ndarray) -> np.ndarray:
    """Return the summed power of Hann-windowed frames in each of 513 bins up to half the rate."""
    window = np.hanning(_SPECTRUM_LENGTH).astype(np.float32)
    total = np.zeros(_SPECTRUM_LENGTH // 2 + 1)
    for block in _blocks(samples):
        frames = np.pad(block, (0, -len(block) % _SPECTRUM_LENGTH)).reshape(-1, _SPECTRUM_LENGTH)
        for part in np.array_split(frames, max(1, len(frames) // 64)):
            total += np.sum(np.abs(np.fft.rfft(part * window)) ** 2, axis=0)
    return total


def _blocks(
    samples: np.ndarray, length: int = _SPECTRUM_LENGTH * _BLOCK_FRAMES
) -> Iterator[np.ndarray]:
    """Cut into pieces that fit in a few megabytes."""
    for start in range(0, len(samples), length):
        yield samples[start : start + length]
        release(samples)


def _db(power: float) -> float:
    return 10 * float(np.log10(max(power, 10 ** (SILENCE_DBFS / 10))))
