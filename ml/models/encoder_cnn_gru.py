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
    statistics: int = 1,
) -> keras.Model:
    """Build what goes on from the encoder.

    Returns
    -------
    keras.Model
        Its inputs are ``encoded`` (batch, steps, width + 1), see `ml.encoding`, whose last column
        is the share of each step that is loud, and ``features``. There are chunk_steps steps, or
        any number unless it is unrolled. Pauses count for nothing. Members answer beside each
        other, (batch, members * n_outputs): so many that hear the `statistics` of the steps, from
        layer ``pooled``, and one that hears their course and the features.
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

    pooled = layers.Concatenate(name="pooled", dtype="float32")(_statistics(steps, loud))
    found = [
        hear_statistics(2 * encoder.width, n_outputs, f"statistics_{number}")(pooled)
        for number in range(statistics)
    ]
    course = _hear_course(steps, standardised, encoder, n_outputs, unroll)
    found.append(course([steps, voiced, standardised]))
    return keras.Model([encoded, inputs], layers.Concatenate(dtype="float32")(found), name="head")


def hear_statistics(width: int, n_outputs: int, name: str) -> keras.Model:
    """Build a member from pooled statistics (batch, width) to logits (batch, n_outputs)."""
    import keras
    from keras import layers

    pooled = keras.Input((width,), name="pooled")
    x = layers.BatchNormalization(dtype="float32")(pooled)
    x = layers.Dense(256, activation="relu")(layers.Dropout(0.25)(x))
    x = layers.Dense(n_outputs, dtype="float32")(layers.Dropout(0.5)(x))
    return keras.Model(pooled, x, name=name)


def _hear_course(
    steps: Any, standardised: Any, encoder: EncoderConfig, n_outputs: int, unroll: bool
) -> keras.Model:
    import keras
    from keras import layers, ops

    steps, standardised = (keras.Input(one.shape[1:]) for one in (steps, standardised))
    voiced = keras.Input((steps.shape[1], 1))
    stacked = layers.Reshape((-1, encoder.width // WIDTH, WIDTH))(steps)
    mix = layers.EinsumDense("btlw,l->btw", (None, WIDTH), kernel_initializer="ones")
    x = layers.Dense(160, activation="relu")(layers.Dropout(0.25)(mix(stacked)))
    x = layers.LayerNormalization()(layers.Conv1D(160, 3, padding="same")(x))
    x = layers.Dropout(0.2)(layers.ReLU()(x))
    x = layers.Bidirectional(layers.GRU(96, return_sequences=True, unroll=unroll))(x)
    x = _attend_to_voice(ops.cast(x, "float32"), voiced)

    x = layers.Dropout(0.5)(layers.Concatenate()([x, _average(standardised)]))
    x = layers.Dropout(0.3)(layers.Dense(192, activation="relu")(x))
    x = layers.Dense(n_outputs, dtype="float32")(x)
    return keras.Model([steps, voiced, standardised], x, name="course")


def _average(x: Any) -> Any:
    """Convolve (batch, frames, n_features) twice and average over time, (batch, 16)."""
    from keras import layers

    for _ in range(2):
        convolution = layers.Conv1D(64, 5, strides=2, padding="same", use_bias=False)
        x = layers.Dropout(0.3)(convolve(x, convolution))
    return layers.Dense(16, activation="relu")(layers.GlobalAveragePooling1D()(x))


def _statistics(steps: Any, weights: Any) -> list[Any]:
    """Pool (batch, time, width) to its weighted means and deviations, (batch, width) each."""
    from keras import ops

    total = ops.sum(weights, axis=1) + 1e-3
    mean = ops.sum(steps * weights, axis=1) / total
    variance = ops.sum(ops.square(steps - mean[:, None]) * weights, axis=1) / total
    return [mean, ops.sqrt(variance + 1e-3)]


def _attend_to_voice(x: Any, voiced: Any) -> Any:
    """Pool (batch, time, width) to (batch, 2 * width) over the steps with voice."""
    from keras import layers, ops

    scores = layers.Dense(1)(layers.Dense(64, activation="tanh")(x))
    weights = layers.Softmax(axis=1, dtype="float32")(scores - 1e4 * (1 - voiced))
    highest = ops.max(x * voiced - 10 * (1 - voiced), axis=1)
    return layers.Concatenate()([ops.sum(x * weights, axis=1), highest])
