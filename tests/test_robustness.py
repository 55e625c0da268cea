"""Robustness: what is counted, against which clips, and what the command leaves behind."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from corpora_trees import write_cremad

from ml.__main__ import main
from ml.bundle import read_bundle
from ml.corpora import Clip, read_clips
from ml.degrade import CONDITIONS
from ml.errors import SpeakerOverlapError
from ml.robustness import (
    as_shares,
    draw_evenly,
    measure_robustness,
    robustness_table,
    summarise,
    worst_case,
)
from ml.scoring import score_clips

MODEL = "cnn-gru"
TEST_SPEAKERS = ("1006", "1009")
"""Two of those that the corpus's row keeps for the test."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_cremad(tmp_path_factory.mktemp("corpus") / "cremad", TEST_SPEAKERS, ("DFA",))


def clip(label: str, speaker: str = "cremad:1006", corpus: str = "cremad") -> Clip:
    return Clip(Path(f"{speaker[-4:]}-{label}.wav"), label, speaker, corpus)


HEARD = ("angry", "emotion")


def results_of(**rights: int):
    """Results for four angry clips, of which so many are named right under each condition."""
    conditions = ["clean", *(name.replace("_", "-") for name in rights)]
    counts = [4, *rights.values()]
    rows = [
        [HEARD if number < right else ("happy", "uncertain") for right in counts]
        for number in range(4)
    ]
    return summarise([clip("angry")] * 4, conditions, rows)


def test_measures_are_counted_against_the_clean_clips():
    clips = [clip("angry"), clip("angry"), clip("sad"), clip("sad", "emodb:03", "emodb")]
    found = [
        [HEARD, HEARD],
        [HEARD, ("no answer", "no_speech")],
        [("sad", "uncertain"), ("angry", "uncertain")],
        [("angry", "emotion"), ("sad", "emotion")],
    ]
    results = summarise(clips, ["clean", "gsm"], found)
    assert results["clean"]["cremad"] == {
        "wa": 1.0,
        "ua": 1.0,
        "clips": 3,
        "unanswered": 0.0,
        "given_an_emotion": pytest.approx(2 / 3),
        "drop": 0.0,
    }
    assert results["gsm"]["cremad"] == {
        "wa": pytest.approx(1 / 3),
        "ua": 0.25,
        "clips": 3,
        "unanswered": pytest.approx(1 / 3),
        "given_an_emotion": pytest.approx(1 / 3),
        "drop": pytest.approx(200 / 3),
    }
    assert results["gsm"]["emodb"]["drop"] == -100
    assert as_shares(results)["gsm"] == {"cremad": pytest.approx(1 / 3), "emodb": 1.0}


def test_the_worst_case_leaves_noise_under_ten_decibels_out():
    worst = worst_case(results_of(gsm=3, noise_5=0, noise_10=1))
    assert (worst.condition, worst.corpus, worst.drop) == ("noise-10", "cremad", 75.0)
    assert [name for name, row in CONDITIONS.items() if not row.moderate] == ["noise-5"]


def test_the_table_says_what_was_lost():
    table = robustness_table(results_of(gsm=3, noise_5=1))
    assert "| As recorded | 100.0% | -0.0 | 0.0% |" not in table
    assert "| As recorded | 100.0% | +0.0 | 0.0% |" in table
    assert "| GSM 06.10, 13 kbit/s | 75.0% | -25.0 | 0.0% |" in table
    assert "GSM 06.10, 13 kbit/s on CREMA-D, 25.0 points under the clean clips" in table
    widths = {line.count("|") for line in table.splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_clips_are_drawn_over_all_labels_and_speakers():
    clips = [
        clip(label, f"cremad:{speaker}")
        for speaker in range(1000, 1010)
        for label in ("angry", "happy", "sad")
    ]
    drawn = draw_evenly(clips, 15)
    assert len(set(drawn)) == 15 and draw_evenly(clips, 15) == drawn
    assert [sum(c.label == label for c in drawn) for label in ("angry", "happy", "sad")] == [5] * 3
    assert len({c.speaker for c in drawn}) >= 5
    assert set(draw_evenly(clips, 99)) == set(clips)


def test_a_bundle_is_measured_by_the_answers_that_visitors_get(corpus):
    bundle = read_bundle(MODEL)
    clips = read_clips("cremad", corpus)
    results = measure_robustness(bundle, clips, ("noise-5",), jobs=1)
    assert list(results) == ["clean", "noise-5"]
    scored = score_clips(bundle, clips, jobs=1)
    assert results["clean"]["cremad"]["wa"] == np.mean(scored.choices == scored.truth)
    assert results["clean"]["cremad"]["clips"] == len(clips) == 12


def test_a_speaker_that_training_heard_is_refused(tmp_path):
    bundle = read_bundle(MODEL)
    heard = next(name for name in bundle.card["training"]["speakers"] if name.startswith("cremad"))
    with pytest.raises(SpeakerOverlapError, match=heard):
        measure_robustness(bundle, [clip("angry", heard)])


def test_the_command_leaves_the_table_and_keeps_the_shares(corpus, tmp_path, capsys, monkeypatch):
    bundle = tmp_path / "bundle"
    shutil.copytree(read_bundle(MODEL).path, bundle)
    for name in [name for name in CONDITIONS if name not in ("clean", "quieter-12")]:
        monkeypatch.delitem(CONDITIONS, name)
    output = tmp_path / "out"
    arguments = ["evaluate", "--robustness", "--model", str(bundle), "--output", str(output)]
    arguments += ["--corpus", f"cremad={corpus}"]
    assert main([*arguments, "--write"]) == 0
    printed = capsys.readouterr().out
    results = json.loads((output / "robustness.json").read_text())
    assert printed == (output / "robustness.md").read_text() == robustness_table(results)
    card = read_bundle(bundle).card
    assert card["robustness"] == as_shares(results)
    assert card["robustness_clips"] == {"cremad": 12}
    assert list(results) == list(CONDITIONS)


def test_accuracy_is_always_that_of_all_clips(tmp_path, capsys):
    arguments = ["evaluate", "--corpus", f"cremad={tmp_path}", "--output", str(tmp_path)]
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--clips", "3"])
    assert end.value.code == 2 and "--clips" in capsys.readouterr().err
