"""Training a network: its loss, its epochs, and what is measured after each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from ml.config import TrainConfig
from ml.corpora import CORPORA, Clip
from ml.encoder import build_encoder, free_blocks, join, load_encoder_weights
from ml.features import Inputs, loud_rows, window_frames
from ml.labels import LABELS
from ml.metrics import accuracies, best_labels
from ml.models import Architecture
from ml.positions import Positions
from ml.sampling import Sampler

Report = Callable[[str], None]

_ADAPTING_CLIPS = 1500
_SETTLING_BATCHES = 20
_MOSTLY = 0.75
"""Steps with a larger loud share tell mean and deviation of what the encoder says of a voice."""


def fit(
    architecture: Architecture,
    sampler: Sampler,
    validation: tuple[Inputs, np.ndarray],
    clips: tuple[Clip, ...],
    output: Path,
    encoder: Path | None = None,
    start: Path | None = None,
    resume: bool = False,
    report: Report = lambda line: None,
) -> list[dict[str, Any]]:
    """Train; leave ``best.keras``, ``last.keras`` and ``history.json`` in ``checkpoints/``.

    Parameters
    ----------
    validation : tuple
        Windows and the index of the clip that each is of, from `ml.sampling.clip_windows`.
    clips : tuple of Clip
        The validation clips.
    output : Path
        Where ``checkpoints/`` lies or comes to lie.
    encoder : Path, optional
        Pretrained weights, see `ml.encoder.load_encoder_weights`, for a network with an encoder.
    start : Path, optional
        A ``.keras`` file of the same network, from whose weights it goes on.
    resume : bool
        Go on after the last whole epoch.
    report : callable
        Is told a line each epoch.

    Returns
    -------
    list of dict
        The history: a row an epoch.
    """
    keras.utils.set_random_seed(sampler.config.seed)
    folder = output / "checkpoints"
    last, rows = folder / "last.keras", folder / "history.json"
    history: list[dict[str, Any]] = []
    if resume and last.exists():
        model = load(last)
        history = json.loads(rows.read_text())
    else:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with computing_in(sampler.config.precision):
            model = prepare(architecture, sampler, encoder)
            _go_on_from(start, model)
    for number in range(len(history), sampler.config.epochs):
        loss = _run_epoch(model, sampler, number)
        with averaged(model, sampler, number):
            results = _validate(
                join_members(model, architecture), validation, clips, sampler.labels
            )
            mean_ua = float(np.mean([result["ua"] for result in results.values()]))
            if mean_ua > max((row["mean_ua"] for row in history), default=-1.0):
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


@contextmanager
def computing_in(policy: str) -> Iterator[None]:
    """Let the layers that are made for a while compute as a Keras dtype policy says."""
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(usual)


def settle_normalisations(model: keras.Model) -> None:
    """Let normalisations use mean and deviation that were set as weights, not learnt by them."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def load(path: Path, **options: Any) -> keras.Model:
    """Read back what `fit` has saved."""
    return keras.models.load_model(path, custom_objects={"Positions": Positions}, **options)


def build(architecture: Architecture, unroll: bool = False, **more: Any) -> keras.Model:
    """Build a network as its row of `ml.models.MODELS` has it."""
    given = more | ({"encoder": architecture.encoder} if architecture.encoder else {})
    return architecture.build(
        frames=window_frames(architecture.features, architecture.windows)[0],
        features=architecture.features,
        n_outputs=architecture.n_outputs,
        unroll=unroll,
        **given,
    )


def prepare(
    architecture: Architecture, sampler: Sampler, weights: Path | None = None
) -> keras.Model:
    """Build a compiled network whose first layer knows mean and deviation of frames with voice."""
    config = sampler.config
    model = build(architecture)
    count = len(sampler.cache.clips)
    chosen = np.random.default_rng(config.seed).permutation(count)[:_ADAPTING_CLIPS]
    loud = [
        loud_rows(sampler.cache.features(clip), architecture.features, config.loud_frames_db)
        for clip in chosen
    ]
    model.get_layer("standardise").adapt(np.concatenate(loud)[None])
    if architecture.encoder is not None and weights is not None:
        encoder = build_encoder(architecture.encoder)
        load_encoder_weights(encoder, weights)
        voiced = []
        for first in range(0, len(chosen), config.batch_size):
            drawn = chosen[first : first + config.batch_size]
            (spectrogram, steps, _features), _targets = sampler.batch(0, first, drawn)
            encoded = encoder.predict_on_batch(spectrogram)
            voiced.append(encoded[steps[:, :, 0] > _MOSTLY])
        model.get_layer("standardise_encoded").adapt(np.concatenate(voiced)[None])
        free_blocks(encoder, architecture.encoder, config.encoder_blocks)
        encoder.trainable = config.encoder_rate > 0
        model = join(encoder, model)
    model.compile(
        optimizer(config, sampler.batches),
        MaskedLoss(len(architecture.labels), architecture.members, config.intensity_weight),
    )
    return model


def average_with(model: keras.Model, start: Path, share: float) -> None:
    """Give a network the mean of its weights and those it began with (Wortsman et al. 2022)."""
    pairs = zip(model.get_weights(), load(start, compile=False).get_weights(), strict=True)
    model.set_weights([(1 - share) * own + share * first for own, first in pairs])
    settle_normalisations(model)


def _go_on_from(start: Path | None, model: keras.Model) -> None:
    if start is not None:
        model.set_weights(load(start, compile=False).get_weights())
        settle_normalisations(model)


def optimizer(config: TrainConfig, batches: int) -> keras.optimizers.Optimizer:
    """Make AdamW on a cosine schedule; a pretrained encoder learns at a rate of its own."""

    def at(rate: float) -> keras.optimizers.Optimizer:
        schedule = keras.optimizers.schedules.CosineDecay(
            rate / 50,
            decay_steps=batches * max(1, config.epochs - config.warmup_epochs),
            warmup_target=rate,
            warmup_steps=batches * config.warmup_epochs,
            alpha=0.01,
        )
        return keras.optimizers.AdamW(
            schedule,
            weight_decay=config.weight_decay,
            clipnorm=1.0,
            use_ema=config.ema_momentum > 0,
            ema_momentum=config.ema_momentum,
            ema_overwrite_frequency=None,
        )

    if config.encoder_rate == 0:
        return at(config.learning_rate)
    learning = {r"block\d_.*": at(config.encoder_rate)}
    return keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(at(config.learning_rate), learning)
    )


@keras.saving.register_keras_serializable("undertone")
class MaskedLoss(keras.losses.Loss):
    """Cross-entropy over the labels that the clip's corpus has; targets are -1 at the others.

    Where the network has one output more, it is the intensity's logit; its target is -1 where the
    corpus does not say.
    """

    def __init__(
        self, n_labels: int, members: int = 1, intensity_weight: float = 0.3, **others: Any
    ) -> None:
        super().__init__(**others)
        self.n_labels, self.members = n_labels, members
        self.intensity_weight = intensity_weight

    def call(self, targets: Any, outputs: Any) -> Any:
        """Return the loss of each row, the mean of the members'."""
        parts = ops.split(outputs, self.members, axis=-1)
        return sum(self._of_member(targets, part) for part in parts) / self.members

    def _of_member(self, targets: Any, outputs: Any) -> Any:
        n_labels = self.n_labels
        logits, own = outputs[:, :n_labels], targets[:, :n_labels]
        masked = ops.where(own >= 0, logits, -1e9)
        loss = -ops.sum(ops.maximum(own, 0) * ops.log_softmax(masked), axis=-1)
        if outputs.shape[-1] > n_labels:
            strength = _intensity_loss(targets[:, n_labels], outputs[:, -1])
            loss = loss + self.intensity_weight * strength
        return loss

    def get_config(self) -> dict[str, Any]:
        """Return what makes it again."""
        return super().get_config() | {
            "n_labels": self.n_labels,
            "members": self.members,
            "intensity_weight": self.intensity_weight,
        }


def join_members(model: keras.Model, architecture: Architecture) -> keras.Model:
    """Let a network answer with the mean of its members' log-probabilities."""
    members = model.output.shape[-1] // architecture.n_outputs
    if members == 1:
        return model
    parts = ops.split(model.output, members, axis=-1)
    n_labels = len(architecture.labels)
    means = [sum(ops.log_softmax(part[:, :n_labels]) for part in parts) / members]
    if architecture.intensity:
        means.append(sum(part[:, n_labels:] for part in parts) / members)
    return keras.Model(model.inputs, ops.concatenate(means, axis=-1), name=model.name)


def _intensity_loss(target: Any, logit: Any) -> Any:
    known = ops.cast(target >= 0, logit.dtype)
    return known * (ops.softplus(logit) - ops.maximum(target, 0.0) * logit)


def _run_epoch(model: keras.Model, sampler: Sampler, number: int) -> float:
    """Train one epoch; return the mean loss.

    ``fit`` would end by putting the averaged weights in the place of the trained ones.
    """
    batches = _drawn_ahead(sampler, number, sampler.epoch(number))
    return float(np.mean([model.train_on_batch(*batch) for batch in batches]))


def _drawn_ahead(
    sampler: Sampler, number: int, draws: np.ndarray
) -> Iterator[tuple[Inputs, np.ndarray]]:
    """Make each batch while the one before it is in use."""
    with ThreadPoolExecutor(1) as pool:
        made = None
        for position, clips in enumerate(draws):
            ahead = pool.submit(sampler.batch, number, position, clips)
            if made is not None:
                yield made.result()
            made = ahead
        if made is not None:
            yield made.result()


@contextmanager
def averaged(model: keras.Model, sampler: Sampler, number: int) -> Iterator[None]:
    """Let the model bear the running average of its weights for a while.

    The statistics of batch normalisation belong to other weights, so they are measured anew on
    batches of epoch `number`.
    """
    weights = model.get_weights()
    model.optimizer.finalize_variable_values(model.trainable_variables)
    batches = _drawn_ahead(sampler, number, sampler.epoch(number)[:_SETTLING_BATCHES])
    _settle(model, (inputs for inputs, _targets in batches))
    yield
    model.set_weights(weights)


def _settle(model: keras.Model, batches: Iterator[Inputs]) -> None:
    """Set each batch normalisation to the mean of what it sees in these batches."""
    layers = list(_normalisations(model))
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for seen, inputs in enumerate(batches):
        for layer in layers:
            layer.momentum = seen / (seen + 1)
        model(inputs, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def _normalisations(model: keras.Model) -> Iterator[keras.layers.BatchNormalization]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _normalisations(layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            yield layer


def _validate(
    model: keras.Model,
    windows: tuple[Inputs, np.ndarray],
    clips: tuple[Clip, ...],
    labels: tuple[str, ...],
) -> dict[str, dict[str, float]]:
    inputs, owner = windows
    logits = model.predict(inputs, batch_size=128, verbose=0)[:, : len(labels)]
    log_probabilities = np.asarray(ops.log_softmax(logits))
    sums = np.zeros((len(clips), len(labels)))
    np.add.at(sums, owner, log_probabilities)
    scores = np.zeros((len(clips), len(LABELS)))
    columns = [LABELS.index(label) for label in labels]
    scores[:, columns] = np.exp(sums / np.bincount(owner)[:, None])
    truth = np.array([clip.label for clip in clips])
    corpora = np.array([clip.corpus for clip in clips])
    results = {}
    for name in dict.fromkeys(corpora.tolist()):
        rows = corpora == name
        allowed = [label for label in CORPORA[name].labels if label in labels]
        results[name] = accuracies(truth[rows], best_labels(scores[rows], allowed))
    return results


def _save(model: keras.Model, path: Path) -> None:
    """Write whole or not at all, so that an interrupted run can resume."""
    partial = path.with_name("partial-" + path.name)
    model.save(partial)
    partial.replace(path)
