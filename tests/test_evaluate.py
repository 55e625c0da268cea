"""What is measured on scored clips: which corpora, which labels, which clips."""

import json

import numpy as np
import pytest

from ml.bundle import DEFAULT_MODEL, read_bundle, update_card, write_bundle
from ml.calibrating import calibrate_bundle, calibrate_on, usual_quality
from ml.calibration import Calibration, calibrate
from ml.corpora import CORPORA, Clip
from ml.errors import EmptySideError, SpeakerOverlapError
from ml.evaluate import left_out_results, measure_abstention, measure_all, merge_results
from ml.labels import LABELS
from ml.results import Prediction, Quality, Segment
from ml.scoring import choose, common_labels, learnt_labels, score_clips
from ml.tables import as_matrix
from tests.clips import VOICE
from tests.scored import FOUR, bundle, scored

SIX = CORPORA["cremad"].labels


def test_a_corpus_that_training_had_and_one_that_it_had_not_stand_apart():
    data = scored(("sad", "sad", "cremad:1"), ("sad", "happy", "emodb:1"), allowed=SIX)
    found = measure_all(data, bundle("cremad"), {})
    assert set(found["metrics"]) == set(found["risk_coverage"]) == {"cremad"}
    assert set(found["left_out"]) == {"emodb"}
    assert found["overall"]["corpora"] == ["cremad"] and found["overall"]["clips"] == 1
    (row,) = found["overall"]["record"]
    assert row["right"] == 1.0 and row["clips"] == 1
    assert row["from"] <= data.answer_confidence[0] <= row["to"]
    assert found["left_out"]["emodb"]["trained_on"] == ["cremad"]
    assert found["left_out"]["emodb"]["wa"] == 0.0
    assert json.loads(json.dumps(found)) == found


def test_what_recordings_are_usually_like():
    made = [
        Quality(2.0, share / 10, None if share else 9.0, -20.0, 0.0, 5e3) for share in range(11)
    ]
    usual = usual_quality(made)
    assert set(usual) == {"speech_ratio", "snr_db", "level_dbfs", "clipping", "bandwidth_hz"}
    assert usual["speech_ratio"] == pytest.approx([0.05, 0.25, 0.5, 0.75, 0.95])
    assert usual["snr_db"] == [9.0] * 5
    assert usual_quality([]) == {}


def test_labels_that_training_did_not_have_are_no_choice():
    assert learnt_labels(bundle("cremad")) == ("neutral", "happy", "sad", "angry", *SIX[4:])
    assert common_labels(bundle("cremad", "nemo"), "ravdess") == tuple(
        label for label in LABELS if label != "calm"
    )
    data = scored(("calm", "calm", "ravdess:1"), ("sad", "sad", "ravdess:1"), allowed=SIX)
    found = measure_all(data, bundle("cremad"), {})["left_out"]["ravdess"]
    assert found["labels"] == list(SIX) and found["clips"] == 1 and found["wa"] == 1.0


def test_an_output_that_training_never_taught_is_no_answer(tmp_path):
    shipped = read_bundle(DEFAULT_MODEL)
    corpora = [row for row in shipped.card["corpora"] if row["name"] == "cremad"]
    litert = (shipped.path / "model.tflite").read_bytes()
    six = write_bundle(tmp_path, shipped.card | {"corpora": corpora}, litert)
    found = score_clips(six, [Clip(VOICE, "angry", "ravdess:1", "ravdess")], jobs=1)
    unheard = [LABELS.index(label) for label in ("calm", "surprised")]
    assert found.known.all()
    assert not found.probabilities[:, unheard].any()
    assert found.probabilities.sum() == pytest.approx(1.0)


def test_a_network_of_four_emotions_is_measured_on_its_four():
    four = bundle("cremad", labels=FOUR)
    assert common_labels(four, "cremad") == FOUR
    data = scored(
        ("sad", "sad", "cremad:1"),
        ("angry", "happy", "cremad:1"),
        ("disgust", "sad", "cremad:2"),
        allowed=FOUR,
    )
    data.probabilities[:, [LABELS.index(label) for label in LABELS if label not in FOUR]] = 0
    data.probabilities[:] /= data.probabilities.sum(axis=1, keepdims=True)
    found = measure_all(data, four, {})["metrics"]["cremad"]
    assert found["clips"] == 2 and found["wa"] == 0.5
    assert np.shape(found["confusion"]) == (4, 5)
    confidence = 0.65 / 0.8
    assert found["ece"] == pytest.approx((1 - confidence + confidence) / 2)
    assert found["brier"] == pytest.approx(
        ((1 - confidence) ** 2 + confidence**2 + 2 * 0.0625**2 * 2 + (1 - 0.0625) ** 2 + 0.0625**2)
        / 2
    )
    assert found["ece_of_eight"] == pytest.approx(found["ece"])
    fitted = calibrate_on((data, four))
    assert np.isfinite(fitted.temperature)


def test_the_six_common_emotions_are_counted_where_a_corpus_has_more():
    data = scored(("surprised", "surprised", "ravdess:1"), ("sad", "happy", "ravdess:1"))
    found = measure_all(data, bundle("ravdess"), {})["metrics"]["ravdess"]
    assert found["wa"] == 0.5 and found["six"] == {"wa": 0.0, "ua": 0.0}


def test_a_bundle_that_lets_windows_vote_is_measured_by_the_vote():
    def said(**given: float) -> dict[str, float]:
        return {label: given.get(label, 0.01) for label in LABELS}

    rows = [said(sad=0.5, angry=0.4)] * 2 + [said(happy=0.9)]
    segments = tuple(Segment(0, 1, "emotion", "sad", 0.5, row) for row in rows)
    found = Prediction(
        outcome="emotion",
        reason=None,
        label="sad",
        confidence=0.3,
        probabilities=said(happy=0.4, sad=0.3),
        quality=None,
        vote=None,
        segments=segments,
        model=None,
    )
    assert choose(found, LABELS, "mean") == "happy"
    assert choose(found, LABELS, "majority") == "sad"
    assert choose(found, ("happy", "angry"), "majority") == "angry"


def test_held_back_answers_are_not_counted_as_given():
    data = scored(
        ("sad", "sad", "cremad:1"), ("sad", "happy", "cremad:1"), ("sad", None, "cremad:1")
    )
    data = type(data)(**{**vars(data), "outcomes": ("emotion", "uncertain", "no_speech")})
    found = measure_abstention(data)
    assert found["answered"] == pytest.approx(1 / 3) and found["right"] == 1.0
    assert found["points"][-1] == [1.0, 0.5]


def test_calibration_counts_every_corpus_alike_and_hears_those_left_out():
    rng = np.random.default_rng(0)

    def drawn(corpus: str, count: int, temperature: float):
        labels = CORPORA[corpus].labels
        columns = [LABELS.index(label) for label in labels]
        logits = rng.normal(0, 3, (count, len(labels)))
        chances = calibrate(logits, Calibration(temperature))
        truth = (chances.cumsum(axis=1) > rng.random((count, 1))).argmax(axis=1)
        data = scored(*((labels[i], "sad", f"{corpus}:1") for i in truth), allowed=labels)
        data.probabilities[:] = 0
        data.probabilities[:, columns] = calibrate(logits, Calibration())
        return data

    inside, outside = drawn("cremad", 4000, 1.0), drawn("emodb", 400, 3.0)
    own, other = bundle("cremad"), bundle("ravdess")
    alone = calibrate_on((inside, own)).temperature
    both = calibrate_on((inside, own), (outside, other)).temperature
    assert alone == pytest.approx(1.0, abs=0.1)
    assert 1.3 < both < 3.0


@pytest.fixture
def copy(tmp_path):
    shipped = read_bundle(DEFAULT_MODEL)
    card = {key: value for key, value in shipped.card.items() if key != "left_out"}
    return write_bundle(tmp_path / "copy", card, b"weights")


@pytest.mark.parametrize("left_out", [False, True])
def test_nobody_is_calibrated_on_whom_training_heard(left_out):
    heard = [Clip(VOICE, "angry", "cremad:9999", "cremad")]
    with pytest.raises(SpeakerOverlapError, match="cremad:9999"):
        if left_out:
            calibrate_bundle(bundle("emodb"), heard, [bundle("ravdess")])
        else:
            calibrate_bundle(bundle("cremad"), heard)


def test_calibration_needs_a_clip_of_a_corpus_that_a_model_is_for():
    other = [Clip(VOICE, "angry", "ravdess:1", "ravdess")]
    with pytest.raises(EmptySideError, match="validation"):
        calibrate_bundle(bundle("cremad"), other)


def test_results_of_one_corpus_leave_those_of_others_as_they_are(copy):
    before = copy.card["metrics"]
    after = merge_results(copy, {"metrics": {"emodb": {"wa": 0.5}}, "votes": {"cremad": {}}})
    assert after.card["metrics"] == before | {"emodb": {"wa": 0.5}}
    assert after.card["votes"] == {"cremad": {}}
    assert (after.path / "model.tflite").read_bytes() == b"weights"
    assert after.sha256 == copy.sha256


def test_what_models_reach_on_the_corpus_they_lacked_is_taken_over(copy):
    lacking = [
        bundle("cremad", left_out={"emodb": {"wa": 0.7}}),
        bundle("emodb", left_out={"cremad": {"wa": 0.4}}),
    ]
    assert left_out_results(lacking) == {"left_out": {"emodb": {"wa": 0.7}, "cremad": {"wa": 0.4}}}
    assert left_out_results([copy]) == {}


def test_the_matrix_marks_a_corpus_that_training_lacked():
    row = {"wa": 0.5, "ua": 0.25, "labels": ["sad", "happy"]}
    table = as_matrix(
        [
            bundle("cremad", name="one", metrics={"cremad": row}, left_out={"emodb": row}),
            bundle("emodb", name="two", metrics={"emodb": row}),
        ]
    )
    assert "| one | CREMAD | 50.0 / 25.0 of 2 | 50.0 / 25.0 of 2 * |" in table
    assert "| two | EMODB | - | 50.0 / 25.0 of 2 |" in table


def test_a_card_is_changed_key_by_key(copy):
    changed = update_card(copy, calibration={"temperature": 2.0, "threshold": 0.5})
    assert changed.calibration == Calibration(2.0, 0.5)
    assert changed.card["metrics"] == copy.card["metrics"]
