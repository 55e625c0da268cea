"""EmoDB, the Berlin database: ten actors, German."""

from collections.abc import Iterator
from pathlib import Path

from ml.corpora.clips import Clip, Corpus, Speaker, audio_files

_CODES = {
    "W": "angry",
    "E": "disgust",
    "A": "fearful",
    "F": "happy",
    "T": "sad",
    "N": "neutral",
}
"""German initials (Wut, Ekel, Angst, Freude, Trauer); L, boredom, has no place in the labels."""

_SPEAKERS = {
    "emodb:03": Speaker("male", 31),
    "emodb:08": Speaker("female", 34),
    "emodb:09": Speaker("female", 21),
    "emodb:10": Speaker("male", 32),
    "emodb:11": Speaker("male", 26),
    "emodb:12": Speaker("male", 30),
    "emodb:13": Speaker("female", 32),
    "emodb:14": Speaker("female", 35),
    "emodb:15": Speaker("male", 25),
    "emodb:16": Speaker("female", 31),
}
"""As the database's own page gives them."""


def _read(root: Path) -> Iterator[Clip]:
    for path in audio_files(root / "wav"):
        if (code := path.stem[5]) in _CODES:
            yield Clip(path, _CODES[code], f"emodb:{path.stem[:2]}", "emodb")


def _read_speakers(_root: Path) -> dict[str, Speaker]:
    return dict(_SPEAKERS)


CORPUS = Corpus(
    name="emodb",
    title="EmoDB",
    citation="Burkhardt, F., Paeschke, A., Rolfes, M., Sendlmeier, W. and Weiss, B. "
    "(2005). A Database of German Emotional Speech. Proc. Interspeech, 1517-1520.",
    licence="CC BY 4.0",
    url="http://emodb.bilderbar.info",
    language="German",
    labels=("neutral", "happy", "sad", "angry", "fearful", "disgust"),
    layout="wav/03a01Fa.wav",
    read=_read,
    read_speakers=_read_speakers,
    validation_speakers=frozenset(["09", "15"]),
    test_speakers=frozenset(["08", "11"]),
)
