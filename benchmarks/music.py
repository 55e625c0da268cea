"""Music for a General MIDI synthesiser: each instrument alone, and ten styles of bands."""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_TICKS = 480
_GAP_S = 2.0
_DRUM_CHANNEL = 9
_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
FAMILIES = (
    *("piano", "chromatic-percussion", "organ", "guitar", "bass", "strings", "ensemble", "brass"),
    *("reed", "pipe", "synth-lead", "synth-pad", "synth-effects", "ethnic", "percussive"),
)
"""General MIDI's families of eight programs; the last one, sound effects, is no music."""


@dataclass(frozen=True)
class Note:
    """A note: seconds from the piece's start, its length, channel, pitch and force."""

    start_s: float
    length_s: float
    channel: int
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Piece:
    """A few seconds of music: which program plays on each channel, and the notes."""

    group: str
    name: str
    seconds: float
    programs: dict[int, int]
    notes: tuple[Note, ...]
    vibrato: int = 0


@dataclass(frozen=True)
class Style:
    """A genre: beats a minute, scale, chords by scale degree, who plays, what the drums hit."""

    bpm: int
    scale: tuple[int, ...]
    chords: tuple[int, ...]
    melody: int
    backing: int
    bass: int
    drums: dict[int, tuple[float, ...]]


_ROCK = {36: (0, 2), 38: (1, 3), 42: (0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5)}
_SWING = {51: (0, 1, 1.67, 2, 3, 3.67), 44: (1, 3)}
_HOUSE = {36: (0, 1, 2, 3), 46: (0.5, 1.5, 2.5, 3.5), 39: (1, 3)}
_LATIN = {62: (0, 0.75, 1.5, 2, 3), 70: tuple(np.arange(0, 4, 0.25)), 76: (0, 1.5, 3)}

STYLES = {
    "pop": Style(110, _MAJOR, (0, 4, 5, 3), 4, 0, 33, _ROCK),
    "rock": Style(140, _MINOR, (0, 5, 2, 6), 29, 30, 34, _ROCK),
    "jazz": Style(150, _MAJOR, (1, 4, 0, 5), 66, 0, 32, _SWING),
    "classical": Style(96, _MAJOR, (0, 3, 4, 0), 40, 48, 42, {}),
    "choral": Style(70, _MINOR, (0, 3, 4, 0), 53, 52, 52, {}),
    "house": Style(126, _MINOR, (0, 5, 3, 4), 81, 90, 38, _HOUSE),
    "latin": Style(100, _MINOR, (0, 4, 4, 0), 73, 24, 32, _LATIN),
    "folk": Style(120, _MAJOR, (0, 3, 0, 4), 110, 25, 32, {}),
    "ambient": Style(60, _MAJOR, (0, 2, 3, 5), 91, 89, 95, {}),
    "brass-band": Style(116, _MAJOR, (0, 4, 0, 3), 56, 61, 58, _ROCK),
}


def _degree(style_scale: tuple[int, ...], degree: int) -> int:
    octave, step = divmod(degree, len(style_scale))
    return 12 * octave + style_scale[step]


def _melody(
    rng: np.random.Generator, scale: tuple[int, ...], root: int, beat_s: float, seconds: float
) -> list[Note]:
    """Walk over the scale in notes of half a beat to two beats, with a few rests."""
    notes, at_s, degree = [], 0.0, int(rng.integers(0, 7))
    while at_s < seconds - 0.3:
        length_s = beat_s * rng.choice([0.5, 0.5, 1, 1, 1, 2])
        if rng.random() < 0.88:
            pitch = root + _degree(scale, degree)
            sounding_s = min(length_s * rng.uniform(0.6, 1.05), seconds - at_s)
            notes.append(Note(at_s, sounding_s, 0, pitch, int(rng.integers(60, 125))))
        degree = int(np.clip(degree + rng.choice([-2, -1, -1, 0, 1, 1, 2, 4, -4]), -4, 11))
        at_s += length_s
    return notes


def _solo(program: int, variant: int) -> Piece:
    """One instrument: a melody in its register; every other variant in chords."""
    family = FAMILIES[program // 8]
    name = f"{family}-{program:03d}-{variant}"
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    root = 36 if family == "bass" else int(rng.integers(48, 68))
    scale = (_MAJOR, _MINOR)[variant % 2]
    notes = _melody(rng, scale, root, rng.uniform(0.3, 0.7), 5.0)
    if variant % 2 and family != "bass":
        chords = []
        for note in notes:
            chords += [
                Note(note.start_s, note.length_s, 0, note.pitch + up, note.velocity)
                for up in (0, 4, 7)
            ]
        notes = chords
    return Piece(
        f"music-{family}",
        name,
        5.0,
        {0: program},
        tuple(notes),
        vibrato=int(rng.choice([0, 40, 100])),
    )


def _band(genre: str, style: Style, variant: int) -> Piece:
    """Melody, chords, bass and drums together; the second variant leaves the melody out."""
    rng = np.random.default_rng(zlib.crc32(f"{genre}-{variant}".encode()))
    beat_s, root, seconds = 60 / style.bpm, int(rng.integers(50, 62)), 8.0
    notes = [] if variant == 1 else _melody(rng, style.scale, root + 12, beat_s, seconds)
    for bar in range(int(seconds / (4 * beat_s)) + 1):
        start_s = bar * 4 * beat_s
        degree = style.chords[bar % len(style.chords)]
        for up in (0, 2, 4):
            pitch = root + _degree(style.scale, degree + up)
            notes.append(Note(start_s, 3.8 * beat_s, 1, pitch, int(rng.integers(55, 90))))
        bass = root - 12 + _degree(style.scale, degree)
        notes += [Note(start_s + b * beat_s, 0.9 * beat_s, 2, bass, 95) for b in range(4)]
        for drum, beats in style.drums.items():
            notes += [
                Note(start_s + b * beat_s, 0.1, _DRUM_CHANNEL, drum, int(rng.integers(70, 120)))
                for b in beats
            ]
    kept = tuple(note for note in notes if note.start_s < seconds - 0.1)
    programs = {0: style.melody, 1: style.backing, 2: style.bass}
    return Piece(f"genre-{genre}", f"{genre}-{variant}", seconds, programs, kept, vibrato=30)


def _drums(genre: str, style: Style) -> Piece:
    beat_s = 60 / style.bpm
    notes = tuple(
        Note((4 * bar + beat) * beat_s, 0.1, _DRUM_CHANNEL, drum, 100)
        for bar in range(3)
        for drum, beats in style.drums.items()
        for beat in beats
    )
    return Piece("drums", f"drums-{genre}", 6.0, {}, tuple(n for n in notes if n.start_s < 6))


PIECES = (
    *(_solo(program, variant) for program in range(120) for variant in range(2)),
    *(_band(genre, style, variant) for genre, style in STYLES.items() for variant in range(3)),
    *(_drums(genre, style) for genre, style in STYLES.items() if style.drums),
)


def midi_file(pieces: tuple[Piece, ...], path: Path) -> list[float]:
    """Write pieces one after another into a standard MIDI file; return where each starts, s."""
    events: list[tuple[float, int, bytes]] = []
    starts, at_s = [], 0.5
    for piece in pieces:
        starts.append(at_s)
        for channel, program in piece.programs.items():
            events.append((at_s - 0.2, 0, bytes([0xC0 | channel, program])))
            events.append((at_s - 0.2, 0, bytes([0xB0 | channel, 1, piece.vibrato])))
        for note in piece.notes:
            begin_s = at_s + note.start_s
            events.append((begin_s, 2, bytes([0x90 | note.channel, note.pitch, note.velocity])))
            events.append((begin_s + note.length_s, 1, bytes([0x80 | note.channel, note.pitch, 0])))
        at_s += piece.seconds + _GAP_S
    track, before = b"", 0
    for second, _order, message in sorted(events):
        tick = round(second * 2 * _TICKS)  # 120 beats a minute, which a file without tempo has
        track += _variable_length(tick - before) + message
        before = tick
    track += b"\x00\xff\x2f\x00"
    header = struct.pack(">4sIHHH4sI", b"MThd", 6, 0, 1, _TICKS, b"MTrk", len(track))
    path.write_bytes(header + track)
    return starts


def _variable_length(number: int) -> bytes:
    """Write a number the way MIDI does: seven bits a byte, the highest first."""
    parts = [number & 0x7F]
    while number := number >> 7:
        parts.append(0x80 | number & 0x7F)
    return bytes(reversed(parts))
