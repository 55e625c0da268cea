"""What several networks are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

    from ml.config import FeatureConfig


def begin(frames: int, features: FeatureConfig) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Make the input (batch, frames, n_features) and the same standardised column by column.

    The layer ``standardise`` learns each column's mean and deviation before training begins.
    """
    import keras
    from keras import layers

    inputs = keras.Input((frames, features.n_features), name="features")
    return inputs, layers.Normalization(axis=-1, name="standardise")(inputs)


def finish(inputs: Any, x: Any, n_outputs: int) -> keras.Model:
    """End in logits, in float32 whatever the rest computes in."""
    import keras
    from keras import layers

    return keras.Model(inputs, layers.Dense(n_outputs, dtype="float32", name="logits")(x))


def as_image(x: Any) -> Any:
    """Give (batch, frames, bands) a channel."""
    from keras import layers

    return layers.Reshape((*x.shape[1:], 1))(x)


def convolve(x: Any, convolution: Any) -> Any:
    """Convolve, normalise over the batch, rectify."""
    from keras import layers

    return layers.ReLU()(layers.BatchNormalization()(convolution(x)))


def as_sequence(x: Any) -> Any:
    """Turn (batch, time, bands, channels) into a sequence of vectors."""
    from keras import layers

    return layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]))(x)


def attend(x: Any) -> Any:
    """Pool (batch, time, width) to (batch, 3 * width): attention-weighted, mean and maximum."""
    from keras import layers, ops

    scores = layers.Dense(1)(layers.Dense(64, activation="tanh")(x))
    weights = layers.Softmax(axis=1)(scores)
    attended = ops.sum(x * weights, axis=1)
    return layers.Concatenate()([attended, ops.mean(x, axis=1), ops.max(x, axis=1)])
