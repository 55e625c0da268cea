"""From cached features to training batches: draws, noise, masks, mixup and targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml.audio import window_starts
from ml.config import SAMPLE_RATE_HZ, EncoderConfig, FeatureConfig, TrainConfig, WindowConfig
from ml.corpora import CORPORA, Clip
from ml.dataset import ArrayCache, FeatureCache
from ml.features import Features, Inputs, model_input, window_frames
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
class EncodedClips:
    """What a pretrained encoder made of the same clips as a `FeatureCache` holds."""

    cache: ArrayCache
    config: EncoderConfig

    def window(self, clip: int, variant: int, start_s: float) -> np.ndarray:
        """Cut one window, shape (chunk_steps, width + 1); zeros, not loud, beyond the end."""
        step_s = self.config.step_length / SAMPLE_RATE_HZ
        start = int(start_s / step_s)
        rows = self.cache.rows(clip, variant)[start : start + self.config.chunk_steps]
        made = np.zeros((self.config.chunk_steps, self.config.width + 1), np.float32)
        made[: len(rows)] = rows
        return made

    def keep(self, labels: Sequence[str]) -> EncodedClips:
        """Leave out the clips of other emotions."""
        return replace(self, cache=self.cache.keep(labels))


def clip_windows(
    cache: FeatureCache, window: WindowConfig, encoded: EncodedClips | None = None
) -> tuple[Inputs, np.ndarray]:
    """Cut every clean clip into its windows.

    Returns
    -------
    inputs : Inputs
    owner : numpy.ndarray, shape (windows,), int
        Index of the clip that each window is of.
    """
    frames, hop = window_frames(cache.config, window)
    inputs, steps, owner = [], [], []
    for index in range(len(cache.clips)):
        features = cache.features(index)
        for start in window_starts(len(features.rms), frames, hop):
            inputs.append(model_input(features, start, frames, cache.config))
            owner.append(index)
            if encoded:
                steps.append(encoded.window(index, 0, start * cache.config.hop_s))
    if encoded:
        return [np.stack(steps), np.stack(inputs)], np.array(owner)
    return np.stack(inputs), np.array(owner)


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
    encoded : EncodedClips, optional
        For a network with an encoder.
    intensity : bool
        The targets say how strong a voice sounds, too.
    """

    cache: FeatureCache
    window: WindowConfig
    config: TrainConfig
    labels: tuple[str, ...] = LABELS
    teacher: np.ndarray | None = None
    encoded: EncodedClips | None = None
    intensity: bool = False

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

    def batch(self, number: int, position: int, clips: np.ndarray) -> tuple[Inputs, np.ndarray]:
        """Make a batch.

        Returns
        -------
        inputs : Inputs
        targets : numpy.ndarray, shape (n, width)
            A column for each label, then one for the intensity if that is wanted, then the
            teacher's for each label if there is one. The clips' own and the teacher's have the
            weight that they have in the loss, and sum to 1 together.
        """
        rng = np.random.default_rng([self.config.seed, number, position])
        variants = [self._variant(rng) for _ in clips]
        windows = [self._input(*which, rng) for which in zip(clips, variants, strict=True)]
        inputs = [np.stack(parts) for parts in zip(*windows, strict=True)]
        targets = self._targets(clips, variants)
        alpha = self.config.mixup_alpha
        if alpha > 0 and rng.random() < 0.5:
            share = rng.beta(alpha, alpha)
            inputs = [_mix(part, share) for part in inputs]
            targets = self._mix_targets(targets, share)
        return (inputs if self.encoded else inputs[0]), targets

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
        parts = [targets]
        if self.intensity:
            said = [self.cache.clips[clip].intensity for clip in clips]
            parts.append(np.array([[-1.0 if one is None else one] for one in said]))
        if self.teacher is not None and config.distill_weight > 0:
            columns = [LABELS.index(label) for label in self.labels]
            taught = np.exp(self.teacher[clips, variants][:, columns])
            parts[0] = np.where(targets < 0, -1.0, (1 - config.distill_weight) * targets)
            parts.append(taught * config.distill_weight / taught.sum(axis=1, keepdims=True))
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _mix_targets(self, targets: np.ndarray, share: float) -> np.ndarray:
        """Mix with the batch reversed; a label is allowed where either clip's corpus has it."""
        other = targets[::-1]
        allowed = (targets >= 0) | (other >= 0)
        if self.intensity:
            column = len(self.labels)
            allowed[:, column] = (targets[:, column] >= 0) & (other[:, column] >= 0)
        mixed = _mix(np.maximum(targets, 0), share)
        return np.where(allowed, mixed, -1.0).astype(np.float32)

    def _input(self, clip: int, variant: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        features = self.cache.features(clip, variant)
        frames, _hop = window_frames(self.cache.config, self.window)
        spare = len(features.rms) - frames
        start = int(rng.integers(0, spare + 1)) if spare > 0 else 0
        if rng.random() < self.config.noise:
            features = add_mel_noise(features, rng)
        made = model_input(features, start, frames, self.cache.config, place=rng.random())
        made = _mask(made, self.cache.config, self.config, rng)
        if self.encoded is None:
            return (made,)
        steps = self.encoded.window(clip, variant, start * self.cache.config.hop_s)
        return _silence(steps, self.config, rng), made


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


def _silence(steps: np.ndarray, config: TrainConfig, rng: np.random.Generator) -> np.ndarray:
    """Hide stretches of an encoder's steps."""
    for _ in range(config.time_masks):
        width = int(rng.integers(0, config.step_mask_steps + 1))
        start = int(rng.integers(0, len(steps) - width))
        steps[start : start + width] = 0.0
    return steps


def _mix(batch: np.ndarray, share: float) -> np.ndarray:
    """Mix a batch with itself reversed."""
    return (share * batch + (1 - share) * batch[::-1]).astype(np.float32)
