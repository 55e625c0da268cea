"""CREMA-D: 91 American actors; listeners' votes and the actors' demographics are read too."""

import csv
from collections.abc import Iterator
from pathlib import Path

from ml.corpora.clips import Clip, Corpus, Speaker, audio_files

_CODES = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fearful",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
_INTENSITIES = {"LO": 0.0, "MD": 0.5, "HI": 1.0}
_BY_SOUND_ALONE = "1"
"""First digit of a row's number in ``tabulatedVotes.csv``; 2 is by sight, 3 by both."""


def _read(root: Path) -> Iterator[Clip]:
    votes = _read_votes(root / "processedResults" / "tabulatedVotes.csv")
    for path in audio_files(root / "AudioWAV"):
        speaker, sentence, code, level = path.stem.split("_")
        if code in _CODES:
            # One file's level is written X; in the table of votes it is XX, as in all others.
            official = f"{speaker}_{sentence}_{code}_{level:X<2}"
            yield Clip(
                path,
                _CODES[code],
                f"cremad:{speaker}",
                "cremad",
                intensity=_INTENSITIES.get(level),
                votes=votes.get(official),
            )


def _read_votes(table: Path) -> dict[str, dict[str, float]]:
    """Read which emotions listeners heard in each clip; nothing where the table is missing."""
    if not table.is_file():
        return {}
    labels = {code[0]: label for code, label in _CODES.items()}
    votes = {}
    with table.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            counts = {label: int(row[letter]) for letter, label in labels.items()}
            total = sum(counts.values())
            if row[""].startswith(_BY_SOUND_ALONE) and total:
                votes[row["fileName"]] = {label: n / total for label, n in counts.items()}
    return votes


def _read_speakers(root: Path) -> dict[str, Speaker]:
    table = root / "VideoDemographics.csv"
    if not table.is_file():
        return {}
    with table.open(encoding="utf-8", newline="") as rows:
        return {
            f"cremad:{row['ActorID']}": Speaker(
                sex=row["Sex"].lower(),
                age=int(row["Age"]),
                race=row["Race"] if row["Race"] != "Unknown" else None,
                ethnicity=row["Ethnicity"],
            )
            for row in csv.DictReader(rows)
        }


CORPUS = Corpus(
    name="cremad",
    title="CREMA-D",
    citation="Cao, H., Cooper, D. G., Keutmann, M. K., Gur, R. C., Nenkova, A. and "
    "Verma, R. (2014). CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset. "
    "IEEE Transactions on Affective Computing 5(4), 377-390.",
    licence="ODbL 1.0",
    url="https://github.com/CheyneyComputerScience/CREMA-D",
    language="English",
    labels=("neutral", "happy", "sad", "angry", "fearful", "disgust"),
    layout="AudioWAV/1001_DFA_ANG_XX.wav",
    read=_read,
    read_speakers=_read_speakers,
    validation_speakers=frozenset(["1003", "1012", "1031", "1036", "1043", "1062", "1072", "1090"]),
    test_speakers=frozenset(
        [
            "1006",
            "1009",
            "1015",
            "1022",
            "1030",
            "1034",
            "1047",
            "1054",
            "1066",
            "1075",
            "1081",
            "1086",
        ]
    ),
    # Near-silent; and pairs of files that are one sound under two labels.
    dropped=frozenset(
        [
            "1076_MTI_SAD_XX",
            "1006_TIE_HAP_XX",
            "1006_TIE_NEU_XX",
            "1013_WSI_DIS_XX",
            "1013_WSI_SAD_XX",
            "1017_IWW_ANG_XX",
            "1017_IWW_FEA_XX",
        ]
    ),
)
