"""EMOVO: three women and three men, Italian, 14 sentences in every emotion."""

from collections.abc import Iterator
from pathlib import Path

from ml.corpora.clips import Clip, Corpus, Speaker, match_names

_CODES = {
    "dis": "disgust",
    "gio": "happy",
    "neu": "neutral",
    "pau": "fearful",
    "rab": "angry",
    "sor": "surprised",
    "tri": "sad",
}
"""Disgusto, gioia, neutro, paura, rabbia, sorpresa, tristezza."""

_NAME = rf".*/({'|'.join(_CODES)})-([fm][123])-(\w+)"


def _read(root: Path) -> Iterator[Clip]:
    for path, match in match_names(root, _NAME):
        yield Clip(path, _CODES[match[1]], f"emovo:{match[2]}", "emovo")


def _read_speakers(_root: Path) -> dict[str, Speaker]:
    return {
        f"emovo:{letter}{number}": Speaker(sex)
        for letter, sex in (("f", "female"), ("m", "male"))
        for number in (1, 2, 3)
    }


CORPUS = Corpus(
    name="emovo",
    title="EMOVO",
    citation="Costantini, G., Iaderola, I., Paoloni, A. and Todisco, M. (2014). EMOVO Corpus: an "
    "Italian Emotional Speech Database. Proc. LREC, 3501-3504.",
    licence="for research",
    url="http://voice.fub.it/activities/corpora/emovo/index.html",
    language="Italian",
    labels=("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
    layout="f1/dis-f1-b1.wav",
    read=_read,
    read_speakers=_read_speakers,
    validation_speakers=frozenset(["f2"]),
    test_speakers=frozenset(["f3", "m3"]),
)
