"""What happens to a voice between mouth and file: ``(Waveform, rng) -> Waveform`` functions.

None of them changes the emotion; together they keep a network from learning a corpus's room,
microphone or codec instead of the voice.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, signal

if TYPE_CHECKING:
    from ml.audio import Waveform


def _with_samples(waveform: Waveform, samples: np.ndarray) -> Waveform:
    peak = float(np.max(np.abs(samples), initial=0.0))
    scaled = samples / peak if peak > 1.0 else samples
    return replace(waveform, samples=scaled.astype(np.float32))


def add_noise(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Add stationary noise with a spectrum of ``1/f**a``, a in 0 to 2, at 8 to 35 dB SNR."""
    n = fft.next_fast_len(len(waveform.samples), real=True)
    frequency = np.maximum(fft.rfftfreq(n), 1 / n)
    spectrum = fft.rfft(rng.standard_normal(n)) / frequency ** (rng.uniform(0, 2) / 2)
    noise = fft.irfft(spectrum, n)[: len(waveform.samples)]
    power = np.mean(waveform.samples**2) / 10 ** (rng.uniform(8, 35) / 10)
    noise *= np.sqrt(power / max(np.mean(noise**2), 1e-20))
    return _with_samples(waveform, waveform.samples + noise)


def change_speed(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Let it last 0.92 to 1.08 times as long; pitch and formants move along (Ko et al. 2015)."""
    import soxr

    rate = waveform.sample_rate_hz
    stretched = soxr.resample(waveform.samples, rate, rate * rng.uniform(0.92, 1.08))
    return _with_samples(waveform, stretched)


def equalise(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Give it another microphone: a smooth random response of up to about 8 dB."""
    n_bands = 6
    gains_db = np.cumsum(rng.normal(0, 2.5, n_bands))
    gains_db -= gains_db.mean()
    edges = np.concatenate([[0], np.geomspace(100, waveform.sample_rate_hz / 2, n_bands - 1)])
    response = signal.firwin2(
        257, edges, 10 ** (gains_db / 20), fs=waveform.sample_rate_hz, antisymmetric=False
    )
    return _with_samples(waveform, signal.oaconvolve(waveform.samples, response, mode="same"))


def limit_band(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Cut it to a narrower channel: high-pass at 50 to 300 Hz, low-pass at 3.2 to 7.5 kHz."""
    band = (rng.uniform(50, 300), rng.uniform(3200, 7500))
    sections = signal.butter(4, band, "bandpass", fs=waveform.sample_rate_hz, output="sos")
    return _with_samples(waveform, signal.sosfilt(sections, waveform.samples))


def add_room(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Put it into a room: direct sound and exponentially decaying noise, T60 of 0.1 to 0.6 s."""
    rate = waveform.sample_rate_hz
    t60 = rng.uniform(0.1, 0.6)
    time = np.arange(int(t60 * rate)) / rate
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / t60)
    tail[: int(0.003 * rate)] = 0
    direct_to_reverberant = 10 ** (rng.uniform(0, 15) / 10)
    tail /= np.sqrt(np.sum(tail**2) * direct_to_reverberant)
    tail[0] = 1.0
    wet = signal.oaconvolve(waveform.samples, tail)[: len(waveform.samples)]
    return _with_samples(waveform, wet)


def clip(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Overdrive it: the loudest 0.1 to 2 % of the samples are cut off."""
    ceiling = np.quantile(np.abs(waveform.samples), 1 - rng.uniform(0.001, 0.02))
    return _with_samples(waveform, np.clip(waveform.samples, -ceiling, ceiling))


CHAIN = (
    (change_speed, 0.7),
    (add_room, 0.35),
    (add_noise, 0.5),
    (equalise, 0.6),
    (clip, 0.08),
    (limit_band, 0.3),
)
"""In the order in which sound meets them, each with its probability."""


def run_chain(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Apply `CHAIN`, each step with its own probability."""
    for step, probability in CHAIN:
        if rng.random() < probability:
            waveform = step(waveform, rng)
    return waveform
