"""TESS, the Toronto set: two actresses, an older and a younger one, 200 words each."""

from collections.abc import Iterator
from pathlib import Path

from ml.corpora.clips import Clip, Corpus, Speaker, match_names

_CODES = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fearful",
    "happy": "happy",
    "neutral": "neutral",
    "ps": "surprised",
    "surprise": "surprised",
    "surprised": "surprised",
    "sad": "sad",
}
"""What a name ends in; ``ps`` is pleasant surprise, which some copies spell out."""

_NAME = rf".*/(O|Y)AF?_(\w+?)_(?:pleasant_)?(?i:({'|'.join(_CODES)}))"
"""One official file is called ``OA_bite_neutral``."""


def _read(root: Path) -> Iterator[Clip]:
    for path, match in match_names(root, _NAME):
        yield Clip(path, _CODES[match[3].lower()], f"tess:{match[1]}AF", "tess")


def _read_speakers(_root: Path) -> dict[str, Speaker]:
    return {"tess:OAF": Speaker("female", 64), "tess:YAF": Speaker("female", 26)}


CORPUS = Corpus(
    name="tess",
    title="TESS",
    citation="Pichora-Fuller, M. K. and Dupuis, K. (2020). Toronto emotional speech set (TESS). "
    "Borealis, V1. https://doi.org/10.5683/SP2/E8H2MF",
    licence="CC BY-NC-ND 4.0",
    url="https://tspace.library.utoronto.ca/handle/1807/24487",
    language="English",
    labels=("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
    layout="OAF_angry/OAF_back_angry.wav",
    read=_read,
    read_speakers=_read_speakers,
    # Two speakers cannot fill three sides.
    validation_speakers=frozenset(),
    test_speakers=frozenset(["YAF"]),
)
