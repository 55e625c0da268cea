"""Where a model fails: mistakes, speakers and reasons of clips that are counted by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml import failures
from ml.bundle import read_bundle
from ml.corpora import Clip, Speaker
from ml.results import Quality
from ml.scoring import score_clips
from tests.scored import scored

SAMPLES = Path(__file__).resolve().parent.parent / "samples"


@pytest.fixture(scope="module")
def found():
    """Two speakers; one is right where listeners agree, the other in half of the clips."""
    agreed, disputed = ({"votes": {"sad": share, "happy": 1 - share}} for share in (0.9, 0.4))
    made = scored(
        ("sad", "sad", "cremad:1", agreed),
        ("sad", "happy", "cremad:1", disputed),
        ("sad", "sad", "cremad:2", {"intensity": 1.0}),
        ("sad", "angry", "cremad:2", {"intensity": 0.0}),
        ("happy", None, "cremad:2", {}),
    )
    surer = np.array(made.probabilities)
    surer[3] = np.where(surer[3] > 0.5, 0.93, 0.01)
    return replace(made, probabilities=surer)


def test_mistakes_come_the_surest_first_and_no_answer_is_none(found):
    assert failures.surest_mistakes(found, 5).tolist() == [3, 1]
    assert failures.surest_mistakes(found, 1).tolist() == [3]


def test_answers_are_told_with_what_may_explain_them(found):
    rows = failures.answers_table(found, [3, 1]).splitlines()
    assert rows[2] == "| 3 | cremad:2 | sad | angry | 93.0 % | not told | 0 | 25 dB |"
    assert rows[3] == "| 1 | cremad:1 | sad | happy | 65.0 % | 40.0 % | not told | 25 dB |"


def test_answers_are_drawn_beside_the_listeners(found):
    axes = failures.show_answers(found, [1]).axes[0]
    heights = [bar.get_height() for bar in axes.patches]
    assert max(heights[:8]) == pytest.approx(0.65)
    assert heights[8:][2:4] == pytest.approx([0.6, 0.4])
    assert axes.get_title(loc="left") == "1: acted sad"


def test_speakers_are_drawn_the_worst_first(found):
    figure = failures.show_speakers(found, {"cremad:2": Speaker("male")})
    axes = figure.axes[0]
    assert [one.get_text() for one in axes.get_xticklabels()] == ["2", "1"]
    points = {line.get_label(): line.get_ydata()[0] for line in axes.lines[1:]}
    assert points == {"male": pytest.approx(1 / 3), "not told": 0.5}


def test_success_goes_with_what_listeners_heard(found):
    means, shares, ends = failures.success_by(
        found, failures.REASONS["listeners who heard the acted emotion"](found)
    )
    assert means.tolist() == [0.4, 0.9] and shares.tolist() == [0.0, 1.0]
    assert ends.tolist() == [[0.0, 0.0], [1.0, 1.0]]


def test_many_values_make_four_groups_of_like_size():
    rows = [
        ("sad", "sad" if number >= 20 else "happy", f"cremad:{number % 5}") for number in range(40)
    ]
    means, shares, ends = failures.success_by(scored(*rows), list(range(40)))
    assert means.tolist() == [4.5, 14.5, 24.5, 34.5] and shares.tolist() == [0.0, 0.0, 1.0, 1.0]
    assert ends.shape == (4, 2)


def test_what_is_the_same_everywhere_is_no_reason(found):
    assert failures.success_by(found, [25.0] * 5) is None
    drawn = [one.get_xlabel() for one in failures.show_reasons(found).axes]
    assert drawn[:2] == ["listeners who heard the acted emotion", "played: 0 calmly, 1 strongly"]
    assert "voice over noise, dB" not in drawn and "how sure the model is" in drawn


def test_without_mistakes_the_pictures_say_so(found):
    for figure in (
        failures.show_answers(found, []),
        failures.show_explanations(read_bundle("cnn-gru"), found, []),
    ):
        assert [one.get_text() for one in figure.axes[0].texts] == ["no answer is wrong"]


def test_the_parts_that_carried_an_answer_are_framed():
    bundle = read_bundle("cnn-gru")
    clip = Clip(SAMPLES / "angry-man.flac", "happy", "cremad:1", "cremad")
    heard = score_clips(bundle, [clip], jobs=1)
    axes = failures.show_explanations(bundle, heard, [0]).axes[0]
    assert axes.get_title(loc="left").startswith("angry-man, acted happy: 'angry'")
    assert axes.lines and all(line.get_color() == "#7ff0ff" for line in axes.lines)
    assert axes.get_xlim() == pytest.approx((0, 3.0), abs=0.02)


def test_no_quality_is_told_where_there_is_no_voice(found):
    silent = replace(found, qualities=(Quality(2.0, 0.0, None, -120.0, 0.0, 0.0),) * 5)
    assert failures.answers_table(silent, [3]).splitlines()[2].endswith("| none |")
