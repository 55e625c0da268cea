"""From a trained Keras network to files that run without Keras: LiteRT in two sizes, and ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np

from ml.calibration import Calibration, calibrate
from ml.config import EncoderConfig
from ml.features import Inputs
from ml.runtimes import Network

_OPSET = 18


def to_litert(model: keras.Model, quantise: bool = True) -> bytes:
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


def encoder_to_litert(
    encoder: keras.Model, config: EncoderConfig, head: keras.Model, quantise: bool = True
) -> bytes:
    """Convert an encoder and the network that goes on from it: one file.

    Its signature ``encode`` leads ``spectrogram`` (1, chunk_frames, n_mels) to ``encoded`` (1,
    chunk_steps, width); ``score`` leads ``encoded``, with a last column that says how loud a step
    is, and ``features`` of any number of windows to ``scores``.

    Parameters
    ----------
    encoder, head : keras.Model
        In float32, recurrent layers unrolled.
    quantise : bool
        As for `to_litert`.

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
        if quantise:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return converter.convert()


def to_onnx(model: keras.Model, output: str, about: Mapping[str, str]) -> bytes:
    """Convert a network to ONNX, float32, for any batch size; recurrent layers stay such.

    Parameters
    ----------
    model : keras.Model
        In float32. Its inputs keep their names.
    output : str
        What its output is to be called.
    about : dict of str to str
        Goes into the file as its metadata.

    Raises
    ------
    RuntimeError
        If Keras runs on another backend than TensorFlow, or if ONNX has no such operator.
    """
    tf = _tensorflow()
    import onnx
    from tf2onnx import convert

    names = [one.name for one in model.inputs]
    signature = [
        tf.TensorSpec(one.shape, tf.float32, name=name)
        for name, one in zip(names, model.inputs, strict=True)
    ]

    def run(*inputs: Any) -> Any:
        return model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)

    _traced, constant = _freeze(run, signature, lower_control_flow=False)
    named = tf.function(lambda *inputs: {output: constant(*inputs)[0]}, input_signature=signature)
    made, _storage = convert.from_function(
        named, signature, opset=_OPSET, custom_op_handlers={"Erfc": (_complement_of_erf, [])}
    )
    onnx.helper.set_model_props(made, dict(about))
    try:
        onnx.checker.check_model(made, full_check=True)
    except onnx.checker.ValidationError as error:
        raise RuntimeError(f"the network cannot be written as ONNX: {error}") from error
    return made.SerializeToString()


def _complement_of_erf(graph: Any, node: Any, name: str, _arguments: list[str]) -> None:
    """Write TensorFlow's Erfc, which is in GELU, as 1 - Erf: ONNX has only that."""
    from tf2onnx import utils

    source, made = node.input[0], list(node.output)
    shapes, types = node.output_shapes, node.output_dtypes
    graph.remove_node(node.name)
    one = graph.make_const(utils.make_name("one"), np.ones((), np.float32)).output[0]
    erf = graph.make_node("Erf", [source]).output[0]
    graph.make_node("Sub", [one, erf], name=name, outputs=made, shapes=shapes, dtypes=types)


def _frozen(function: Callable[..., dict[str, Any]], signature: list[Any]) -> Any:
    """Make a function with its weights as constants fit to be saved as a signature."""
    import tensorflow as tf

    traced, constant = _freeze(function, signature)
    (name,) = traced.structured_outputs
    return tf.function(lambda *inputs: {name: constant(*inputs)[0]}, input_signature=signature)


def _freeze(
    function: Callable[..., Any], signature: list[Any], lower_control_flow: bool = True
) -> tuple[Any, Any]:
    """Trace a function; return it so, and again with its weights as constants."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    traced = tf.function(function).get_concrete_function(*signature)
    return traced, convert_variables_to_constants_v2(traced, lower_control_flow)


def _tensorflow() -> Any:
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"Keras runs on {keras.backend.backend()}, the converters belong to TensorFlow: "
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
