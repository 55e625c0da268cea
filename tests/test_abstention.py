"""Risk and coverage counted by hand, and the threshold chosen on them."""

import numpy as np
import pytest

from ml.abstention import choose_threshold, points, risk_coverage


def curve(right: str, weights: list[float] | None = None):
    """Make the curve of clips whose confidence falls from 1 in equal steps; "+" is right."""
    confidence = 1 - np.arange(len(right)) / len(right)
    given = None if weights is None else np.array(weights)
    return risk_coverage(confidence, np.array([sign == "+" for sign in right]), given)


def test_risk_grows_as_less_sure_clips_are_answered():
    found = curve("++-+")
    assert found.thresholds == pytest.approx([1, 0.75, 0.5, 0.25])
    assert found.coverage == pytest.approx([0.25, 0.5, 0.75, 1])
    assert found.risk == pytest.approx([0, 0, 1 / 3, 1 / 4])
    assert found.area == pytest.approx((0 + 0 + 1 / 3 + 1 / 4) / 4)


def test_clips_count_by_their_weight():
    found = curve("+-", [1.0, 3.0])
    assert found.coverage == pytest.approx([0.25, 1])
    assert found.risk == pytest.approx([0, 0.75])


def test_clips_of_one_confidence_stand_or_fall_together():
    found = risk_coverage(np.array([0.5, 0.9, 0.5]), np.array([True, True, False]))
    assert found.thresholds == pytest.approx([0.9, 0.5])
    assert found.risk == pytest.approx([0, 1 / 3])


def test_nothing_is_held_back_where_all_answers_are_good_enough():
    assert choose_threshold(curve("++++++++-+")) == 0.0


def test_as_few_are_held_back_as_the_wanted_accuracy_asks():
    # 75 of 100 right; without the last 7, all of them wrong, 75 of 93 are.
    found = curve("+" * 75 + "-" * 25)
    assert found.risk[92] <= 0.2 < found.risk[93]
    assert choose_threshold(found) == pytest.approx(1 - 92 / 100)


def test_a_poor_model_still_answers_most_clips():
    found = curve("+-" * 50)
    assert found.coverage[found.thresholds >= choose_threshold(found)][-1] == pytest.approx(0.85)


def test_the_curve_is_thinned_out_to_its_end():
    thin = points(curve("++-+" * 100), 10)
    assert len(thin) == 10
    assert thin[-1] == [1.0, 0.25]
    assert [coverage for coverage, _risk in thin] == pytest.approx(np.arange(1, 11) / 10)
