"""Calibration of scores whose truth is known."""

import numpy as np
import pytest

from ml.calibration import Calibration, calibrate, expected_calibration_error, fit_calibration


def drawn(temperature: float, n: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Draw truths from softmax(logits / temperature)."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (n, 5))
    probabilities = calibrate(logits, Calibration(temperature))
    truth = (probabilities.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return logits, truth


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.5])
def test_the_temperature_that_made_the_truths_is_found(temperature):
    logits, truth = drawn(temperature)
    assert fit_calibration(logits, truth).temperature == pytest.approx(temperature, rel=0.05)


def test_calibrated_scores_are_probabilities_that_keep_their_order():
    logits, _truth = drawn(1.0, 100)
    made = calibrate(logits, Calibration(3.0))
    assert made.sum(axis=1) == pytest.approx(1.0)
    assert np.array_equal(made.argmax(axis=1), logits.argmax(axis=1))


def test_the_error_is_small_after_fitting_and_large_before():
    logits, truth = drawn(3.0)
    before = expected_calibration_error(calibrate(logits, Calibration()), truth)
    after = expected_calibration_error(calibrate(logits, fit_calibration(logits, truth)), truth)
    assert before > 0.1 > 0.02 > after


def test_below_the_threshold_answers_are_mostly_wrong():
    logits, truth = drawn(2.5)
    calibration = fit_calibration(logits, truth)
    probabilities = calibrate(logits, calibration)
    low = probabilities.max(axis=1) < calibration.threshold
    right = probabilities.argmax(axis=1) == truth
    assert 0 < low.mean() < 1
    assert right[low].mean() < 0.41 < right[~low].mean()
