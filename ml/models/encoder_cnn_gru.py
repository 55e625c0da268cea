"""Pretrained encoder frames beside Mel, MFCC, ZCR and RMS: convolutions, GRU, attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml.models.layers import attend, begin, convolve, finish

if TYPE_CHECKING:
    import keras

    from ml.config import EncoderConfig, FeatureConfig


def build(
    *,
    frames: int,
    features: FeatureConfig,
    n_outputs: int,
    encoder: EncoderConfig,
    unroll: bool = False,
) -> keras.Model:
    """Build the network that goes on from the encoder.

    Its inputs are ``encoded`` (batch, chunk_steps, width), ``loud`` (batch, chunk_steps), see
    `ml.encoding.Encoded`, and ``features``. Steps that are pauses count for nothing.
    """
    import keras
    from keras import layers, ops

    encoded = keras.Input((encoder.chunk_steps, encoder.width), name="encoded")
    loud = keras.Input((encoder.chunk_steps,), name="loud")
    voiced = ops.cast(loud > 0, "float32")[:, :, None]
    steps = layers.Normalization(axis=-1, name="standardise_encoded")(encoded)
    steps = ops.clip(steps, -8.0, 8.0) * voiced

    statistics = layers.Dropout(0.25)(_statistics(steps, loud[:, :, None]))
    statistics = layers.Dense(256, activation="relu")(statistics)

    layers_of_encoder = layers.Reshape((encoder.chunk_steps, 1 + encoder.blocks, -1))(steps)
    mixed = layers.EinsumDense("btlw,l->btw", (None, encoder.width // (1 + encoder.blocks)))
    x = layers.Dropout(0.25)(mixed(layers_of_encoder))
    x = layers.Dense(160, activation="relu")(x)
    x = layers.Conv1D(160, 3, padding="same")(x)
    x = layers.Dropout(0.2)(layers.ReLU()(layers.LayerNormalization()(x)))
    x = layers.Bidirectional(layers.GRU(96, return_sequences=True, unroll=unroll))(x)
    course = _attend_to_voice(x, voiced)

    inputs, other = begin(frames, features)
    for _ in range(2):
        convolution = layers.Conv1D(96, 5, strides=2, padding="same", use_bias=False)
        other = layers.Dropout(0.2)(convolve(other, convolution))
    other = layers.GRU(64, return_sequences=True, unroll=unroll)(other)

    x = layers.Dropout(0.5)(layers.Concatenate()([statistics, course, attend(other)]))
    x = layers.Dense(192, activation="relu")(x)
    return finish([encoded, loud, inputs], layers.Dropout(0.3)(x), n_outputs)


def _statistics(steps: Any, weights: Any) -> Any:
    """Pool (batch, time, width) to its weighted means and deviations, (batch, 2 * width)."""
    from keras import layers, ops

    total = ops.sum(weights, axis=1) + 1e-3
    mean = ops.sum(steps * weights, axis=1) / total
    variance = ops.sum(ops.square(steps - mean[:, None]) * weights, axis=1) / total
    # Deviations of standardised steps lie around 0.75.
    return layers.Concatenate()([mean, 2 * ops.sqrt(variance + 1e-3) - 1.5])


def _attend_to_voice(x: Any, voiced: Any) -> Any:
    """Pool (batch, time, width) to (batch, 2 * width) over the steps with voice."""
    from keras import layers, ops

    scores = layers.Dense(1)(layers.Dense(64, activation="tanh")(x))
    weights = layers.Softmax(axis=1)(scores - 1e4 * (1 - voiced))
    highest = ops.max(x * voiced - 10 * (1 - voiced), axis=1)
    return layers.Concatenate()([ops.sum(x * weights, axis=1), highest])
