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
    """Build convolutions, positions and transformer blocks, for one chunk at a time.

    Returns
    -------
    keras.Model
        From ``ml.encoding.levelled`` log-Mel (batch, chunk_frames, n_mels) to (batch,
        chunk_steps, width): what the convolutions yield, with the positions added, and the
        output of each block, averaged over each step.
    """
    import keras
    from keras import layers

    spectrogram = keras.Input((config.chunk_frames, config.n_mels), name="spectrogram")
    x = _gelu(layers.Conv1D(WIDTH, 3, padding="same", name="conv1")(spectrogram))
    # Symmetric padding, as the pretrained network has it; "same" would pad on the right only.
    x = layers.ZeroPadding1D(1)(x)
    x = _gelu(layers.Conv1D(WIDTH, 3, strides=2, name="conv2")(x))
    outputs = [_positions_layer()(x)]
    for number in range(config.blocks):
        outputs.append(_block(outputs[-1], f"block{number}"))
    pooled = [layers.AveragePooling1D(config.pool)(output) for output in outputs]
    return keras.Model(spectrogram, layers.Concatenate()(pooled), name="encoder")


def _gelu(x: Any) -> Any:
    from keras import ops

    return ops.gelu(x, approximate=False)


def _positions_layer() -> Any:
    import keras
    from keras import layers, ops

    @keras.saving.register_keras_serializable("undertone")
    class Positions(layers.Layer):
        """Adds a stored vector for each place in time."""

        def build(self, shape: tuple[int, ...]) -> None:
            self.table = self.add_weight(shape=(POSITIONS, shape[-1]), name="table")

        def call(self, x: Any) -> Any:
            return x + self.table[: ops.shape(x)[1]]

    return Positions(name="positions")


def _block(x: Any, name: str) -> Any:
    from keras import layers

    normal = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_attention_norm")(x)
    x = x + _attention(normal, f"{name}_attention")
    normal = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_mlp_norm")(x)
    hidden = _gelu(layers.Dense(4 * WIDTH, name=f"{name}_mlp_in")(normal))
    return x + layers.Dense(WIDTH, name=f"{name}_mlp_out")(hidden)


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
