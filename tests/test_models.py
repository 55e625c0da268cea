"""Every network of the registry: shapes, size, and the form that serves."""

import math
from pathlib import Path

import keras
import numpy as np
import pytest

from ml import models
from ml.bundle import run_litert, start_litert
from ml.config import INPUTS, FeatureConfig
from ml.export import largest_difference, to_litert
from ml.features import window_frames
from ml.fitting import build
from ml.labels import LABEL_SETS, LABELS
from ml.models import MODELS

FAMILY = ("mfcc-cnn", "cnn-lstm", "cnn-bigru", "crnn", "transformer")
"""Networks that ship with weights of 8 bits."""


def windows(name: str, count: int) -> np.ndarray:
    row = MODELS[name]
    shape = (count, window_frames(row.features, row.windows)[0], row.features.n_features)
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def trainable(model: keras.Model) -> int:
    return sum(math.prod(weight.shape) for weight in model.trainable_variables)


@pytest.fixture(scope="module")
def exported():
    """Make each network once, as Keras has it and as LiteRT has it."""
    made = {}

    def make(name: str) -> tuple[keras.Model, bytes]:
        if name not in made:
            keras.utils.set_random_seed(1)
            model, unrolled = build(MODELS[name]), build(MODELS[name], unroll=True)
            unrolled.set_weights(model.get_weights())
            made[name] = model, to_litert(unrolled, quantise=MODELS[name].quantise)
        return made[name]

    return make


def test_rows_say_all_that_a_network_decides():
    assert {"cnn-gru", *FAMILY} <= set(MODELS)
    for name, row in MODELS.items():
        assert row.name == name and row.title and row.description.endswith(".")
        assert row.labels == tuple(label for label in LABELS if label in row.labels)
        assert row.rule in ("mean", "majority") and row.corpora
    assert MODELS["cnn-lstm"].rule == "majority"
    assert set(MODELS["cnn-bigru"].labels) == {"angry", "happy", "neutral", "sad"}
    assert MODELS["crnn"].labels == MODELS["transformer"].labels == LABEL_SETS["6"]
    assert MODELS["mfcc-cnn"].labels == LABELS and MODELS["mfcc-cnn"].corpora == ("ravdess",)


@pytest.mark.parametrize("name", MODELS)
def test_a_network_gives_finite_logits_and_serves_the_same(name, exported):
    model, litert = exported(name)
    inputs = windows(name, 3)
    logits = np.asarray(model(inputs, training=False))
    assert logits.shape == (3, len(MODELS[name].labels)) and np.isfinite(logits).all()
    assert not np.allclose(logits[0], logits[1])
    allowed = 0.03 if MODELS[name].quantise else 1e-5
    assert largest_difference(model, litert, inputs) <= allowed


@pytest.mark.parametrize("name", MODELS)
def test_a_window_is_scored_alike_in_any_batch(name, exported):
    interpreter = start_litert(exported(name)[1])
    inputs = windows(name, 3)
    together = run_litert(interpreter, inputs)
    alone = np.concatenate([run_litert(interpreter, row[None]) for row in inputs])
    assert together == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_the_serving_network_has_built_in_operators_only(name, exported):
    details = start_litert(exported(name)[1])._get_ops_details()
    names = {row["op_name"] for row in details}
    assert names and not [one for one in names if one.startswith(("Flex", "CUSTOM"))]


@pytest.mark.parametrize("name", FAMILY)
def test_a_quantised_network_fits_into_three_megabytes(name, exported):
    assert len(exported(name)[1]) <= 3_000_000


def test_mfcc_cnn_has_the_parameters_that_were_asked_for():
    row = MODELS["mfcc-cnn"]
    assert window_frames(row.features, row.windows) == (94, 47)
    assert row.features.n_features == 40
    assert trainable(build(row)) == 2_603_144


@pytest.mark.parametrize("name", [name for name in MODELS if name in ("cnn-gru", *FAMILY)])
def test_networks_stay_under_their_budget(name):
    assert build(MODELS[name]).count_params() <= (1_500_000 if name == "cnn-gru" else 2_800_000)


def test_four_networks_share_one_analysis():
    on_log_mel = [MODELS[name] for name in FAMILY[1:]]
    assert len({row.features for row in on_log_mel}) == 1
    assert len({(row.train.variants, row.train.seed) for row in on_log_mel}) == 1
    row = on_log_mel[0]
    assert (window_frames(row.features, row.windows)[0], row.features.n_features) == (300, 128)


def test_cnn_lstm_hears_every_part_of_its_sequence(exported):
    model = exported("cnn-lstm")[0]
    inputs = windows("cnn-lstm", 1)
    for start in range(0, 300, 50):
        changed = inputs.copy()
        changed[:, start : start + 50] += 2.0
        assert not np.allclose(model(inputs, training=False), model(changed, training=False))


@pytest.mark.parametrize("column", INPUTS)
def test_cnn_gru_hears_mel_mfcc_zcr_and_rms(column, exported):
    model = exported("cnn-gru")[0]
    inputs = windows("cnn-gru", 1)
    changed = inputs.copy()
    changed[:, :, FeatureConfig().columns[column]] += 3.0
    assert not np.allclose(model(inputs, training=False), model(changed, training=False))


def test_networks_name_no_backend():
    for path in Path(models.__file__).parent.glob("*.py"):
        source = path.read_text()
        assert not {"tensorflow", "torch", "jax"} & set(source.replace(".", " ").split()), path
