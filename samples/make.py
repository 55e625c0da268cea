"""Makes the sample clips and their index: `python samples/make.py [--only ID ...]`."""

import argparse
import json
import logging
import tempfile
import zlib
from pathlib import Path

import numpy as np
import soundfile
from acting import ACTING
from script import CLIPS, NAMES, Clip, Passage
from shaping import limit, perform
from voices import RATE_HZ, load, say

HERE = Path(__file__).parent
PEAK = 0.79  # -2 dBFS; MP3 overshoots by up to 1.5 dB
ROOM_DBFS = -66.0
EDGE_S = 0.3
CACHE = Path(tempfile.gettempdir()) / "sample-voices"
BETWEEN_PASSAGES_S = 1.0
log = logging.getLogger("samples")


def pink(seconds: float, level_dbfs: float, rng: np.random.Generator, rumble: float = 0.0):
    """Noise with equal power in each octave, at `level_dbfs` RMS; `rumble` tilts it to the bass."""
    n = int(seconds * RATE_HZ)
    spectrum = np.fft.rfft(rng.normal(size=n))
    hz = np.maximum(np.fft.rfftfreq(n, 1 / RATE_HZ), 30.0)
    noise = np.fft.irfft(spectrum * hz ** (-0.5 - rumble), n)
    return noise * 10 ** (level_dbfs / 20) / noise.std()


def spoken(kokoro, clip: Clip, rng: np.random.Generator) -> np.ndarray:
    """All passages of a clip, one after the other, in a quiet room."""
    pieces = [np.zeros(int(EDGE_S * RATE_HZ))]
    for passage in clip.passages:
        acting = ACTING[passage.emotion]
        for phrase in passage.phrases:
            voice = say(kokoro, phrase, passage.blend, acting.speed)
            pieces += [
                faded(perform(voice, RATE_HZ, acting, rng)),
                np.zeros(int(acting.pause_s * RATE_HZ)),
            ]
        pieces.append(np.zeros(int(BETWEEN_PASSAGES_S * RATE_HZ)))
    pieces[-2:] = [np.zeros(int(EDGE_S * RATE_HZ))]
    speech = np.concatenate(pieces)
    speech = limit(speech, RATE_HZ, PEAK)
    return speech + pink(len(speech) / RATE_HZ + 1, ROOM_DBFS, rng)[: len(speech)]


def faded(samples: np.ndarray) -> np.ndarray:
    """Without clicks: 10 ms in, 40 ms out."""
    gain = np.ones(len(samples))
    for edge, ms in ((np.s_[:], 10), (np.s_[::-1], 40)):
        ramp = np.linspace(0, 1, RATE_HZ * ms // 1000)
        gain[edge][: len(ramp)] *= ramp
    return samples * gain


def describe(clip: Clip) -> dict:
    """The index entry of a spoken clip, all but its length."""
    emotions = [passage.emotion for passage in clip.passages]
    performed = (
        emotions[0] if len(emotions) == 1 else f"{', '.join(emotions[:-1])}, then {emotions[-1]}"
    )
    return {
        "id": clip.id,
        "file": file_of(clip),
        "title": clip.title,
        "intended": emotions[0] if len(emotions) == 1 else None,
        "description": f"A synthetic voice, performed as {performed}.",
        "voice": name_of(clip.passages[0]),
        "text": " ".join(passage.text for passage in clip.passages),
    }


def name_of(passage: Passage) -> str:
    """The voice, in words; a blend is named after its larger part."""
    main = max(passage.blend, key=passage.blend.get)
    return NAMES[main] + (", softened" if len(passage.blend) > 1 else "")


def write(name: str, samples: np.ndarray) -> None:
    """Write a clip into this folder, in the format of its suffix."""
    soundfile.write(HERE / name, samples, RATE_HZ)
    log.info("%s  %d KB", name, (HERE / name).stat().st_size // 1000)


def file_of(clip: Clip) -> str:
    """FLAC for a short clip, MP3 for a long one."""
    return f"{clip.id}.{'flac' if len(clip.passages) == 1 else 'mp3'}"


def listed(entry: dict) -> dict:
    """An entry with its length, as the file decodes, and its keys in their order."""
    seconds = round(soundfile.info(HERE / entry["file"]).duration, 2)
    order = ("id", "file", "title", "intended", "description", "voice", "seconds", "text")
    return {key: (entry | {"seconds": seconds})[key] for key in order}


def unspoken(rng: np.random.Generator) -> list[dict]:
    """Write the two clips without a voice; returns their index entries."""
    # Traffic swells slowly; two decibels up and down keep the noise from sounding like a tap.
    swell = 10 ** (np.sin(2 * np.pi * np.arange(6 * RATE_HZ) / (3.7 * RATE_HZ)) / 10)
    write("silence.flac", np.zeros(5 * RATE_HZ))
    write("street-noise.flac", pink(6, -30, rng, rumble=0.35) * swell)
    plain = {"intended": None, "voice": "none", "text": ""}
    silence = plain | {
        "id": "silence",
        "file": "silence.flac",
        "title": "Silence",
        "description": "Digital silence, made by a script, no voice in it.",
    }
    street = plain | {
        "id": "street-noise",
        "file": "street-noise.flac",
        "title": "A street, from afar",
        "description": "Steady noise like a distant street, made by a script, no voice in it.",
    }
    return [silence, street]


def seeded(name: str) -> np.random.Generator:
    """A generator of its own for each clip, so that changing one leaves the others alone."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def main() -> None:
    """Make the clips, then the index of all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for the synthesiser")
    known = [clip.id for clip in CLIPS]
    parser.add_argument("--only", nargs="+", choices=known, default=known, help="clips to remake")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    kokoro = load(options.cache)
    for clip in CLIPS:
        if clip.id in options.only:
            write(file_of(clip), spoken(kokoro, clip, seeded(clip.id)))
    entries = [describe(clip) for clip in CLIPS] + unspoken(seeded("unspoken"))
    text = json.dumps([listed(entry) for entry in entries], indent=2, ensure_ascii=False) + "\n"
    (HERE / "index.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
