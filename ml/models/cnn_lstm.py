"""Short overlapping windows, a CNN on each, an LSTM over the sequence that they make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.models.layers import as_image, begin, convolve, finish

if TYPE_CHECKING:
    import keras

    from ml.config import FeatureConfig

STEPS = 5
"""Windows in a sequence; of 3 s, each lasts 1 s and half of it is in the next too."""


def build(
    *, frames: int, features: FeatureConfig, n_outputs: int, unroll: bool = False
) -> keras.Model:
    """Build it; one input is one sequence, cut within the network."""
    from keras import layers, ops

    inputs, x = begin(frames, features)
    hop = frames // (STEPS + 1)
    windows = ops.stack([x[:, i * hop : (i + 2) * hop] for i in range(STEPS)], axis=1)
    x = as_image(ops.reshape(windows, (-1, 2 * hop, features.n_features)))
    x = convolve(x, layers.Conv2D(16, 5, strides=(2, 4), padding="same", use_bias=False))
    for filters, pool in ((32, (2, 2)), (48, (2, 2)), (96, (2, 2))):
        x = convolve(x, layers.Conv2D(filters, 3, padding="same", use_bias=False))
        x = layers.SpatialDropout2D(0.1)(layers.MaxPooling2D(pool)(x))
    x = layers.Dense(128, activation="relu")(layers.Flatten()(x))
    x = layers.Dropout(0.2)(ops.reshape(x, (-1, STEPS, 128)))
    x = layers.LSTM(128, return_sequences=True, unroll=unroll)(x)
    x = layers.Concatenate()([x[:, -1], ops.mean(x, axis=1)])
    return finish(inputs, layers.Dropout(0.3)(x), n_outputs)
