"""What lies between a mouth and a file, by exact numbers: noise, level, dynamics, bands, speed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, signal

if TYPE_CHECKING:
    from ml.audio import Waveform


def with_samples(waveform: Waveform, samples: np.ndarray) -> Waveform:
    """Put other samples into a waveform, quieter where they would pass full scale."""
    peak = float(np.max(np.abs(samples), initial=0.0))
    scaled = samples / peak if peak > 1.0 else samples
    return replace(waveform, samples=np.asarray(scaled, np.float32))


def coloured_noise(n: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """Make n samples of noise with a power spectrum of ``1/f**exponent``: 0 white, 1 pink, 2 brown.

    It is flat below 1/1000 of the sampling rate, so that brown noise is a sound and no drift.
    """
    size = fft.next_fast_len(n, real=True)
    frequency = np.maximum(fft.rfftfreq(size), 1e-3)
    white = fft.rfft(rng.standard_normal(size, dtype=np.float32))
    return fft.irfft(white * (frequency ** (-exponent / 2)).astype(np.float32), size)[:n]


def hum(n: int, sample_rate_hz: int, mains_hz: float, rng: np.random.Generator) -> np.ndarray:
    """Make n samples of mains hum: eight harmonics, each up to as loud as its share 1/k."""
    order = np.arange(1, 9)[:, None]
    amplitude = rng.uniform(0.1, 1, order.shape) / order
    phase = rng.uniform(0, 2 * np.pi, order.shape)
    return np.sum(
        amplitude * np.sin(2 * np.pi * mains_hz * order * np.arange(n) / sample_rate_hz + phase),
        axis=0,
    )


def babble(voices: list[np.ndarray], n: int, rng: np.random.Generator) -> np.ndarray:
    """Mix n samples of unintelligible talk from voices, at least six, each turned and shifted.

    Every voice is rolled by a random time, half of them run backwards, all equally loud. One
    recording alone is enough: its own copies then stand for the crowd.
    """
    crowd = np.zeros(n)
    for index in range(max(6, len(voices))):
        voice = np.resize(voices[index % len(voices)], n)
        turned = voice[::-1] if index % 2 else voice
        crowd += np.roll(turned, rng.integers(n)) / np.sqrt(np.mean(turned**2) + 1e-20)
    return crowd


def clicks(n: int, sample_rate_hz: int, per_s: float, rng: np.random.Generator) -> np.ndarray:
    """Make n samples with sparse clicks, about `per_s` a second: bursts that die within 4 ms."""
    count = max(1, int(rng.poisson(per_s * n / sample_rate_hz)))
    impulses = np.zeros(n)
    impulses[rng.integers(0, n, count)] = rng.uniform(0.3, 1, count)
    length = int(0.004 * sample_rate_hz)
    burst = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    return signal.oaconvolve(impulses, burst)[:n]


def mix(waveform: Waveform, noise: np.ndarray, snr_db: float) -> Waveform:
    """Lay noise under the voice; SNR between their mean powers over the whole recording."""
    voice = waveform.samples
    power = np.mean(voice**2, dtype=np.float64) / 10 ** (snr_db / 10)
    scale = np.sqrt(power / max(np.mean(noise**2, dtype=np.float64), 1e-20))
    return with_samples(waveform, voice + (noise * scale).astype(np.float32))


def amplify(waveform: Waveform, gain_db: float) -> Waveform:
    """Change the level; what passes full scale is cut off, as in a 16-bit file."""
    louder = waveform.samples * np.float32(10 ** (gain_db / 20))
    return replace(waveform, samples=np.clip(louder, -1, 1))


def clip_share(waveform: Waveform, share: float) -> Waveform:
    """Cut off the loudest `share` of the samples."""
    ceiling = np.quantile(np.abs(waveform.samples), 1 - share)
    return with_samples(waveform, np.clip(waveform.samples, -ceiling, ceiling))


def compress(
    waveform: Waveform, threshold_db: float, ratio: float, attack_s: float, release_s: float
) -> Waveform:
    """Bring loud and soft together as automatic gain control does; the peak stays where it was.

    Parameters
    ----------
    threshold_db : float
        Above this level (RMS of 10 ms, against the loudest 10 ms) the gain goes down.
    ratio : float
        So many dB more going in are 1 dB more coming out.
    attack_s, release_s : float
        Time constants with which the gain falls and recovers (Giannoulis et al. 2012).
    """
    samples, rate = waveform.samples, waveform.sample_rate_hz
    hop = rate // 100
    frames = np.resize(
        np.append(samples, np.zeros(-len(samples) % hop)), (-(-len(samples) // hop), hop)
    )
    level_db = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
    over_db = np.maximum(level_db - level_db.max() - threshold_db, 0) * (1 - 1 / ratio)
    attack, release = (np.exp(-0.01 / seconds) for seconds in (attack_s, release_s))
    smoothed, state = np.empty(len(over_db)), 0.0
    for index, wanted in enumerate(over_db.tolist()):
        keep = attack if wanted > state else release
        state = keep * state + (1 - keep) * wanted
        smoothed[index] = state
    centres = (np.arange(len(smoothed)) + 0.5) * hop
    gain = 10 ** (-np.interp(np.arange(len(samples)), centres, smoothed) / 20)
    pressed = samples * gain
    before, after = (float(np.max(np.abs(x), initial=0.0)) for x in (samples, pressed))
    return with_samples(waveform, pressed * (before / max(after, 1e-20)))


def limit_band(waveform: Waveform, low_hz: float, high_hz: float | None = None) -> Waveform:
    """Keep low_hz to high_hz (None: no upper end), 24 dB an octave on either side."""
    edges: float | tuple[float, float] = low_hz if high_hz is None else (low_hz, high_hz)
    kind = "highpass" if high_hz is None else "bandpass"
    sections = signal.butter(4, edges, kind, fs=waveform.sample_rate_hz, output="sos")
    return with_samples(waveform, signal.sosfilt(sections, waveform.samples))


def colour(waveform: Waveform, gains_db: np.ndarray) -> Waveform:
    """Filter with a smooth response: gains at 0 Hz and at points from 100 Hz to half the rate.

    The points lie evenly on a logarithmic scale; no phase is turned.
    """
    nyquist = waveform.sample_rate_hz / 2
    edges = np.concatenate([[0], np.geomspace(100, nyquist, len(gains_db) - 1)])
    response = signal.firwin2(257, edges, 10 ** (gains_db / 20), fs=waveform.sample_rate_hz)
    shaped = signal.oaconvolve(waveform.samples, response.astype(np.float32), mode="same")
    return with_samples(waveform, shaped)


def narrow(waveform: Waveform, sample_rate_hz: int) -> Waveform:
    """Send it through a lower sampling rate and back; the length stays."""
    import soxr

    rate = waveform.sample_rate_hz
    low = soxr.resample(waveform.samples, rate, sample_rate_hz)
    return with_samples(waveform, fit(soxr.resample(low, sample_rate_hz, rate), waveform))


def fit(samples: np.ndarray, waveform: Waveform) -> np.ndarray:
    """Cut or pad samples at their end to the length of `waveform`."""
    missing = len(waveform.samples) - len(samples)
    return np.pad(samples, (0, missing)) if missing > 0 else samples[: len(waveform.samples)]


def stretch(waveform: Waveform, factor: float) -> Waveform:
    """Let it last `factor` times as long; pitch and formants move along (Ko et al. 2015)."""
    import soxr

    rate = waveform.sample_rate_hz
    return with_samples(waveform, soxr.resample(waveform.samples, rate, rate * factor))


def shift_pitch(waveform: Waveform, semitones: float) -> Waveform:
    """Move pitch and formants and keep the tempo: stretched, then laid together again by WSOLA.

    WSOLA: Verhelst and Roelands, "An overlap-add technique based on waveform similarity" (1993),
    with frames of 40 ms that may move by 8 ms to where they continue the last one best.
    """
    samples, rate = waveform.samples, waveform.sample_rate_hz
    factor = 2 ** (-semitones / 12)
    source = stretch(waveform, factor).samples
    hop, slack = rate // 50, rate // 125
    window = np.hanning(2 * hop + 1)[:-1].astype(np.float32)
    padded = np.pad(source, (slack, 4 * hop + 2 * slack))
    n_frames = len(samples) // hop + 1
    made = np.zeros((n_frames + 1) * hop, np.float32)
    follow = padded[slack : slack + 2 * hop]
    for frame in range(n_frames):
        start = min(int(frame * hop * factor), len(source))
        region = padded[start : start + 2 * hop + 2 * slack]
        start += int(np.argmax(np.correlate(region[: len(follow) + 2 * slack], follow)))
        made[frame * hop : (frame + 2) * hop] += window * padded[start : start + 2 * hop]
        follow = padded[start + hop : start + 3 * hop]
    made[:hop] = padded[slack : slack + hop]  # Nothing before it fades out there.
    return with_samples(waveform, fit(made, waveform))
