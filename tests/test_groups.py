"""Groups and their gaps, counted by hand."""

import numpy as np
import pytest

from ml.corpora import Speaker
from ml.groups import age_group, group_gaps, group_results
from tests.scored import scored

SPEAKERS = {
    "cremad:1": Speaker("female", 25, "Asian"),
    "cremad:2": Speaker("female", 65, "Asian"),
    "cremad:3": Speaker("male", 30, "Asian"),
    "cremad:4": Speaker("male", 44, "Asian"),
    "cremad:5": Speaker(None, None, None),
}


def clips(**right: int):
    """Ten clips of each speaker, of which so many are right."""
    return scored(
        *(
            ("sad", "sad" if number < count else "happy", f"cremad:{name.lstrip('s')}")
            for name, count in right.items()
            for number in range(10)
        )
    )


@pytest.mark.parametrize(
    ("age", "group"),
    [(29, "under 30"), (30, "30 to 44"), (44, "30 to 44"), (59, "45 to 59"), (60, "60 and over")],
)
def test_age_groups_begin_where_they_say(age, group):
    assert age_group(Speaker("female", age, None)) == group


def test_groups_hold_the_clips_of_their_speakers():
    found = group_results(clips(s1=9, s2=7, s3=5, s4=5, s5=0), SPEAKERS)
    assert found["sex"]["female"] == {"wa": 0.8, "ua": 0.8, "clips": 20, "speakers": 2}
    assert found["sex"]["male"] == {"wa": 0.5, "ua": 0.5, "clips": 20, "speakers": 2}
    assert found["age"]["under 30"] == {"wa": 0.9, "ua": 0.9, "clips": 10, "speakers": 1}
    assert list(found["age"]) == ["under 30", "30 to 44", "60 and over"]
    assert "race" not in found


def test_a_gap_is_between_groups_of_at_least_two_speakers():
    data = clips(s1=9, s2=7, s3=5, s4=5)
    gaps = group_gaps(data, SPEAKERS, group_results(data, SPEAKERS))
    assert set(gaps) == {"sex"}
    assert (gaps["sex"]["best"], gaps["sex"]["worst"]) == ("female", "male")
    assert gaps["sex"]["gap"] == pytest.approx(0.3)
    low, high = gaps["sex"]["interval"]
    assert 0.19 < low < 0.3 < high < 0.41


def test_a_gap_that_may_be_chance_has_an_interval_around_nought():
    data = clips(s1=10, s2=0, s3=0, s4=8)
    gap = group_gaps(data, SPEAKERS, group_results(data, SPEAKERS))["sex"]
    assert gap["gap"] == pytest.approx(0.1)
    assert gap["interval"][0] < 0 < gap["interval"][1]


def test_a_corpus_that_says_nothing_of_its_speakers_has_no_groups():
    assert group_results(clips(s1=5, s2=5), {}) == {}
    assert np.all(clips(s1=5).known)
