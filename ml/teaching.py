"""A teacher that has not heard the clip it answers for: distillation across speakers.

A network's answers about clips that it learnt from are little more than their labels. So each clip
is answered for by heads on a frozen pretrained encoder that learnt from other speakers, which is
distillation (Hinton et al. 2015) with cross-fitting. Augmented versions of a clip are taught what
the clean one sounds like (noisy students, Xie et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from keras import ops

from ml.config import TrainConfig
from ml.corpora import Clip
from ml.encoder import POSITIONS, build_encoder, load_encoder_weights
from ml.encoding import hear
from ml.fitting import computing_in
from ml.models.encoder_cnn_gru import hear_statistics
from ml.refitting import train_head
from ml.sampling import Sampler
from ml.spectrograms import SpectrogramCache

Report = Callable[[str], None]

_CLIPS = 32
_HIGHEST = 8.0
"""Standardised statistics are cut off there."""


def teach(
    weights: Path,
    sampler: Sampler,
    spectrograms: SpectrogramCache,
    kept: Path,
    resume: bool = False,
    report: Report = lambda line: None,
) -> np.ndarray:
    """Let teachers answer for the clips of a sampler, or read what an earlier run has left.

    Parameters
    ----------
    weights : Path
        See `ml.encoder.load_encoder_weights`.
    sampler : Sampler
        Its recipe counts for the heads, too, where they have none of their own.
    spectrograms : SpectrogramCache
        Of the same clips.
    kept : Path
        Where the answers lie or come to lie, ``.npy``.
    resume : bool
        Go on with those that lie there.

    Returns
    -------
    numpy.ndarray, shape (clips, labels), float32
        See `answers_across_speakers`.
    """
    if resume and kept.exists():
        return np.load(kept)
    report("the pretrained encoder hears the training clips")
    with computing_in("float32"):
        pooled = _standardised(pool_clips(weights, spectrograms))
        answers = answers_across_speakers(pooled, sampler, report)
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.save(kept, answers)
    return answers


def pool_clips(weights: Path, spectrograms: SpectrogramCache) -> np.ndarray:
    """Pool what a pretrained encoder yields of each clean clip.

    Returns
    -------
    numpy.ndarray, shape (clips, 2 * width), float32
        Mean and deviation over the loud steps of the clip's first 15 s.
    """
    config = spectrograms.config
    encoder = build_encoder(config)
    load_encoder_weights(encoder, weights)
    count = len(spectrograms.cache.clips)
    frames = np.array([len(spectrograms.cache.rows(clip)) for clip in range(count)])
    steps = np.minimum(-(-frames // (2 * config.pool)), POSITIONS // config.pool)
    pooled = np.zeros((count, 2 * config.width), np.float32)
    for chosen in _alike(steps):
        length = int(steps[chosen[0]])
        heard = []
        for clip in chosen:
            whole = spectrograms.spectrogram(clip)
            heard.append(hear(whole[: 2 * config.pool * length], whole, length, config))
        inputs, loud = (np.stack(part) for part in zip(*heard, strict=True))
        pooled[chosen] = _statistics(np.asarray(encoder(inputs)), loud)
    return pooled


def _alike(steps: np.ndarray) -> Iterator[np.ndarray]:
    """Group clips of the same length: attention would hear what pads a shorter one."""
    for length in np.unique(steps):
        clips = np.flatnonzero(steps == length)
        yield from np.split(clips, range(_CLIPS, len(clips), _CLIPS))


def _statistics(encoded: np.ndarray, loud: np.ndarray) -> np.ndarray:
    weights = loud / (loud.sum(axis=1, keepdims=True) + 1e-6)
    mean = (encoded * weights).sum(axis=1)
    variance = (np.square(encoded - mean[:, None]) * weights).sum(axis=1)
    return np.concatenate([mean, np.sqrt(variance)], axis=1)


def _standardised(pooled: np.ndarray) -> np.ndarray:
    """Bring each number to mean 0 and deviation 1: they differ by orders of magnitude."""
    deviation = pooled.std(axis=0) + 1e-6
    return np.clip((pooled - pooled.mean(axis=0)) / deviation, -_HIGHEST, _HIGHEST)


def answers_across_speakers(
    pooled: np.ndarray, sampler: Sampler, report: Report = lambda line: None
) -> np.ndarray:
    """Let heads answer for the clips of the speakers that they have not learnt from.

    Returns
    -------
    numpy.ndarray, shape (clips, labels), float32
        Probabilities of the labels that the clip's corpus has, 0 at the others: the geometric mean
        of ``teachers`` heads.
    """
    clips, config = sampler.cache.clips, sampler.config
    allowed = np.stack([row >= 0 for row in sampler.targets(np.arange(len(clips)))])
    allowed = allowed[:, : len(sampler.labels)]
    folds = folds_of_speakers(clips, config.folds, config.seed)
    logarithms = np.zeros(allowed.shape)
    for fold in np.unique(folds):
        others, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        learners = replace(sampler, cache=sampler.cache.choose(others), intensity=False)
        for number in range(config.teachers):
            head = hear_statistics(pooled.shape[1], len(sampler.labels), "teacher")
            recipe = _recipe(config, len(others), number)
            train_head(head, pooled[None, others], replace(learners, config=recipe))
            logits = head.predict(pooled[held], batch_size=256, verbose=0)
            logits = np.where(allowed[held], logits, -1e9)
            logarithms[held] += np.asarray(ops.log_softmax(logits)) / config.teachers
    answers = np.asarray(ops.softmax(np.where(allowed, logarithms, -1e9)), np.float32)
    truth = [sampler.labels.index(clip.label) for clip in clips]
    right = answers.argmax(axis=1) == truth
    report(f"teachers are right in {right.mean():.3f} of the clips of speakers they never heard")
    return answers


def folds_of_speakers(clips: tuple[Clip, ...], folds: int, seed: int) -> np.ndarray:
    """Share the speakers of each corpus out, shape (clips,), int: a speaker has one fold."""
    rng, found = np.random.default_rng(seed), {}
    for corpus in sorted({clip.corpus for clip in clips}):
        speakers = sorted({clip.speaker for clip in clips if clip.corpus == corpus})
        for position, speaker in enumerate(rng.permutation(speakers)):
            found[speaker] = position % folds
    return np.array([found[clip.speaker] for clip in clips])


def _recipe(config: TrainConfig, clips: int, number: int) -> TrainConfig:
    return replace(
        config,
        epochs=config.refit_epochs,
        batch_size=min(config.refit_batch_size, clips),
        seed=config.seed + number,
        learning_rate=1e-3,
        warmup_epochs=0,
        clean_share=1.0,
        mixup_alpha=config.refit_mixup_alpha,
        ema_momentum=0.0,
        encoder_rate=0.0,
    )
