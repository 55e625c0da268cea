"""RAVDESS: 24 Canadian actors, eight emotions in two intensities; its songs are left out."""

from collections.abc import Iterator
from pathlib import Path

from ml.corpora.clips import Clip, Corpus, Speaker, audio_files
from ml.labels import LABELS

_CODES = {f"{number:02}": label for number, label in enumerate(LABELS, start=1)}
_INTENSITIES = {"01": 0.0, "02": 1.0}


def _read(root: Path) -> Iterator[Clip]:
    for folder in sorted(root.glob("Actor_*")):
        for path in audio_files(folder):
            modality, channel, code, intensity, _sentence, _take, actor = path.stem.split("-")
            if (modality, channel) == ("03", "01") and code in _CODES:
                label = _CODES[code]
                yield Clip(
                    path,
                    label,
                    f"ravdess:{actor}",
                    "ravdess",
                    # Neutral comes in one intensity only, so it says nothing about the other.
                    intensity=None if label == "neutral" else _INTENSITIES[intensity],
                )


def _read_speakers(_root: Path) -> dict[str, Speaker]:
    return {
        f"ravdess:{actor:02}": Speaker(sex="male" if actor % 2 else "female")
        for actor in range(1, 25)
    }


CORPUS = Corpus(
    name="ravdess",
    title="RAVDESS",
    citation="Livingstone, S. R. and Russo, F. A. (2018). The Ryerson Audio-Visual "
    "Database of Emotional Speech and Song (RAVDESS). PLoS ONE 13(5), e0196391.",
    licence="CC BY-NC-SA 4.0",
    url="https://zenodo.org/records/1188976",
    language="English",
    labels=(
        "neutral",
        "calm",
        "happy",
        "sad",
        "angry",
        "fearful",
        "disgust",
        "surprised",
    ),
    layout="Actor_01/03-01-05-01-02-01-01.wav",
    read=_read,
    read_speakers=_read_speakers,
    validation_speakers=frozenset(["05", "16", "24"]),
    test_speakers=frozenset(["03", "08", "13", "18"]),
    # The same sound as 03-01-03-01-02-01-07.
    dropped=frozenset({"03-01-03-01-02-02-07"}),
)
