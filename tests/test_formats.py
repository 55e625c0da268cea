"""Every output format against a prediction whose text is known by heart."""

import csv
import io
import json

import pytest

from ml.formats import FORMATS, to_dict
from ml.results import ModelInfo, Notice, Prediction, Quality, Segment, Vote

LABELS = ("happy", "angry")


def segment(start_s, end_s, outcome, label, probabilities):
    return Segment(start_s, end_s, outcome, label, probabilities.get(label), probabilities)


@pytest.fixture
def prediction():
    return Prediction(
        outcome="emotion",
        reason=None,
        label="angry",
        confidence=0.75,
        probabilities={"happy": 0.25, "angry": 0.75},
        quality=Quality(3725.5, 0.8, None, -20.0, 0.0, 7000.0),
        vote=Vote("angry", 1.0, {"angry": 1.0}),
        segments=(
            segment(0.0, 3.0, "emotion", "angry", {"happy": 0.25, "angry": 0.75}),
            segment(1.5, 4.5, "no_speech", None, {}),
            segment(3722.5, 3725.5, "uncertain", None, {"happy": 0.5, "angry": 0.5}),
        ),
        model=ModelInfo("cnn-gru", "1", "ab", LABELS),
        warnings=(Notice("quiet", "The recording is very quiet.", {"level_dbfs": -60.0}),),
    )


def test_json_is_the_documented_object(prediction):
    found = json.loads(FORMATS["json"].render(to_dict(prediction)))
    assert found == to_dict(prediction)
    assert list(found) == [
        "schema",
        "outcome",
        "reason",
        "reason_code",
        "reason_params",
        "label",
        "confidence",
        "probabilities",
        "intensity",
        "duration_s",
        "quality",
        "vote",
        "segments",
        "model",
        "warnings",
    ]
    assert found["schema"] == 1
    assert found["duration_s"] == 3725.5
    assert found["quality"] == {
        "speech_ratio": 0.8,
        "snr_db": None,
        "level_dbfs": -20.0,
        "clipping": 0.0,
        "bandwidth_hz": 7000.0,
    }
    assert found["reason"] is None
    assert found["reason_params"] == {}
    assert found["warnings"][0]["params"] == {"level_dbfs": -60.0}


def test_json_gives_the_reason_as_a_sentence_with_its_code_and_numbers(prediction):
    reason = Notice("too_short", "The recording lasts 0.20 s.", {"duration_s": 0.2})
    silent = Prediction(
        "too_short", reason, None, None, {}, prediction.quality, None, (), prediction.model
    )
    found = to_dict(silent)
    assert found["reason"] == "The recording lasts 0.20 s."
    assert found["reason_code"] == "too_short"
    assert found["reason_params"] == {"duration_s": 0.2}
    assert found["vote"] is None


def test_csv_has_a_row_for_each_segment(prediction):
    text = FORMATS["csv"].render(to_dict(prediction))
    assert text.splitlines() == [
        "start_s,end_s,outcome,label,confidence,happy,angry",
        "0.0,3.0,emotion,angry,0.75,0.25,0.75",
        "1.5,4.5,no_speech,,,,",
        "3722.5,3725.5,uncertain,,,0.5,0.5",
    ]


def test_csv_quotes_a_file_that_is_named_oddly(prediction):
    text = FORMATS["csv"].render(to_dict(prediction) | {"file": 'a,"b".wav'})
    assert [row["file"] for row in csv.DictReader(io.StringIO(text))] == ['a,"b".wav'] * 3


def test_audacity_label_track(prediction):
    assert FORMATS["audacity"].render(to_dict(prediction)) == (
        "0.000000\t3.000000\tangry\n"
        "1.500000\t4.500000\tno speech\n"
        "3722.500000\t3725.500000\tuncertain\n"
    )


def test_vtt_shows_one_caption_at_a_time(prediction):
    assert FORMATS["vtt"].render(to_dict(prediction)) == (
        "WEBVTT\n"
        "\n00:00:00.000 --> 00:00:01.500\nangry (75%)\n"
        "\n00:00:01.500 --> 00:00:04.500\nno speech\n"
        "\n01:02:02.500 --> 01:02:05.500\nuncertain\n"
    )


def test_formats_without_segments(prediction):
    empty = to_dict(prediction) | {"segments": []}
    assert FORMATS["vtt"].render(empty) == "WEBVTT\n"
    assert FORMATS["audacity"].render(empty) == ""
    assert FORMATS["csv"].render(empty).count("\n") == 1


def test_names_are_their_keys():
    assert list(FORMATS) == ["json", "csv", "audacity", "vtt"]
    for name, row in FORMATS.items():
        assert row.name == name
        assert row.suffix.startswith(".")
        assert "/" in row.mimetype
