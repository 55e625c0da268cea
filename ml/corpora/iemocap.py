"""IEMOCAP: ten actors in five sessions of two, scripted and improvised."""

import re
from collections.abc import Iterator
from pathlib import Path

from ml.corpora.clips import Clip, Corpus, Dimensions, Side, Speaker, audio_files

_CODES = {
    "neu": "neutral",
    "hap": "happy",
    "sad": "sad",
    "ang": "angry",
    "fea": "fearful",
    "dis": "disgust",
    "sur": "surprised",
}
"""The annotators' majority; frustrated, other and undecided (xxx) are left out, and so is excited
(exc) unless an option counts it as happy, as many papers do."""

_TURN = re.compile(r"\[[\d. -]+\]\t(Ses(\d\d)[FM]_(impro|script)\w*)\t(\w+)\t\[([\d., ]+)\]")
"""``[6.2901 - 8.2357]<TAB>Ses01F_impro01_F000<TAB>neu<TAB>[2.5000, 2.5000, 2.5000]``"""

_TURNS = {"improvised": "impro", "scripted": "script"}


def _read(root: Path, excited: str = "", turns: str = "", test: str = "") -> Iterator[Clip]:
    codes = _CODES | ({"exc": excited} if excited else {})
    for path, turn in _turns(root):
        name, session, kind, code, ratings = turn.groups()
        if code in codes and kind == _TURNS.get(turns, kind):
            yield Clip(
                path,
                codes[code],
                f"iemocap:{name[:5]}{name[-4]}",
                "iemocap",
                dimensions=Dimensions(*(float(rating) for rating in ratings.split(","))),
                side=_side(int(session), int(test[-1])) if test else None,
            )


def _turns(root: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    """Find the rated turns that have a recording."""
    for session in sorted(root.glob("Session*")):
        files = {path.stem: path for path in audio_files(session / "sentences" / "wav", "*/*")}
        for table in sorted((session / "dialog" / "EmoEvaluation").glob("Ses*.txt")):
            for line in table.read_text(encoding="utf-8").splitlines():
                turn = _TURN.match(line)
                if turn and turn[1] in files:
                    yield files[turn[1]], turn


def _side(session: int, test: int) -> Side:
    """Leave a session out for the test; the one before it validates."""
    if session == test:
        return "test"
    return "validation" if session % 5 + 1 == test else "train"


def _read_speakers(_root: Path) -> dict[str, Speaker]:
    return {
        f"iemocap:Ses{session:02}{letter}": Speaker(sex=sex)
        for session in range(1, 6)
        for letter, sex in (("F", "female"), ("M", "male"))
    }


CORPUS = Corpus(
    name="iemocap",
    title="IEMOCAP",
    citation="Busso, C., Bulut, M., Lee, C.-C., Kazemzadeh, A., Mower, E., Kim, S., "
    "Chang, J. N., Lee, S. and Narayanan, S. S. (2008). IEMOCAP: Interactive emotional "
    "dyadic motion capture database. Language Resources and Evaluation 42(4), 335-359.",
    licence="on request, for research",
    url="https://sail.usc.edu/iemocap/",
    language="English",
    labels=("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
    layout="Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav",
    read=_read,
    read_speakers=_read_speakers,
    validation_speakers=frozenset(["Ses04F", "Ses04M"]),
    test_speakers=frozenset(["Ses05F", "Ses05M"]),
    options={
        "excited": ("happy",),
        "turns": tuple(_TURNS),
        "test": tuple(f"Session{session}" for session in range(1, 6)),
    },
)
