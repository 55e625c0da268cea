"""Clips and what a bundle says of them, by the way that visitors' recordings go."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml.bundle import Bundle, read_bundle
from ml.corpora import CORPORA, Clip
from ml.errors import SpeakerOverlapError
from ml.labels import LABELS, restrict
from ml.metrics import UNANSWERED
from ml.predict import Recognizer, majority
from ml.processes import worker_pool
from ml.results import Prediction, Quality

Report = Callable[[str], None]


@dataclass(frozen=True)
class Scored:
    """Clips and what a bundle says of them.

    Attributes
    ----------
    probabilities : numpy.ndarray, shape (clips, 8)
        Calibrated, over `LABELS`: 0 at those that the bundle has not learnt; a row of zeros where
        the clip was not scored.
    outcomes : tuple of str
    answers : numpy.ndarray, shape (clips,), str
        The label by the bundle's rule among all that it learnt; `UNANSWERED` without scores.
    choices : numpy.ndarray, shape (clips,), str
        The same among the labels that the bundle has in common with the clip's corpus.
    intensities : numpy.ndarray, shape (clips,)
        0 calm to 1 strong; NaN where it was not scored.
    qualities : tuple of Quality
        How good each recording is.
    """

    clips: tuple[Clip, ...]
    probabilities: np.ndarray
    outcomes: tuple[str, ...]
    answers: np.ndarray
    choices: np.ndarray
    intensities: np.ndarray
    qualities: tuple[Quality, ...]

    @property
    def truth(self) -> np.ndarray:
        """Each clip's acted label, shape (clips,), str."""
        return np.array([clip.label for clip in self.clips])

    @property
    def speakers(self) -> np.ndarray:
        """Each clip's speaker, shape (clips,), str."""
        return np.array([clip.speaker for clip in self.clips])

    @property
    def corpora(self) -> np.ndarray:
        """Each clip's corpus, shape (clips,), str."""
        return np.array([clip.corpus for clip in self.clips])

    @property
    def known(self) -> np.ndarray:
        """Which clips were scored, shape (clips,), bool."""
        return self.answers != UNANSWERED

    @property
    def answer_confidence(self) -> np.ndarray:
        """Calibrated probability of each of `answers`, shape (clips,); 0 without scores."""
        columns = [LABELS.index(label) if label in LABELS else 0 for label in self.answers]
        return self.probabilities[np.arange(len(self.clips)), columns]

    def of(self, rows: np.ndarray) -> Scored:
        """Keep some clips: `rows` is a boolean mask or indices."""
        indices = np.arange(len(self.clips))[rows]
        return Scored(
            clips=tuple(self.clips[i] for i in indices),
            probabilities=self.probabilities[indices],
            outcomes=tuple(self.outcomes[i] for i in indices),
            answers=self.answers[indices],
            choices=self.choices[indices],
            intensities=self.intensities[indices],
            qualities=tuple(self.qualities[i] for i in indices),
        )


def learnt_labels(bundle: Bundle) -> tuple[str, ...]:
    """Name the labels that a bundle scores and has heard in training, in the order of `LABELS`."""
    # A bundle trained on a table of the user's own names labels that no adapter knows.
    rows = bundle.card["corpora"]
    heard = {label for row in rows for label in row.get("labels") or CORPORA[row["name"]].labels}
    return tuple(label for label in LABELS if label in heard and label in bundle.labels)


def common_labels(bundle: Bundle, corpus: str) -> tuple[str, ...]:
    """Name the labels that a bundle has learnt and a corpus has, in the corpus's order."""
    learnt = learnt_labels(bundle)
    return tuple(label for label in CORPORA[corpus].labels if label in learnt)


@functools.lru_cache(maxsize=2)
def _recognizer(folder: Path) -> Recognizer:
    return Recognizer(read_bundle(folder))


def _score(
    folder: Path, path: Path, allowed: tuple[str, ...]
) -> tuple[str, list[float], str, str, float, Quality]:
    recognizer = _recognizer(folder)
    # A label that training never had is an output of the network, but no answer.
    everything = learnt_labels(recognizer.bundle)
    found = recognizer.recognize(path, everything)
    rule = recognizer.bundle.rule
    intensity = float("nan") if found.intensity is None else found.intensity
    return (
        found.outcome,
        [found.probabilities.get(label, 0.0) for label in LABELS],
        choose(found, everything, rule),
        choose(found, allowed, rule),
        intensity,
        found.quality,
    )


def choose(found: Prediction, labels: tuple[str, ...], rule: str) -> str:
    """Name the label that a prediction gives when the choice is among `labels`.

    Parameters
    ----------
    rule : str
        As in `Bundle`.
    """
    if not found.probabilities:
        return UNANSWERED
    if rule == "majority":
        rows = (segment.probabilities for segment in found.segments)
        return majority(tuple(restrict(row, labels) for row in rows if row)).label
    return max(labels, key=found.probabilities.__getitem__)


def score_clips(
    bundle: Bundle, clips: Sequence[Clip], jobs: int = 2, report: Report = lambda line: None
) -> Scored:
    """Have every clip recognised the way visitors' recordings are."""
    allowed = {name: common_labels(bundle, name) for name in {clip.corpus for clip in clips}}
    rows = []
    with worker_pool(jobs) as pool:
        paths = [clip.path for clip in clips]
        labels = [allowed[clip.corpus] for clip in clips]
        found = pool.map(_score, [bundle.path] * len(clips), paths, labels, chunksize=8)
        for number, row in enumerate(found, 1):
            rows.append(row)
            if number % 200 == 0 or number == len(clips):
                report(f"scored {number} of {len(clips)} clips")
    outcomes, probabilities, answers, choices, intensities, qualities = zip(*rows, strict=True)
    return Scored(
        clips=tuple(clips),
        probabilities=np.array(probabilities),
        outcomes=outcomes,
        answers=np.array(answers),
        choices=np.array(choices),
        intensities=np.array(intensities),
        qualities=qualities,
    )


def check_unheard(bundle: Bundle, clips: Iterable[Clip]) -> None:
    """Make sure that no clip is by a speaker that the bundle was trained on.

    A bundle of a random split says of itself that it was.

    Raises
    ------
    SpeakerOverlapError
        Naming the speakers.
    """
    if bundle.leaks:
        return
    heard = {clip.speaker for clip in clips} & set(bundle.card["training"]["speakers"])
    if heard:
        raise SpeakerOverlapError(
            speakers=", ".join(sorted(heard)), first="training", second="evaluation"
        )
