"""From cached features to training batches: draws, noise, masks, mixup and targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml.config import FeatureConfig, TrainConfig, WindowConfig
from ml.corpora import CORPORA, Clip
from ml.dataset import FeatureCache
from ml.features import Features, model_input, window_frames
from ml.labels import LABELS


def target(
    clip: Clip,
    labels: Sequence[str] = LABELS,
    smoothing: float = 0.0,
    votes_weight: float = 0.0,
) -> np.ndarray:
    """Make a clip's training target, shape (labels,): -1 where its corpus lacks the label.

    Parameters
    ----------
    clip : Clip
        Its label is among `labels`.
    labels : sequence of str
        What the network scores.
    smoothing : float
        Share that is spread over the labels that the corpus has.
    votes_weight : float
        Share that follows the listeners' votes, where the clip has some for `labels`.
    """
    allowed = np.array([label in CORPORA[clip.corpus].labels for label in labels])
    vector = np.where(allowed, smoothing / allowed.sum(), 0.0)
    vector[labels.index(clip.label)] += 1.0 - smoothing
    votes = np.array([(clip.votes or {}).get(label, 0.0) for label in labels]) * allowed
    if votes.any():
        vector += votes_weight * (votes / votes.sum() - vector)
    return np.where(allowed, vector, -1.0).astype(np.float32)


@dataclass(frozen=True)
class Sampler:
    """Draws augmented training batches; the same (seed, epoch, batch) gives the same batch.

    Attributes
    ----------
    cache : FeatureCache
        Of clips whose labels are among `labels`.
    labels : tuple of str
        What the network scores.
    teacher : numpy.ndarray, shape (clips, variants + 1, 8), optional
        Log-probabilities over `LABELS` that another network gives each version of each clip.
    """

    cache: FeatureCache
    window: WindowConfig
    config: TrainConfig
    labels: tuple[str, ...] = LABELS
    teacher: np.ndarray | None = None

    @property
    def batches(self) -> int:
        """Batches in an epoch."""
        return len(self.cache.clips) // self.config.batch_size

    def probabilities(self) -> np.ndarray:
        """Return each clip's chance of being drawn, shape (clips,)."""
        corpora = np.array([clip.corpus for clip in self.cache.clips])
        names, counts = np.unique(corpora, return_counts=True)
        weight = dict(zip(names, counts ** (self.config.corpus_exponent - 1.0), strict=True))
        chances = np.array([weight[name] for name in corpora])
        return chances / chances.sum()

    def epoch(self, number: int) -> np.ndarray:
        """Return the clips of one epoch, shape (batches, batch_size)."""
        rng = np.random.default_rng([self.config.seed, number])
        chances = self.probabilities() * self.batches * self.config.batch_size
        # Systematic sampling: each clip comes floor or ceil of its expectation times.
        points = rng.random() + np.arange(self.batches * self.config.batch_size)
        order = rng.permutation(len(chances))
        found = np.searchsorted(np.cumsum(chances[order]), points)
        drawn = order[np.minimum(found, len(order) - 1)]
        rng.shuffle(drawn)
        return drawn.reshape(self.batches, self.config.batch_size)

    def batch(self, number: int, position: int, clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Make a batch.

        Returns
        -------
        inputs : numpy.ndarray, shape (n, frames, n_features)
        targets : numpy.ndarray, shape (n, labels), or (n, 2 * labels) with a teacher
            Both halves, the clips' own and the teacher's, have the weight that they have in the
            loss, and sum to 1 together.
        """
        rng = np.random.default_rng([self.config.seed, number, position])
        variants = [self._variant(rng) for _ in clips]
        inputs = np.stack([self._input(*which, rng) for which in zip(clips, variants, strict=True)])
        targets = self._targets(clips, variants)
        alpha = self.config.mixup_alpha
        if alpha > 0 and rng.random() < 0.5:
            return _mixup(inputs, targets, rng.beta(alpha, alpha))
        return inputs, targets

    def _variant(self, rng: np.random.Generator) -> int:
        variants = self.config.variants
        clean = variants == 0 or rng.random() < self.config.clean_share
        return 0 if clean else int(rng.integers(1, variants + 1))

    def _targets(self, clips: np.ndarray, variants: list[int]) -> np.ndarray:
        config = self.config
        targets = np.stack(
            [
                target(
                    self.cache.clips[clip], self.labels, config.label_smoothing, config.votes_weight
                )
                for clip in clips
            ]
        )
        if self.teacher is None or config.distill_weight == 0:
            return targets
        columns = [LABELS.index(label) for label in self.labels]
        taught = np.exp(self.teacher[clips, variants][:, columns])
        taught *= config.distill_weight / taught.sum(axis=1, keepdims=True)
        own = np.where(targets < 0, -1.0, (1 - config.distill_weight) * targets)
        return np.concatenate([own, taught], axis=1).astype(np.float32)

    def _input(self, clip: int, variant: int, rng: np.random.Generator) -> np.ndarray:
        features = self.cache.features(clip, variant)
        frames, _hop = window_frames(self.cache.config, self.window)
        spare = len(features.rms) - frames
        start = int(rng.integers(0, spare + 1)) if spare > 0 else 0
        if rng.random() < self.config.noise:
            features = add_mel_noise(features, rng)
        made = model_input(features, start, frames, self.cache.config, place=rng.random())
        return _mask(made, self.cache.config, self.config, rng)


def add_mel_noise(features: Features, rng: np.random.Generator) -> Features:
    """Add stationary noise of a random slope at 5 to 30 dB SNR to the power in the Mel bands."""
    power = 10 ** (features.log_mel / 10)
    slope_db = rng.uniform(-20, 0) * np.linspace(0, 1, len(power))
    noise = 10 ** (slope_db / 10)[:, None] * rng.gamma(4, 1 / 4, power.shape)
    share = 10 ** (-rng.uniform(5, 30) / 10)
    noise *= share * power.mean() / noise.mean()
    rms = np.sqrt(features.rms**2 + share * np.mean(features.rms**2))
    log_mel = (10 * np.log10(power + noise)).astype(np.float32)
    return replace(features, log_mel=log_mel, rms=rms.astype(np.float32))


def _mask(
    made: np.ndarray, features: FeatureConfig, config: TrainConfig, rng: np.random.Generator
) -> np.ndarray:
    """Hide stretches of time and runs of Mel bands, or of MFCC where there are no bands."""
    columns = features.columns
    bands = columns.get("mel") or columns.get("mfcc")
    if bands is None:
        return made
    level = made[:, bands].sum(axis=1) if "mel" in columns else made[:, bands.start]
    silence = made[level.argmin()].copy()
    mean = made[:, bands].mean(axis=0 if "mel" not in columns else None)
    for _ in range(config.time_masks):
        width = int(rng.integers(0, min(config.time_mask_frames, len(made) - 1) + 1))
        start = int(rng.integers(0, len(made) - width))
        made[start : start + width] = silence
    for _ in range(config.mel_masks):
        width = int(rng.integers(0, config.mel_mask_bands + 1))
        start = int(rng.integers(bands.start, bands.stop - width))
        made[:, start : start + width] = np.broadcast_to(mean, bands.stop)[start : start + width]
    return made


def _mixup(inputs: np.ndarray, targets: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Mix a batch with itself reversed; a label is allowed where either clip's corpus has it."""
    allowed = (targets >= 0) | (targets[::-1] >= 0)
    known = np.maximum(targets, 0)
    mixed = share * known + (1 - share) * known[::-1]
    inputs = share * inputs + (1 - share) * inputs[::-1]
    return inputs.astype(np.float32), np.where(allowed, mixed, -1.0).astype(np.float32)
