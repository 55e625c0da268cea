"""When to hold an answer back: the risk-coverage curve and the threshold chosen on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WANTED_ACCURACY = 0.8
"""What is answered shall be right this often."""
LEAST_COVERAGE = 0.85
"""No more clips are held back than leave this share answered, whatever accuracy that costs."""


@dataclass(frozen=True)
class RiskCoverage:
    """What holding back the least sure answers buys (El-Yaniv and Wiener 2010).

    Attributes
    ----------
    thresholds : numpy.ndarray, shape (n,)
        Each confidence that occurs, falling; an answer is given from there on.
    coverage : numpy.ndarray, shape (n,)
        Share of clips that are then answered; rises to 1.
    risk : numpy.ndarray, shape (n,)
        Share of these that are wrong.
    """

    thresholds: np.ndarray
    coverage: np.ndarray
    risk: np.ndarray

    @property
    def area(self) -> float:
        """Area under the curve (AURC; Geifman et al. 2019): the mean risk over all coverages."""
        steps = np.diff(self.coverage, prepend=0.0)
        return float(np.sum(steps * self.risk))


def risk_coverage(
    confidence: np.ndarray, right: np.ndarray, weights: np.ndarray | None = None
) -> RiskCoverage:
    """Answer ever less sure clips, and see how many of those answered are wrong.

    Parameters
    ----------
    confidence : numpy.ndarray, shape (clips,)
        At least one clip.
    right : numpy.ndarray, shape (clips,), bool
    weights : numpy.ndarray, shape (clips,), optional
        What each clip counts; all alike unless given.
    """
    weights = np.ones(len(confidence)) if weights is None else weights
    order = np.argsort(-confidence, kind="stable")
    sure, counts = confidence[order], weights[order]
    answered = np.cumsum(counts)
    wrong = np.cumsum(counts * ~right[order])
    # Clips of one confidence stand or fall together.
    last = np.append(sure[1:] != sure[:-1], True)
    return RiskCoverage(sure[last], (answered / answered[-1])[last], (wrong / answered)[last])


def choose_threshold(curve: RiskCoverage) -> float:
    """Choose the confidence under which an answer is held back.

    The lowest threshold, so the most answers, at which `WANTED_ACCURACY` of what is answered is
    right, as Geifman and El-Yaniv (2017) guarantee a wanted risk at the largest coverage; without
    their bound, which supposes clips that are independent. Where that would leave fewer than
    `LEAST_COVERAGE` answered, the highest threshold that does not.

    Returns
    -------
    float
        0 where everything may be answered.
    """
    enough = curve.coverage >= LEAST_COVERAGE
    good = np.flatnonzero(enough & (curve.risk <= 1 - WANTED_ACCURACY))
    if not len(good):
        return float(curve.thresholds[np.argmax(enough)])
    chosen = good[-1]
    return 0.0 if chosen == len(curve.risk) - 1 else float(curve.thresholds[chosen])


def points(curve: RiskCoverage, count: int = 20) -> list[list[float]]:
    """Thin a curve out to pairs of coverage and risk for drawing, at even steps of coverage."""
    wanted = np.linspace(1 / count, 1, count)
    rows = np.unique(np.searchsorted(curve.coverage, wanted - 1e-9))
    return [[float(curve.coverage[row]), float(curve.risk[row])] for row in rows]
