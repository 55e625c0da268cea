"""What a network's file runs on: LiteRT, which serves, and ONNX Runtime and Keras beside it."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ml.errors import MissingPackageError
from ml.features import Inputs

ENCODER_FILE = "encoder.onnx"
"""ONNX has one graph in a file: where a pretrained encoder listens first, it has its own."""


def check_packages(task: str, modules: Mapping[str, str]) -> None:
    """Make sure that what a task imports is installed.

    Parameters
    ----------
    task : str
        What the packages are for, as a sentence begins with it.
    modules : dict of str to str
        Name of a module to that of its package.

    Raises
    ------
    MissingPackageError
        Naming the packages that are not.
    """
    missing = [package for name, package in modules.items() if not importlib.util.find_spec(name)]
    if missing:
        raise MissingPackageError(
            purpose=task, package=", ".join(missing), command="pip install 'undertone[train]'"
        )


def open_network(path: Path, content: bytes, threads: int = 1) -> Network:
    """Open a network on the runtime that its file's suffix names.

    Parameters
    ----------
    path : Path
        Its file; that of an encoder lies beside it.
    content : bytes
        What is in it.

    Raises
    ------
    MissingPackageError
        If that runtime is not installed.
    """
    if path.suffix == ".onnx":
        return OnnxNetwork(path, threads)
    if path.suffix == ".keras":
        return KerasNetwork(path)
    return Network(content, threads)


class Network:
    """A LiteRT file, opened; not thread-safe. Other runtimes have the same methods."""

    def __init__(self, content: bytes, threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_content=content, num_threads=threads)
        names = self._interpreter.get_signature_list()
        # Of a file without an encoder the whole is run: a runner would keep its tensors in place.
        with_encoder = "encode" in names
        self._signatures = {
            name: self._interpreter.get_signature_runner(name) for name in names if with_encoder
        }

    def encode(self, spectrogram: np.ndarray) -> np.ndarray:
        """Run the pretrained encoder that the file holds.

        Parameters
        ----------
        spectrogram : numpy.ndarray, shape (1, chunk_frames, n_mels), float32

        Returns
        -------
        numpy.ndarray, shape (1, chunk_steps, width), float32
        """
        return self._signatures["encode"](spectrogram=spectrogram)["encoded"]

    def heard(self, inputs: Inputs) -> list[np.ndarray]:
        """Encode windows for which that was not done yet; returns what `score` takes."""
        if not isinstance(inputs, list):
            return [inputs]
        spectrograms, loud, features = inputs
        encoded = np.concatenate([self.encode(one[None]) for one in spectrograms])
        return [np.concatenate([encoded, loud], axis=2), features]

    def score(self, *inputs: np.ndarray) -> np.ndarray:
        """Run a batch of any size through; returns float32 outputs of shape (n, outputs)."""
        if "score" in self._signatures:
            encoded, features = inputs
            return self._signatures["score"](encoded=encoded, features=features)["scores"]
        (features,) = inputs
        interpreter, source = self._interpreter, self._interpreter.get_input_details()[0]
        if tuple(source["shape"]) != features.shape:
            interpreter.resize_tensor_input(source["index"], features.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(source["index"], features.astype(np.float32, copy=False))
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


class OnnxNetwork(Network):
    """An ONNX file, opened on ONNX Runtime.

    Parameters
    ----------
    path : Path
        Its inputs are ``features``, and before it ``encoded`` where `ENCODER_FILE` lies beside
        it; its output is ``scores``.
    threads : int
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        check_packages("Running an ONNX file", {"onnxruntime": "onnxruntime"})
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads

        def opened(file: Path) -> onnxruntime.InferenceSession:
            return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

        encoder = path.with_name(ENCODER_FILE)
        self._network = opened(path)
        self._encoder = opened(encoder) if encoder.exists() else None

    def encode(self, spectrogram: np.ndarray) -> np.ndarray:
        """Run the pretrained encoder; as in `Network`."""
        if self._encoder is None:
            raise ValueError(f"there is no {ENCODER_FILE} beside the network")
        (encoded,) = self._encoder.run(["encoded"], {"spectrogram": spectrogram})
        return encoded

    def score(self, *inputs: np.ndarray) -> np.ndarray:
        """Run a batch of any size through; as in `Network`."""
        names = ("encoded", "features")[-len(inputs) :]
        given = {
            name: one.astype(np.float32, copy=False)
            for name, one in zip(names, inputs, strict=True)
        }
        (scores,) = self._network.run(["scores"], given)
        return scores


class KerasNetwork(Network):
    """A network as it was trained, in Keras.

    Parameters
    ----------
    path : Path
        A ``model.keras`` that ``train`` has left.
    """

    def __init__(self, path: Path) -> None:
        check_packages("Running a Keras network", {"keras": "keras", "tensorflow": "tensorflow"})
        import keras

        from ml.positions import Positions

        model = keras.models.load_model(path, {"Positions": Positions}, compile=False)
        with_encoder = any(layer.name == "encoder" for layer in model.layers)
        self._encoder = model.get_layer("encoder") if with_encoder else None
        self._head = model.get_layer("head") if with_encoder else model

    def encode(self, spectrogram: np.ndarray) -> np.ndarray:
        """Run the pretrained encoder; as in `Network`."""
        if self._encoder is None:
            raise ValueError("the network has no encoder")
        return np.asarray(self._encoder(spectrogram, training=False))

    def score(self, *inputs: np.ndarray) -> np.ndarray:
        """Run a batch of any size through; as in `Network`."""
        given = [np.asarray(one, np.float32) for one in inputs]
        return np.asarray(self._head(given if len(given) > 1 else given[0], training=False))
