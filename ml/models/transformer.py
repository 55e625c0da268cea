"""A convolutional stem over log-Mel and transformer blocks (Vaswani et al. 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml.models.layers import as_image, as_sequence, attend, begin, convolve, finish

if TYPE_CHECKING:
    import keras

    from ml.config import FeatureConfig

BLOCKS, WIDTH, HEADS = 4, 128, 4


def build(
    *, frames: int, features: FeatureConfig, n_outputs: int, unroll: bool = False
) -> keras.Model:
    """Build it (it has no loop to unroll)."""
    from keras import layers

    inputs, x = begin(frames, features)
    x = convolve(as_image(x), layers.Conv2D(24, 5, strides=(2, 4), padding="same", use_bias=False))
    for filters, pool in ((32, (2, 2)), (64, (2, 2))):
        x = convolve(x, layers.Conv2D(filters, 3, padding="same", use_bias=False))
        x = layers.MaxPooling2D(pool)(x)
    x = layers.Dropout(0.1)(layers.Dense(WIDTH)(as_sequence(x)))
    # Places in time by a convolution, as in wav2vec 2.0 (Baevski et al. 2020).
    x = x + layers.DepthwiseConv1D(15, padding="same", activation="relu")(x)
    for _ in range(BLOCKS):
        x = x + layers.Dropout(0.1)(_attention(layers.LayerNormalization()(x)))
        hidden = layers.Dense(4 * WIDTH, activation="relu")(layers.LayerNormalization()(x))
        x = x + layers.Dropout(0.1)(layers.Dense(WIDTH)(hidden))
    x = attend(layers.LayerNormalization()(x))
    return finish(inputs, layers.Dropout(0.3)(x), n_outputs)


def _attention(x: Any) -> Any:
    """Let every place look at all others; plain products, which the serving runtime has."""
    from keras import layers, ops

    depth = WIDTH // HEADS
    split = layers.Reshape((-1, HEADS, depth))
    query, key, value = (
        ops.transpose(split(layers.Dense(WIDTH)(x)), axes)
        for axes in ((0, 2, 1, 3), (0, 2, 3, 1), (0, 2, 1, 3))
    )
    weights = layers.Softmax()(ops.matmul(query, key) / depth**0.5)
    mixed = ops.transpose(ops.matmul(layers.Dropout(0.1)(weights), value), (0, 2, 1, 3))
    return layers.Dense(WIDTH)(layers.Reshape((-1, WIDTH))(mixed))
