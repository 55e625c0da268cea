"""A small corpus of voices made from numbers, as a table that the ``csv`` adapter reads.

python -m notebooks.corpus DIR

What any model reaches on it says nothing about real voices: sixteen numbers decide how each emotion
sounds, and the votes are drawn, since nobody has listened.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import numpy as np
import soundfile

from notebooks.voices import ACTINGS, RATE_HZ, Acting, Speaker, say

TABLE = "synthetic-voices.csv"
SENTENCES = ("mati lo sena pu", "keno safi tula ma", "xele pamo ti nuka")
SPEAKERS = {
    "train": (
        Speaker("ada", "female", 24, 205, 1.12),
        Speaker("bo", "male", 31, 118, 0.97),
        Speaker("cleo", "female", 47, 188, 1.08),
        Speaker("dan", "male", 52, 104, 0.94),
        Speaker("eva", "female", 66, 178, 1.05),
        Speaker("finn", "male", 22, 136, 1.01),
    ),
    "validation": (
        Speaker("gil", "male", 40, 112, 0.96),
        Speaker("hana", "female", 29, 214, 1.14),
    ),
    "test": (
        Speaker("ines", "female", 35, 196, 1.1),
        Speaker("jon", "male", 27, 126, 0.99),
        Speaker("kim", "female", 58, 182, 1.07),
    ),
}
STRENGTHS = (1.0, 0.5, 0.75)
"""How strongly the first, the second and the third sentence are played."""
LISTENERS = 10
_DISCERNED = (4.0, 4.0, 0.2, 6.0, 3.0, 0.1, 0.7)
"""How far two voices lie apart, in each number of `Acting`, when listeners begin to tell them."""


def make_corpus(folder: Path) -> Path:
    """Write the clips and their table, unless they are there; return the table.

    The same voices each time: about 165 clips of 2 s, made in 4 s.
    """
    table = folder / TABLE
    if not table.is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=folder.parent))
        _write(unfinished)
        unfinished.replace(folder)
    return table


def _write(folder: Path) -> None:
    rows = list(_spoken(folder))
    with (folder / TABLE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _spoken(folder: Path) -> Iterator[dict[str, str]]:
    """Let everybody speak every sentence in every emotion; yield the table's rows."""
    rng = np.random.default_rng(8)
    for side, speakers in SPEAKERS.items():
        for speaker in speakers:
            for emotion in ACTINGS:
                for number, (words, strength) in enumerate(zip(SENTENCES, STRENGTHS, strict=True)):
                    path = f"{speaker.name}-{emotion}-{number + 1}.flac"
                    samples = say(words, speaker, emotion, strength, rng)
                    soundfile.write(folder / path, samples, RATE_HZ)
                    yield {
                        "path": path,
                        "label": emotion,
                        "speaker": speaker.name,
                        "split": side,
                        "intensity": "" if emotion == "neutral" else str(strength),
                        "votes": _votes(emotion, strength, rng),
                        "sex": speaker.sex,
                        "age": str(speaker.age),
                        "language": "made-up syllables",
                    }


def _votes(emotion: str, strength: float, rng: np.random.Generator) -> str:
    """Draw what listeners might say: the nearer an emotion's voice to the one spoken, the more."""
    calm, played = (np.array(astuple(one)) for one in (Acting(), ACTINGS[emotion]))
    voice = calm + strength * (played - calm)
    ends = np.array([astuple(one) for one in ACTINGS.values()])
    nearness = np.exp(-0.5 * (((ends - voice) / _DISCERNED) ** 2).sum(axis=1)) + 0.02
    counts = rng.multinomial(LISTENERS, nearness / nearness.sum())
    named = zip(ACTINGS, counts.tolist(), strict=True)
    return " ".join(f"{label}:{count}" for label, count in named if count)


if __name__ == "__main__":
    sys.stdout.write(f"{make_corpus(Path(sys.argv[1]))}\n")
