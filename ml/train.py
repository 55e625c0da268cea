"""From clips to an evaluated bundle: `train_bundle`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ml.bundle import Bundle, write_bundle
from ml.calibrating import calibrate_bundle
from ml.dataset import Split, cache_features, clip_windows, keep_labels
from ml.evaluate import evaluate_bundle, merge_results
from ml.export import largest_difference, to_litert
from ml.fitting import build, fit
from ml.models import Architecture
from ml.provenance import describe
from ml.sampling import Sampler

Report = Callable[[str], None]


def train_bundle(
    architecture: Architecture,
    split: Split,
    output: Path,
    *,
    resume: bool = False,
    jobs: int = 2,
    report: Report = lambda line: None,
) -> Bundle:
    """Train a network and leave an evaluated bundle.

    Parameters
    ----------
    architecture : Architecture
        A row of ``ml.models.MODELS``, as it is or with other features or another recipe.
    split : Split
        Clips of emotions that the network does not score are left out. The test side is scored
        once, after everything is fixed.
    output : Path
        Becomes the bundle; ``checkpoints/`` and ``evaluation/`` lie in it, the feature cache of
        all runs beside it.
    resume : bool
        Go on after the last whole epoch that `output` holds.
    report : callable
        Is told lines of progress.
    """
    labels, config, features = architecture.labels, architecture.train, architecture.features
    folder = output.parent / "features"
    # All clips, so that networks with other labels find the same files.
    cached = cache_features(split.train, features, folder, config.variants, config.seed, jobs)
    sampler = Sampler(cached.keep(labels), architecture.windows, config, labels)
    validation = cache_features(split.validation, features, folder, jobs=jobs).keep(labels)
    split = keep_labels(split, labels)
    windows = clip_windows(validation, architecture.windows)
    history = fit(architecture, sampler, windows, split.validation, output, resume, report)
    card = describe(architecture, split, history)
    bundle = export_bundle(architecture, output, card, windows[0][:64])
    report("calibrating on validation speakers")
    bundle = calibrate_bundle(bundle, split.validation, jobs=jobs, report=report)
    report("evaluating on test speakers")
    found = evaluate_bundle(bundle, split.test, output / "evaluation", jobs, report)
    return merge_results(bundle, found)


def export_bundle(
    architecture: Architecture, output: Path, card: dict[str, Any], inputs: np.ndarray
) -> Bundle:
    """Turn the best checkpoint into ``model.keras``, ``model.tflite`` and a first card.

    Parameters
    ----------
    inputs : numpy.ndarray, shape (n, frames, n_features)
        Real windows, on which both forms are compared.
    """
    trained = keras.models.load_model(output / "checkpoints" / "best.keras", compile=False)
    weights = [np.asarray(weight, np.float32) for weight in trained.get_weights()]
    keras.config.set_dtype_policy("float32")
    model, unrolled = (build(architecture, unroll=unroll) for unroll in (False, True))
    for network in (model, unrolled):
        network.set_weights(weights)
        network.get_layer("standardise").finalize_state()
    model.save(output / "model.keras")
    litert = to_litert(unrolled, quantise=architecture.quantise)
    described = card | {
        "parameters": model.count_params(),
        "quantised": architecture.quantise,
        "litert_difference": largest_difference(model, litert, inputs),
    }
    return write_bundle(output, described, litert)
