"""The first blocks of a pretrained speech encoder (Whisper; Radford et al. 2022) in Keras."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from ml.errors import EncoderWeightsError

if TYPE_CHECKING:
    import keras

    from ml.config import EncoderConfig

WIDTH = 512
HEADS = 8
POSITIONS = 750
"""The longest stretch in encoder frames of 20 ms: 15 s."""


def build_encoder(config: EncoderConfig) -> keras.Model:
    """Build convolutions, positions and transformer blocks.

    Returns
    -------
    keras.Model
        From ``ml.encoding.levelled`` log-Mel (batch, frames, n_mels) of whole steps to (batch,
        steps, width): what the convolutions yield, with the positions added, and the output of
        each block, averaged over each step. What is added up is so in float32 whatever the rest
        computes in.
    """
    import keras
    from keras import layers

    from ml.positions import Positions

    spectrogram = keras.Input((None, config.n_mels), name="spectrogram")
    x = _gelu(layers.Conv1D(WIDTH, 3, padding="same", name="conv1")(spectrogram))
    # Symmetric padding, as the pretrained network has it; "same" would pad on the right only.
    x = layers.ZeroPadding1D(1)(x)
    x = _gelu(layers.Conv1D(WIDTH, 3, strides=2, name="conv2")(x))
    outputs = [Positions(POSITIONS, name="positions", dtype="float32")(x)]
    for number in range(config.blocks):
        outputs.append(_block(outputs[-1], f"block{number}"))
    pooled = [layers.AveragePooling1D(config.pool, dtype="float32")(one) for one in outputs]
    joined = layers.Concatenate(dtype="float32")(pooled)
    return keras.Model(spectrogram, joined, name="encoder")


def join(encoder: keras.Model, head: keras.Model) -> keras.Model:
    """Let a network hear through its encoder.

    Returns
    -------
    keras.Model
        From ``spectrogram``, ``loud`` (batch, steps, 1) and ``features`` to what `head` yields of
        them; its layers are ``encoder`` and ``head``.
    """
    import keras
    from keras import layers

    loud = keras.Input((None, 1), name="loud")
    inputs = [*encoder.inputs, loud, head.inputs[1]]
    encoded = layers.Concatenate(dtype="float32")([encoder(encoder.inputs[0]), loud])
    return keras.Model(inputs, head([encoded, head.inputs[1]]))


def free_blocks(encoder: keras.Model, config: EncoderConfig, blocks: int) -> None:
    """Let so many of an encoder's last blocks learn, and nothing else."""
    learning = tuple(f"block{config.blocks - 1 - number}_" for number in range(blocks))
    for layer in encoder.layers:
        layer.trainable = layer.name.startswith(learning)


def _gelu(x: Any) -> Any:
    from keras import ops

    return ops.gelu(x, approximate=False)


def _block(x: Any, name: str) -> Any:
    from keras import layers

    normal = _normalise(x, f"{name}_attention_norm")
    x = layers.Add(dtype="float32")([x, _attention(normal, f"{name}_attention")])
    normal = _normalise(x, f"{name}_mlp_norm")
    hidden = _gelu(layers.Dense(4 * WIDTH, name=f"{name}_mlp_in")(normal))
    return layers.Add(dtype="float32")([x, layers.Dense(WIDTH, name=f"{name}_mlp_out")(hidden)])


def _normalise(x: Any, name: str) -> Any:
    from keras import layers

    return layers.LayerNormalization(epsilon=1e-5, dtype="float32", name=name)(x)


def _attention(x: Any, name: str) -> Any:
    from keras import layers, ops

    width = WIDTH // HEADS
    split = layers.Reshape((-1, HEADS, width))
    parts = layers.Dense(3 * WIDTH, name=f"{name}_in")(x)
    query, key, value = (split(part) for part in ops.split(parts, 3, axis=-1))
    query, value = (ops.transpose(part, (0, 2, 1, 3)) for part in (query, value))
    scores = ops.matmul(query, ops.transpose(key, (0, 2, 3, 1))) / width**0.5
    mixed = ops.matmul(ops.softmax(scores), value)
    joined = layers.Reshape((-1, WIDTH))(ops.transpose(mixed, (0, 2, 1, 3)))
    return layers.Dense(WIDTH, name=f"{name}_out")(joined)


def load_encoder_weights(encoder: keras.Model, source: Path) -> None:
    """Fill an encoder with pretrained weights.

    Parameters
    ----------
    encoder : keras.Model
        From `build_encoder`.
    source : Path
        A ``.npz`` file with the names of CTranslate2's Whisper export.

    Raises
    ------
    EncoderWeightsError
        If the file cannot be read or lacks a weight.
    """
    try:
        with np.load(source) as stored:
            for layer in encoder.layers:
                if layer.weights:
                    layer.set_weights(_weights(layer.name, stored))
    except (OSError, EOFError, BadZipFile, KeyError, TypeError, ValueError) as error:
        raise EncoderWeightsError(path=str(source), detail=str(error)) from error


def _weights(layer: str, stored: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    def read(name: str) -> np.ndarray:
        return np.asarray(stored[name], np.float32)

    if layer.startswith("conv"):
        return [read(f"{layer}/weight").transpose(2, 1, 0), read(f"{layer}/bias")]
    if layer == "positions":
        return [read("position_encodings/encodings")[:POSITIONS]]
    number, _, part = layer.removeprefix("block").partition("_")
    place = f"layer_{number}/{_PLACES[part]}"
    if part.endswith("norm"):
        return [read(f"{place}/gamma"), read(f"{place}/beta")]
    return [read(f"{place}/weight").T, read(f"{place}/bias")]


_PLACES = {
    "attention_norm": "self_attention/layer_norm",
    "attention_in": "self_attention/linear_0",
    "attention_out": "self_attention/linear_1",
    "mlp_norm": "ffn/layer_norm",
    "mlp_in": "ffn/linear_0",
    "mlp_out": "ffn/linear_1",
}
