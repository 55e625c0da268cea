"""Every network of the registry: shapes, size, and the form that serves."""

import math
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from scipy.special import log_softmax

from ml import models
from ml.bundle import Network
from ml.config import INPUTS, FeatureConfig
from ml.conversion import encoder_to_litert, largest_difference, to_litert
from ml.encoder import build_encoder, join
from ml.features import Inputs, window_frames
from ml.fitting import build, join_members
from ml.labels import LABEL_SETS, LABELS
from ml.models import MODELS

FAMILY = ("mfcc-cnn", "cnn-lstm", "cnn-bigru", "crnn", "transformer")
"""Networks without an encoder that ship with weights of 8 bits."""
ENCODED = ("encoder-cnn-gru", "encoder-cnn-gru-open")


def windows(name: str, count: int) -> Inputs:
    row, rng = MODELS[name], np.random.default_rng(0)
    shape = (count, window_frames(row.features, row.windows)[0], row.features.n_features)
    features = rng.standard_normal(shape).astype(np.float32)
    if row.encoder is None:
        return features
    steps = rng.standard_normal((count, row.encoder.chunk_steps, row.encoder.width + 1))
    steps[:, :, -1] = np.clip(steps[:, :, -1], 0, 1)
    return [steps.astype(np.float32), features]


def chunks(count: int) -> list[np.ndarray]:
    """Make what an encoder hears of windows, with a pause at their end."""
    config, rng = MODELS["encoder-cnn-gru"].encoder, np.random.default_rng(0)
    shape = (count, config.chunk_frames, config.n_mels)
    loud = np.ones((count, config.chunk_steps, 1), np.float32)
    loud[:, -10:] = 0.0
    return [rng.uniform(-1, 1.2, shape).astype(np.float32), loud]


def parts(inputs: Inputs) -> list[np.ndarray]:
    return inputs if isinstance(inputs, list) else [inputs]


def trainable(model: keras.Model) -> int:
    return sum(math.prod(weight.shape) for weight in model.trainable_variables)


@pytest.fixture(scope="module")
def exported():
    """Make each network once, as Keras has it and as LiteRT has it."""
    made = {}

    def make(name: str) -> tuple[keras.Model, bytes]:
        # Rows that differ only in what they are trained on are one network.
        row = replace(MODELS[name], name="", title="", description="", corpora=())
        if row not in made:
            keras.utils.set_random_seed(1)
            more = {"statistics": 1 + row.train.refits} if row.encoder else {}
            model, unrolled = (build(row, unroll=unroll, **more) for unroll in (False, True))
            unrolled.set_weights(model.get_weights())
            model, unrolled = join_members(model, row), join_members(unrolled, row)
            if row.encoder:
                encoder = build_encoder(row.encoder)
                litert = encoder_to_litert(encoder, row.encoder, unrolled)
                model = join(encoder, model)
            else:
                litert = to_litert(unrolled)
            made[row] = model, litert
        return made[row]

    return make


def test_rows_say_all_that_a_network_decides():
    assert {"cnn-gru", *ENCODED, *FAMILY} == set(MODELS)
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
    if MODELS[name].encoder:
        inputs = [*chunks(3), inputs[1]]
    logits = np.asarray(model(inputs, training=False))
    assert logits.shape == (3, MODELS[name].n_outputs) and np.isfinite(logits).all()
    assert not np.allclose(logits[0], logits[1])
    assert largest_difference(model, litert, inputs, len(MODELS[name].labels)) <= 0.03


@pytest.mark.parametrize("name", MODELS)
def test_a_window_is_scored_alike_in_any_batch(name, exported):
    network = Network(exported(name)[1])
    inputs = parts(windows(name, 3))
    together = network.score(*inputs)
    rows = [[part[index : index + 1] for part in inputs] for index in range(3)]
    alone = np.concatenate([network.score(*row) for row in rows])
    assert together == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_the_serving_network_has_built_in_operators_only(name, exported):
    graph = schema.Model.GetRootAs(exported(name)[1], 0)
    codes = [graph.OperatorCodes(index) for index in range(graph.OperatorCodesLength())]
    assert codes and schema.BuiltinOperator.CUSTOM not in [code.BuiltinCode() for code in codes]


@pytest.mark.parametrize("name", FAMILY)
def test_a_quantised_network_fits_into_three_megabytes(name, exported):
    assert len(exported(name)[1]) <= 3_000_000


def test_encoder_and_network_fit_into_sixteen_megabytes(exported):
    assert len(exported("encoder-cnn-gru")[1]) <= 16_000_000


def test_one_file_encodes_a_chunk_and_scores_windows(exported):
    config, network = MODELS["encoder-cnn-gru"].encoder, Network(exported("encoder-cnn-gru")[1])
    rng = np.random.default_rng(0)
    chunk = rng.uniform(-1, 1.2, (1, config.chunk_frames, config.n_mels)).astype(np.float32)
    encoded = network.encode(chunk)
    assert encoded.shape == (1, config.chunk_steps, config.width) and encoded.dtype == np.float32
    assert np.isfinite(encoded).all() and not np.allclose(encoded[0, 0], encoded[0, -1])


def test_members_answer_with_the_mean_of_their_log_probabilities():
    row = MODELS["encoder-cnn-gru"]
    apart = build(row)
    inputs = windows("encoder-cnn-gru", 2)
    first, second = np.split(np.asarray(apart(inputs, training=False)), 2, axis=1)
    joined = np.asarray(join_members(apart, row)(inputs, training=False))
    by_hand = (log_softmax(first[:, :8], axis=1) + log_softmax(second[:, :8], axis=1)) / 2
    assert joined[:, :8] == pytest.approx(by_hand, abs=1e-5)
    assert joined[:, 8] == pytest.approx((first[:, 8] + second[:, 8]) / 2, abs=1e-5)
    alone = build(MODELS["cnn-gru"])
    assert join_members(alone, MODELS["cnn-gru"]) is alone


def test_what_the_encoder_says_of_pauses_counts_for_nothing(exported):
    model = exported("encoder-cnn-gru")[0].get_layer("head")
    steps, features = windows("encoder-cnn-gru", 1)
    steps[:, 30:, -1] = 0.0
    changed = steps.copy()
    changed[:, 35:, :-1] += 3.0
    heard = steps.copy()
    heard[:, :5, :-1] += 3.0
    before, pause, voice = (
        np.asarray(model([one, features], training=False)) for one in (steps, changed, heard)
    )
    assert pause == pytest.approx(before, abs=1e-5) and not np.allclose(voice, before, atol=1e-3)


def test_mfcc_cnn_has_the_parameters_that_were_asked_for():
    row = MODELS["mfcc-cnn"]
    assert window_frames(row.features, row.windows) == (94, 47)
    assert row.features.n_features == 40
    assert trainable(build(row)) == 2_603_144


@pytest.mark.parametrize("name", ("cnn-gru", *FAMILY))
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
