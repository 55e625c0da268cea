"""Convolutions over log-Mel and over MFCC, ZCR and RMS; a GRU over time; attention pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.models.layers import as_image, as_sequence, attend, begin, convolve, finish

if TYPE_CHECKING:
    import keras

    from ml.config import FeatureConfig


def build(
    *, frames: int, features: FeatureConfig, n_outputs: int, unroll: bool = False
) -> keras.Model:
    """Build it; `features` has Mel and other columns, `frames` is a multiple of 4."""
    from keras import layers

    inputs, x = begin(frames, features)
    n_mels = features.columns["mel"].stop
    mel = convolve(
        as_image(x[:, :, :n_mels]), layers.Conv2D(32, 5, strides=2, padding="same", use_bias=False)
    )
    for filters, pool in ((64, (2, 2)), (96, (1, 2)), (128, (1, 2)), (128, None)):
        mel = convolve(mel, layers.Conv2D(filters, 3, padding="same", use_bias=False))
        mel = layers.MaxPooling2D(pool)(mel) if pool else mel
        mel = layers.SpatialDropout2D(0.1)(mel)
    mel = layers.Dense(128, activation="relu")(as_sequence(mel))

    other = x[:, :, n_mels:]
    for _ in range(2):
        other = convolve(other, layers.Conv1D(64, 5, padding="same", use_bias=False))
        other = layers.MaxPooling1D(2)(other)

    x = layers.Dropout(0.2)(layers.Concatenate()([mel, other]))
    x = layers.GRU(160, return_sequences=True, unroll=unroll)(x)
    x = layers.Dropout(0.3)(attend(x))
    x = layers.Dense(128, activation="relu")(x)
    return finish(inputs, layers.Dropout(0.3)(x), n_outputs)
