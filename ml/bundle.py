"""Trained models as folders: the network that serves and ``bundle.json``, which describes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ml.calibration import Calibration, calibrate
from ml.config import EncoderConfig, FeatureConfig, WindowConfig
from ml.errors import CorruptBundleError, UnknownModelError
from ml.results import ModelInfo
from ml.runtimes import Network, open_network

BUNDLES = Path(__file__).parent / "bundles"
"""Where the bundles lie that ship, a folder each."""

DEFAULT_MODEL = "encoder-cnn-gru"
"""The model that answers unless another is named."""

SERVING_FILE = "model.tflite"


@dataclass(frozen=True)
class Bundle:
    """A trained model's description.

    Attributes
    ----------
    path : Path
        Its folder: `file` serves, ``model.keras`` is for further training.
    labels : tuple of str
        What the network scores, in its order.
    sha256 : str
        Of `file`.
    rule : str
        ``"mean"``: the recording's label is the largest mean score; ``"majority"``: the vote's.
    card : dict
        The whole ``bundle.json``.
    encoder : EncoderConfig, optional
        What a pretrained encoder hears, where the network goes on from one.
    file : str
        The network's file: of LiteRT, or of ONNX where ``export`` has written the bundle.
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
    file: str = SERVING_FILE

    @property
    def info(self) -> ModelInfo:
        """What a `Prediction` says of the model."""
        return ModelInfo(self.name, self.version, self.sha256, self.labels)

    @property
    def leaks(self) -> bool:
        """Whether training heard the speakers of the test, as by `ml.dataset.split_at_random`."""
        return self.card["training"].get("split") == "random"


def bundle_names() -> tuple[str, ...]:
    """Names of the bundles that ship, the default first.

    Examples
    --------
    >>> import ml
    >>> "cnn-gru" in ml.bundle_names() and ml.bundle_names()[0] == ml.DEFAULT_MODEL
    True
    """
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

    Examples
    --------
    >>> import ml
    >>> bundle = ml.read_bundle("cnn-gru")
    >>> bundle.windows.window_s, bundle.features.n_mels
    (3.0, 64)
    >>> bundle.card["metrics"]["cremad"]["clips"]
    976
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
            file=card.get("file", SERVING_FILE),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        found = getattr(error, "strerror", None) or f"{type(error).__name__}, {error}"
        detail = f"bundle.json: {found}"
        raise CorruptBundleError(path=str(folder), detail=detail) from error


class Scorer:
    """A bundle's network, opened; not thread-safe.

    Parameters
    ----------
    bundle : Bundle
    threads : int
        That it runs on.
    content : bytes, optional
        What `read_network` gave, for several to share.

    Raises
    ------
    CorruptBundleError
        If a file of the network is missing or is not the one that ``bundle.json`` describes.
    MissingPackageError
        If the file is for a runtime that is not installed.
    """

    def __init__(self, bundle: Bundle, threads: int = 1, content: bytes | None = None) -> None:
        self._bundle = bundle
        content = content or read_network(bundle)
        self.network: Network = open_network(bundle.path / bundle.file, content, threads)

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


def check_bundle(name: str | Path) -> Bundle:
    """Read a bundle's description, and make sure that the network is the one described.

    Raises
    ------
    UnknownModelError
        If no bundle bears that name.
    CorruptBundleError
        If a file is missing, or is not the one that ``bundle.json`` describes.

    Examples
    --------
    >>> import ml
    >>> ml.check_bundle("cnn-gru").name
    'cnn-gru'
    """
    bundle = read_bundle(name)
    read_network(bundle)
    return bundle


def read_network(bundle: Bundle) -> bytes:
    """Read the file of a network, if it and those beside it are what the bundle describes.

    Raises
    ------
    CorruptBundleError
        If not.
    """
    for name, sha256 in bundle.card.get("beside", {}).items():
        _checked(bundle, name, sha256)
    return _checked(bundle, bundle.file, bundle.sha256)


def _checked(bundle: Bundle, file: str, sha256: str) -> bytes:
    """Read a file of a bundle, if it is the one that the bundle describes."""
    try:
        content = (bundle.path / file).read_bytes()
    except OSError as error:
        detail = f"{file}: {error.strerror}"
        raise CorruptBundleError(path=str(bundle.path), detail=detail) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        detail = f"{file} is not the file that was evaluated"
        raise CorruptBundleError(path=str(bundle.path), detail=detail)
    return content


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


def write_bundle(
    folder: Path,
    card: dict[str, Any],
    network: bytes,
    file: str = SERVING_FILE,
    beside: Mapping[str, bytes] | None = None,
) -> Bundle:
    """Write the network's file and ``bundle.json``, and read the bundle back.

    Parameters
    ----------
    folder : Path
        Is made where it does not exist.
    card : dict
        All of ``bundle.json`` but ``sha256`` and ``size_bytes``.
    network : bytes
        What goes into `file`.
    file : str
    beside : dict of str to bytes, optional
        Further files that the network needs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    contents = {file: network} | dict(beside or {})
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    described = card | {
        "sha256": digests.pop(file),
        "size_bytes": sum(map(len, contents.values())),
    }
    if file != SERVING_FILE:
        described |= {"file": file}
    if digests:
        described |= {"beside": digests}
    return _describe(folder, described)


def update_card(bundle: Bundle, **changes: Any) -> Bundle:
    """Change what ``bundle.json`` says, key by key; the network stays as it is."""
    return _describe(bundle.path, bundle.card | changes)


def _describe(folder: Path, card: dict[str, Any]) -> Bundle:
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    (folder / "bundle.json").write_text(text, encoding="utf-8")
    return read_bundle(folder)
