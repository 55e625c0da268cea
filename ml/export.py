"""From a trained Keras network to the file that serves: LiteRT, float32 or int8."""

from __future__ import annotations

from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np

from ml.bundle import Network
from ml.calibration import Calibration, calibrate
from ml.config import EncoderConfig
from ml.features import Inputs


def to_litert(model: keras.Model, quantise: bool = False) -> bytes:
    """Convert a network to a LiteRT flatbuffer of built-in operators, for any batch size.

    Parameters
    ----------
    model : keras.Model
        In float32, recurrent layers unrolled.
    quantise : bool
        Store weights with 8 bits and multiply in 8 bits; inputs, outputs and sums stay float32
        (LiteRT's dynamic range quantisation).

    Raises
    ------
    RuntimeError
        If Keras runs on another backend than TensorFlow, which owns the converter.
    """
    tf = _tensorflow()
    signature = tf.TensorSpec(model.input_shape, tf.float32)
    _traced, frozen = _freeze(lambda x: model(x, training=False), [signature])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], model)
    if quantise:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()


def encoder_to_litert(encoder: keras.Model, config: EncoderConfig, head: keras.Model) -> bytes:
    """Convert an encoder and the network that goes on from it: one file, 8-bit weights.

    Its signature ``encode`` leads ``spectrogram`` (1, chunk_frames, n_mels) to ``encoded`` (1,
    chunk_steps, width); ``score`` leads ``encoded``, with a last column that says how loud a step
    is, and ``features`` of any number of windows to ``scores``.

    Parameters
    ----------
    encoder, head : keras.Model
        In float32, recurrent layers unrolled.

    Raises
    ------
    RuntimeError
        If Keras runs on another backend than TensorFlow, which owns the converter.
    """
    tf = _tensorflow()

    def encode(spectrogram: Any) -> dict[str, Any]:
        return {"encoded": encoder(spectrogram, training=False)}

    def score(encoded: Any, features: Any) -> dict[str, Any]:
        return {"scores": head([encoded, features], training=False)}

    chunk = tf.TensorSpec((1, config.chunk_frames, config.n_mels), name="spectrogram")
    windows = [
        tf.TensorSpec(one.shape, tf.float32, name=name)
        for name, one in zip(("encoded", "features"), head.inputs, strict=True)
    ]
    signatures = {"encode": _frozen(encode, [chunk]), "score": _frozen(score, windows)}
    with TemporaryDirectory() as folder:
        tf.saved_model.save(tf.Module(), folder, signatures=signatures)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=list(signatures)
        )
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return converter.convert()


def _frozen(function: Callable[..., dict[str, Any]], signature: list[Any]) -> Any:
    """Make a function with its weights as constants fit to be saved as a signature."""
    import tensorflow as tf

    traced, constant = _freeze(function, signature)
    (name,) = traced.structured_outputs
    return tf.function(lambda *inputs: {name: constant(*inputs)[0]}, input_signature=signature)


def _freeze(function: Callable[..., Any], signature: list[Any]) -> tuple[Any, Any]:
    """Trace a function; return it so, and again with its weights as constants."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    traced = tf.function(function).get_concrete_function(*signature)
    return traced, convert_variables_to_constants_v2(traced)


def _tensorflow() -> Any:
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"Keras runs on {keras.backend.backend()}, the LiteRT converter belongs to TensorFlow: "
            "run the same command again with --resume and KERAS_BACKEND=tensorflow"
        )
    import tensorflow as tf

    return tf


def largest_difference(model: keras.Model, litert: bytes, inputs: Inputs, n_labels: int) -> float:
    """Compare probabilities of both networks on the same windows; the largest absolute gap.

    Windows for a network with an encoder are chunks, as `ml.sampling.clip_windows` makes them.
    """
    network, plain = Network(litert), Calibration()
    outputs = network.score(*network.heard(inputs))
    original = np.asarray(model.predict(inputs, verbose=0))
    exported, original = (calibrate(found[:, :n_labels], plain) for found in (outputs, original))
    return float(np.max(np.abs(exported - original)))
