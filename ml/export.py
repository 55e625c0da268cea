"""From a trained Keras network to the file that serves: LiteRT, float32 or int8."""

from __future__ import annotations

import keras
import numpy as np


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
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"Keras runs on {keras.backend.backend()}, the LiteRT converter belongs to TensorFlow: "
            "run the same command again with --resume and KERAS_BACKEND=tensorflow"
        )
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    signature = tf.TensorSpec(model.input_shape, tf.float32)
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(signature)
    frozen = convert_variables_to_constants_v2(function)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], model)
    if quantise:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()


def largest_difference(model: keras.Model, litert: bytes, inputs: np.ndarray) -> float:
    """Compare probabilities of both networks on the same inputs; the largest absolute gap."""
    from ml.bundle import run_litert, start_litert
    from ml.calibration import Calibration, calibrate

    plain = Calibration()
    exported = calibrate(run_litert(start_litert(litert), inputs), plain)
    original = calibrate(np.asarray(model.predict(inputs, verbose=0)), plain)
    return float(np.max(np.abs(exported - original)))
