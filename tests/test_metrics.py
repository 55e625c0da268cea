"""Measures against answers counted by hand."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from ml.labels import LABELS
from ml.metrics import UNANSWERED, accuracies, best_labels, intervals, macro_f1, measure

SIX = ("neutral", "happy", "sad", "angry", "fearful", "disgust")


def scores(*labels: str | None) -> np.ndarray:
    rows = np.zeros((len(labels), len(LABELS)))
    for row, label in zip(rows, labels, strict=True):
        if label:
            row[:] = 0.05
            row[LABELS.index(label)] = 0.65
    return rows


def test_weighted_and_unweighted_accuracy_differ_as_they_should():
    truth = np.array(["sad"] * 8 + ["happy"] * 2)
    guess = np.array(["sad"] * 10)
    assert accuracies(truth, guess) == {"wa": 0.8, "ua": 0.5}


def test_the_choice_is_among_the_allowed_and_silence_is_no_answer():
    guesses = best_labels(scores("calm", "angry", None), ("angry", "sad"))
    assert guesses.tolist() == ["angry", "angry", UNANSWERED]


def test_a_clip_without_an_answer_counts_as_wrong():
    truth = np.array(["sad", "sad", "happy", "happy"])
    result = measure(scores("sad", None, "happy", "sad"), truth, truth, SIX)
    assert result["wa"] == 0.5 and result["ua"] == 0.5 and result["unanswered"] == 1
    assert result["per_class"]["sad"] == {
        "precision": 0.5,
        "recall": 0.5,
        "f1": 0.5,
        "clips": 2,
    }
    confusion = dict(zip(result["labels"], result["confusion"], strict=True))
    assert confusion["sad"] == [0, 0, 1, 0, 0, 0, 1]
    assert confusion["happy"] == [0, 1, 1, 0, 0, 0, 0]


def test_intervals_are_over_speakers_and_not_over_clips():
    truth = np.array(["sad"] * 400)
    speakers = np.repeat(["a", "b"], 200)
    guess = np.where(speakers == "a", "sad", "happy")
    low, high = intervals(truth, guess, speakers, SIX)["wa_interval"]
    assert (low, high) == (0.0, 1.0)
    low, high = intervals(truth, guess, np.arange(400).astype(str), SIX)["wa_interval"]
    assert 0.44 < low < 0.5 < high < 0.56


def test_macro_f1_is_that_of_scikit_learn_and_has_an_interval_as_the_calibration_error_has():
    rng = np.random.default_rng(0)
    truth, guess = rng.choice(SIX[:5], (2, 60))
    guess[rng.random(60) < 0.5] = "sad"
    expected = f1_score(truth, guess, labels=list(SIX), average="macro", zero_division=0.0)
    assert macro_f1(truth, guess, SIX) == pytest.approx(expected)
    result = measure(scores(*guess), truth, np.repeat(["a", "b", "c"], 20), SIX)
    for key in ("macro_f1", "ece"):
        low, high = result[f"{key}_interval"]
        assert low < result[key] < high


def test_measures_hold_where_nothing_was_answered():
    truth = np.array(["sad", "happy"])
    result = measure(scores(None, None), truth, truth, SIX)
    assert result["wa"] == 0.0 and result["unanswered"] == 2 and result["ece"] is None
    assert result["ece_interval"] is None


def test_all_right_is_one():
    truth = np.array(SIX)
    result = measure(scores(*SIX), truth, np.array(["a"] * 6), SIX)
    assert result["wa"] == result["ua"] == result["macro_f1"] == pytest.approx(1.0)
