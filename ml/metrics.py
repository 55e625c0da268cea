"""What scores are worth: accuracy, recall, F1, calibration, and intervals over speakers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from ml.calibration import expected_calibration_error
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


def intervals(
    truth: np.ndarray, guess: np.ndarray, speakers: np.ndarray, seed: int = 0
) -> dict[str, list[float]]:
    """95 % bootstrap intervals of WA and UA: whole speakers are drawn, not clips.

    Clips of one speaker rise and fall together, so that drawing clips would claim too much.
    """
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(speakers == speaker) for speaker in np.unique(speakers)]
    drawn = []
    for _ in range(RESAMPLES):
        chosen = np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))])
        drawn.append(list(accuracies(truth[chosen], guess[chosen]).values()))
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    (wa_low, ua_low), (wa_high, ua_high) = low.tolist(), high.tolist()
    return {"wa_interval": [wa_low, wa_high], "ua_interval": [ua_low, ua_high]}


def measure(
    probabilities: np.ndarray, truth: np.ndarray, speakers: np.ndarray, allowed: Sequence[str]
) -> dict[str, Any]:
    """Measure everything for clips of one corpus.

    Parameters
    ----------
    probabilities : numpy.ndarray, shape (n, 8)
        Calibrated, over `LABELS`; a row of zeros was not scored and counts as wrong.
    truth, speakers : numpy.ndarray, shape (n,), str
    allowed : sequence of str
        The corpus's labels; the choice is among them, as the field reports it.
    """
    guess = best_labels(probabilities, allowed)
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, guess, labels=list(allowed), zero_division=0.0
    )
    scored = guess != UNANSWERED
    return {
        **accuracies(truth, guess),
        "macro_f1": float(np.mean(f1)),
        **intervals(truth, guess, speakers),
        "clips": len(truth),
        "speakers": len(np.unique(speakers)),
        "unanswered": int(np.sum(~scored)),
        "wa_of_eight": accuracies(truth, best_labels(probabilities, LABELS))["wa"],
        "ece": _calibration_error(probabilities[scored], truth[scored]),
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


def _calibration_error(probabilities: np.ndarray, truth: np.ndarray) -> float | None:
    if not len(truth):
        return None
    indices = np.array([LABELS.index(label) for label in truth])
    return expected_calibration_error(probabilities, indices)
