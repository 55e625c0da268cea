"""A whole training run on a tiny corpus of synthetic voices, through the command line."""

import json
import re
import shutil

import keras
import numpy as np
import pytest

from ml.__main__ import main
from ml.bundle import Scorer, read_bundle
from ml.calibration import Calibration, calibrate
from ml.corpora import checksum, read_clips
from ml.dataset import split_by_speaker
from ml.errors import CorruptBundleError, SpeakerOverlapError
from ml.evaluate import evaluate_bundle
from ml.features import extract_samples, model_input
from ml.fitting import MaskedLoss, averaged
from ml.labels import LABEL_SETS, LABELS
from ml.predict import Recognizer
from tests.corpora_trees import write_cremad

SPEAKERS = ("1002", "1005", "1003", "1006")
"""Two that train, one for validation, one for the test, as the corpus's row fixes them."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_cremad(tmp_path_factory.mktemp("corpus") / "cremad", SPEAKERS, ("DFA",))


def run(corpus, output, epochs, *more) -> int:
    given = f"--corpus cremad={corpus} --output {output} --epochs {epochs} --batch-size 4 --seed 7"
    return main(["train", *given.split(), "--variants", "1", *more])


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "tiny"
    assert run(corpus, output, 1) == 0
    assert run(corpus, output, 2, "--resume") == 0
    return output


def test_a_run_ends_with_an_evaluated_bundle(trained):
    bundle = read_bundle(trained)
    card = bundle.card
    assert bundle.labels == LABELS
    assert card["metrics"]["cremad"]["clips"] == 6
    assert card["training"]["speakers"] == ["cremad:1002", "cremad:1005"]
    assert card["training"]["seed"] == 7
    assert card["corpora"][0]["licence"] == "ODbL 1.0"
    assert card["quantised"] is True and 0 < card["litert_difference"] < 0.05
    assert 0.1 < bundle.calibration.temperature < 10
    written = {path.name for path in (trained / "evaluation").iterdir()}
    assert written == {
        "metrics.json",
        "report.txt",
        "card.md",
        "confusion-cremad.png",
        "reliability.png",
        "risk-coverage.png",
        "curves.png",
    }
    results = json.loads((trained / "evaluation" / "metrics.json").read_text())
    assert {key: card[key] for key in results} == results
    assert set(results) == {"metrics", "risk_coverage", "overall"}
    assert card["calibrated_on"] == {"validation": ["cremad"], "left_out": []}


def test_it_resumes_where_it_stopped(trained):
    history = json.loads((trained / "checkpoints" / "history.json").read_text())
    assert [row["epoch"] for row in history] == [1, 2]
    assert all(np.isfinite(row["loss"]) for row in history)


def test_the_serving_network_is_nearly_the_one_for_further_training(trained):
    bundle = read_bundle(trained)
    model = keras.models.load_model(trained / "model.keras", compile=False)
    inputs = np.random.default_rng(0).normal(-30, 20, (5, *model.input_shape[1:]))
    expected = calibrate(model.predict(inputs.astype(np.float32), verbose=0), bundle.calibration)
    assert Scorer(bundle).score(inputs).probabilities == pytest.approx(expected, abs=0.05)
    assert not np.allclose(expected[0], expected[1], atol=1e-3)


def test_evaluation_refuses_a_speaker_that_training_heard(trained, corpus, tmp_path):
    heard = split_by_speaker(read_clips("cremad", corpus)).train
    with pytest.raises(SpeakerOverlapError, match="cremad:1002"):
        evaluate_bundle(read_bundle(trained), heard, tmp_path)


def test_evaluate_prints_the_report_of_the_test_speakers(trained, corpus, tmp_path, capsys):
    arguments = ["evaluate", "--model", str(trained), "--corpus", f"cremad={corpus}"]
    assert main([*arguments, "--output", str(tmp_path / "e")]) == 0
    printed = capsys.readouterr().out
    accuracy = read_bundle(trained).card["metrics"]["cremad"]["wa"]
    assert printed == (tmp_path / "e" / "report.txt").read_text()
    assert f"{accuracy:.1%}" in printed


def test_evaluate_keeps_results_where_it_is_told_to(trained, corpus, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    for name in ("bundle.json", "model.tflite"):
        shutil.copy(trained / name, kept)
    arguments = ["evaluate", "--model", str(kept), "--corpus", f"cremad={corpus}", "--write"]
    assert main([*arguments, "--output", str(tmp_path / "e"), "--calibrate"]) == 0
    before, after = read_bundle(trained), read_bundle(kept)
    assert after.card["speed"]["window_ms"] > 0
    assert after.sha256 == before.sha256 and after.labels == before.labels
    assert after.card["metrics"]["cremad"]["clips"] == 6


def test_bundles_stand_side_by_side(trained, capsys):
    assert main(["evaluate", "--matrix", str(trained), "cnn-gru"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0] == "| model | trained on | CREMA-D | RAVDESS | EmoDB | nEMO |"
    wa = read_bundle(trained).card["metrics"]["cremad"]["wa"]
    assert rows[2].startswith(f"| cnn-gru | CREMA-D | {100 * wa:.1f} / ")
    assert rows[2].endswith("| - | - | - |")


def test_a_network_that_was_not_evaluated_is_refused(trained, tmp_path):
    shutil.copy(trained / "bundle.json", tmp_path)
    (tmp_path / "model.tflite").write_bytes(b"another")
    with pytest.raises(CorruptBundleError, match="not the file that was evaluated"):
        Scorer(read_bundle(tmp_path))


@pytest.fixture(scope="module")
def leaked(corpus, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "leaked"
    assert run(corpus, output, 2, "--split", "random") == 0
    return output


def test_a_random_split_hears_the_voices_of_its_test_and_says_so(leaked):
    card = read_bundle(leaked).card
    assert card["training"]["split"] == "random"
    assert len(card["training"]["speakers"]) > 2
    assert card["provenance"]["command"].endswith("--split random")
    assert "SPEAKERS HEARD in training" in (leaked / "evaluation" / "report.txt").read_text()


def test_what_a_random_split_claims_is_kept_beside_the_model(trained, leaked, tmp_path, capsys):
    kept = tmp_path / "kept"
    shutil.copytree(trained, kept)
    assert main(["evaluate", "--model", str(kept), "--random-split", str(leaked)]) == 0
    claimed = read_bundle(leaked).card["metrics"]["cremad"]
    assert read_bundle(kept).card["random_split"]["metrics"]["cremad"] == claimed
    assert f"{claimed['wa']:.1%} by a random split" in capsys.readouterr().out


def test_only_the_same_recipe_by_a_random_split_is_set_beside_a_model(trained, leaked, capsys):
    for model, other, said in (
        (trained, trained, "is not from 'train --split random'"),
        ("crnn", leaked, "is not crnn with the same recipe"),
    ):
        with pytest.raises(SystemExit):
            main(["evaluate", "--model", str(model), "--random-split", str(other)])
        assert said in capsys.readouterr().err


def test_training_without_the_corpus_says_so(tmp_path, capsys):
    assert run(tmp_path, tmp_path / "out", 1) == 2
    assert "CREMA-D" in capsys.readouterr().err


def test_fewer_clips_than_a_batch_are_a_clear_error(corpus, tmp_path, capsys):
    given = ["--corpus", f"cremad={corpus}", "--output", str(tmp_path / "out"), "--variants", "1"]
    assert main(["train", *given, "--batch-size", "500"]) == 2
    said = capsys.readouterr().err
    assert "12 clips train, which is less than one batch of 500" in said
    assert "--batch-size 12 or less" in said


def test_labels_that_a_corpus_lacks_are_neither_taught_nor_denied():
    targets = np.array([[-1.0, 1.0, 0.0]], np.float32)
    small, large = (
        np.asarray(MaskedLoss(3).call(targets, np.array([[x, 1.0, 0.0]], np.float32)))
        for x in (-5.0, 50.0)
    )
    by_hand = -np.log(calibrate(np.array([1.0, 0.0]), Calibration())[0])
    assert small == pytest.approx(by_hand, abs=1e-5)
    assert large == pytest.approx(by_hand, abs=1e-5)


def test_a_run_says_what_it_takes_to_repeat_it(trained, corpus):
    found = read_bundle(trained).card["provenance"]
    assert found["command"] == (
        "python -m ml train --model cnn-gru --corpus cremad=PATH "
        "--epochs 2 --batch-size 4 --seed 7 --variants 1"
    )
    assert found["seed"] == 7 and found["packages"]["keras"] == keras.__version__
    split = split_by_speaker(read_clips("cremad", corpus))
    assert found["data"] == {"cremad": checksum(split.train + split.validation)}
    assert found["git_commit"] is None or re.fullmatch(r"[0-9a-f]{40}\+?", found["git_commit"])


def test_a_network_of_four_emotions_ends_as_a_quantised_bundle(corpus, tmp_path):
    output = tmp_path / "four"
    more = ("--model", "cnn-bigru", "--noise", "0.5", "--trim", "40")
    assert run(corpus, output, 1, *more) == 0
    bundle = read_bundle(output)
    assert bundle.labels == LABEL_SETS["4"] and bundle.features.trim_db == 40.0
    assert bundle.features.columns == {"mel": slice(0, 128)}
    assert bundle.card["metrics"]["cremad"]["clips"] == 4
    assert bundle.card["quantised"] is True and 0 < bundle.card["litert_difference"] < 0.05
    assert bundle.card["size_bytes"] < 3_000_000
    assert "--noise 0.5" in bundle.card["provenance"]["command"]
    assert bundle.card["training"]["noise"] == 0.5
    # A window of a long recording is scored from the very frames that the whole would give.
    samples = np.random.default_rng(0).normal(0, 0.1, 160_000).astype(np.float32)
    spans = [(48_000, 96_000), (72_000, 120_000)]
    whole = extract_samples(samples, bundle.features)
    expected = [model_input(whole, start // 160, 300, bundle.features) for start, _end in spans]
    assert Recognizer(bundle)._inputs(samples, spans) == pytest.approx(np.stack(expected), abs=1e-3)


def test_a_folder_of_corpora_gives_a_network_those_that_it_learns_from(tmp_path, capsys):
    arguments = ["train", "--model", "mfcc-cnn", "--corpora", str(tmp_path)]
    assert main([*arguments, "--output", str(tmp_path / "out")]) == 2
    assert str(tmp_path / "ravdess") in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("--epochs=0", "whole number of at least 1, got '0'"),
        ("--noise=x", "a number of at least 0, got 'x'"),
        ("--learning-rate=nan", "a number of at least 0, got 'nan'"),
        ("--normalise=loud", "choose from"),
        ("--seed=1", "--corpora DIR, or --corpus NAME=PATH"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(given, wanted, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["train", "--output", str(tmp_path), given])
    assert wanted in capsys.readouterr().err


def test_intensity_counts_where_the_corpus_says_it():
    logits = np.array([[2.0, 1.0, 0.5], [2.0, 1.0, 0.5]], np.float32)
    targets = np.array([[1.0, 0.0, 0.25], [1.0, 0.0, -1.0]], np.float32)
    known, unknown = np.asarray(MaskedLoss(2).call(targets, logits))
    strength = 1 / (1 + np.exp(-0.5))
    by_hand = -0.25 * np.log(strength) - 0.75 * np.log(1 - strength)
    assert unknown == pytest.approx(np.log(1 + np.exp(-1.0)), abs=1e-5)
    assert known - unknown == pytest.approx(0.3 * by_hand, abs=1e-5)


def test_members_learn_beside_each_other():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 4, 4)).astype(np.float32)
    targets = np.array([[0.0, 1.0, -1.0, 0.5]] * 4, np.float32)
    apart = [np.asarray(MaskedLoss(3).call(targets, one)) for one in (first, second)]
    loss = MaskedLoss(3, members=2)
    together = np.asarray(loss.call(targets, np.concatenate([first, second], axis=1)))
    assert together == pytest.approx(np.mean(apart, axis=0), abs=1e-5)
    again = MaskedLoss.from_config(loss.get_config())
    assert (again.n_labels, again.members) == (3, 2)


class Batches:
    """Stands where a Sampler does: two batches of one epoch."""

    def __init__(self, *batches):
        self.batches = batches

    def epoch(self, number):
        return np.arange(len(self.batches))

    def batch(self, number, position, clips):
        return self.batches[position], None


def test_averaged_weights_get_batch_statistics_of_their_own():
    keras.config.set_dtype_policy("float32")
    rng = np.random.default_rng(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization()])
    model.compile(keras.optimizers.SGD(0.0, use_ema=True), "mse")
    batches = [rng.normal(loc, 2.0, (500, 3)).astype(np.float32) for loc in (4.0, 6.0)]
    model.train_on_batch(batches[0], batches[0])
    before = [np.array(weight) for weight in model.get_weights()]
    with averaged(model, Batches(*batches), 0):
        mean, variance = (np.asarray(one) for one in model.non_trainable_variables[:2])
        assert mean == pytest.approx(np.mean([one.mean(axis=0) for one in batches], axis=0))
        assert variance == pytest.approx(np.mean([one.var(axis=0) for one in batches], axis=0))
    for now, then in zip(model.get_weights(), before, strict=True):
        assert np.array_equal(now, then)
    assert model.layers[0].momentum == 0.99
