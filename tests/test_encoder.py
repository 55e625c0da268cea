"""The pretrained encoder: every weight in its place, and the numbers that follow by hand."""

import numpy as np
import pytest
from scipy.special import erf, softmax

from ml.config import EncoderConfig
from ml.encoder import build_encoder, load_encoder_weights
from ml.errors import EncoderWeightsError
from tests.encoder_weights import draw_weights

CONFIG = EncoderConfig(blocks=2, pool=2, chunk_steps=10)
"""Chunks of 40 spectrogram frames, which are 20 of the encoder's and 10 steps."""


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    return {name: one.astype(np.float64) for name, one in draw_weights(CONFIG.blocks).items()}


@pytest.fixture(scope="module")
def spectrogram() -> np.ndarray:
    shape = (CONFIG.chunk_frames, CONFIG.n_mels)
    return np.random.default_rng(1).uniform(-1, 1.2, shape).astype(np.float32)


@pytest.fixture(scope="module")
def encoded(spectrogram, tmp_path_factory) -> np.ndarray:
    encoder = build_encoder(CONFIG)
    path = tmp_path_factory.mktemp("encoder") / "weights.npz"
    np.savez(path, **draw_weights(CONFIG.blocks))
    load_encoder_weights(encoder, path)
    return np.asarray(encoder(spectrogram[None]))[0]


def gelu(x: np.ndarray) -> np.ndarray:
    return x * (1 + erf(x / np.sqrt(2))) / 2


def convolved(x: np.ndarray, weights: dict, name: str, stride: int) -> np.ndarray:
    """Slide (out, in, 3) over (time, in), padded with a zero frame at both ends."""
    padded = np.pad(x, ((1, 1), (0, 0)))
    windows = [padded[start : start + 3] for start in range(0, len(x), stride)]
    kernel, bias = weights[f"{name}/weight"], weights[f"{name}/bias"]
    return gelu(np.einsum("twi,oiw->to", windows, kernel) + bias)


def normalised(x: np.ndarray, weights: dict, place: str) -> np.ndarray:
    centred = x - x.mean(axis=1, keepdims=True)
    scaled = centred / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    return scaled * weights[f"{place}/gamma"] + weights[f"{place}/beta"]


def linear(x: np.ndarray, weights: dict, place: str) -> np.ndarray:
    return x @ weights[f"{place}/weight"].T + weights[f"{place}/bias"]


def block(x: np.ndarray, weights: dict, number: int) -> np.ndarray:
    place = f"layer_{number}/self_attention"
    stacked = linear(normalised(x, weights, f"{place}/layer_norm"), weights, f"{place}/linear_0")
    mixed = []
    for head in range(8):
        query, key, value = (
            stacked[:, 512 * part + 64 * head : 512 * part + 64 * (head + 1)] for part in range(3)
        )
        mixed.append(softmax(query @ key.T / 8, axis=1) @ value)
    x = x + linear(np.concatenate(mixed, axis=1), weights, f"{place}/linear_1")
    place = f"layer_{number}/ffn"
    hidden = linear(normalised(x, weights, f"{place}/layer_norm"), weights, f"{place}/linear_0")
    return x + linear(gelu(hidden), weights, f"{place}/linear_1")


def pooled(x: np.ndarray) -> np.ndarray:
    return x.reshape(CONFIG.chunk_steps, CONFIG.pool, -1).mean(axis=1)


def test_convolutions_positions_and_blocks_give_what_they_give_by_hand(
    spectrogram, encoded, weights
):
    assert encoded.shape == (CONFIG.chunk_steps, CONFIG.width) == (10, 1536)
    x = convolved(spectrogram.astype(np.float64), weights, "conv1", 1)
    x = convolved(x, weights, "conv2", 2)
    x = x + weights["position_encodings/encodings"][:20]
    assert encoded[:, :512] == pytest.approx(pooled(x), abs=1e-4)
    x = block(x, weights, 0)
    assert encoded[:, 512:1024] == pytest.approx(pooled(x), abs=1e-4)
    x = block(x, weights, 1)
    assert encoded[:, 1024:] == pytest.approx(pooled(x), abs=2e-4)


def test_positions_are_those_from_the_beginning_and_differ(encoded, tmp_path):
    made = draw_weights(0)
    encoder = build_encoder(EncoderConfig(blocks=0, pool=2, chunk_steps=10))
    shifts = []
    for scale in (0.0, 1.0):
        changed = made | {
            "position_encodings/encodings": scale * made["position_encodings/encodings"]
        }
        np.savez(tmp_path / "weights.npz", **changed)
        load_encoder_weights(encoder, tmp_path / "weights.npz")
        shifts.append(np.asarray(encoder(np.zeros((1, 40, 80), np.float32)))[0])
    expected = pooled(made["position_encodings/encodings"][:20].astype(np.float64))
    assert shifts[1] - shifts[0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    "missing",
    ["conv2/bias", "position_encodings/encodings", "layer_0/self_attention/linear_0/weight"],
)
def test_a_weight_that_is_missing_is_named(missing, tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, **{name: one for name, one in draw_weights(1).items() if name != missing})
    with pytest.raises(EncoderWeightsError, match=missing) as caught:
        load_encoder_weights(build_encoder(EncoderConfig(blocks=1)), path)
    assert str(path) in caught.value.message and "README" in caught.value.hint


def test_a_weight_of_another_shape_is_refused(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, **draw_weights(0) | {"conv1/weight": np.zeros((512, 64, 3))})
    with pytest.raises(EncoderWeightsError, match="64"):
        load_encoder_weights(build_encoder(EncoderConfig(blocks=0)), path)


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_archive_of_weights_is_refused(content, tmp_path):
    path = tmp_path / "weights.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EncoderWeightsError, match=str(path)):
        load_encoder_weights(build_encoder(EncoderConfig(blocks=0)), path)
