"""Every network of the registry: shapes, size, and the form that serves."""

import inspect

import numpy as np
import pytest

from ml import models
from ml.models import MODELS

SHAPE = {"frames": 240, "n_mels": 64, "n_features": 86, "n_labels": 8}


@pytest.mark.parametrize("name", MODELS)
def test_a_network_gives_logits_and_unrolls_to_the_same(name):
    model = MODELS[name].build(**SHAPE)
    unrolled = MODELS[name].build(**SHAPE, unroll=True)
    unrolled.set_weights(model.get_weights())
    inputs = np.random.default_rng(0).standard_normal((3, 240, 86)).astype(np.float32)
    logits = np.asarray(model(inputs, training=False))
    assert logits.shape == (3, 8) and np.isfinite(logits).all()
    assert np.asarray(unrolled(inputs, training=False)) == pytest.approx(logits, abs=1e-4)


def test_cnn_gru_stays_under_its_budget():
    assert MODELS["cnn-gru"].build(**SHAPE).count_params() <= 1_500_000


@pytest.mark.parametrize("columns", [slice(0, 64), slice(64, 84), slice(84, 85), slice(85, 86)])
def test_cnn_gru_hears_mel_mfcc_zcr_and_rms(columns):
    model = MODELS["cnn-gru"].build(**SHAPE)
    inputs = np.random.default_rng(0).standard_normal((1, 240, 86)).astype(np.float32)
    changed = inputs.copy()
    changed[:, :, columns] += 3.0
    assert not np.allclose(model(inputs, training=False), model(changed, training=False))


def test_networks_name_no_backend():
    source = inspect.getsource(models)
    assert "tensorflow" not in source and "torch" not in source and "jax" not in source
