"""A trained model in the forms that other programs run: LiteRT, ONNX; a folder that can go out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.bundle import DEFAULT_MODEL, SERVING_FILE, Bundle, read_bundle, write_bundle
from ml.corpora import Clip, read_clips
from ml.dataset import split_by_speaker
from ml.errors import (
    CorruptBundleError,
    EmptySideError,
    NoKerasModelError,
    UnknownFormError,
)
from ml.licences import licence_text
from ml.models import MODELS
from ml.runtimes import ENCODER_FILE, check_packages

if TYPE_CHECKING:
    import keras

Report = Callable[[str], None]

FORMS = ("litert-float32", "litert-int8", "onnx")
TRAINED_FILE = "model.keras"
ONNX_FILE = "model.onnx"

_OF_SERVING = ("speed", "litert_difference", "beside", "file")
"""What a card says of the file that serves, and of no other."""


@dataclass(frozen=True)
class Exported:
    """What `export` has written.

    Attributes
    ----------
    folder : Path
        Holds ``README.md`` (a model card as the Hugging Face Hub has it), ``LICENSE``, a folder
        for each form, and ``differences.json`` if these were measured.
    bundles : dict of str to Bundle
        Each form; ``ml.load(bundle.path)`` loads it.
    differences : dict or None
        How far the forms' answers lie from the trained network's, see
        ``ml.differences.measure_differences``.
    """

    folder: Path
    bundles: dict[str, Bundle]
    differences: dict[str, Any] | None = None


def export(
    model: str | Path = DEFAULT_MODEL,
    output: str | Path = "exported",
    forms: Sequence[str] = FORMS,
    corpora: Mapping[str, str | Path] | None = None,
    clips: int | None = None,
    report: Report = lambda line: None,
) -> Exported:
    """Write a trained model in other forms, each a bundle that `load` loads.

    ``"litert-float32"`` and ``"litert-int8"`` (weights of 8 bits, sums in float32) are LiteRT
    files, ``"onnx"`` is one of ONNX in float32, or two where a pretrained encoder listens first.
    The form that serves is handed on as it is; others are made from the ``model.keras`` that
    ``train`` leaves in a bundle, and that needs the packages of training.

    Parameters
    ----------
    model : str or Path
        A name among ``ml.bundle_names()``, or the folder of any bundle as a Path.
    output : str or Path
        The folder to write; is made where it does not exist.
    forms : sequence of str
        Some of ``"litert-float32"``, ``"litert-int8"`` and ``"onnx"``.
    corpora : dict of str to str or Path, optional
        Name of a corpus to its folder: test speakers tell how far the forms' answers differ.
    clips : int, optional
        So many clips of each corpus, spread over emotions and speakers; all unless given.
    report : callable
        Is told lines of progress.

    Raises
    ------
    UnknownModelError, CorruptBundleError, UnknownFormError
        If there is no such model or no such form.
    NoKerasModelError, MissingPackageError
        If a form cannot be made of what there is.
    CorpusError
        If a corpus cannot be read or none of its speakers is left for the test.

    Examples
    --------
    >>> import ml, tempfile
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp())
    >>> done = ml.export("mfcc-cnn", folder, forms=["litert-int8"])
    >>> sorted(path.name for path in done.folder.iterdir())
    ['LICENSE', 'README.md', 'litert-int8']
    >>> ml.load(folder / "litert-int8").recognize("samples/silence.flac").outcome
    'no_speech'
    """
    from ml.robustness import draw_evenly

    tests: list[Clip] = []
    for name, root in (corpora or {}).items():
        tests += split_by_speaker(read_clips(name, root)).test
    if corpora and not tests:
        raise EmptySideError(side="test")
    drawn = draw_evenly(tests, clips) if clips else tests
    return export_bundle(read_bundle(model), Path(output), forms, drawn, report)


def export_bundle(
    bundle: Bundle,
    output: Path,
    forms: Sequence[str] = FORMS,
    clips: Sequence[Clip] = (),
    report: Report = lambda line: None,
) -> Exported:
    """Like `export`, for a bundle that was read and clips of its test speakers."""
    from ml.differences import measure_differences
    from ml.hub_card import as_hub_card

    _check(bundle, forms, measured=bool(clips))
    made = {}
    for form in forms:
        report(f"writing {form}")
        made[form] = _write(bundle, form, output / form)
    differences = None
    if clips:
        trained = (bundle.path / TRAINED_FILE).exists()
        reference = (bundle.path, TRAINED_FILE if trained else bundle.file)
        differences = measure_differences(reference, made, clips, report=report)
        text = json.dumps(differences, indent=2) + "\n"
        (output / "differences.json").write_text(text, encoding="utf-8")
    (output / "README.md").write_text(as_hub_card(bundle, made, differences), encoding="utf-8")
    (output / "LICENSE").write_text(licence_text(bundle.card), encoding="utf-8")
    return Exported(output, made, differences)


def served_form(bundle: Bundle) -> str:
    """Name the form of the file that serves."""
    if bundle.file != SERVING_FILE:
        return "onnx"
    return "litert-int8" if bundle.card.get("quantised") else "litert-float32"


def _check(bundle: Bundle, forms: Sequence[str], measured: bool) -> None:
    """See that every form can be made before the first one is."""
    if not forms:
        raise UnknownFormError(given="", available=", ".join(FORMS))
    served, trained = served_form(bundle), (bundle.path / TRAINED_FILE).exists()
    needed = {"yaml": "pyyaml"}
    for form in forms:
        if form not in FORMS:
            raise UnknownFormError(given=form, available=", ".join(FORMS))
        if form != served and not trained:
            raise NoKerasModelError(form=form, path=str(bundle.path), possible=served)
        if form != served or (measured and trained):
            needed |= {"keras": "keras", "tensorflow": "tensorflow"}
        if form == "onnx":
            needed |= {"tf2onnx": "tf2onnx", "onnx": "onnx"}
            needed |= {"onnxruntime": "onnxruntime"} if measured else {}
    check_packages("This export", needed)


def _write(bundle: Bundle, form: str, folder: Path) -> Bundle:
    card = {key: value for key, value in bundle.card.items() if key not in _OF_SERVING} | {
        "form": form,
        "quantised": form == "litert-int8",
        "exported_from": {"version": bundle.version, "sha256": bundle.sha256},
    }
    if form == served_form(bundle):
        beside = {name: (bundle.path / name).read_bytes() for name in bundle.card.get("beside", {})}
        content = (bundle.path / bundle.file).read_bytes()
        return write_bundle(folder, card, content, bundle.file, beside)
    from ml.fitting import load

    model = load(bundle.path / TRAINED_FILE, compile=False)
    if form == "onnx":
        return _write_onnx(bundle, model, folder, card)
    return write_bundle(folder, card, _as_litert(bundle, model, form == "litert-int8"))


def _write_onnx(bundle: Bundle, model: keras.Model, folder: Path, card: dict[str, Any]) -> Bundle:
    from ml.conversion import to_onnx

    kept = ("name", "version", "licence", "labels", "features", "windows", "encoder")
    about = {key: json.dumps(card.get(key)) for key in (*kept, "calibration")}
    if bundle.encoder is None:
        return write_bundle(folder, card, to_onnx(model, "scores", about), ONNX_FILE)
    encoder = to_onnx(model.get_layer("encoder"), "encoded", about)
    head = to_onnx(model.get_layer("head"), "scores", about)
    return write_bundle(folder, card, head, ONNX_FILE, {ENCODER_FILE: encoder})


def _as_litert(bundle: Bundle, model: keras.Model, quantise: bool) -> bytes:
    from ml.conversion import encoder_to_litert, to_litert

    if bundle.encoder is None:
        return to_litert(_unrolled(bundle, model), quantise)
    head = _unrolled(bundle, model.get_layer("head"))
    return encoder_to_litert(model.get_layer("encoder"), bundle.encoder, head, quantise)


def _unrolled(bundle: Bundle, model: keras.Model) -> keras.Model:
    """Build a network again with its recurrent layers unrolled, as LiteRT wants them.

    Raises
    ------
    CorruptBundleError
        If the network is none of `MODELS`, or another than the one that bears its name.
    """
    from ml.fitting import build, computing_in, join_members, settle_normalisations

    try:
        row = replace(
            MODELS[bundle.name],
            labels=bundle.labels,
            features=bundle.features,
            windows=bundle.windows,
            encoder=bundle.encoder,
        )
        refits = bundle.card["training"].get("refits", 0)
        more = {"statistics": 1 + refits} if bundle.encoder else {}
        with computing_in("float32"):
            network = build(row, unroll=True, **more)
        network.set_weights(model.get_weights())
    except (KeyError, ValueError) as error:
        detail = f"{TRAINED_FILE} is not the network that ml.models calls so ({error})"
        raise CorruptBundleError(path=str(bundle.path), detail=detail) from error
    settle_normalisations(network)
    return join_members(network, row)
