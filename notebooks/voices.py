"""Voices made from numbers: pulses and noise through resonances, spoken in an emotion.

The source-filter model of speech (Fant 1960) with textbook vowels (Peterson and Barney 1952). How
pitch, melody, tempo, loudness and spectral tilt go with an emotion follows the directions that
Juslin and Laukka (2003) found, as plain numbers: this is what the notebooks look at when there are
no recordings, and no voice of anybody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import signal

RATE_HZ = 16_000
_PEAK = 5.0
"""Peaks are rounded off towards so many times the root mean square, as in a real voice."""
_BLOCK = 160
"""Samples for which the resonances stand still: 10 ms."""

_VOWELS = {
    "i": (270, 2290, 3010),
    "e": (530, 1840, 2480),
    "a": (730, 1090, 2440),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
}
"""First three formants, Hz."""
_HIGHER_HZ = (3500, 4500)
_BANDWIDTHS_HZ = (80, 100, 140, 220, 300)

_HISSES = {"s": (4200, 7200), "f": (1500, 7000), "x": (2200, 4800)}
"""Band of the noise of a consonant, Hz."""
_BURSTS = {"t": (3000, 6500), "k": (1400, 3000), "p": (300, 1500)}
_HUMS = {"m": 250, "n": 280, "l": 360}
"""First formant of a voiced consonant, Hz."""


@dataclass(frozen=True)
class Speaker:
    """Who speaks.

    Attributes
    ----------
    pitch_hz : float
        Usual pitch.
    tract : float
        All formants are multiplied by it: a shorter vocal tract has higher ones.
    """

    name: str
    sex: str
    age: int
    pitch_hz: float
    tract: float


@dataclass(frozen=True)
class Acting:
    """What an emotion, played strongly, does to a voice.

    Attributes
    ----------
    pitch, melody : float
        Semitones above the speaker's usual pitch; how far the melody moves, semitones.
    tempo : float
        How many times as fast as usual.
    loudness_db : float
    tilt_db : float
        What each octave above 500 Hz gains (a pressed voice) or loses (a soft one), dB.
    breath : float
        Share of noise in the source, 0 to 1.
    tremble : float
        How far pitch trembles six times a second, semitones.
    """

    pitch: float = 0.0
    melody: float = 3.0
    tempo: float = 1.0
    loudness_db: float = 0.0
    tilt_db: float = 0.0
    breath: float = 0.03
    tremble: float = 0.0


ACTINGS = {
    "neutral": Acting(),
    "happy": Acting(4.0, 8.0, 1.15, 5.0, 2.0),
    "sad": Acting(-1.5, 1.5, 0.72, -7.0, -4.0, 0.12, 0.3),
    "angry": Acting(3.0, 5.0, 1.2, 10.0, 5.0, 0.02),
    "fearful": Acting(7.0, 3.0, 1.35, -1.0, 0.0, 0.1, 1.0),
}


def say(
    syllables: str, speaker: Speaker, emotion: str, strength: float, rng: np.random.Generator
) -> np.ndarray:
    """Speak a sentence.

    Parameters
    ----------
    syllables : str
        Each a consonant and a vowel, with blanks between words: ``"sa ti mo"``.
    emotion : str
        A key of `ACTINGS`.
    strength : float
        0 as if neutral, 1 as strongly as `ACTINGS` has it.
    rng : numpy.random.Generator
        No two utterances are alike.

    Returns
    -------
    numpy.ndarray, shape (n,), float32
        At `RATE_HZ`, with a faint room around it.
    """
    acting = _scaled(ACTINGS[emotion], strength, rng)
    tracks = _articulate(syllables, speaker, acting, rng)
    voiced = _pulses(_melody(tracks, speaker, acting, rng), rng)
    breath = rng.normal(0, 0.3, len(voiced))
    source = (1 - acting.breath) * voiced + acting.breath * breath
    sound = _resonate(source * tracks.voice, tracks.formants) + tracks.noise
    return _record(_tilted(sound, acting.tilt_db), acting.loudness_db, rng)


@dataclass(frozen=True)
class _Tracks:
    """What the mouth does: samples of voicing and noise, resonances of each block."""

    voice: np.ndarray
    noise: np.ndarray
    formants: np.ndarray


def _scaled(acting: Acting, strength: float, rng: np.random.Generator) -> Acting:
    """Go part of the way from a neutral voice to an acted one, never twice the same."""
    calm = Acting()

    def between(name: str, spread: float) -> float:
        start, end = getattr(calm, name), getattr(acting, name)
        return start + strength * (end - start) + rng.normal(0, spread)

    return Acting(
        pitch=between("pitch", 0.6),
        melody=max(0.5, between("melody", 0.5)),
        tempo=max(0.5, between("tempo", 0.05)),
        loudness_db=between("loudness_db", 1.0),
        tilt_db=between("tilt_db", 0.5),
        breath=min(0.5, max(0.0, between("breath", 0.01))),
        tremble=max(0.0, between("tremble", 0.05)),
    )


def _articulate(
    syllables: str, speaker: Speaker, acting: Acting, rng: np.random.Generator
) -> _Tracks:
    """Lay consonants and vowels out in time."""
    voice, noise, targets = [], [], []

    def add(seconds: float, voicing: float, formants: tuple[float, ...], hiss: np.ndarray) -> None:
        blocks = max(1, round(seconds / acting.tempo * rng.uniform(0.85, 1.15) * RATE_HZ / _BLOCK))
        voice.append(np.full(blocks * _BLOCK, voicing))
        noise.append(np.resize(hiss, blocks * _BLOCK) if len(hiss) else np.zeros(blocks * _BLOCK))
        scaled = [speaker.tract * value for value in (*formants, *_HIGHER_HZ)]
        targets.append(np.tile(scaled, (blocks, 1)))

    quiet = np.empty(0)
    for word in syllables.split():
        for consonant, vowel in zip(word[::2], word[1::2], strict=True):
            formants = _VOWELS[vowel]
            if consonant in _HISSES:
                add(0.09, 0.0, formants, _hiss(*_HISSES[consonant], 0.012, rng))
            elif consonant in _BURSTS:
                add(0.05, 0.0, formants, quiet)
                add(0.02, 0.0, formants, _hiss(*_BURSTS[consonant], 0.015, rng))
            else:
                add(0.07, 0.35, (_HUMS[consonant], *formants[1:]), quiet)
            add(0.13, 1.0, formants, quiet)
        add(0.06, 0.0, formants, quiet)
    smooth = np.hanning(7)[:, None] / np.hanning(7).sum()
    padded = np.pad(np.concatenate(targets), ((3, 3), (0, 0)), mode="edge")
    formants_of_blocks = signal.fftconvolve(padded, smooth, mode="valid", axes=0)
    return _Tracks(_eased(np.concatenate(voice)), np.concatenate(noise), formants_of_blocks)


def _hiss(low_hz: float, high_hz: float, level: float, rng: np.random.Generator) -> np.ndarray:
    band = signal.butter(2, (low_hz, high_hz), "bandpass", fs=RATE_HZ, output="sos")
    made = signal.sosfilt(band, rng.normal(0, 1, 3200))
    return level * made / np.std(made)


def _eased(gate: np.ndarray) -> np.ndarray:
    """Let voicing rise and fall within 25 ms."""
    window = np.hanning(400)
    return np.convolve(gate, window / window.sum(), mode="same")


def _melody(
    tracks: _Tracks, speaker: Speaker, acting: Acting, rng: np.random.Generator
) -> np.ndarray:
    """Pitch of each sample, Hz: it falls over the sentence, rises and falls, and wavers."""
    count = len(tracks.voice)
    time_s = np.arange(count) / RATE_HZ
    waves = np.sin(2 * np.pi * (rng.uniform(0.9, 1.6) * time_s + rng.uniform()))
    falling = np.linspace(0.6, -0.6, count)
    wander = np.cumsum(rng.normal(0, 1, count // _BLOCK + 1))
    wander = np.interp(time_s * RATE_HZ / _BLOCK, np.arange(len(wander)), wander - wander.mean())
    semitones = acting.pitch + acting.melody * (0.6 * waves + falling) + 0.03 * wander
    semitones += acting.tremble * np.sin(2 * np.pi * 6 * time_s)
    return speaker.pitch_hz * 2 ** (semitones / 12)


def _pulses(pitch_hz: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Flow of air through the glottis, differentiated: it opens slowly and closes at once."""
    phase = np.cumsum(pitch_hz) / RATE_HZ
    periods = int(phase[-1]) + 2
    shimmer = 1 + rng.normal(0, 0.06, periods)
    within = phase % 1.0 / 0.6
    flow = np.where(within < 1, within**2 * (1 - within) * 6.75, 0.0)
    return np.diff(flow * shimmer[phase.astype(int)], prepend=0.0) * RATE_HZ / pitch_hz * 0.1


def _resonate(source: np.ndarray, formants: np.ndarray) -> np.ndarray:
    """Send the source through the vocal tract: one resonance after another, moving."""
    sound = source
    for formant, bandwidth in zip(formants.T, _BANDWIDTHS_HZ, strict=True):
        radius = np.exp(-np.pi * bandwidth / RATE_HZ)
        state, made = np.zeros(2), []
        for number, hz in enumerate(formant):
            poles = [1, -2 * radius * np.cos(2 * np.pi * min(hz, 7500) / RATE_HZ), radius**2]
            part = sound[number * _BLOCK : (number + 1) * _BLOCK]
            filtered, state = signal.lfilter([sum(poles)], poles, part, zi=state)
            made.append(filtered)
        sound = np.concatenate(made)
    return sound


def _tilted(sound: np.ndarray, tilt_db: float) -> np.ndarray:
    """Give each octave above 500 Hz so many dB more than the one below."""
    spectrum = np.fft.rfft(sound)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(sound), 1 / RATE_HZ), 500) / 500)
    return np.fft.irfft(spectrum * 10 ** (tilt_db * octaves / 20), len(sound))


def _record(sound: np.ndarray, loudness_db: float, rng: np.random.Generator) -> np.ndarray:
    """Put the voice into a quiet room: pauses around it, noise at -66 dBFS, no sample cut off."""
    even = sound / max(float(np.sqrt(np.mean(sound**2))), 1e-9)
    sound = 10 ** ((-30 + loudness_db) / 20) * _PEAK * np.tanh(even / _PEAK)
    before, after = (rng.uniform(0.15, 0.35, 2) * RATE_HZ).astype(int)
    whole = np.pad(sound, (before, after))
    return np.tanh(whole + rng.normal(0, 5e-4, len(whole))).astype(np.float32)
