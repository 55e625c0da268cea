"""Agreement with votes and with intensity, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest

from ml.agreement import divergence, intensity_correlation, vote_agreement
from tests.scored import scored

SIX = ("neutral", "happy", "sad", "angry", "fearful", "disgust")


def test_votes_by_hand():
    data = scored(
        ("sad", "sad", "cremad:1", {"votes": {"sad": 0.6, "neutral": 0.4}}),
        ("sad", "sad", "cremad:1", {"votes": {"neutral": 0.8, "sad": 0.2}}),
        ("happy", "angry", "cremad:2", {"votes": {"angry": 0.5, "happy": 0.5}}),
        ("happy", "happy", "cremad:2"),
        ("happy", None, "cremad:2", {"votes": {"happy": 1.0}}),
        allowed=SIX,
    )
    found = vote_agreement(data, SIX)
    assert found["clips"] == 3
    assert found["model_favourite"] == pytest.approx(2 / 3)
    assert found["acted_favourite"] == pytest.approx(2 / 3)
    assert found["model_acted"] == pytest.approx(2 / 3)
    assert found["listener_favourite"] == pytest.approx((0.6 + 0.8 + 0.5) / 3)
    assert found["listener_acted"] == pytest.approx((0.6 + 0.2 + 0.5) / 3)
    assert 0 < found["divergence"] < 1
    assert 0 < found["correlation"] < 1


def test_without_votes_there_is_no_agreement():
    assert vote_agreement(scored(("sad", "sad", "emodb:1")), SIX) is None


def test_divergence_is_0_for_the_same_and_1_bit_for_the_opposite():
    one, other = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert divergence(one, one) == pytest.approx([0.0])
    assert divergence(one, other) == pytest.approx([1.0])


def with_intensities(played: list[float | None], heard: list[float]):
    rows = [
        ("sad", "sad", f"ravdess:{number % 3}", {"intensity": value})
        for number, value in enumerate(played)
    ]
    return replace(scored(*rows), intensities=np.array(heard))


def test_the_same_order_correlates_with_1_whatever_the_steps():
    data = with_intensities([0.0, 0.5, 1.0, None] * 6, [0.1, 0.2, 0.9, 0.0] * 6)
    found = intensity_correlation(data)
    assert found["rho"] == pytest.approx(1.0)
    assert found["interval"] == pytest.approx([1.0, 1.0])
    assert found["clips"] == 18 and found["speakers"] == 3


def test_the_reverse_order_correlates_with_minus_1():
    found = intensity_correlation(with_intensities([0.0, 1.0] * 6, [0.9, 0.1] * 6))
    assert found["rho"] == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("played", "heard"),
    [([None, None], [0.1, 0.2]), ([0.0, 1.0], [np.nan, np.nan]), ([1.0, 1.0], [0.1, 0.9])],
)
def test_where_nothing_can_be_ranked_nothing_is_said(played, heard):
    assert intensity_correlation(with_intensities(played, heard)) is None
