"""Calibration of scores whose truth is known."""

import numpy as np
import pytest

from ml.abstention import LEAST_COVERAGE
from ml.calibration import (
    Calibration,
    brier_score,
    calibrate,
    error_by_chance,
    expected_calibration_error,
    fit_calibration,
    uncalibrated,
)
from ml.predict import pool


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


def error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    right = probabilities.argmax(axis=1) == truth
    return expected_calibration_error(probabilities.max(axis=1), right)


def test_the_error_is_small_after_fitting_and_large_before():
    logits, truth = drawn(3.0)
    before = error(calibrate(logits, Calibration()), truth)
    after = error(calibrate(logits, fit_calibration(logits, truth)), truth)
    assert before > 0.1 > 0.02 > after


def test_no_more_is_held_back_than_allowed_and_what_is_held_back_is_mostly_wrong():
    logits, truth = drawn(2.5)
    calibration = fit_calibration(logits, truth)
    probabilities = calibrate(logits, calibration)
    low = probabilities.max(axis=1) < calibration.threshold
    right = probabilities.argmax(axis=1) == truth
    assert 1 - low.mean() == pytest.approx(LEAST_COVERAGE, abs=0.001)
    assert right[low].mean() < 0.5 < right[~low].mean()


def test_a_large_corpus_does_not_outvote_a_small_one():
    few, many = drawn(3.0, 2_000), drawn(1.0, 20_000)
    logits, truth = (np.concatenate(pair) for pair in zip(few, many, strict=True))
    weights = np.repeat([1 / 2_000, 1 / 20_000], [2_000, 20_000])
    alone = fit_calibration(logits, truth).temperature
    alike = fit_calibration(logits, truth, weights).temperature
    assert alone < 1.4 < alike < 3.0


def test_labels_that_a_corpus_lacks_say_nothing_about_the_temperature():
    logits, truth = drawn(1.7)
    lacking = np.random.default_rng(1).normal(20, 5, (len(logits), 2))
    allowed = np.tile(np.arange(7) < 5, (len(logits), 1))
    found = fit_calibration(np.hstack([logits, lacking]), truth, allowed=allowed)
    assert found.temperature == pytest.approx(1.7, rel=0.05)


def test_calibration_can_be_taken_back():
    logits, _truth = drawn(1.0, 50)
    back = uncalibrated(calibrate(logits, Calibration(1.6)), Calibration(1.6))
    assert back - back[:, :1] == pytest.approx(logits - logits[:, :1])


def test_what_is_fitted_to_clips_holds_for_windows_that_are_calibrated_first():
    logits, _truth = drawn(1.0, 3)

    def pooled(rows: np.ndarray) -> np.ndarray:
        named = {i: dict(zip("abcde", row, strict=True)) for i, row in enumerate(rows)}
        return np.array(list(pool(named, (1.0, 2.0, 0.5)).values()))

    first = pooled(calibrate(logits, Calibration(1.7)))
    last = calibrate(np.log(pooled(calibrate(logits, Calibration()))), Calibration(1.7))
    assert first == pytest.approx(last)


def test_few_clips_make_a_calibrated_model_look_worse():
    confidence = np.full(100, 0.5)
    # Ten bins of ten coins: the mean distance of their share of heads from a half is 0.123.
    assert error_by_chance(confidence) == pytest.approx(0.123, abs=0.005)
    assert error_by_chance(np.full(10_000, 0.5)) < 0.02
    assert error_by_chance(np.ones(50)) == 0.0


def test_brier_score_by_hand():
    rows = np.array([[1.0, 0.0], [0.25, 0.75]])
    assert brier_score(rows, np.array([0, 0])) == pytest.approx((0 + 2 * 0.75**2) / 2)
