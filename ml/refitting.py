"""A second course for what hears statistics: on whole windows, when the encoder has learnt.

While the encoder learns, its numbers move, and it hears short and masked stretches. What answers
from pooled numbers is much better when they stand still, as they do for a frozen encoder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import keras
import numpy as np

from ml.encoder import join
from ml.fitting import MaskedLoss, build, computing_in, optimizer, settle_normalisations
from ml.models import Architecture
from ml.sampling import Sampler

Report = Callable[[str], None]


def refit(
    architecture: Architecture,
    trained: keras.Model,
    sampler: Sampler,
    report: Report = lambda line: None,
) -> keras.Model:
    """Add ``TrainConfig.refits`` members that hear statistics to a trained network.

    Returns
    -------
    keras.Model
        Its layers are ``encoder`` and ``head``, as `ml.encoder.join` makes them.
    """
    config = sampler.config
    head = trained.get_layer("head")
    with computing_in("float32"):
        longer = build(architecture, statistics=1 + config.refits)
        for layer in longer.layers:
            if layer.weights and layer.name in {one.name for one in head.layers}:
                layer.set_weights(head.get_layer(layer.name).get_weights())
        settle_normalisations(longer)
    report("pooling what the encoder makes of the training clips")
    pooled = _pool(trained, sampler)
    recipe = replace(
        config,
        batch_size=min(config.refit_batch_size, len(sampler.cache.clips)),
        epochs=config.refit_epochs,
        warmup_epochs=0,
        encoder_rate=0.0,
        mixup_alpha=config.refit_mixup_alpha,
        clean_share=config.refit_clean_share,
        ema_momentum=0.0,
    )
    for number in range(1, 1 + config.refits):
        member = longer.get_layer(f"statistics_{number}")
        seeded = replace(sampler, config=replace(recipe, seed=config.seed + number))
        loss = train_head(member, pooled, seeded)
        report(f"member {number} of {config.refits} that hears statistics: loss {loss:.3f}")
    return join(trained.get_layer("encoder"), longer)


def _pool(trained: keras.Model, sampler: Sampler) -> np.ndarray:
    """Pool a window of each clip some times, shape (hearings, clips, width), float16."""
    encoder, head = trained.get_layer("encoder"), trained.get_layer("head")
    layer = keras.Model(head.inputs[0], head.get_layer("pooled").output)
    size = sampler.config.batch_size
    hearings = []
    changed = replace(sampler.config, crop_s=sampler.window.window_s, clean_share=0.0, time_masks=0)
    plain = replace(changed, clean_share=1.0, noise=0.0, colouring=0.0, narrowing=0.0)
    for number in range(sampler.config.refit_hearings):
        whole = replace(sampler, config=changed if number else plain)
        rows = []
        for first in range(0, len(sampler.cache.clips), size):
            clips = np.arange(first, min(first + size, len(sampler.cache.clips)))
            rng = np.random.default_rng([sampler.config.seed, number, first])
            spectrograms, loud = whole.heard_windows(clips, rng)
            encoded = np.asarray(encoder.predict_on_batch(spectrograms))
            found = layer.predict_on_batch(np.concatenate([encoded, loud], axis=2))
            rows.append(np.asarray(found, np.float16))
        hearings.append(np.concatenate(rows))
    return np.stack(hearings)


def train_head(head: keras.Model, pooled: np.ndarray, sampler: Sampler) -> float:
    """Train what hears statistics.

    Parameters
    ----------
    head : keras.Model
    pooled : numpy.ndarray, shape (hearings, clips, width)
        Of each clip as it is, and then of changed versions where there are some.
    sampler : Sampler
        Its recipe counts.

    Returns
    -------
    float
        The mean loss of the last epoch.
    """
    config = sampler.config
    keras.utils.set_random_seed(config.seed)
    loss = MaskedLoss(len(sampler.labels), 1, config.intensity_weight)
    head.compile(optimizer(config, sampler.batches), loss)
    losses = [0.0]
    for epoch in range(config.epochs):
        losses = []
        for position, clips in enumerate(sampler.epoch(epoch)):
            rng = np.random.default_rng([config.seed, epoch, position])
            others = rng.integers(min(1, len(pooled) - 1), len(pooled), len(clips))
            hearing = np.where(rng.random(len(clips)) < config.clean_share, 0, others)
            inputs = [pooled[hearing, clips].astype(np.float32)]
            (mixed,), targets = sampler.mixed(inputs, sampler.targets(clips), rng)
            losses.append(head.train_on_batch(mixed, targets))
    return float(np.mean(losses))
