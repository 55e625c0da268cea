"""What robustness is measured under: `CONDITIONS`, each exactly as strong as its title says.

Fixed rooms, rates and levels, apart from those that augmentation draws; the codecs are real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ml import channels
from ml.lossy import transcode
from ml.rooms import Room, reverberate

if TYPE_CHECKING:
    from ml.audio import Waveform

ROOMS = {
    "small": Room((3.4, 2.9, 2.4), 0.25, (1.1, 1.2, 1.5), (1.9, 1.7, 1.2)),
    "medium": Room((6.1, 4.7, 2.8), 0.5, (2.0, 1.6, 1.6), (3.3, 2.6, 1.1)),
    "large": Room((10.3, 7.9, 3.7), 0.9, (3.1, 2.7, 1.6), (5.4, 4.1, 1.2)),
}
"""The rooms: a bathroom or office (0.9 m off), a living room (1.7 m), a hall (2.7 m)."""


@dataclass(frozen=True)
class Condition:
    """One thing that a recording may suffer.

    Attributes
    ----------
    name : str
    title : str
        For people; starts a line.
    apply : callable
        ``(Waveform, rng) -> Waveform``; the same generator state gives the same sound.
    moderate : bool
        Whether the worst case counts it: noise under 10 dB does not.
    """

    name: str
    title: str
    apply: Callable[[Waveform, np.random.Generator], Waveform]
    moderate: bool = True


def _same(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    return waveform


def _coded(
    waveform: Waveform, rng: np.random.Generator, codec: str, bit_rate: int | None = None
) -> Waveform:
    return transcode(waveform, codec, bit_rate)


def _narrowed(waveform: Waveform, rng: np.random.Generator, rate_hz: int) -> Waveform:
    return channels.narrow(waveform, rate_hz)


def _in_pink_noise(waveform: Waveform, rng: np.random.Generator, snr_db: float) -> Waveform:
    noise = channels.coloured_noise(len(waveform.samples), 1.0, rng)
    return channels.mix(waveform, noise, snr_db)


def _in_babble(waveform: Waveform, rng: np.random.Generator, snr_db: float) -> Waveform:
    crowd = channels.babble([waveform.samples], len(waveform.samples), rng)
    return channels.mix(waveform, crowd, snr_db)


def _in_room(waveform: Waveform, rng: np.random.Generator, room: str) -> Waveform:
    return reverberate(waveform, ROOMS[room])


def _amplified(waveform: Waveform, rng: np.random.Generator, gain_db: float) -> Waveform:
    return channels.amplify(waveform, gain_db)


def _clipped(waveform: Waveform, rng: np.random.Generator, share: float) -> Waveform:
    return channels.clip_share(waveform, share)


_ROWS = (
    Condition("clean", "As recorded", _same),
    Condition("mp3-32", "MP3, 32 kbit/s", partial(_coded, codec="mp3", bit_rate=32_000)),
    Condition("opus-16", "Opus, 16 kbit/s", partial(_coded, codec="opus", bit_rate=16_000)),
    Condition("amr-12", "AMR-NB, 12.2 kbit/s", partial(_coded, codec="amr-nb", bit_rate=12_200)),
    Condition("amr-5", "AMR-NB, 4.75 kbit/s", partial(_coded, codec="amr-nb", bit_rate=4750)),
    Condition("gsm", "GSM 06.10, 13 kbit/s", partial(_coded, codec="gsm")),
    Condition("8-khz", "Sampled at 8 kHz", partial(_narrowed, rate_hz=8000)),
    Condition("noise-20", "Pink noise, 20 dB SNR", partial(_in_pink_noise, snr_db=20.0)),
    Condition("noise-10", "Pink noise, 10 dB SNR", partial(_in_pink_noise, snr_db=10.0)),
    Condition("noise-5", "Pink noise, 5 dB SNR", partial(_in_pink_noise, snr_db=5.0), False),
    Condition("babble-10", "Babble, 10 dB SNR", partial(_in_babble, snr_db=10.0)),
    Condition("room-small", "Small room, T60 0.25 s", partial(_in_room, room="small")),
    Condition("room-medium", "Medium room, T60 0.5 s", partial(_in_room, room="medium")),
    Condition("room-large", "Large room, T60 0.9 s", partial(_in_room, room="large")),
    Condition("louder-12", "12 dB louder, cut at full scale", partial(_amplified, gain_db=12.0)),
    Condition("quieter-12", "12 dB quieter", partial(_amplified, gain_db=-12.0)),
    Condition("clipping-2", "Cut off: the loudest 2 %", partial(_clipped, share=0.02)),
)

CONDITIONS = {row.name: row for row in _ROWS}
"""Conditions of the robustness table by name, in its order; the first changes nothing."""
