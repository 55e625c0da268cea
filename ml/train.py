"""From clips to an evaluated bundle: `train_bundle`."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ml.bundle import Bundle, write_bundle
from ml.calibrating import calibrate_bundle
from ml.config import EncoderConfig
from ml.corpora import Clip
from ml.dataset import FeatureCache, Split, cache_features, keep_labels
from ml.encoder import build_encoder, load_encoder_weights
from ml.evaluate import evaluate_bundle, merge_results
from ml.export import encoder_to_litert, largest_difference, to_litert
from ml.features import Inputs
from ml.fitting import build, fit, join_members
from ml.models import Architecture
from ml.provenance import describe
from ml.sampling import EncodedClips, Sampler, clip_windows
from ml.steps import cache_steps

Report = Callable[[str], None]

_COMPARED = 64


def train_bundle(
    architecture: Architecture,
    split: Split,
    output: Path,
    *,
    encoder: Path | None = None,
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
    encoder : Path, optional
        Pretrained weights, see `ml.encoder.load_encoder_weights`, for a network with an encoder.
    resume : bool
        Go on after the last whole epoch that `output` holds.
    report : callable
        Is told lines of progress.
    """
    labels, folder = architecture.labels, output.parent / "features"
    file = _prepare_encoder(architecture.encoder, encoder, folder)
    (train, train_steps), (validation, steps) = (
        _cached(architecture, side, file, (folder, variants, architecture.train.seed, jobs))
        for side, variants in ((split.train, architecture.train.variants), (split.validation, 0))
    )
    sampler = Sampler(
        train,
        architecture.windows,
        architecture.train,
        labels,
        encoded=train_steps,
        intensity=architecture.intensity,
    )
    split = keep_labels(split, labels)
    windows = clip_windows(validation, architecture.windows, steps)
    history = fit(architecture, sampler, windows, split.validation, output, resume, report)
    card = describe(architecture, split, history)
    bundle = export_bundle(architecture, output, card, windows[0], file)
    report("calibrating on validation speakers")
    bundle = calibrate_bundle(bundle, split.validation, jobs=jobs, report=report)
    report("evaluating on test speakers")
    found = evaluate_bundle(bundle, split.test, output / "evaluation", jobs, report)
    return merge_results(bundle, found)


def _prepare_encoder(
    config: EncoderConfig | None, weights: Path | None, folder: Path
) -> Path | None:
    """Make ``encoder-<weights>.keras`` and ``.tflite``, which all runs share, once."""
    if config is None or weights is None:
        return None
    described = json.dumps(asdict(config)).encode() + weights.read_bytes()
    file = folder / f"encoder-{hashlib.sha256(described).hexdigest()[:16]}.tflite"
    if not file.exists():
        encoder = build_encoder(config)
        load_encoder_weights(encoder, weights)
        folder.mkdir(parents=True, exist_ok=True)
        encoder.save(file.with_suffix(".keras"))
        partial = file.with_name(f"{os.getpid()}-{file.name}")
        partial.write_bytes(encoder_to_litert(encoder, config))
        partial.replace(file)
    return file


def _cached(
    architecture: Architecture,
    clips: Sequence[Clip],
    encoder: Path | None,
    how: tuple[Path, int, int, int],
) -> tuple[FeatureCache, EncodedClips | None]:
    """Compute or map what the network gets of clips whose emotions it scores.

    All clips go into the cache, so that networks with other labels find the same files.

    Parameters
    ----------
    how : tuple
        Folder, variants, seed and jobs.
    """
    labels = architecture.labels
    features = cache_features(clips, architecture.features, *how).keep(labels)
    if architecture.encoder is None or encoder is None:
        return features, None
    steps = cache_steps(clips, encoder, architecture.encoder, *how)
    return features, EncodedClips(steps, architecture.encoder).keep(labels)


def export_bundle(
    architecture: Architecture,
    output: Path,
    card: dict[str, Any],
    inputs: Inputs,
    encoder_file: Path | None = None,
) -> Bundle:
    """Turn the best checkpoint into ``model.keras``, ``model.tflite`` and a first card.

    Parameters
    ----------
    inputs : Inputs
        Real windows, on the first of which both forms are compared.
    encoder_file : Path, optional
        The pretrained encoder; its ``.keras`` form lies beside it.
    """
    trained = keras.models.load_model(output / "checkpoints" / "best.keras", compile=False)
    weights = [np.asarray(weight, np.float32) for weight in trained.get_weights()]
    keras.config.set_dtype_policy("float32")
    networks = [build(architecture, unroll=unroll) for unroll in (False, True)]
    for network in networks:
        network.set_weights(weights)
        for layer in network.layers:
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()
    model, unrolled = (join_members(network, architecture) for network in networks)
    model.save(output / "model.keras")
    parameters = model.count_params()
    if architecture.encoder is None or encoder_file is None:
        litert = to_litert(unrolled, quantise=architecture.quantise)
    else:
        encoder = build_encoder(architecture.encoder)
        encoder.load_weights(encoder_file.with_suffix(".keras"))
        litert = encoder_to_litert(encoder, architecture.encoder, unrolled)
        parameters += encoder.count_params()
    first = [part[:_COMPARED] for part in inputs] if architecture.encoder else inputs[:_COMPARED]
    described = card | {
        "parameters": parameters,
        "quantised": architecture.quantise,
        "litert_difference": largest_difference(model, litert, first, len(architecture.labels)),
    }
    return write_bundle(output, described, litert)
