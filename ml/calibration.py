"""From scores to calibrated probabilities, and the threshold under which no emotion is given."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize

WANTED_ACCURACY = 0.4
"""Clips that score under the threshold are, together, right no more often than this."""


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
    """Turn (n, labels) log-probabilities or logits into calibrated probabilities."""
    scaled = np.asarray(log_probabilities, np.float64) / calibration.temperature
    scaled -= scaled.max(axis=-1, keepdims=True)
    exponentials = np.exp(scaled)
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def fit_calibration(log_probabilities: np.ndarray, truth: np.ndarray) -> Calibration:
    """Fit temperature by likelihood, then the threshold.

    Parameters
    ----------
    log_probabilities : numpy.ndarray, shape (n, labels)
        Uncalibrated scores of clips by speakers that training did not hear.
    truth : numpy.ndarray, shape (n,), int
        Index of the right label.
    """

    def loss(log_temperature: float) -> float:
        probabilities = calibrate(log_probabilities, Calibration(float(np.exp(log_temperature))))
        right = probabilities[np.arange(len(truth)), truth]
        return -float(np.mean(np.log(np.maximum(right, 1e-12))))

    temperature = float(np.exp(optimize.minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))
    probabilities = calibrate(log_probabilities, Calibration(temperature))
    return Calibration(temperature, _threshold(probabilities, truth))


def _threshold(probabilities: np.ndarray, truth: np.ndarray) -> float:
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    order = np.argsort(confidence)
    accuracy_below = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    poor = np.flatnonzero(accuracy_below <= WANTED_ACCURACY)
    return float(confidence[order][poor[-1]]) if len(poor) else 0.0


def reliability(
    probabilities: np.ndarray, truth: np.ndarray, bins: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Set confidence beside accuracy in equally filled bins (Nguyen and O'Connor 2015).

    Returns
    -------
    confidence, accuracy, count : numpy.ndarray, shape (at most `bins`,)
        Means over each bin, and how many answers it holds; no bin is empty.
    """
    confidence = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == truth).astype(float)
    parts = [part for part in np.array_split(np.argsort(confidence), bins) if len(part)]
    rows = [(confidence[part].mean(), right[part].mean(), len(part)) for part in parts]
    means, accuracies, counts = np.array(rows).reshape(-1, 3).T
    return means, accuracies, counts


def expected_calibration_error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Mean gap between confidence and accuracy over the bins of `reliability`."""
    confidence, accuracy, count = reliability(probabilities, truth)
    return float(np.average(np.abs(confidence - accuracy), weights=count))
