"""A model in other forms: each gives the answers of the network that was trained."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
import yaml

import ml
from ml.__main__ import main
from ml.bundle import read_bundle, write_bundle
from ml.config import EncoderConfig
from ml.conversion import encoder_to_litert, to_litert
from ml.corpora import CORPORA, Clip
from ml.differences import summarise
from ml.encoder import build_encoder, join
from ml.exporting import FORMS, served_form
from ml.fitting import build, join_members, settle_normalisations
from ml.hub_card import as_hub_card, front_matter
from ml.licences import LICENCES, WHISPER, hub_licence, licence_text
from ml.metrics import UNANSWERED
from ml.models import MODELS
from ml.runtimes import KerasNetwork, open_network
from tests.cards import full_card
from tests.clips import VOICE
from tests.corpora_trees import write_cremad

ROOT = Path(__file__).resolve().parent.parent
ENCODER = EncoderConfig(blocks=1, chunk_steps=5)
"""One block and chunks of 0.3 s, to be quick."""


def opened(bundle):
    path = bundle.path / bundle.file
    return open_network(path, path.read_bytes())


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Six clips of a speaker whom no model has heard."""
    return write_cremad(tmp_path_factory.mktemp("corpus") / "cremad", ("1006",), ("DFA",))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A bundle without an encoder as ``train`` leaves it, in float32 and with drawn weights."""
    keras.utils.set_random_seed(1)
    model = build(MODELS["mfcc-cnn"])
    settle_normalisations(model)
    folder = tmp_path_factory.mktemp("trained")
    model.save(folder / "model.keras")
    card = read_bundle("mfcc-cnn").card | {"quantised": False}
    return write_bundle(folder, card, to_litert(model, quantise=False))


@pytest.fixture(scope="module")
def folder(trained, corpus, tmp_path_factory):
    """What ``export`` leaves of it."""
    output = tmp_path_factory.mktemp("exported")
    given = f"--model {trained.path} --output {output} --corpus cremad={corpus} --clips 6"
    assert main(["export", *given.split()]) == 0
    return output


@pytest.fixture(scope="module")
def encoded(tmp_path_factory):
    """A bundle with a pretrained encoder as ``train`` leaves it, with drawn weights."""
    folder = tmp_path_factory.mktemp("encoded")
    keras.utils.set_random_seed(1)
    row = MODELS["encoder-cnn-gru"]
    encoder = build_encoder(ENCODER)
    parts = {"features": row.features, "frames": 240, "n_outputs": row.n_outputs}
    heads = [row.build(encoder=ENCODER, unroll=unroll, **parts) for unroll in (False, True)]
    heads[1].set_weights(heads[0].get_weights())
    for head in heads:
        settle_normalisations(head)
    head, unrolled = (join_members(one, row) for one in heads)
    join(encoder, head).save(folder / "model.keras")
    card = read_bundle("encoder-cnn-gru").card
    training = {key: value for key, value in card["training"].items() if key != "refits"}
    card = card | {"encoder": asdict(ENCODER), "training": training}
    return write_bundle(folder, card, encoder_to_litert(encoder, ENCODER, unrolled))


@pytest.fixture(scope="module")
def of_encoder(encoded, tmp_path_factory):
    return ml.export(encoded.path, tmp_path_factory.mktemp("forms"))


def test_the_folder_can_go_out(trained, folder):
    assert {path.name for path in folder.iterdir()} == {
        *FORMS,
        "README.md",
        "LICENSE",
        "differences.json",
    }
    for form in FORMS:
        bundle = read_bundle(folder / form)
        files = {path.name for path in bundle.path.iterdir()}
        assert files == {bundle.file, "bundle.json"}
        assert bundle.card["size_bytes"] == (bundle.path / bundle.file).stat().st_size
        assert bundle.card["exported_from"] == {
            "version": trained.version,
            "sha256": trained.sha256,
        }
        assert (bundle.labels, bundle.calibration) == (trained.labels, trained.calibration)
        assert "speed" not in bundle.card and "litert_difference" not in bundle.card
    assert read_bundle(folder / "litert-float32").sha256 == trained.sha256, "handed on as it is"
    sizes = {form: read_bundle(folder / form).card["size_bytes"] for form in FORMS}
    assert sizes["litert-int8"] < 0.4 * sizes["litert-float32"]


@pytest.mark.parametrize("form", FORMS)
def test_each_form_scores_what_keras_scores(trained, folder, form):
    inputs = np.random.default_rng(0).normal(0, 10, (5, 94, 40)).astype(np.float32)
    expected = KerasNetwork(trained.path / "model.keras").score(inputs)
    found = opened(read_bundle(folder / form)).score(inputs)
    assert found.shape == expected.shape == (5, 8) and found.dtype == np.float32
    largest = np.max(np.abs(found - expected)) / np.std(expected)
    assert 1e-3 < largest < 0.2 if form == "litert-int8" else largest < 1e-4


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_loaded_and_answers(trained, folder, form):
    found = ml.load(folder / form).recognize(VOICE)
    expected = ml.load(trained.path).recognize(VOICE)
    near = 0.05 if form == "litert-int8" else 1e-5
    assert found.probabilities == pytest.approx(expected.probabilities, abs=near)
    assert found.quality == expected.quality


def test_the_differences_are_those_of_the_test_speakers(folder, capsys):
    found = json.loads((folder / "differences.json").read_text())
    assert found["reference"] == "model.keras" and found["clips"] == {"cremad": 6}
    assert set(found["forms"]) == set(FORMS)
    rows = {form: row["cremad"] for form, row in found["forms"].items()}
    for form in ("litert-float32", "onnx"):
        assert rows[form]["largest"] < 1e-5 and rows[form]["changed"] == 0
        assert rows[form]["wa"] == found["wa"]["cremad"]
    assert 1e-5 < rows["litert-int8"]["mean"] < rows["litert-int8"]["largest"] < 0.2
    card = (folder / "README.md").read_text()
    assert f"| `onnx` | CREMA-D | {100 * rows['onnx']['wa']:.1f} % | 0.0 % |" in card


def test_an_onnx_file_says_what_it_scores(folder):
    model = onnx.load(folder / "onnx" / "model.onnx")
    about = {one.key: json.loads(one.value) for one in model.metadata_props}
    assert about["labels"] == list(ml.LABELS) and about["features"]["n_mfcc"] == 40
    assert [one.name for one in model.graph.input] == ["features"]
    assert [one.name for one in model.graph.output] == ["scores"]


def test_the_front_of_the_card_is_what_was_measured(folder):
    _nothing, front, body = (folder / "README.md").read_text().split("---\n", 2)
    found, card = yaml.safe_load(front), read_bundle("mfcc-cnn").card
    assert found["license"] == "cc-by-nc-sa-4.0" and found["language"] == ["en"]
    assert found["pipeline_tag"] == "audio-classification" and found["datasets"] == ["ravdess"]
    assert {"onnx", "litert", "speech-emotion-recognition"} <= set(found["tags"])
    (index,) = found["model-index"]
    results = {row["dataset"]["type"]: row["metrics"] for row in index["results"]}
    measured = card["metrics"] | card["left_out"]
    assert index["name"] == "mfcc-cnn" and set(results) == set(measured)
    for name, metrics in results.items():
        values = {metric["name"]: metric["value"] for metric in metrics}
        assert values["WA"] == pytest.approx(measured[name]["wa"], abs=1e-4)
        assert values["UA"] == pytest.approx(measured[name]["ua"], abs=1e-4)
    for title in ("## Forms", "## What it is for, and what not", "## Limits"):
        assert title in body


def test_corpora_never_heard_stand_apart():
    found = front_matter(full_card(), ("onnx",))
    assert found["datasets"][-1] == "amu-cai/nEMO", "as the Hub calls it"
    rows = [row["dataset"] for row in found["model-index"][0]["results"]]
    assert [(row["name"], row["split"]) for row in rows] == [
        ("CREMA-D", "test speakers"),
        ("EmoDB", "test speakers"),
        ("RAVDESS", "left out of training"),
    ]


@pytest.mark.parametrize("form", FORMS)
def test_with_an_encoder_each_form_hears_and_scores_what_keras_does(encoded, of_encoder, form):
    rng = np.random.default_rng(0)
    spectrogram = rng.uniform(-1, 1.2, (1, ENCODER.chunk_frames, 80)).astype(np.float32)
    features = rng.normal(-20, 15, (3, 240, 86)).astype(np.float32)
    trained, found = KerasNetwork(encoded.path / "model.keras"), opened(of_encoder.bundles[form])
    expected, heard = trained.encode(spectrogram), found.encode(spectrogram)
    assert heard.shape == expected.shape == (1, ENCODER.chunk_steps, ENCODER.width)
    near = 0.2 * float(expected.std()) if form == "litert-int8" else 1e-3
    assert heard == pytest.approx(expected, abs=near)
    steps = np.repeat(np.concatenate([expected, np.ones((1, 5, 1))], axis=2), 3, axis=0)
    inputs = [steps.astype(np.float32), features]
    near = 0.3 if form == "litert-int8" else 1e-3
    assert found.score(*inputs) == pytest.approx(trained.score(*inputs), abs=near)


def test_with_an_encoder_onnx_is_two_files_that_belong_together(of_encoder, tmp_path):
    bundle = of_encoder.bundles["onnx"]
    model = onnx.load(bundle.path / "model.onnx")
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Loop") == 2, "the GRU goes through time both ways, it is not unrolled"
    assert set(bundle.card["beside"]) == {"encoder.onnx"}
    assert bundle.card["size_bytes"] == sum(
        path.stat().st_size for path in bundle.path.glob("*.onnx")
    )
    found = ml.load(bundle.path).recognize(VOICE)
    expected = ml.load(of_encoder.bundles["litert-float32"].path).recognize(VOICE)
    assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-4)
    assert found.intensity == pytest.approx(expected.intensity, abs=1e-4)
    shutil.copytree(bundle.path, tmp_path / "other")
    (tmp_path / "other" / "encoder.onnx").write_bytes(b"another")
    with pytest.raises(ml.CorruptBundleError, match=r"encoder\.onnx is not the file"):
        ml.load(tmp_path / "other").recognize(VOICE)


def test_with_an_encoder_the_form_that_serves_is_handed_on(encoded, of_encoder):
    assert served_form(encoded) == "litert-int8"
    assert of_encoder.bundles["litert-int8"].sha256 == encoded.sha256
    assert of_encoder.differences is None
    assert "was not measured" in (of_encoder.folder / "README.md").read_text()
    again = ml.export(of_encoder.bundles["onnx"].path, of_encoder.folder / "again", ["onnx"])
    assert again.bundles["onnx"].sha256 == of_encoder.bundles["onnx"].sha256
    assert (again.folder / "onnx" / "encoder.onnx").exists()


def test_what_needs_the_trained_network_says_so_before_anything_is_written(tmp_path):
    with pytest.raises(ml.NoKerasModelError, match=r"'onnx'.*exports to litert-int8") as caught:
        ml.export("mfcc-cnn", tmp_path / "out", ["litert-int8", "onnx"])
    assert caught.value.code == "no_keras_model"
    for forms in (["tensorrt"], []):
        with pytest.raises(ml.UnknownFormError, match="litert-float32, litert-int8, onnx"):
            ml.export("mfcc-cnn", tmp_path / "out", forms)
    assert not (tmp_path / "out").exists()


def test_packages_that_are_missing_are_named(trained, folder, tmp_path, monkeypatch):
    found = ml.runtimes.importlib.util.find_spec
    gone = {"tf2onnx", "onnxruntime"}
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name in gone else found(name)
    )
    with pytest.raises(ml.MissingPackageError, match=r"needs tf2onnx, .*undertone\[train\]"):
        ml.export(trained.path, tmp_path / "out", ["onnx"])
    with pytest.raises(ml.MissingPackageError, match=r"Running an ONNX file .*onnxruntime, "):
        ml.predict.Recognizer(read_bundle(folder / "onnx")).recognize(VOICE)
    assert not (tmp_path / "out").exists()


def test_a_network_of_another_kind_is_refused(tmp_path):
    shutil.copytree(read_bundle("cnn-gru").path, tmp_path / "odd")
    path = tmp_path / "odd" / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"name": "crnn"}))
    with pytest.raises(ml.CorruptBundleError, match=r"model\.keras is not the network"):
        ml.export(tmp_path / "odd", tmp_path / "out", ["litert-float32"])


def test_a_call_that_makes_no_sense_is_refused(tmp_path, capsys):
    arguments = ["export", "--model", "cnn-gru", "--output", str(tmp_path)]
    with pytest.raises(SystemExit):
        main([*arguments, "--clips", "3"])
    assert "--corpus NAME=PATH" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*arguments, "--format", "tensorrt"])
    corpus = write_cremad(tmp_path / "cremad", ("1002",), ("DFA",))
    with pytest.raises(ml.EmptySideError, match="test"):
        ml.export("cnn-gru", tmp_path / "out", ["onnx"], corpora={"cremad": corpus})


def test_differences_by_hand():
    clips = [
        Clip(Path(f"{number}.wav"), label, "cremad:1", "cremad")
        for number, label in enumerate(("sad", "happy", "happy"))
    ]
    found = [
        [("sad", (0.9, 0.1)), ("sad", (0.8, 0.2))],
        [("sad", (0.6, 0.4)), ("happy", (0.45, 0.55))],
        [(UNANSWERED, ()), (UNANSWERED, ())],
    ]
    row = summarise(clips, ["onnx"], found)
    assert row["clips"] == {"cremad": 3} and row["wa"]["cremad"] == pytest.approx(1 / 3)
    measured = row["forms"]["onnx"]["cremad"]
    assert measured["wa"] == pytest.approx(2 / 3) and measured["changed"] == pytest.approx(1 / 3)
    assert measured["largest"] == pytest.approx(0.15)
    assert measured["mean"] == pytest.approx(0.125)


def test_the_licence_names_what_the_weights_were_learnt_from():
    for name in ml.bundle_names():
        card = read_bundle(name).card
        text = licence_text(card)
        for row in card["corpora"]:
            assert f"- {row['title']}, {row['licence']}, {row['url']}\n  {row['citation']}" in text
        assert ("not for commercial use" in text) == ("NC" in card["licence"].split(" (")[0])
        assert (WHISPER.read_text() in text) == bool(card.get("encoder"))


def test_the_notice_of_the_encoder_is_the_one_in_the_licence_of_the_weights():
    quoted = "\n".join(f"> {line}".rstrip() for line in WHISPER.read_text().splitlines())
    assert quoted in (ROOT / "LICENSE-WEIGHTS.md").read_text()


def test_licences_by_the_names_of_the_hub():
    def named(text):
        return hub_licence({"licence": f"{text} (learnt from corpora)"})

    assert named("CC BY-NC-SA 4.0") == {"license": "cc-by-nc-sa-4.0"}
    assert named("CC BY 4.0, ODbL 1.0") == {"license": ["cc-by-4.0", "odbl"]}
    assert named("for research")["license"] == "other"
    assert named("for research")["license_name"] == "for research"
    public = {one.licence for one in CORPORA.values() if one.name in ml.models.CORPORA_OF_ALL}
    assert public <= set(LICENCES)


def test_a_card_says_how_the_network_is_fed():
    bundle = read_bundle(ml.DEFAULT_MODEL)
    text = as_hub_card(bundle, {"litert-int8": bundle})
    config = bundle.encoder
    assert f"`spectrogram` (1, {config.chunk_frames}, {config.n_mels})" in text
    assert f"`features` (windows, 240, {bundle.features.n_features})" in text
    assert f"`{bundle.sha256}`" in text


def test_the_tiny_head_is_that_of_the_recipe():
    """The fixture's network is built as ``train`` builds it."""
    row = MODELS["encoder-cnn-gru"]
    assert build(row).output.shape[-1] == row.members * row.n_outputs
