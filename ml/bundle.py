"""Trained models as folders: the network that serves and ``bundle.json``, which describes it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ml.calibration import Calibration, calibrate
from ml.config import EncoderConfig, FeatureConfig, WindowConfig
from ml.errors import CorruptBundleError, UnknownModelError
from ml.features import Inputs
from ml.results import ModelInfo

BUNDLES = Path(__file__).parent / "bundles"
DEFAULT_MODEL = "encoder-cnn-gru"


@dataclass(frozen=True)
class Bundle:
    """A trained model's description.

    Attributes
    ----------
    path : Path
        Its folder: ``model.tflite`` serves, ``model.keras`` is for further training.
    labels : tuple of str
        What the network scores, in its order.
    sha256 : str
        Of ``model.tflite``.
    rule : str
        ``"mean"``: the recording's label is the largest mean score; ``"majority"``: the vote's.
    card : dict
        The whole ``bundle.json``.
    encoder : EncoderConfig, optional
        What a pretrained encoder hears, where the network goes on from one.
    """

    path: Path
    name: str
    version: str
    labels: tuple[str, ...]
    sha256: str
    features: FeatureConfig
    windows: WindowConfig
    calibration: Calibration
    rule: str
    card: dict[str, Any]
    encoder: EncoderConfig | None = None

    @property
    def info(self) -> ModelInfo:
        """What a `Prediction` says of the model."""
        return ModelInfo(self.name, self.version, self.sha256, self.labels)


def bundle_names() -> tuple[str, ...]:
    """Names of the bundles that ship, the default first."""
    names = sorted(path.parent.name for path in BUNDLES.glob("*/bundle.json"))
    return tuple(sorted(names, key=lambda name: name != DEFAULT_MODEL))


def read_bundle(name: str | Path) -> Bundle:
    """Read a bundle's description; the network stays on disk.

    Parameters
    ----------
    name : str or Path
        The name of a bundle that ships, or the folder of any other as a Path.

    Raises
    ------
    UnknownModelError
        If no bundle bears that name.
    CorruptBundleError
        If the description is missing or does not fit.
    """
    if isinstance(name, Path):
        folder = name
    elif name in bundle_names():
        folder = BUNDLES / name
    else:
        raise UnknownModelError(name=name, available=", ".join(bundle_names()))
    try:
        card = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        return Bundle(
            path=folder,
            name=card["name"],
            version=card["version"],
            labels=tuple(card["labels"]),
            sha256=card["sha256"],
            features=FeatureConfig(**card["features"]),
            windows=WindowConfig(**card["windows"]),
            calibration=Calibration(**card["calibration"]),
            rule=card["rule"],
            card=card,
            encoder=EncoderConfig(**card["encoder"]) if card.get("encoder") else None,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        detail = f"{type(error).__name__}: {error}"
        raise CorruptBundleError(path=str(folder), detail=detail) from error


class Scorer:
    """A bundle's network on LiteRT, in memory; not thread-safe, so one for each thread.

    Raises
    ------
    CorruptBundleError
        If the network's file is missing or is not the one that ``bundle.json`` describes.
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        self._bundle = bundle
        try:
            content = (bundle.path / "model.tflite").read_bytes()
        except OSError as error:
            raise CorruptBundleError(path=str(bundle.path), detail=str(error)) from error
        if hashlib.sha256(content).hexdigest() != bundle.sha256:
            raise CorruptBundleError(
                path=str(bundle.path), detail="model.tflite is not the file that was evaluated"
            )
        self.network = Network(content, threads)

    def score(self, *inputs: np.ndarray) -> Scores:
        """Score windows.

        Parameters
        ----------
        *inputs : numpy.ndarray, shape (n, ...), float32
            From `ml.features.model_input`, shape (n, frames, n_features); before them, for a
            network with an encoder, its steps from `ml.encoding.ChunkEncoder`.
        """
        outputs = self.network.score(*inputs)
        n_labels = len(self._bundle.labels)
        intensity = 1 / (1 + np.exp(-outputs[:, -1].astype(np.float64)))
        return Scores(
            calibrate(outputs[:, :n_labels], self._bundle.calibration),
            intensity if outputs.shape[1] > n_labels else None,
        )


class Scores(NamedTuple):
    """What a network says of windows.

    Attributes
    ----------
    probabilities : numpy.ndarray, shape (n, labels), float64
        Calibrated; each row sums to 1.
    intensity : numpy.ndarray, shape (n,), float64, or None
        0 calm to 1 strong, where the network says so.
    """

    probabilities: np.ndarray
    intensity: np.ndarray | None


class Network:
    """A LiteRT file, opened; not thread-safe."""

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


def write_bundle(folder: Path, card: dict[str, Any], litert: bytes) -> Bundle:
    """Write ``model.tflite`` and ``bundle.json``, and read the bundle back.

    Parameters
    ----------
    folder : Path
        Is made where it does not exist.
    card : dict
        All of ``bundle.json`` but ``sha256`` and ``size_bytes``.
    litert : bytes
        The network.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.tflite").write_bytes(litert)
    described = card | {
        "sha256": hashlib.sha256(litert).hexdigest(),
        "size_bytes": len(litert),
    }
    return _describe(folder, described)


def update_card(bundle: Bundle, **changes: Any) -> Bundle:
    """Change what ``bundle.json`` says, key by key; the network stays as it is."""
    return _describe(bundle.path, bundle.card | changes)


def _describe(folder: Path, card: dict[str, Any]) -> Bundle:
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    (folder / "bundle.json").write_text(text, encoding="utf-8")
    return read_bundle(folder)
