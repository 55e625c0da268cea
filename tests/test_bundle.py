"""The bundles that ship: whole, as described, and the same on both runtimes."""

import hashlib
import json

import numpy as np
import pytest

from ml.bundle import BUNDLES, DEFAULT_MODEL, Scorer, bundle_names, read_bundle
from ml.config import FeatureConfig, WindowConfig
from ml.corpora import CORPORA
from ml.errors import CorruptBundleError, UnknownModelError


@pytest.fixture(params=bundle_names())
def bundle(request):
    return read_bundle(request.param)


def windows(bundle, n: int) -> list[np.ndarray]:
    """What a bundle's network gets of `n` windows: features, and steps of an encoder before."""
    frames = round(
        bundle.windows.window_s * bundle.features.sample_rate_hz / bundle.features.hop_length
    )
    rng = np.random.default_rng(0)
    inputs = [rng.normal(-30, 20, (n, frames, bundle.features.n_features))]
    if bundle.encoder:
        steps = rng.normal(0, 1, (n, bundle.encoder.chunk_steps, bundle.encoder.width + 1))
        steps[:, :, -1] = 1.0
        inputs.insert(0, steps)
    return [part.astype(np.float32) for part in inputs]


@pytest.fixture(
    params=[name for name in bundle_names() if (BUNDLES / name / "model.keras").exists()]
)
def trainable(request):
    return read_bundle(request.param)


def test_the_default_ships_and_comes_first():
    assert bundle_names()[0] == DEFAULT_MODEL


def test_a_bundle_says_what_it_is_of(bundle):
    card = bundle.card
    content = (bundle.path / "model.tflite").read_bytes()
    assert hashlib.sha256(content).hexdigest() == bundle.sha256
    assert card["size_bytes"] == len(content)
    assert bundle.path.name == bundle.name
    assert {row["licence"] for row in card["corpora"]} <= {c.licence for c in CORPORA.values()}
    assert all(row["licence"] in card["licence"] for row in card["corpora"])


def test_its_numbers_are_of_speakers_that_it_never_heard(bundle):
    heard = set(bundle.card["training"]["speakers"])
    for name in bundle.card["metrics"]:
        assert not heard & {f"{name}:{speaker}" for speaker in CORPORA[name].test_speakers}


def test_litert_gives_what_keras_gives(trainable):
    import keras

    from ml.calibration import calibrate

    model = keras.models.load_model(trainable.path / "model.keras", compile=False)
    (inputs,) = windows(trainable, 6)
    expected = calibrate(model.predict(inputs, verbose=0), trainable.calibration)
    assert Scorer(trainable).score(inputs).probabilities == pytest.approx(expected, abs=0.05)
    assert model.count_params() == trainable.card["parameters"]


def test_a_bundle_serves_nearly_what_was_trained(bundle):
    """8-bit weights cost up to a few hundredths of a probability, measured on real windows."""
    assert bundle.card["quantised"] and bundle.card["litert_difference"] <= 0.05


def test_scores_do_not_depend_on_the_batch(bundle):
    inputs = windows(bundle, 5)
    scorer = Scorer(bundle)
    together = scorer.score(*inputs).probabilities
    alone = [scorer.score(*(row[None] for row in rows)) for rows in zip(*inputs, strict=True)]
    assert together == pytest.approx(np.concatenate([one.probabilities for one in alone]), abs=1e-5)
    assert together.sum(axis=1) == pytest.approx(1.0)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(UnknownModelError, match=DEFAULT_MODEL):
        read_bundle("cnn-gruu")


def test_a_name_is_never_a_path():
    with pytest.raises(UnknownModelError):
        read_bundle(str(BUNDLES / DEFAULT_MODEL))
    with pytest.raises(UnknownModelError):
        read_bundle(f"../bundles/{DEFAULT_MODEL}")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"name": "x"}'])
def test_a_damaged_description_is_named(content, tmp_path):
    (tmp_path / "bundle.json").write_text(content)
    with pytest.raises(CorruptBundleError, match=tmp_path.name):
        read_bundle(tmp_path)


def test_features_and_windows_of_the_description_are_the_configuration(bundle):
    described = json.loads((bundle.path / "bundle.json").read_text())
    assert FeatureConfig(**described["features"]) == bundle.features
    assert WindowConfig(**described["windows"]) == bundle.windows
