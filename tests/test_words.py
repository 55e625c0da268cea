"""What pages say, for answers whose words are known."""

from datetime import UTC, datetime

import pytest
from predictions import prediction, segment

import ml
from webapp import notices, words

NBSP = "\N{NO-BREAK SPACE}"


def plain(text: str) -> str:
    return text.replace(NBSP, " ")


@pytest.mark.parametrize(
    ("given", "heading"),
    [
        (prediction(angry=0.7), "Sounds angry"),
        (prediction(disgust=0.7), "Sounds disgusted"),
        (prediction("uncertain", calm=0.3, neutral=0.28), "Not sure: between calm and neutral"),
        (prediction("uncertain"), "Not sure"),
        (prediction("no_speech"), "No voice found"),
        (prediction("too_short"), "Too short to tell"),
        (prediction("too_noisy"), "Too noisy to tell"),
    ],
)
def test_heading(given, heading):
    assert words.heading(given) == heading


def test_every_outcome_without_an_emotion_says_what_to_do():
    for outcome in set(ml.OUTCOMES) - {"emotion"}:
        assert words.ADVICE[outcome]
        assert words.heading(prediction(outcome))


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.713, "71 %"), (0, "0 %"), (0.004, "under 1 %"), (0.996, "over 99 %"), (1, "100 %")],
)
def test_percent(share, text):
    assert plain(words.percent(share)) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.23, "4.2 s"), (76.5, "76 s"), (3599.6, "60 min 0 s")]
)
def test_duration(seconds, text):
    assert plain(words.duration(seconds)) == text


@pytest.mark.parametrize(
    ("share", "start"),
    [(0.85, "Quite sure: 85 %"), (0.6, "Fairly sure"), (0.4, "Leaning this way")],
)
def test_certainty_names_the_runner_up(share, start):
    said = plain(words.certainty(prediction(sad=share, calm=0.12)))
    assert said.startswith(start) and said.endswith("Next comes calm with 12 %.")


def test_a_vote_may_choose_another_than_led():
    voted = prediction(angry=0.2, happy=0.5) | {"label": "angry", "confidence": 0.2}
    said = plain(words.certainty(voted))
    assert said == "Leaning this way: 20 %. Over the whole clip, likelier is happy with 50 %."


def test_a_vote_in_counts():
    segments = [segment(t, t + 3, angry=0.8) for t in range(4)] + [segment(4, 7, sad=0.8)]
    segments.append(segment(5, 8, "no_speech"))
    assert words.vote(prediction(segments=segments, angry=0.6)) == "4 of 5 windows sound angry."
    assert words.vote(prediction(segments=segments[:1], angry=0.6)) == ""


def test_an_unsure_answer_names_its_candidates_and_why_it_is_held_back():
    params = {"label": "disgust", "probability": 0.31, "threshold": 0.45}
    params["candidates"] = "disgust, happy, sad"
    unsure = prediction("uncertain", disgust=0.31) | {"reason_params": params}
    assert words.heading(unsure) == "Not sure: between disgusted, happy and sad"
    said = plain(notices.reason(unsure))
    assert said == "The likeliest, disgusted, reaches 31 %; answers under 45 % are held back."
    assert notices.reason(prediction("no_speech")) == "This was measured."


@pytest.mark.parametrize(
    ("value", "word"), [(None, ""), (0.0, "calm"), (0.5, "moderate"), (0.7, "strong")]
)
def test_intensity_in_a_word(value, word):
    assert words.intensity(prediction(angry=0.7) | {"intensity": value}) == word
    assert words.intensity(prediction("uncertain", angry=0.3) | {"intensity": value}) == ""


def test_an_answer_kept_before_there_was_intensity_has_none():
    old = prediction(angry=0.7)
    del old["intensity"]
    assert words.intensity(old) == ""


def test_the_face_is_the_label_or_the_one_that_cannot_tell():
    assert words.face(prediction(happy=0.9)) == "happy"
    assert words.face(prediction("uncertain", happy=0.3)) == "unsure"


def test_votes_are_ranked():
    segments = [segment(t, t + 3, angry=0.8) for t in range(3)] + [segment(4, 7, sad=0.8)]
    ranked = words.vote_ranking(prediction(segments=segments, angry=0.6))
    assert ranked[:2] == [("angry", 0.75), ("sad", 0.25)] and len(ranked) == 8
    assert sum(share for _label, share in ranked) == 1.0


def test_timeline_summary_names_the_majority_and_its_dominance():
    segments = [segment(t, t + 3, angry=0.8) for t in range(3)] + [segment(4, 7, sad=0.8)]
    said = plain(words.timeline_summary(prediction(segments=segments, angry=0.6)))
    assert said == "By majority of the 4 windows: angry, 75 %. Then sad 25 %."


def test_timeline_summary_counts_only_windows_with_a_voice():
    segments = [segment(0, 3, sad=0.8), segment(3, 6, "no_speech")]
    said = plain(words.timeline_summary(prediction(segments=segments, sad=0.6)))
    assert said == "The one window with a voice sounds sad."
    segments = [segment(0, 3, "no_speech"), segment(3, 6, "no_speech")]
    said = words.timeline_summary(prediction("no_speech", segments=segments))
    assert said == "None of the 2 windows was scored."


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (segment(0, 3, disgust=0.9), "disgusted"),
        (segment(0, 3, "uncertain", sad=0.2), "not sure"),
        (segment(0, 3, "no_speech"), "no voice"),
    ],
)
def test_segments_in_words(given, said):
    assert words.segment_words(given) == said


def test_confidence_comes_with_its_record():
    rows = [
        {"from": 0.6, "to": 0.7, "right": 0.64, "clips": 210},
        {"from": 0.7, "to": 0.8, "right": 0.755, "clips": 198},
        {"from": 0.9, "to": 1.0, "right": 0.97, "clips": 19},
    ]
    card = {"overall": {"record": rows}}
    said = words.record(card, prediction(angry=0.74)).replace(words.NBSP, " ")
    assert said == (
        "Of 198 test clips by voices that it had never heard and scored 70 to 80 %, "
        "76 % were named right."
    )
    assert "60 to 70" in words.record(card, prediction(angry=0.6))
    assert words.record(card, prediction(angry=0.95)) == ""  # Too few.
    assert words.record(card, prediction(angry=0.85)) == ""
    assert words.record(card, prediction("uncertain", angry=0.3)) == ""
    assert words.record({}, prediction(angry=0.74)) == ""


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        (("angry", "angry", "angry"), "All three models hear the same: angry."),
        (("angry", "disgust", "angry"), "2 of 3 models hear angry. b hears disgusted."),
        ((None, "sad", "sad"), "2 of 3 models hear sad. a cannot tell."),
        (("angry", "sad", None), "No two models agree. a hears angry. b hears sad. c cannot tell."),
        ((None, None, None), "No model names an emotion."),
    ],
)
def test_agreement_of_models(heard, said):
    answers = [(name, {"label": label}) for name, label in zip("abc", heard, strict=True)]
    assert words.agreement(answers) == said


def test_track_record_comes_from_the_card_or_not_at_all():
    card = {
        "metrics": {
            "a": {"clips": 100, "wa": 0.95, "wa_of_eight": 0.9},
            "b": {"clips": 300, "wa": 0.6, "wa_of_eight": 0.5},
        },
        "labels": ["happy", "sad", "angry"],
    }
    said = words.track_record(card)
    assert "400 acted clips" in said and "out of three, in about 6 of 10" in said
    assert words.track_record(card | {"metrics": {}}) == ""


def test_dates():
    assert words.moment(datetime(2026, 3, 1, 9, 5, tzinfo=UTC)) == "1 March 2026, 09:05 UTC"


def test_numbers():
    assert [words.number(count) for count in (8, 12)] == ["eight", "12"]
