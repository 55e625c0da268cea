"""Convolutions that keep time and fold frequency, two LSTM layers, attention pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.models.layers import as_image, as_sequence, attend, begin, convolve, finish

if TYPE_CHECKING:
    import keras

    from ml.config import FeatureConfig


def build(
    *, frames: int, features: FeatureConfig, n_outputs: int, unroll: bool = False
) -> keras.Model:
    """Build it."""
    from keras import layers

    inputs, x = begin(frames, features)
    x = convolve(as_image(x), layers.Conv2D(24, 5, strides=(2, 4), padding="same", use_bias=False))
    for filters, pool in ((32, (2, 2)), (64, (2, 2)), (96, (1, 2)), (128, (1, 2))):
        x = convolve(x, layers.Conv2D(filters, 3, padding="same", use_bias=False))
        x = layers.SpatialDropout2D(0.1)(layers.MaxPooling2D(pool)(x))
    x = layers.Dropout(0.2)(as_sequence(x))
    for _ in range(2):
        x = layers.LSTM(128, return_sequences=True, unroll=unroll)(x)
    return finish(inputs, layers.Dropout(0.3)(attend(x)), n_outputs)
