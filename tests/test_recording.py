"""What is said of a recording: each measure in words, and beside what is usual."""

import pytest
from predictions import prediction

from webapp import charts
from webapp.recording import beside_usual, quality_rows
from webapp.words import NBSP

USUAL = {
    "speech_ratio": [0.3, 0.5, 0.6, 0.7, 0.9],
    "snr_db": [10.0, 20.0, 25.0, 30.0, 40.0],
    "level_dbfs": [-35.0, -28.0, -24.0, -20.0, -15.0],
    "clipping": [0.0] * 5,
    "bandwidth_hz": [3000.0, 4000.0, 5000.0, 6000.0, 7000.0],
}


def plain(text: str) -> str:
    return text.replace(NBSP, " ")


def test_quality_in_words():
    rows = {row.name: row for row in quality_rows(prediction(happy=0.9))}
    assert plain(rows["Voice"].figure) == "2.4 s of 3.0 s"
    assert rows["Background"][1:] == ("quiet", f"21{NBSP}dB below the voice")
    assert rows["Loudness"].figure == f"\N{MINUS SIGN}19{NBSP}dBFS"
    assert rows["Distortion"].verdict == "none heard"
    assert rows["Sound range"].verdict == "full"


def test_quality_of_silence():
    silent = prediction("no_speech")
    silent["quality"] |= {
        "speech_ratio": 0.0,
        "snr_db": None,
        "level_dbfs": -120.0,
        "bandwidth_hz": 0.0,
    }
    rows = {row.name: row.verdict for row in quality_rows(silent)}
    assert rows == {
        "Voice": "hardly any",
        "Background": "not measured",
        "Loudness": "silent",
        "Distortion": "none heard",
        "Sound range": "not judged",
    }


def test_a_voice_under_its_noise():
    noisy = prediction("too_noisy")
    noisy["quality"]["snr_db"] = -4.0
    row = next(row for row in quality_rows(noisy) if row.name == "Background")
    assert row[1:] == ("noisy", f"4{NBSP}dB above the voice")


def test_a_warning_of_a_narrow_band_is_taken_over():
    narrow = prediction(happy=0.9) | {"warnings": [{"code": "narrow_band", "message": ""}]}
    assert "telephone" in quality_rows(narrow)[-1].verdict


def test_a_recording_like_those_it_learned_from_needs_no_advice():
    found = beside_usual(prediction(happy=0.9), USUAL)
    assert list(found) == ["Voice", "Background", "Loudness", "Distortion", "Sound range"]
    assert {one.verdict for one in found.values()} == {"as usual"}
    assert not any(one.advice for one in found.values())


@pytest.mark.parametrize(
    ("measure", "value", "row", "advice"),
    [
        ("level_dbfs", -48.0, "Loudness", "Too quiet: move closer"),
        ("level_dbfs", -5.0, "Loudness", "Louder than most"),
        ("snr_db", 4.0, "Background", "quieter place"),
        ("clipping", 0.01, "Distortion", "Overdriven"),
        ("bandwidth_hz", 2000.0, "Sound range", "telephone"),
        ("speech_ratio", 0.1, "Voice", "silence"),
    ],
)
def test_what_is_unusual_comes_with_advice(measure, value, row, advice):
    given = prediction(happy=0.9)
    given["quality"][measure] = value
    found = beside_usual(given, USUAL)[row]
    assert advice in found.advice and "95 of 100" in found.verdict
    assert 'class="mark outside"' in charts.among(found.value, found.usual, found.low, found.high)


def test_better_than_usual_is_no_fault():
    given = prediction(happy=0.9)
    given["quality"]["snr_db"] = 44.0
    assert beside_usual(given, USUAL)["Background"].advice == ""


def test_what_is_not_known_is_not_set_beside_anything():
    given = prediction(happy=0.9)
    given["quality"]["snr_db"] = None
    assert "Background" not in beside_usual(given, USUAL)
    assert beside_usual(given, None) == {}


def test_a_mark_among_usual_ones():
    drawn = charts.among(25.0, USUAL["snr_db"], -5, 45)
    assert 'class="outer" x="30.0%" width="60.0%"' in drawn
    assert 'class="inner" x="50.0%" width="20.0%"' in drawn
    assert 'class="mark" cx="60.0%"' in drawn
    assert 'cx="100.0%"' in charts.among(99.0, USUAL["snr_db"], -5, 45)
