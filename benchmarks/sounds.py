"""Sounds that hold no speech, as WAV files: made from numbers, played by instruments, recorded.

``python benchmarks/sounds.py DIR`` writes ``DIR/<class>/<name>.wav``, 16 kHz mono, the same ones at
every call. Music is played by fluidsynth with each General MIDI soundfont that ``--soundfont``
names (Debian: ``fluidsynth fluid-soundfont-gm timgm6mb-soundfont``). ``--packages`` is a folder
with one folder for each of the Debian packages in `RECORDED`, unpacked by ``dpkg -x``: animals,
machines and recorded music. ``evaluate --sounds DIR`` then counts which of them get an emotion.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from music import PIECES, Piece, midi_file
from scipy import signal

RATE_HZ = 16_000

COLOURS = {"white": 0.0, "pink": 1.0, "brown": 2.0, "blue": -1.0, "violet": -2.0}
"""Power falls with frequency to this power."""

_PEOPLE = (
    r"human|elf|dwarf|orc|ogre|troll|goblin|mermen|mermaid|laugh|groan|wail|ugg|lich|ghoul|zombie"
    r"|naga|_desc|excellent|welldone|grunts|School|Shanty|Croud|Market|University|Commune|Health"
    r"|Residential|_[a-z]{2}(_[a-z]{2})?\.|magic-holy|baby|people"
)
"""Files in which somebody speaks, shouts or sings; they are no sounds without a voice."""

RECORDED = (
    ("animals", "tuxpaint-stamps-default", "animals/"),
    ("animals", "wesnoth-1.16-data", r"sounds/(bat|wolf|horse|gryphon|tusker|drake|hiss|bite)"),
    ("animals", "simutrans-pak64", r"sound/(horse|seagulls|tropic|forest)"),
    ("machines", "tuxpaint-stamps-default", r"(vehicles|household|tools|military)/"),
    ("machines", "simutrans-pak64", r"sound/(?!horse|seagulls|tropic|forest)"),
    ("machines", "lincity-ng-data", "sounds/"),
    ("machines", "colobot-common-sounds", "sounds/"),
    ("effects", "wesnoth-1.16-data", r"sounds/(?!bat|wolf|horse|gryphon|tusker|drake|hiss|bite)"),
    ("effects", "supertux-data", "sounds/"),
    ("effects", "sound-theme-freedesktop", "sounds/"),
    ("recorded-music", "tuxpaint-stamps-default", "hobbies/music/"),
    ("recorded-music", "wesnoth-1.16-music", "music/"),
    ("recorded-music", "supertux-data", "music/"),
    ("recorded-music", "colobot-common-sounds", "music/"),
    ("recorded-music", "extremetuxracer-data", "music/"),
    ("recorded-music", "lincity-ng-data", "music/"),
)
"""Class, Debian package, and a pattern of the paths in it."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--soundfont", type=Path, action="append", default=[], metavar="SF2")
    parser.add_argument("--packages", type=Path, metavar="DIR")
    args = parser.parse_args()
    written = 0
    for group, name, samples in sounds(args.soundfont, args.packages):
        path = args.folder / group / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.clip(samples, -1, 1), RATE_HZ, subtype="PCM_16")
        written += 1
    print(f"{written} sounds in {args.folder}")
    return 0


def sounds(soundfonts: list[Path], packages: Path | None) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield class, name and samples of every sound."""
    yield from synthetic()
    for soundfont in soundfonts:
        yield from played(soundfont)
    if packages:
        yield from recorded(packages)


def _rng(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))


def at_level(samples: np.ndarray, dbfs: float) -> np.ndarray:
    """Scale to an RMS level, but never over full scale."""
    scaled = samples / max(np.sqrt(np.mean(samples**2)), 1e-12) * 10 ** (dbfs / 20)
    return scaled / max(1.0, float(np.max(np.abs(scaled))))


def time(seconds: float) -> np.ndarray:
    return np.arange(round(seconds * RATE_HZ)) / RATE_HZ


def noise(rng: np.random.Generator, colour: float, seconds: float) -> np.ndarray:
    count = round(seconds * RATE_HZ)
    frequency = np.maximum(np.fft.rfftfreq(count, 1 / RATE_HZ), 20)
    spectrum = np.fft.rfft(rng.standard_normal(count)) * frequency ** (-colour / 2)
    return np.fft.irfft(spectrum, count)


def band_noise(rng: np.random.Generator, low: float, high: float, seconds: float) -> np.ndarray:
    sections = signal.butter(2, (low, high), "bandpass", fs=RATE_HZ, output="sos")
    return signal.sosfilt(sections, rng.standard_normal(round(seconds * RATE_HZ)))


def partials(frequency: np.ndarray, strengths: list[float]) -> np.ndarray:
    """Add up harmonics of a frequency that may change from sample to sample."""
    phase = 2 * np.pi * np.cumsum(frequency) / RATE_HZ
    total = np.zeros(len(phase))
    for k, strength in enumerate(strengths, 1):
        total += np.where(k * frequency < RATE_HZ / 2, strength * np.sin(k * phase), 0)
    return total


def hum(rng: np.random.Generator, mains_hz: float, seconds: float) -> np.ndarray:
    strengths = list(rng.uniform(0.2, 1, 12) / np.arange(1, 13) ** rng.uniform(0.3, 1.5))
    return partials(np.full(round(seconds * RATE_HZ), mains_hz), strengths)


def chord(rng: np.random.Generator, root_hz: float, steps: tuple[int, ...]) -> np.ndarray:
    strengths = list(1 / np.arange(1, 7) ** rng.uniform(0.8, 2))
    length = len(time(3))
    notes = [partials(np.full(length, root_hz * 2 ** (s / 12)), strengths) for s in steps]
    return np.sum(notes, axis=0)


def sweep(rng: np.random.Generator, low: float, high: float, seconds: float) -> np.ndarray:
    return signal.chirp(time(seconds), low, seconds, high, method="logarithmic")


def bursts(
    rng: np.random.Generator, rate: float, length_s: float, low: float, high: float, seconds: float
) -> np.ndarray:
    """Put short decaying bursts of noise at random times: clicks, claps, drops, knocks."""
    total = np.zeros(round(seconds * RATE_HZ))
    length = round(length_s * RATE_HZ)
    for start in rng.integers(0, len(total) - length, rng.poisson(rate * seconds) + 1):
        burst = band_noise(rng, low, high, length_s) * np.exp(-np.arange(length) / (length / 5))
        total[start : start + length] += burst * rng.uniform(0.3, 1)
    return total


def engine(rng: np.random.Generator, rate_hz: float, seconds: float) -> np.ndarray:
    """Fire a motor at a rate that drifts, over a rumble."""
    count = round(seconds * RATE_HZ)
    drift = np.cumsum(rng.standard_normal(count)) / RATE_HZ
    revs = rate_hz * (1 + 0.3 * np.sin(2 * np.pi * time(seconds) * rng.uniform(0.1, 0.5)) + drift)
    strengths = list(rng.uniform(0.3, 1, 20) / np.arange(1, 21) ** 0.7)
    rumble = noise(rng, 1.5, seconds)
    return partials(np.abs(revs), strengths) + rumble / rumble.std() * rng.uniform(0.3, 2)


def wind(rng: np.random.Generator, seconds: float) -> np.ndarray:
    turns = np.arange(0, seconds + 0.5, 0.5)
    gusts = np.interp(time(seconds), turns, rng.uniform(0.1, 1, len(turns)))
    return gusts * (noise(rng, 1.6, seconds) + 0.2 * band_noise(rng, 300, 900, seconds))


def alarm(rng: np.random.Generator, low: float, high: float, beat_hz: float) -> np.ndarray:
    """Let a tone jump or glide between two pitches."""
    seconds = time(4)
    turn = np.sin(2 * np.pi * beat_hz * seconds)
    shape = turn if rng.random() < 0.5 else np.sign(turn)
    return partials(low + (high - low) * (shape + 1) / 2, [1.0, 0.4, 0.3, 0.1])


def beeps(rng: np.random.Generator, frequency: float, every_s: float) -> np.ndarray:
    seconds = time(4)
    return np.sin(2 * np.pi * frequency * seconds) * ((seconds % every_s) < every_s / 2.5)


def birdsong(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """Whistle short glides."""
    total = 0.001 * rng.standard_normal(4 * RATE_HZ)
    for start_s in np.cumsum(rng.uniform(0.1, 0.4, 12)):
        length_s = rng.uniform(0.05, 0.2)
        call = signal.chirp(
            time(length_s), rng.uniform(low, high), length_s, rng.uniform(low, high)
        )
        start = round(start_s * RATE_HZ)
        call = call[: max(0, len(total) - start)]
        total[start : start + len(call)] += call * np.hanning(len(call))
    return total


def purr(rng: np.random.Generator, pitch_hz: float) -> np.ndarray:
    """Breathe a rattling noise in and out, as a cat or a snorer does."""
    seconds = time(4)
    gate = (1 + signal.square(2 * np.pi * pitch_hz * seconds, 0.3)) / 2
    breath = 0.55 + 0.45 * np.sin(2 * np.pi * seconds / rng.uniform(1.2, 2.5))
    return gate * breath * band_noise(rng, 80, 900, 4)


def coloured(rng: np.random.Generator, colour: str, seconds: float) -> np.ndarray:
    return noise(rng, COLOURS[colour], seconds)


def tone(rng: np.random.Generator, frequency: float, strengths: tuple[float, ...]) -> np.ndarray:
    return partials(np.full(3 * RATE_HZ, float(frequency)), list(strengths))


_SINE, _RICH = (1.0,), (1.0, 0.6, 0.4, 0.3)
_TONES_HZ = (60, 90, 110, 150, 196, 220, 262, 330, 440, 587, 880, 1000, 2000, 3000, 6000)
_SWEEPS_HZ = ((50, 7000), (100, 400), (200, 120), (300, 3000), (150, 220), (900, 90))
_BANDS_HZ = ((100, 400), (300, 3400), (500, 900), (1000, 2000), (2000, 6000))
_CHORDS = {"major": (0, 4, 7), "minor": (0, 3, 7), "fifth": (0, 7), "cluster": (0, 1, 2, 3)}
_ALARMS = ((600, 1200, 0.5), (440, 585, 1), (800, 1000, 4), (300, 700, 0.3))
_CALLS_HZ = ((1500, 3000), (2500, 6000), (500, 900))

Recipe = tuple[str, Callable[..., np.ndarray], dict[str, tuple], tuple[int, ...]]
RECIPES: tuple[Recipe, ...] = (
    (
        "noise",
        coloured,
        {f"{c}-{s}s": (c, s) for c in COLOURS for s in (0.8, 3, 7)},
        (-70, -45, -25, -12),
    ),
    ("noise", band_noise, {f"band-{a}-{b}": (a, b, 4) for a, b in _BANDS_HZ}, (-45, -20)),
    ("hum", hum, {f"{f}Hz": (f, 4) for f in (50, 60, 100, 120, 150)}, (-45, -20)),
    ("hum", hum, {f"{f}Hz-short": (f, 1) for f in (50, 60, 100, 120, 150)}, (-45, -20)),
    ("tone", tone, {f"{f}Hz": (f, _SINE) for f in _TONES_HZ}, (-45, -20)),
    ("tone", tone, {f"{f}Hz-rich": (f, _RICH) for f in _TONES_HZ}, (-45, -20)),
    (
        "sweep",
        sweep,
        {f"{a}-{b}-{s}s": (a, b, s) for a, b in _SWEEPS_HZ for s in (1, 4)},
        (-45, -20),
    ),
    (
        "chord",
        chord,
        {f"{n}-{r}Hz": (r, s) for r in (65, 98, 131, 196, 262, 392) for n, s in _CHORDS.items()},
        (-45, -20),
    ),
    (
        "clicks",
        bursts,
        {f"clicks-{r}": (r, 0.004, 500, 7000, 4) for r in (1, 4, 12, 60)},
        (-45, -20),
    ),
    (
        "clicks",
        bursts,
        {f"knocks-{r}": (r, 0.08, 80, 900, 4) for r in (1, 4, 12, 60)},
        (-45, -20),
    ),
    (
        "applause",
        bursts,
        {f"claps-{r}": (r, 0.03, 400, 3500, 4) for r in (10, 40, 150, 400)},
        (-45, -20),
    ),
    (
        "rain",
        bursts,
        {f"drops-{r}": (2 * r, 0.006, 1500, 7500, 4) for r in (10, 40, 150, 400)},
        (-45, -20),
    ),
    ("engine", engine, {f"{r}Hz": (r, 4) for r in (15, 30, 60, 90, 130, 200)}, (-45, -20)),
    ("wind", wind, {f"{number}": (5,) for number in range(6)}, (-45, -20)),
    ("alarm", alarm, {f"{a}-{b}-{c}": (a, b, c) for a, b, c in _ALARMS}, (-45, -20)),
    ("beeps", beeps, {f"{f}Hz": (f, 0.5) for f in (425, 950, 1000, 2500)}, (-45, -20)),
    ("beeps", beeps, {f"{f}Hz-fast": (f, 0.2) for f in (425, 950, 1000, 2500)}, (-45, -20)),
    ("birdsong", birdsong, {f"{a}-{b}": (a, b) for a, b in _CALLS_HZ}, (-45, -20)),
    ("purr", purr, {f"{f}Hz": (f,) for f in (25, 60, 90)}, (-45, -20)),
)
"""Class, what makes it, its arguments by name, and the levels in dBFS."""


def synthetic() -> Iterator[tuple[str, str, np.ndarray]]:
    """Make silence and all of `RECIPES`."""
    length = 3 * RATE_HZ
    yield "silence", "digital", np.zeros(length)
    yield "silence", "dither", _rng("dither").integers(-1, 2, length) / 32_768
    yield "silence", "offset", np.full(length, 0.3)
    for group, make, rows, levels in RECIPES:
        for stem, arguments in rows.items():
            for level in levels:
                name = f"{stem}{level:+.0f}dB"
                yield group, name, at_level(make(_rng(name), *arguments), level)


def played(soundfont: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """Let fluidsynth play `PIECES`; each is cut out of one long recording."""
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder) / "pieces.mid", Path(folder) / "pieces.wav"
        starts = midi_file(PIECES, midi)
        command = ["fluidsynth", "-ni", "-g", "0.6", "-r", "48000", "-F", wav, soundfont, midi]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for piece, start_s in zip(PIECES, starts, strict=True):
            yield _played(piece, soundfont, wav, start_s)


def _played(
    piece: Piece, soundfont: Path, wav: Path, start_s: float
) -> tuple[str, str, np.ndarray]:
    samples, rate = soundfile.read(
        wav, start=round(start_s * 48_000), frames=round(piece.seconds * 48_000), always_2d=True
    )
    name = f"{piece.name}-{soundfont.stem}"
    level = _rng(name).uniform(-35, -12)
    return piece.group, name, at_level(soxr.resample(samples.mean(axis=1), rate, RATE_HZ), level)


def recorded(packages: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """Cut up to three pieces of 6 s out of each file of `RECORDED`."""
    for group, package, pattern in RECORDED:
        for path in sorted((packages / package).rglob("*")):
            inside = path.relative_to(packages / package).as_posix()
            wanted = path.suffix in (".ogg", ".wav", ".oga") and re.search(pattern, inside)
            if not wanted or re.search(_PEOPLE, path.name, re.IGNORECASE):
                continue
            for number, samples in enumerate(_pieces(path)):
                yield group, f"{package.split('-')[0]}-{path.stem}-{number}", samples


def _pieces(path: Path) -> Iterator[np.ndarray]:
    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        print(f"left out: {error}", file=sys.stderr)
        return
    with file:
        rate, length = file.samplerate, 6 * file.samplerate
        for share in (0.0,) if file.frames <= length else (0.2, 0.5, 0.8):
            file.seek(round(share * max(0, file.frames - length)))
            samples = file.read(length, always_2d=True).mean(axis=1)
            piece = soxr.resample(samples, rate, RATE_HZ)
            if np.max(np.abs(piece), initial=0) > 1e-3:
                yield np.pad(piece, (0, max(0, RATE_HZ - len(piece))))


if __name__ == "__main__":
    sys.exit(main())
