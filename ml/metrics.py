"""What scores are worth: accuracy, recall, F1, calibration, and intervals over speakers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from ml.calibration import (
    brier_score,
    error_by_chance,
    expected_calibration_error,
    reliability,
)
from ml.labels import LABELS

RESAMPLES = 1000
UNANSWERED = "no answer"


def best_labels(probabilities: np.ndarray, allowed: Sequence[str]) -> np.ndarray:
    """Name each row's best label among `allowed`.

    Parameters
    ----------
    probabilities : numpy.ndarray, shape (n, 8)
        Over `LABELS`; a row of zeros was not scored.

    Returns
    -------
    numpy.ndarray, shape (n,), str
        `UNANSWERED` for a row that was not scored.
    """
    columns = [LABELS.index(label) for label in allowed]
    best = np.array(allowed)[probabilities[:, columns].argmax(axis=1)]
    return np.where(probabilities.any(axis=1), best, UNANSWERED)


def accuracies(truth: np.ndarray, guess: np.ndarray) -> dict[str, float]:
    """Weighted accuracy (share of clips) and unweighted (mean recall of the labels that occur)."""
    recalls = [float(np.mean(guess[truth == label] == label)) for label in np.unique(truth)]
    return {"wa": float(np.mean(truth == guess)), "ua": float(np.mean(recalls))}


def drawn_speakers(
    statistic: Callable[[np.ndarray], Sequence[float]], speakers: np.ndarray, seed: int = 0
) -> np.ndarray:
    """95 % bootstrap intervals of anything measured on clips: whole speakers are drawn.

    Clips of one speaker rise and fall together, so that drawing clips would claim too much.

    Parameters
    ----------
    statistic : callable
        From the indices of the drawn clips to k numbers; NaN where they cannot be said, which
        leaves that draw out.
    speakers : numpy.ndarray, shape (clips,), str

    Returns
    -------
    numpy.ndarray, shape (k, 2)
        Low and high end.
    """
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(speakers == speaker) for speaker in np.unique(speakers)]
    drawn = [
        list(statistic(np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))])))
        for _ in range(RESAMPLES)
    ]
    return np.nanpercentile(drawn, [2.5, 97.5], axis=0).T


def macro_f1(truth: np.ndarray, guess: np.ndarray, allowed: Sequence[str]) -> float:
    """Mean F1 of the labels `allowed`; 0 for one that neither occurs nor is named."""
    named, said = (side[:, None] == np.array(allowed) for side in (truth, guess))
    total = np.sum(named, axis=0) + np.sum(said, axis=0)
    return float(np.mean(2 * np.sum(named & said, axis=0) / np.maximum(total, 1)))


def intervals(
    truth: np.ndarray, guess: np.ndarray, speakers: np.ndarray, allowed: Sequence[str]
) -> dict[str, list[float]]:
    """95 % bootstrap intervals of WA, UA and macro-F1 over speakers; see `drawn_speakers`."""

    def both(rows: np.ndarray) -> list[float]:
        found = accuracies(truth[rows], guess[rows])
        return [found["wa"], found["ua"], macro_f1(truth[rows], guess[rows], allowed)]

    names = ("wa_interval", "ua_interval", "macro_f1_interval")
    return dict(zip(names, drawn_speakers(both, speakers).tolist(), strict=True))


def measure(
    probabilities: np.ndarray,
    truth: np.ndarray,
    speakers: np.ndarray,
    allowed: Sequence[str],
    guess: np.ndarray | None = None,
) -> dict[str, Any]:
    """Measure everything for clips of one corpus, the choice being among its labels.

    Parameters
    ----------
    probabilities : numpy.ndarray, shape (n, 8)
        Calibrated, over `LABELS`; a row of zeros was not scored and counts as wrong.
    truth, speakers : numpy.ndarray, shape (n,), str
    allowed : sequence of str
        The corpus's labels; the choice is among them, as the field reports it.
    guess : numpy.ndarray, shape (n,), str, optional
        What was chosen; the likeliest unless given.
    """
    guess = best_labels(probabilities, allowed) if guess is None else guess
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, guess, labels=list(allowed), zero_division=0.0
    )
    return {
        **accuracies(truth, guess),
        "macro_f1": float(np.mean(f1)),
        **intervals(truth, guess, speakers, allowed),
        "clips": len(truth),
        "speakers": len(np.unique(speakers)),
        "unanswered": int(np.sum(guess == UNANSWERED)),
        **_calibration(probabilities, truth, guess, speakers, allowed),
        "per_class": {
            label: {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "clips": int(support[i]),
            }
            for i, label in enumerate(allowed)
        },
        "labels": list(allowed),
        "confusion": confusion_matrix(truth, guess, labels=[*allowed, UNANSWERED])[:-1].tolist(),
    }


def _calibration(
    probabilities: np.ndarray,
    truth: np.ndarray,
    guess: np.ndarray,
    speakers: np.ndarray,
    allowed: Sequence[str],
) -> dict[str, Any]:
    """ECE and Brier score of the probabilities among `allowed`; None where nothing was scored."""
    scored = guess != UNANSWERED
    if not scored.any():
        return reliability_measures(np.empty(0), np.empty(0)) | {
            "ece_interval": None,
            "brier": None,
        }
    confidence = choice_confidence(probabilities, guess, allowed)[scored]
    right = (truth == guess)[scored]

    def error(rows: np.ndarray) -> list[float]:
        return [expected_calibration_error(confidence[rows], right[rows])]

    places = np.array([allowed.index(label) for label in truth[scored]], int)
    return reliability_measures(confidence, right) | {
        "ece_interval": drawn_speakers(error, speakers[scored])[0].tolist(),
        "brier": brier_score(among(probabilities[scored], allowed), places),
    }


def choice_confidence(
    probabilities: np.ndarray, guess: np.ndarray, allowed: Sequence[str]
) -> np.ndarray:
    """Probability of each guess among `allowed`, shape (n,); 0 where nothing was scored."""
    shares = among(probabilities, allowed)
    places = [allowed.index(label) if label in allowed else 0 for label in guess]
    return np.where(guess == UNANSWERED, 0.0, shares[np.arange(len(guess)), places])


def reliability_measures(confidence: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """Say how far confidence lies from accuracy.

    Returns
    -------
    dict
        ``ece``; ``ece_by_chance``, see ``ml.calibration.error_by_chance``; ``reliability``: mean
        confidence, accuracy and number of answers of each bin. None and [] without answers.
    """
    if not len(confidence):
        return {"ece": None, "ece_by_chance": None, "reliability": []}
    return {
        "ece": expected_calibration_error(confidence, right),
        "ece_by_chance": error_by_chance(confidence),
        "reliability": np.transpose(reliability(confidence, right)).tolist(),
    }


def among(probabilities: np.ndarray, allowed: Sequence[str]) -> np.ndarray:
    """Keep the columns of `allowed` and renormalise rows.

    Parameters
    ----------
    probabilities : numpy.ndarray, shape (n, 8)
        Over `LABELS`.

    Returns
    -------
    numpy.ndarray, shape (n, len(allowed))
        All alike where the row was zero there.
    """
    shares = np.maximum(probabilities[:, [LABELS.index(label) for label in allowed]], 1e-12)
    return shares / shares.sum(axis=1, keepdims=True)
