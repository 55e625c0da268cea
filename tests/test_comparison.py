"""Two models side by side: known numbers, known tests, and lines that cannot be read."""

import io
import json
import random

import pytest
from sklearn.metrics import cohen_kappa_score

from ml.__main__ import main
from ml.comparison import (
    BANDS,
    UNKNOWN,
    compare_models,
    measure_agreement,
    read_line,
    right_and_wrong,
)
from ml.errors import LogLineError
from ml.labels import LABELS
from ml.results import OUTCOMES

QUALITY = {
    "speech_ratio": 0.8,
    "snr_db": 20.0,
    "level_dbfs": -25.0,
    "clipping": 0.0,
    "bandwidth_hz": 4000.0,
}


def side(name: str, answer: str) -> dict:
    named = answer in LABELS
    return {
        "name": name,
        "version": "1",
        "sha256": f"sha of {name}",
        "outcome": "emotion" if named else answer,
        "label": answer if named else None,
        "confidence": 0.5 if named else None,
        "probabilities": {},
    }


def row(one: str, other: str, right: str | None = None, **measures) -> dict:
    """Make a line of a log: what both said, what was right, measures of quality."""
    duration_s = measures.pop("duration_s", 3.0)
    return {
        "schema": 1,
        "id": "x" * 22,
        "time": "2026-03-01T12:00Z",
        "duration_s": duration_s,
        "quality": QUALITY | measures,
        "champion": side("old", one),
        "challenger": side("new", other),
        "right": right,
    }


def compared(*rows: dict) -> dict:
    (found,) = compare_models(read_line(json.dumps(one), 1) for one in rows)
    return found


def test_agreement_and_kappa_of_a_table_worked_out_by_hand():
    """Share (20 + 15) / 50 = 0.7; by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5; kappa 0.2 / 0.5."""
    found = compared(
        *[row("happy", "happy")] * 20,
        *[row("happy", "sad")] * 5,
        *[row("sad", "happy")] * 10,
        *[row("sad", "sad")] * 15,
    )
    assert found["agreement"] == found["agreement_named"]
    assert found["agreement"]["clips"] == found["clips"] == 50
    assert found["agreement"]["share"] == pytest.approx(0.7)
    assert found["agreement"]["kappa"] == pytest.approx(0.4)
    # Wilson: (0.7 + z²/100 ± z sqrt(0.7 * 0.3 / 50 + z²/10000)) / (1 + z²/50), z = 1.96.
    assert found["agreement"]["interval"] == pytest.approx([0.5625, 0.8090], abs=1e-4)
    assert found["confusion"] == {"names": ["happy", "sad"], "rows": [[20, 5], [10, 15]]}
    assert found["outcomes"] == {"names": ["emotion"], "rows": [[50]]}
    assert found["champion"] == {"name": "old", "version": "1", "sha256": "sha of old"}
    assert found["right"] is None


def test_kappa_is_what_scikit_learn_says():
    chance = random.Random(5)
    answers = [*LABELS, *OUTCOMES[1:]]
    pairs = [(chance.choice(answers), chance.choice(answers[:6])) for _ in range(400)]
    pairs += [(one, one) for one in chance.choices(answers, k=200)]
    found = compared(*(row(*pair) for pair in pairs))
    assert found["agreement"]["kappa"] == pytest.approx(
        cohen_kappa_score(*zip(*pairs, strict=True))
    )
    both = [pair for pair in pairs if set(pair) <= set(LABELS)]
    assert found["agreement_named"]["clips"] == len(both)
    assert found["agreement_named"]["kappa"] == pytest.approx(
        cohen_kappa_score(*zip(*both, strict=True))
    )


def test_kappa_that_cannot_be_said():
    assert compared(row("sad", "sad"))["agreement"]["kappa"] is None
    assert measure_agreement({"rows": []}) == {
        "clips": 0,
        "share": None,
        "interval": None,
        "kappa": None,
    }
    assert compared(row("sad", "uncertain"))["agreement_named"]["share"] is None


def test_no_emotion_is_an_answer_and_has_its_row():
    found = compared(
        row("sad", "uncertain"), row("uncertain", "uncertain"), row("too_noisy", "happy")
    )
    assert found["outcomes"] == {
        "names": ["emotion", "uncertain", "too_noisy"],
        "rows": [[0, 1, 0], [0, 1, 0], [1, 0, 0]],
    }
    assert found["confusion"]["names"] == ["happy", "sad", "uncertain", "too_noisy"]
    assert found["confusion"]["rows"] == [[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [1, 0, 0, 0]]
    assert found["agreement"]["share"] == pytest.approx(1 / 3)


def test_mcnemar_of_a_table_worked_out_by_hand():
    """One alone has 1 right, the other 7: 2 * (1 + 8) / 2**8."""
    lines = [
        *[row("sad", "sad", "sad")] * 10,
        row("sad", "happy", "sad"),
        *[row("sad", "happy", "happy")] * 6,
        row("uncertain", "happy", "happy"),
        *[row("sad", "no_speech", "calm")] * 2,
        row("sad", "happy"),
    ]
    found = compared(*lines)["right"]
    assert found["clips"] == 20
    assert (found["only_champion"], found["only_challenger"]) == (1, 7)
    assert (found["champion"], found["challenger"]) == pytest.approx((11 / 20, 17 / 20))
    assert found["p"] == pytest.approx(18 / 256)


def test_mcnemar_where_none_alone_is_right():
    assert right_and_wrong([read_line(json.dumps(row("sad", "sad", "sad")), 1)])["p"] == 1.0


def test_bands_begin_where_the_one_before_ends():
    found = compared(
        row("sad", "sad", snr_db=14.9),
        row("sad", "calm", snr_db=15.0, duration_s=30.0),
        row("sad", "uncertain", snr_db=15, duration_s=1.9),
        row("sad", "sad", "calm", snr_db=None),
        row("sad", "sad", snr_db=-10, bandwidth_hz=1e4, level_dbfs=-120),
    )["bands"]
    assert set(found) == set(BANDS)
    assert [(name, band["clips"]) for name, band in found["snr_db"].items()] == [
        ("under 5", 1),
        ("5 to 15", 1),
        ("15 to 25", 2),
        (UNKNOWN, 1),
    ]
    assert found["snr_db"]["15 to 25"] == {
        "clips": 2,
        "agreement": 0.0,
        "champion_named": 1.0,
        "challenger_named": 0.5,
        "right": None,
    }
    assert found["snr_db"][UNKNOWN]["right"] == {"clips": 1, "champion": 0.0, "challenger": 0.0}
    assert list(found["duration_s"]) == ["under 2", "2 to 5", "30 and over"]
    assert list(found["bandwidth_hz"]) == ["3400 to 5000", "5000 and over"]
    assert list(found["level_dbfs"]) == ["under -40", "-30 to -20"]


def test_each_pair_of_models_stands_by_itself():
    later = row("sad", "sad") | {"challenger": side("newer", "sad")}
    texts = [json.dumps(one) for one in (row("sad", "calm"), later, row("sad", "sad"))]
    found = compare_models(read_line(text, 1) for text in texts)
    assert [(one["challenger"]["name"], one["clips"]) for one in found] == [
        ("new", 2),
        ("newer", 1),
    ]


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "it is no JSON"),
        ('{"champion": ', "it is no JSON"),
        ("[]", "it is no object as it should be"),
        ("null", "it is no object as it should be"),
        (json.dumps(row("sad", "sad") | {"champion": "old"}), "it is no object"),
        (json.dumps({"quality": {}}), "'schema' is missing"),
        (json.dumps(row("sad", "sad") | {"schema": 2}), "schema is 2; wanted: 1"),
        (json.dumps(row("sad", "sad") | {"quality": {}}), "'snr_db' is missing"),
        (json.dumps(row("sad", "sad", snr_db="loud")), "snr_db is 'loud'; wanted: a number"),
        (json.dumps(row("sad", "sad", snr_db=float("nan"))), "snr_db is nan; wanted: a number"),
        (json.dumps(row("sad", "sad", "bored")), "right is 'bored'; wanted: None, neutral, calm"),
        (json.dumps(row("sad", "bored")), "outcome is 'bored'; wanted: emotion, uncertain"),
        (
            json.dumps(row("sad", "sad")).replace('"label": "sad"', '"label": null'),
            "label is None; wanted: neutral, calm",
        ),
    ],
)
def test_a_line_that_cannot_be_read_says_why(text, detail):
    with pytest.raises(LogLineError) as caught:
        read_line(text, 7)
    assert caught.value.message.startswith("Line 7 of the log was left out: ")
    assert detail in caught.value.message


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.jsonl"
    rows = [
        *[row("sad", "sad", "sad")] * 3,
        *[row("happy", "sad", "sad")] * 2,
        row("uncertain", "happy", duration_s=60),
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def test_the_command_prints_what_was_measured(log, capsys):
    assert main(["compare", str(log)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("champion    old 1  sha256 sha of old\nchallenger  new 1")
    assert "same answer: 50.0% [" in printed and "of 6 clips, kappa 0." in printed
    assert "same emotion, where both name one: 60.0% [" in printed
    assert "by signal-to-noise ratio, dB" in printed and "  30 and over " in printed
    assert "what people said was right, of 5 clips" in printed
    assert "champion 60.0%, challenger 100.0%" in printed
    assert "by the challenger alone 2; McNemar's test, exact: p = 0.5" in printed


def test_the_command_prints_json(log, capsys):
    assert main(["compare", str(log), "--format", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["agreement"]["share"] == 0.5
    assert found["right"]["p"] == pytest.approx(0.5)


def test_bad_lines_are_named_and_the_others_count(log, capsys, monkeypatch):
    lines = log.read_text().splitlines()
    lines[2:2] = ["{broken", "", "[1]"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("\n".join(lines).encode())))
    assert main(["compare", "-"]) == 1
    printed = capsys.readouterr()
    assert "of 6 clips" in printed.out
    assert "Line 3 of the log" in printed.err and "Line 5 of the log" in printed.err
    assert printed.err.count("Line ") == 2


def test_an_empty_log_and_one_that_is_not_there(tmp_path, capsys):
    (tmp_path / "empty").write_text("\n")
    assert main(["compare", str(tmp_path / "empty")]) == 0
    assert capsys.readouterr().out == "There is no line to compare.\n"
    assert main(["compare", str(tmp_path / "none")]) == 2
    assert "No such file" in capsys.readouterr().err


def test_bytes_that_are_no_text_do_not_stop_it(log, capsys):
    log.write_bytes(log.read_bytes() + b"\xff\xfe\n")
    assert main(["compare", str(log)]) == 1
    assert "Line 7 of the log" in capsys.readouterr().err
