"""From clips to an evaluated bundle: `train_bundle`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ml.bundle import Bundle, write_bundle
from ml.calibrating import calibrate_bundle
from ml.config import EncoderConfig
from ml.conversion import encoder_to_litert, largest_difference, to_litert
from ml.corpora import Clip
from ml.dataset import FeatureCache, Split, cache_features, keep_labels
from ml.encoder import build_encoder, join
from ml.evaluate import evaluate_bundle, merge_results
from ml.features import Inputs
from ml.fitting import (
    average_with,
    build,
    computing_in,
    fit,
    join_members,
    load,
    settle_normalisations,
)
from ml.models import Architecture
from ml.provenance import describe
from ml.refitting import refit
from ml.sampling import Sampler, clip_windows
from ml.spectrograms import SpectrogramCache, cache_spectrograms
from ml.teaching import teach

Report = Callable[[str], None]

_COMPARED = 64


def train_bundle(
    architecture: Architecture,
    split: Split,
    output: Path,
    *,
    encoder: Path | None = None,
    start: Bundle | None = None,
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
        Pretrained weights, see `ml.encoder.load_encoder_weights`. A network with an encoder goes
        on from them; another is taught by them, see `ml.teaching`.
    start : Bundle, optional
        Of the same network, with a ``model.keras``, from whose weights it goes on.
    resume : bool
        Go on after the last whole epoch that `output` holds.
    report : callable
        Is told lines of progress.
    """
    labels, folder = architecture.labels, output.parent / "features"
    (train, heard), (validation, spectrograms) = (
        _cached(architecture, side, labels, (folder, variants, architecture.train.seed, jobs))
        for side, variants in ((split.train, architecture.train.variants), (split.validation, 0))
    )
    sampler = Sampler(
        train,
        architecture.windows,
        architecture.train,
        labels,
        heard=heard,
        intensity=architecture.intensity,
    )
    if encoder is not None and architecture.encoder is None:
        how = (folder, architecture.train.variants, architecture.train.seed, jobs)
        clean = cache_spectrograms(split.train, EncoderConfig(), *how).keep(labels)
        answers = teach(encoder, sampler, clean, output / "answers.npy", resume, report)
        sampler = replace(sampler, answers=answers)
    split = keep_labels(split, labels)
    windows = clip_windows(validation, architecture.windows, spectrograms)
    begun, sides = start.path / "model.keras" if start else None, (windows, split.validation)
    history = fit(architecture, sampler, *sides, output, encoder, begun, resume, report)
    card = describe(architecture, split, history, encoder, start)
    trained = load(output / "checkpoints" / "best.keras", compile=False)
    if begun is not None:
        average_with(trained, begun, architecture.train.start_share)
    if architecture.train.refits:
        trained = refit(architecture, trained, sampler, report)
    bundle = export_bundle(architecture, trained, output, card, windows[0])
    report("calibrating on validation speakers")
    bundle = calibrate_bundle(bundle, split.validation, jobs=jobs, report=report)
    report("evaluating on test speakers")
    found = evaluate_bundle(bundle, split.test, output / "evaluation", jobs, report)
    return merge_results(bundle, found)


def _cached(
    network: Architecture,
    clips: Sequence[Clip],
    labels: Sequence[str],
    how: tuple[Path, int, int, int],
) -> tuple[FeatureCache, SpectrogramCache | None]:
    """Compute or map what a network gets of clips with some labels.

    All clips go into the cache, so that networks with other labels find the same files.

    Parameters
    ----------
    how : tuple
        Folder, variants, seed and jobs.
    """
    features = cache_features(clips, network.features, *how).keep(labels)
    if network.encoder is None:
        return features, None
    return features, cache_spectrograms(clips, network.encoder, *how).keep(labels)


def export_bundle(
    architecture: Architecture,
    trained: keras.Model,
    output: Path,
    card: dict[str, Any],
    inputs: Inputs,
) -> Bundle:
    """Turn a trained network into ``model.keras``, ``model.tflite`` and a first card.

    Parameters
    ----------
    inputs : Inputs
        Real windows, on the first of which both forms are compared.
    """
    encoder = None
    with computing_in("float32"):
        if architecture.encoder is not None:
            encoder = build_encoder(architecture.encoder)
            encoder.set_weights(_weights(trained.get_layer("encoder")))
            trained = trained.get_layer("head")
        more = {"statistics": 1 + architecture.train.refits} if encoder is not None else {}
        networks = [build(architecture, unroll=unroll, **more) for unroll in (False, True)]
    for network in networks:
        network.set_weights(_weights(trained))
        settle_normalisations(network)
    model, unrolled = (join_members(network, architecture) for network in networks)
    if encoder is not None and architecture.encoder is not None:
        model = join(encoder, model)
        litert = encoder_to_litert(encoder, architecture.encoder, unrolled)
    else:
        litert = to_litert(unrolled)
    several = isinstance(inputs, list)
    first = [part[:_COMPARED] for part in inputs] if several else inputs[:_COMPARED]
    model.save(output / "model.keras")
    described = card | {
        "parameters": model.count_params(),
        "quantised": True,
        "litert_difference": largest_difference(model, litert, first, len(architecture.labels)),
    }
    return write_bundle(output, described, litert)


def _weights(model: keras.Model) -> list[np.ndarray]:
    return [np.asarray(weight, np.float32) for weight in model.get_weights()]
