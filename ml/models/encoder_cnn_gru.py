"""A pretrained encoder's steps beside Mel, MFCC, ZCR and RMS: convolution, GRU, attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml.encoder import WIDTH
from ml.models.layers import begin, convolve

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
    """Build what goes on from the encoder.

    Returns
    -------
    keras.Model
        Its inputs are ``encoded`` (batch, steps, width + 1), see `ml.encoding`, whose last column
        is the share of each step that is loud, and ``features``. There are chunk_steps steps, or
        any number unless it is unrolled. Pauses count for nothing.
        Two members answer beside each other, (batch, 2 * n_outputs): one hears the statistics of
        the steps, the other their course and the features.
    """
    import keras
    from keras import layers, ops

    length = encoder.chunk_steps if unroll else None
    encoded = keras.Input((length, encoder.width + 1), name="encoded", dtype="float32")
    inputs, standardised = begin(frames, features)
    loud = encoded[:, :, -1:]
    voiced = ops.cast(loud > 0, "float32")
    normal = layers.Normalization(axis=-1, name="standardise_encoded", dtype="float32")
    steps = ops.clip(normal(encoded[:, :, :-1]), -8.0, 8.0) * voiced

    statistics = layers.BatchNormalization(dtype="float32")(_statistics(steps, loud))
    statistics = layers.Dropout(0.25)(statistics)
    statistics = layers.Dense(256, activation="relu")(statistics)

    outputs = encoder.width // WIDTH
    stacked = layers.Reshape((-1, outputs, WIDTH))(steps)
    mix = layers.EinsumDense("btlw,l->btw", (None, WIDTH), kernel_initializer="ones")
    x = layers.Dense(160, activation="relu")(layers.Dropout(0.25)(mix(stacked)))
    x = layers.LayerNormalization()(layers.Conv1D(160, 3, padding="same")(x))
    x = layers.Dropout(0.2)(layers.ReLU()(x))
    x = layers.Bidirectional(layers.GRU(96, return_sequences=True, unroll=unroll))(x)
    course = _attend_to_voice(ops.cast(x, "float32"), voiced)

    course = layers.Dropout(0.5)(layers.Concatenate()([course, _average(standardised)]))
    course = layers.Dropout(0.3)(layers.Dense(192, activation="relu")(course))

    members = [layers.Dropout(0.5)(statistics), course]
    found = [layers.Dense(n_outputs, dtype="float32")(member) for member in members]
    return keras.Model([encoded, inputs], layers.Concatenate(dtype="float32")(found), name="head")


def _average(x: Any) -> Any:
    """Convolve (batch, frames, n_features) twice and average over time, (batch, 16)."""
    from keras import layers

    for _ in range(2):
        convolution = layers.Conv1D(64, 5, strides=2, padding="same", use_bias=False)
        x = layers.Dropout(0.3)(convolve(x, convolution))
    return layers.Dense(16, activation="relu")(layers.GlobalAveragePooling1D()(x))


def _statistics(steps: Any, weights: Any) -> Any:
    """Pool (batch, time, width) to its weighted means and deviations, (batch, 2 * width)."""
    from keras import layers, ops

    total = ops.sum(weights, axis=1) + 1e-3
    mean = ops.sum(steps * weights, axis=1) / total
    variance = ops.sum(ops.square(steps - mean[:, None]) * weights, axis=1) / total
    return layers.Concatenate()([mean, ops.sqrt(variance + 1e-3)])


def _attend_to_voice(x: Any, voiced: Any) -> Any:
    """Pool (batch, time, width) to (batch, 2 * width) over the steps with voice."""
    from keras import layers, ops

    scores = layers.Dense(1)(layers.Dense(64, activation="tanh")(x))
    weights = layers.Softmax(axis=1, dtype="float32")(scores - 1e4 * (1 - voiced))
    highest = ops.max(x * voiced - 10 * (1 - voiced), axis=1)
    return layers.Concatenate()([ops.sum(x * weights, axis=1), highest])
