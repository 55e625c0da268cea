"""SAVEE, the Surrey set: four British men."""

from collections.abc import Iterator
from pathlib import Path

from ml.corpora.clips import Clip, Corpus, Speaker, match_names

_CODES = {
    "a": "angry",
    "d": "disgust",
    "f": "fearful",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprised",
}
_SPEAKERS = ("DC", "JE", "JK", "KL")

_NAME = rf"(?:.*/)?({'|'.join(_SPEAKERS)})[/_]({'|'.join(_CODES)})(\d\d)"
"""``DC/a01``, or ``DC_a01`` where all lie in one folder."""


def _read(root: Path) -> Iterator[Clip]:
    for path, match in match_names(root, _NAME):
        yield Clip(path, _CODES[match[2]], f"savee:{match[1]}", "savee")


def _read_speakers(_root: Path) -> dict[str, Speaker]:
    return {f"savee:{name}": Speaker("male") for name in _SPEAKERS}


CORPUS = Corpus(
    name="savee",
    title="SAVEE",
    citation="Haq, S. and Jackson, P. J. B. (2010). Multimodal Emotion Recognition. In: Wang, W. "
    "(ed.), Machine Audition: Principles, Algorithms and Systems, IGI Global, 398-423.",
    licence="on request, for research",
    url="http://kahlan.eps.surrey.ac.uk/savee/",
    language="English",
    labels=("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
    layout="AudioData/DC/a01.wav",
    read=_read,
    read_speakers=_read_speakers,
    validation_speakers=frozenset(["JE"]),
    test_speakers=frozenset(["KL"]),
)
