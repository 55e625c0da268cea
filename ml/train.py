"""From clips to an evaluated bundle: `train_bundle`."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from ml.bundle import Bundle, write_bundle
from ml.calibrating import calibrate_bundle
from ml.calibration import Calibration
from ml.config import FeatureConfig, TrainConfig, WindowConfig
from ml.corpora import CORPORA, Clip
from ml.dataset import Sampler, Split, cache_features, clip_windows
from ml.evaluate import evaluate_bundle, merge_results
from ml.export import largest_difference, to_litert
from ml.features import window_frames
from ml.labels import LABELS
from ml.metrics import accuracies, best_labels
from ml.models import MODELS

Report = Callable[[str], None]

LOUD_FRAMES_DB = 40.0
"""Frames this close to their window's loudest count for the mean and deviation of features."""


def train_bundle(
    architecture: str,
    split: Split,
    output: Path,
    *,
    config: TrainConfig | None = None,
    resume: bool = False,
    jobs: int = 2,
    report: Report = lambda line: None,
) -> Bundle:
    """Train a network and leave an evaluated bundle.

    Parameters
    ----------
    architecture : str
        A key of ``ml.models.MODELS``.
    split : Split
        The test side is scored once, after everything is fixed.
    output : Path
        Becomes the bundle; ``checkpoints/`` and ``evaluation/`` lie in it, the feature cache of
        all runs beside it.
    resume : bool
        Go on after the last whole epoch that `output` holds.
    report : callable
        Is told lines of progress.
    """
    config = config or TrainConfig()
    features, window = FeatureConfig(), WindowConfig()
    cache = output.parent / "features"
    sampler = Sampler(
        cache_features(split.train, features, cache, config.variants, config.seed, jobs),
        window,
        config,
    )
    validation = cache_features(split.validation, features, cache, jobs=jobs)
    windows = clip_windows(validation, window)
    history = fit(architecture, sampler, windows, split.validation, output, resume, report)
    card = _describe(architecture, split, config, history) | {
        "features": asdict(features),
        "windows": asdict(window),
        "calibration": asdict(Calibration()),
    }
    bundle = _export(output, card, windows[0][:64])
    report("calibrating on validation speakers")
    bundle = calibrate_bundle(bundle, split.validation, jobs=jobs, report=report)
    report("evaluating on test speakers")
    found = evaluate_bundle(bundle, split.test, output / "evaluation", jobs, report)
    return merge_results(bundle, found)


def fit(
    architecture: str,
    sampler: Sampler,
    validation: tuple[np.ndarray, np.ndarray],
    clips: tuple[Clip, ...],
    output: Path,
    resume: bool = False,
    report: Report = lambda line: None,
) -> list[dict[str, Any]]:
    """Train; leave ``best.keras``, ``last.keras`` and ``history.json`` in ``checkpoints/``.

    Parameters
    ----------
    validation : tuple of numpy.ndarray
        Windows and the index of the clip that each is of, from `clip_windows`.
    clips : tuple of Clip
        The validation clips.

    Returns
    -------
    list of dict
        The history: a row an epoch.
    """
    keras.utils.set_random_seed(sampler.config.seed)
    keras.config.set_dtype_policy(sampler.config.precision)
    folder = output / "checkpoints"
    last, rows = folder / "last.keras", folder / "history.json"
    history: list[dict[str, Any]] = []
    if resume and last.exists():
        model = keras.models.load_model(last)
        history = json.loads(rows.read_text())
    else:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        model = build(architecture, sampler)
    for number in range(len(history), sampler.config.epochs):
        loss = _run_epoch(model, sampler, number)
        with _averaged(model):
            results = _validate(model, validation, clips)
            mean_ua = float(np.mean([result["ua"] for result in results.values()]))
            if mean_ua > max((row["mean_ua"] for row in history), default=0.0):
                _save(model, folder / "best.keras")
        history.append(
            {"epoch": number + 1, "loss": loss, "mean_ua": mean_ua, "validation": results}
        )
        _save(model, last)
        rows.write_text(json.dumps(history, indent=1))
        shown = "  ".join(f"{name} {row['wa']:.3f}" for name, row in results.items())
        report(
            f"epoch {number + 1}/{sampler.config.epochs}  loss {loss:.3f}  "
            f"validation UA {mean_ua:.3f}  WA {shown}"
        )
    return history


def build(architecture: str, sampler: Sampler) -> keras.Model:
    """Build a compiled network whose first layer knows mean and deviation of frames with voice."""
    config = sampler.config
    model = _plain(architecture, sampler.cache.config, sampler.window)
    batches = [sampler.batch(0, i, row)[0] for i, row in enumerate(sampler.epoch(0)[:30])]
    frames = np.concatenate(batches).reshape(-1, sampler.cache.config.n_features)
    loud = frames[frames[:, -1] > -LOUD_FRAMES_DB]
    model.get_layer("standardise").adapt(loud[None])
    steps = sampler.batches
    schedule = keras.optimizers.schedules.CosineDecay(
        config.learning_rate / 50,
        decay_steps=steps * max(1, config.epochs - config.warmup_epochs),
        warmup_target=config.learning_rate,
        warmup_steps=steps * config.warmup_epochs,
        alpha=0.01,
    )
    optimizer = keras.optimizers.AdamW(
        schedule,
        weight_decay=config.weight_decay,
        clipnorm=1.0,
        use_ema=True,
        ema_momentum=config.ema_momentum,
        ema_overwrite_frequency=None,
    )
    model.compile(optimizer, masked_crossentropy)
    return model


def _plain(
    architecture: str, features: FeatureConfig, window: WindowConfig, unroll: bool = False
) -> keras.Model:
    return MODELS[architecture].build(
        frames=window_frames(features, window)[0],
        n_mels=features.n_mels,
        n_features=features.n_features,
        n_labels=len(LABELS),
        unroll=unroll,
    )


@keras.saving.register_keras_serializable("undertone")
def masked_crossentropy(targets: Any, logits: Any) -> Any:
    """Cross-entropy over the labels that the clip's corpus has; targets are -1 at the others."""
    allowed = targets >= 0
    logits = ops.where(allowed, logits, -1e9)
    return -ops.sum(ops.maximum(targets, 0) * ops.log_softmax(logits), axis=-1)


def _run_epoch(model: keras.Model, sampler: Sampler, number: int) -> float:
    """Train one epoch; return the mean loss.

    ``fit`` would end by putting the averaged weights in the place of the trained ones.
    """
    losses = [
        model.train_on_batch(*sampler.batch(number, position, clips))
        for position, clips in enumerate(sampler.epoch(number))
    ]
    return float(np.mean(losses))


@contextmanager
def _averaged(model: keras.Model) -> Iterator[None]:
    """Let the model bear the running average of its weights for a while."""
    weights = model.get_weights()
    model.optimizer.finalize_variable_values(model.trainable_variables)
    yield
    model.set_weights(weights)


def _validate(
    model: keras.Model, windows: tuple[np.ndarray, np.ndarray], clips: tuple[Clip, ...]
) -> dict[str, dict[str, float]]:
    inputs, owner = windows
    logits = model.predict(inputs, batch_size=128, verbose=0)
    log_probabilities = np.asarray(ops.log_softmax(logits))
    sums = np.zeros((len(clips), len(LABELS)))
    np.add.at(sums, owner, log_probabilities)
    scores = np.exp(sums / np.bincount(owner)[:, None])
    truth = np.array([clip.label for clip in clips])
    corpora = np.array([clip.corpus for clip in clips])
    return {
        name: accuracies(
            truth[corpora == name], best_labels(scores[corpora == name], CORPORA[name].labels)
        )
        for name in dict.fromkeys(corpora.tolist())
    }


def _save(model: keras.Model, path: Path) -> None:
    """Write whole or not at all, so that an interrupted run can resume."""
    partial = path.with_name("partial-" + path.name)
    model.save(partial)
    partial.replace(path)


def _describe(
    architecture: str, split: Split, config: TrainConfig, history: list[dict[str, Any]]
) -> dict[str, Any]:
    """All of a bundle's card that is known before the network is exported."""
    clips = split.train + split.validation
    corpora = [CORPORA[name] for name in dict.fromkeys(clip.corpus for clip in clips)]
    licences = sorted({corpus.licence for corpus in corpora})
    return {
        "name": architecture,
        "title": MODELS[architecture].title,
        "version": f"{datetime.now(UTC):%Y.%m.%d}",
        "created": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "labels": list(LABELS),
        "rule": "mean",
        "licence": _strictest(licences),
        "corpora": [
            {
                "name": corpus.name,
                "title": corpus.title,
                "citation": corpus.citation,
                "licence": corpus.licence,
                "url": corpus.url,
                "language": corpus.language,
                "clips": sum(clip.corpus == corpus.name for clip in split.train),
                "speakers": len({c.speaker for c in split.train if c.corpus == corpus.name}),
            }
            for corpus in corpora
        ],
        "training": {
            **asdict(config),
            "speakers": sorted({clip.speaker for clip in split.train}),
            "validation_speakers": sorted({clip.speaker for clip in split.validation}),
            "history": history,
        },
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("keras", "tensorflow", "librosa", "numpy")},
        },
        "metrics": {},
    }


def _strictest(licences: list[str]) -> str:
    """Name the licence that binds the weights: a non-commercial one before all others."""
    binding = [licence for licence in licences if "-NC-" in licence] or licences
    return f"{', '.join(binding)} (learnt from corpora under {', '.join(licences)})"


def _export(output: Path, card: dict[str, Any], inputs: np.ndarray) -> Bundle:
    """Turn the best checkpoint into ``model.keras``, ``model.tflite`` and a first card."""
    trained = keras.models.load_model(output / "checkpoints" / "best.keras", compile=False)
    weights = [np.asarray(weight, np.float32) for weight in trained.get_weights()]
    keras.config.set_dtype_policy("float32")
    features, window = FeatureConfig(**card["features"]), WindowConfig(**card["windows"])
    model, unrolled = (
        _plain(card["name"], features, window, unroll=unroll) for unroll in (False, True)
    )
    for network in (model, unrolled):
        network.set_weights(weights)
        network.get_layer("standardise").finalize_state()
    model.save(output / "model.keras")
    litert = to_litert(unrolled)
    described = card | {
        "parameters": model.count_params(),
        "litert_difference": largest_difference(model, litert, inputs),
    }
    return write_bundle(output, described, litert)
