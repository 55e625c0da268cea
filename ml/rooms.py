"""Rooms to speak in: impulse responses by the image source method (Allen and Berkley 1979)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import signal

from ml.channels import with_samples

if TYPE_CHECKING:
    from ml.audio import Waveform

N_ROOMS = 60
"""Rooms that augmentation draws from."""

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Room:
    """A shoebox-shaped room with a voice and a microphone in it.

    Attributes
    ----------
    size_m : tuple of float
        Length, width, height.
    t60_s : float
        Reverberation time that its walls are made for (Sabine).
    voice_m, microphone_m : tuple of float
        Where they are, from the room's corner.
    """

    size_m: Point
    t60_s: float
    voice_m: Point
    microphone_m: Point


@functools.lru_cache(maxsize=128)
def impulse_response(room: Room, sample_rate_hz: int) -> tuple[np.ndarray, int]:
    """Compute what the microphone gets of an impulse.

    Returns
    -------
    response : numpy.ndarray, shape (n,), float32
        Scaled so that its direct sound (the first 2.5 ms) has an energy of 1.
    direct : int
        Sample at which the direct sound arrives.
    """
    import pyroomacoustics

    absorption, order = pyroomacoustics.inverse_sabine(room.t60_s, room.size_m)
    shoebox = pyroomacoustics.ShoeBox(
        room.size_m,
        fs=sample_rate_hz,
        materials=pyroomacoustics.Material(absorption),
        max_order=order,
    )
    shoebox.add_source(room.voice_m)
    shoebox.add_microphone(room.microphone_m)
    shoebox.compute_rir()
    response = shoebox.rir[0][0]
    distance = float(np.linalg.norm(np.subtract(room.voice_m, room.microphone_m)))
    # The library's fractional delay filter shifts all by half its length.
    shift = pyroomacoustics.constants.get("frac_delay_length") // 2
    direct = shift + round(distance / shoebox.c * sample_rate_hz)
    response = response[: direct + int(room.t60_s * sample_rate_hz)]
    first = response[: direct + int(0.0025 * sample_rate_hz)]
    return (response / np.sqrt(np.sum(first**2))).astype(np.float32), direct


@functools.lru_cache(maxsize=N_ROOMS)
def training_room(number: int) -> Room:
    """Draw room `number`: 2 to 10 m long, T60 0.15 to 0.9 s, voice 0.3 to 4 m off the microphone.

    The same number is always the same room. Small rooms echo shorter, as they do in houses.
    """
    rng = np.random.default_rng([19_790_401, number])
    size = rng.uniform((2.2, 2.0, 2.2), (10, 8, 4))
    longest = min(0.9, 0.3 + 0.006 * float(np.prod(size)))
    t60 = float(rng.uniform(0.15, longest))
    # Walls cannot absorb more than everything (Sabine's formula needs 0.161 V / S at least).
    length, width, height = size
    surface = 2 * (length * width + length * height + width * height)
    t60 = max(t60, 1.1 * 0.161 * float(np.prod(size)) / surface)
    distance = np.exp(rng.uniform(np.log(0.3), np.log(4.0)))
    voice = rng.uniform(0.25, 0.75, 3) * size
    direction = rng.standard_normal(3) * (1, 1, 0.25)
    microphone = voice + distance * direction / np.linalg.norm(direction)
    inside = np.clip(microphone, 0.15, size - 0.15)
    return Room(_point(size), t60, _point(voice), _point(inside))


def _point(values: np.ndarray) -> Point:
    x, y, z = values.tolist()
    return x, y, z


def reverberate(waveform: Waveform, room: Room) -> Waveform:
    """Let it sound in a room; the direct sound stays where it was in time, and as loud."""
    response, direct = impulse_response(room, waveform.sample_rate_hz)
    wet = signal.oaconvolve(waveform.samples, response)
    return with_samples(waveform, wet[direct : direct + len(waveform.samples)])
