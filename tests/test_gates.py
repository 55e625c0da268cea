"""What an answer that is held back says of itself."""

import pytest

from ml.gates import candidates, uncertain

DIVIDED = {"angry": 0.34, "happy": 0.30, "sad": 0.20, "neutral": 0.16}


@pytest.mark.parametrize(
    ("probabilities", "label", "names"),
    [
        (DIVIDED, "angry", ("angry", "happy", "sad")),
        ({"sad": 0.1, "angry": 0.5, "happy": 0.4}, "angry", ("angry", "happy")),
        ({"sad": 0.2, "angry": 0.4, "happy": 0.4}, "happy", ("happy", "angry", "sad")),
        ({"sad": 0.4, "angry": 0.6}, "angry", ("angry", "sad")),
        # The vote of the windows may give another than the likeliest.
        ({"sad": 0.3, "angry": 0.2, "happy": 0.5}, "angry", ("angry", "happy", "sad")),
    ],
)
def test_it_hesitates_between_two_or_three(probabilities, label, names):
    assert candidates(probabilities, label) == names


def test_an_answer_under_the_threshold_says_what_it_lies_between():
    notice = uncertain(DIVIDED, "angry", 0.45)
    assert notice.params == {
        "label": "angry",
        "probability": 0.34,
        "threshold": 0.45,
        "candidates": "angry, happy, sad",
    }
    assert "between angry, happy and sad" in notice.message
    assert "34%" in notice.message
    assert "45%" in notice.message


def test_a_likely_answer_needs_no_reason():
    assert uncertain(DIVIDED, "angry", 0.34) is None
