"""Three convolutions over MFCC, pooled to 4 x 4, and two wide dense layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml.models.layers import as_image, begin, convolve, finish

if TYPE_CHECKING:
    import keras

    from ml.config import FeatureConfig

POOLED = 4


def build(
    *, frames: int, features: FeatureConfig, n_outputs: int, unroll: bool = False
) -> keras.Model:
    """Build it; 2,603,144 trainable parameters with 8 labels (it has no loop to unroll)."""
    from keras import layers

    inputs, x = begin(frames, features)
    x = as_image(x)
    for filters, dropout in ((64, 0.3), (128, 0.3), (256, 0.4)):
        x = convolve(x, layers.Conv2D(filters, 3, padding="same"))
        x = layers.Dropout(dropout)(layers.MaxPooling2D(2)(x))
    x = layers.Flatten()(_average(x))
    for width in (512, 256):
        x = convolve(x, layers.Dense(width))
    return finish(inputs, x, n_outputs)


def _average(x: Any) -> Any:
    """Average (batch, height, width, channels) to 4 x 4 with equal fields that cover it all."""
    from keras import layers

    strides = [size // POOLED for size in x.shape[1:3]]
    fields = [
        size - (POOLED - 1) * stride for size, stride in zip(x.shape[1:3], strides, strict=True)
    ]
    return layers.AveragePooling2D(fields, strides)(x)
