"""Scored clips made from words, for tests of what is measured on them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from ml.calibration import Calibration
from ml.corpora import Clip
from ml.labels import LABELS
from ml.metrics import UNANSWERED
from ml.results import Quality
from ml.scoring import Scored

EIGHT = LABELS
FOUR = ("neutral", "happy", "sad", "angry")


def bundle(*corpora: str, labels: tuple[str, ...] = EIGHT, name: str = "net", **card) -> object:
    """Make what evaluation reads of a bundle that was trained on `corpora`."""
    described = {
        "name": name,
        "corpora": [{"name": corpus, "title": corpus.upper()} for corpus in corpora],
        "training": {"speakers": ["cremad:9999"], "history": []},
        "metrics": {},
    }
    return SimpleNamespace(
        name=name,
        labels=labels,
        calibration=Calibration(),
        rule="mean",
        leaks=False,
        card=described | card,
    )


def scored(*rows: tuple, allowed: tuple[str, ...] = EIGHT) -> Scored:
    """Make clips from (acted label, heard label or None, speaker, further fields of Clip).

    What was heard has probability 0.65 of the eight; without it the clip was not scored.
    """
    clips, probabilities = [], []
    for number, (acted, heard, speaker, *more) in enumerate(rows):
        corpus = speaker.partition(":")[0]
        clips.append(Clip(Path(f"{number}.wav"), acted, speaker, corpus, **dict(*more)))
        row = np.full(len(LABELS), 0.05 if heard else 0.0)
        if heard:
            row[LABELS.index(heard)] = 0.65
        probabilities.append(row)
    table = np.array(probabilities)
    known = table.any(axis=1)

    def best(labels: tuple[str, ...]) -> np.ndarray:
        columns = [LABELS.index(label) for label in labels]
        names = np.array(labels)[table[:, columns].argmax(axis=1)]
        return np.where(known, names, UNANSWERED)

    return Scored(
        clips=tuple(clips),
        probabilities=table,
        outcomes=tuple("emotion" if one else "no_speech" for one in known),
        answers=best(LABELS),
        choices=best(allowed),
        intensities=np.full(len(clips), np.nan),
        qualities=(Quality(2.0, 0.8, 25.0, -20.0, 0.0, 5000.0),) * len(clips),
    )
