"""What forbids an answer, and what an answer that is held back says of itself."""

import numpy as np
import pytest

from ml.audio import Waveform
from ml.config import SpeechConfig
from ml.gates import Evidence, candidates, first_reason, uncertain
from ml.results import Quality

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


def evidence(speech_s=2.0, snr_db=20.0, likeness=0.9):
    """Three seconds of sound with so much speech."""
    waveform = Waveform(np.zeros(48_000, np.float32), 16_000)
    quality = Quality(3.0, speech_s / 3, snr_db, -30.0, 0.0, 4000.0)
    return Evidence(waveform, quality, ((0, 48_000),), (speech_s,), 0.5, SpeechConfig(), likeness)


def test_a_voice_over_little_noise_may_be_answered():
    assert first_reason(evidence()) is None


def test_what_only_resembles_a_voice_is_no_speech_and_says_why():
    reason = first_reason(evidence(speech_s=0.0, snr_db=None, likeness=0.12))
    assert reason.code == "no_speech"
    assert reason.params["likeness"] == 0.12
    assert "12% like a voice" in reason.message


@pytest.mark.parametrize(("speech_s", "likeness"), [(0.0, None), (0.1, 0.9)])
def test_where_nothing_resembles_a_voice_there_is_no_likeness(speech_s, likeness):
    reason = first_reason(evidence(speech_s=speech_s, snr_db=None, likeness=likeness))
    assert reason.code == "no_speech"
    assert "likeness" not in reason.params


def test_under_the_least_ratio_it_is_too_noisy():
    least = SpeechConfig().min_snr_db
    assert first_reason(evidence(snr_db=least)) is None
    reason = first_reason(evidence(snr_db=least - 0.1))
    assert reason.code == "too_noisy"
    assert reason.params == {"snr_db": least - 0.1, "minimum_db": least}
