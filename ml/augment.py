"""What real recordings suffer, drawn at random: ``(Waveform, rng) -> Waveform`` functions.

None of them changes the emotion; together they keep a network from learning a corpus's room,
microphone or codec instead of the voice. What each does exactly stands in `channels`, `rooms` and
`lossy`; here are the probabilities and ranges.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ml import channels, lossy, rooms

if TYPE_CHECKING:
    from ml.audio import Waveform


def begin_early(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Start the recording up to 0.7 s before the clip does."""
    silence = np.zeros(int(rng.uniform(0, 0.7) * waveform.sample_rate_hz), np.float32)
    return replace(waveform, samples=np.concatenate([silence, waveform.samples]))


def change_speed(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Let it last 0.92 to 1.08 times as long; pitch and formants move along."""
    return channels.stretch(waveform, rng.uniform(0.92, 1.08))


def change_pitch(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Move pitch and formants by up to 1.5 semitones; the tempo stays."""
    return channels.shift_pitch(waveform, rng.uniform(-1.5, 1.5))


def add_room(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Put it into one of `rooms.N_ROOMS` rooms."""
    room = rooms.training_room(int(rng.integers(rooms.N_ROOMS)))
    return rooms.reverberate(waveform, room)


def add_noise(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Add stationary noise with a spectrum of ``1/f**a``, a in 0 to 2, at 3 to 35 dB SNR."""
    noise = channels.coloured_noise(len(waveform.samples), rng.uniform(0, 2), rng)
    return channels.mix(waveform, noise, rng.uniform(3, 35))


def add_babble(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Let a crowd talk behind it at 5 to 25 dB SNR; its own copies are the crowd."""
    crowd = channels.babble([waveform.samples], len(waveform.samples), rng)
    return channels.mix(waveform, crowd, rng.uniform(5, 25))


def add_hum(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Add mains hum of 50 or 60 Hz at 5 to 30 dB SNR."""
    rate, mains = waveform.sample_rate_hz, float(rng.choice([50.0, 60.0]))
    sound = channels.hum(len(waveform.samples), rate, mains, rng)
    return channels.mix(waveform, sound, rng.uniform(5, 30))


def add_clicks(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Let something knock or crackle 1 to 8 times a second at 10 to 30 dB SNR."""
    n, rate = len(waveform.samples), waveform.sample_rate_hz
    sound = channels.clicks(n, rate, rng.uniform(1, 8), rng)
    return channels.mix(waveform, sound, rng.uniform(10, 30))


def change_microphone(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Give it another microphone: smooth response of some 8 dB, tilt of 6 dB, low cut for half."""
    gains_db = np.cumsum(rng.normal(0, 2.5, 6)) + np.linspace(-1, 1, 6) * rng.uniform(-6, 6)
    shaped = channels.colour(waveform, gains_db - gains_db.mean())
    low_cut_hz = rng.uniform(80, 200)
    return channels.limit_band(shaped, low_cut_hz) if rng.random() < 0.5 else shaped


def overdrive(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Cut off the loudest 0.1 to 3 % of the samples."""
    return channels.clip_share(waveform, rng.uniform(0.001, 0.03))


def compress(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Compress its dynamics 1.5 to 4 times above -30 to -10 dB, fast or as slow as a recorder's."""
    threshold_db, ratio = rng.uniform(-30, -10), rng.uniform(1.5, 4)
    attack_s, release_s = rng.uniform(0.005, 0.05), np.exp(rng.uniform(np.log(0.05), 0))
    return channels.compress(waveform, threshold_db, ratio, attack_s, release_s)


def limit_band(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Cut it to a narrower channel: from 50 to 300 Hz, half of the time to that of a telephone."""
    top_hz = rng.uniform(2800, 4000) if rng.random() < 0.5 else rng.uniform(4000, 7500)
    return channels.limit_band(waveform, rng.uniform(50, 300), top_hz)


def encode(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Send it through a lossy codec at one of its bit rates."""
    name = str(rng.choice(list(lossy.CODECS)))
    bit_rates = lossy.CODECS[name].bit_rates or (0,)
    return lossy.transcode(waveform, name, int(rng.choice(bit_rates)))


def change_level(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Make it up to 20 dB quieter, or up to 12 dB louder as far as nothing is cut off."""
    peak = max(float(np.max(np.abs(waveform.samples), initial=0.0)), 1e-4)
    headroom_db = min(12.0, max(0.0, -20 * np.log10(peak)))
    return channels.amplify(waveform, rng.uniform(-20, headroom_db))


CHAIN = (
    (begin_early, 0.5),
    (change_speed, 0.6),
    (change_pitch, 0.15),
    (add_room, 0.45),
    (add_noise, 0.45),
    (add_babble, 0.08),
    (add_hum, 0.06),
    (add_clicks, 0.06),
    (change_microphone, 0.6),
    (overdrive, 0.08),
    (compress, 0.15),
    (limit_band, 0.25),
    (encode, 0.3),
    (change_level, 0.5),
)
"""In the order in which sound meets them, each with its probability."""


def run_chain(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Apply `CHAIN`, each step with its own probability."""
    for step, probability in CHAIN:
        if rng.random() < probability:
            waveform = step(waveform, rng)
    return waveform


@functools.cache
def chain_version() -> str:
    """Name the chain as it is now, 12 hexadecimal digits: other numbers or code, another name.

    Comments and docstrings do not count, so that a better word throws no cached features away.
    """
    modules = (inspect.getmodule(chain_version), channels, lossy, rooms)
    code = "".join(_code(inspect.getsource(module)) for module in modules if module)
    return hashlib.sha256(code.encode()).hexdigest()[:12]


def _code(source: str) -> str:
    """Write out what a file does, without its words for people."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
            node.body = [part for part in node.body if not _is_text(part)]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
