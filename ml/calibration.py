"""From scores to calibrated probabilities, and how far confidence then lies from accuracy."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from ml.abstention import choose_threshold, risk_coverage


@dataclass(frozen=True)
class Calibration:
    """Fitted on validation speakers, stored in a bundle.

    Attributes
    ----------
    temperature : float
        Divides the logits (Guo et al. 2017); above 1 it makes answers less sure.
    threshold : float
        An answer whose calibrated probability lies under it is `uncertain`.
    """

    temperature: float = 1.0
    threshold: float = 0.0


def calibrate(log_probabilities: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Turn (n, labels) log-probabilities or logits into calibrated probabilities.

    Both this and the mean of logarithms by which windows become a clip are linear in the
    logits, so that what is fitted to clips holds for windows that are calibrated first.
    """
    scaled = np.asarray(log_probabilities, np.float64) / calibration.temperature
    scaled -= scaled.max(axis=-1, keepdims=True)
    exponentials = np.exp(scaled)
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def fit_calibration(
    log_probabilities: np.ndarray,
    truth: np.ndarray,
    weights: np.ndarray | None = None,
    allowed: np.ndarray | None = None,
) -> Calibration:
    """Fit temperature by likelihood, then choose the threshold on the risk-coverage curve.

    Parameters
    ----------
    log_probabilities : numpy.ndarray, shape (n, labels)
        Uncalibrated scores of clips by speakers that training did not hear.
    truth : numpy.ndarray, shape (n,), int
        Index of the right label.
    weights : numpy.ndarray, shape (n,), optional
        What each clip counts; all alike unless given.
    allowed : numpy.ndarray, shape (n, labels), bool, optional
        Which labels the clip's corpus has. The others are no choice when the temperature is
        fitted: what it says of them the clip cannot tell. The threshold is chosen on what a
        visitor would get, who may carry any emotion.
    """
    weights = np.ones(len(truth)) if weights is None else weights
    masked = log_probabilities if allowed is None else _among(log_probabilities, allowed)

    def loss(log_temperature: float) -> float:
        probabilities = calibrate(masked, Calibration(float(np.exp(log_temperature))))
        right = probabilities[np.arange(len(truth)), truth]
        return -float(np.average(np.log(np.maximum(right, 1e-12)), weights=weights))

    temperature = float(np.exp(optimize.minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))
    probabilities = calibrate(log_probabilities, Calibration(temperature))
    right = probabilities.argmax(axis=1) == truth
    curve = risk_coverage(probabilities.max(axis=1), right, weights)
    return Calibration(temperature, choose_threshold(curve))


def _among(log_probabilities: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    return np.where(allowed, log_probabilities, -np.inf)


def uncalibrated(probabilities: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Go back from (n, labels) calibrated probabilities to log-probabilities before.

    Returns
    -------
    numpy.ndarray, shape (n, labels)
        Up to a constant in each row; far below all others where the probability was 0.
    """
    return np.log(np.maximum(probabilities, 1e-12)) * calibration.temperature


def reliability(
    confidence: np.ndarray, right: np.ndarray, bins: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Set confidence beside accuracy in equally filled bins (Nguyen and O'Connor 2015).

    Parameters
    ----------
    confidence : numpy.ndarray, shape (n,)
        The probability of each answer.
    right : numpy.ndarray, shape (n,), bool

    Returns
    -------
    confidence, accuracy, count : numpy.ndarray, shape (at most `bins`,)
        Means over each bin, and how many answers it holds; no bin is empty.
    """
    parts = [part for part in np.array_split(np.argsort(confidence), bins) if len(part)]
    rows = [(confidence[part].mean(), right[part].mean(), len(part)) for part in parts]
    means, accuracies, counts = np.array(rows).reshape(-1, 3).T
    return means, accuracies, counts


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Mean gap between confidence and accuracy over the bins of `reliability`."""
    means, accuracy, count = reliability(confidence, right)
    return float(np.average(np.abs(means - accuracy), weights=count))


def error_by_chance(confidence: np.ndarray, draws: int = 200) -> float:
    """Expected calibration error that these answers would show on average if they were calibrated.

    Few answers in a bin are right more or less often than they should be by mere chance, so that
    this much of a measured error means nothing (Bröcker and Smith 2007).
    """
    rng = np.random.default_rng(0)
    found = [
        expected_calibration_error(confidence, rng.random(len(confidence)) < confidence)
        for _ in range(draws)
    ]
    return float(np.mean(found))


def brier_score(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Mean squared distance from certainty in the right label (Brier 1950), 0 to 2.

    Parameters
    ----------
    probabilities : numpy.ndarray, shape (n, labels)
    truth : numpy.ndarray, shape (n,), int
        Index of the right label.
    """
    certain = np.zeros_like(probabilities)
    certain[np.arange(len(truth)), truth] = 1
    return float(np.mean(np.sum((probabilities - certain) ** 2, axis=1)))
