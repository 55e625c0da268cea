"""Every network as a builder function in pure Keras 3, and the registry `MODELS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Architecture:
    """One row of `MODELS`: what it is called, what it is, and how it is built.

    `build` takes ``frames``, ``n_mels``, ``n_features``, ``n_labels`` and ``unroll`` (recurrent
    layers as a plain graph, which the serving runtime runs at any batch size) and returns a
    ``keras.Model`` from (batch, frames, n_features) to logits (batch, n_labels). Its first layer
    is a ``keras.layers.Normalization`` called ``standardise``, adapted to the training data.
    """

    name: str
    title: str
    build: Callable[..., keras.Model]


def cnn_gru(
    *, frames: int, n_mels: int, n_features: int, n_labels: int, unroll: bool = False
) -> keras.Model:
    """Convolutions over log-Mel and over MFCC, ZCR and RMS; a GRU over time; attention pooling.

    Parameters
    ----------
    frames, n_features : int
        Shape of one input; `frames` is a multiple of 4.
    n_mels : int
        The first columns, a spectrogram; the others are read as a sequence of vectors.
    n_labels : int
        Logits.
    unroll : bool
        Build the GRU without a loop.
    """
    import keras
    from keras import layers

    inputs = keras.Input((frames, n_features), name="features")
    x = layers.Normalization(axis=-1, name="standardise")(inputs)
    mel = layers.Reshape((frames, n_mels, 1))(x[:, :, :n_mels])
    mel = _convolve(mel, layers.Conv2D(32, 5, strides=2, padding="same", use_bias=False))
    for filters, pool in ((64, (2, 2)), (96, (1, 2)), (128, (1, 2)), (128, None)):
        mel = _convolve(mel, layers.Conv2D(filters, 3, padding="same", use_bias=False))
        mel = layers.MaxPooling2D(pool)(mel) if pool else mel
        mel = layers.SpatialDropout2D(0.1)(mel)
    mel = layers.Reshape((frames // 4, -1))(mel)
    mel = layers.Dense(128, activation="relu")(mel)

    other = x[:, :, n_mels:]
    for _ in range(2):
        other = _convolve(other, layers.Conv1D(64, 5, padding="same", use_bias=False))
        other = layers.MaxPooling1D(2)(other)

    x = layers.Dropout(0.2)(layers.Concatenate()([mel, other]))
    x = layers.GRU(160, return_sequences=True, unroll=unroll)(x)
    x = layers.Dropout(0.3)(_attend(x))
    x = layers.Dense(128, activation="relu")(x)
    x = layers.Dropout(0.3)(x)
    return keras.Model(inputs, layers.Dense(n_labels, dtype="float32", name="logits")(x))


def _convolve(x: Any, convolution: Any) -> Any:
    from keras import layers

    return layers.ReLU()(layers.BatchNormalization()(convolution(x)))


def _attend(x: Any) -> Any:
    """Pool (batch, time, width) to (batch, 3 * width): attention-weighted, mean and maximum."""
    from keras import layers, ops

    scores = layers.Dense(1)(layers.Dense(64, activation="tanh")(x))
    weights = layers.Softmax(axis=1)(scores)
    attended = ops.sum(x * weights, axis=1)
    return layers.Concatenate()([attended, ops.mean(x, axis=1), ops.max(x, axis=1)])


MODELS = {
    row.name: row for row in (Architecture("cnn-gru", "CNN and GRU on all features", cnn_gru),)
}
