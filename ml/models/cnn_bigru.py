"""Three convolution blocks over log-Mel, a GRU that reads both ways, a dense layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.models.layers import as_image, as_sequence, begin, convolve, finish

if TYPE_CHECKING:
    import keras

    from ml.config import FeatureConfig


def build(
    *, frames: int, features: FeatureConfig, n_outputs: int, unroll: bool = False
) -> keras.Model:
    """Build it."""
    from keras import layers, ops

    inputs, x = begin(frames, features)
    x = as_image(x)
    for filters, size, strides, pool in ((24, 5, 2, 2), (48, 3, 1, 2), (96, 3, 1, (1, 4))):
        convolution = layers.Conv2D(filters, size, strides, padding="same", use_bias=False)
        x = layers.MaxPooling2D(pool)(convolve(x, convolution))
        x = layers.SpatialDropout2D(0.1)(x)
    x = layers.Dropout(0.2)(as_sequence(x))
    gru = layers.GRU(96, return_sequences=True, unroll=unroll)
    x = layers.Bidirectional(gru)(x)
    x = layers.Concatenate()([ops.mean(x, axis=1), ops.max(x, axis=1)])
    x = layers.Dense(128, activation="relu")(layers.Dropout(0.3)(x))
    return finish(inputs, layers.Dropout(0.3)(x), n_outputs)
