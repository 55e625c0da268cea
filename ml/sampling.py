"""From cached features to training batches: draws, noise, masks, mixup and targets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ml.audio import window_starts
from ml.config import SAMPLE_RATE_HZ, EncoderConfig, TrainConfig, WindowConfig
from ml.corpora import CORPORA, Clip
from ml.dataset import FeatureCache
from ml.encoding import hear
from ml.errors import TooFewClipsError
from ml.features import Inputs, model_input, window_frames
from ml.labels import LABELS
from ml.spectral import add_mel_noise, change_channel, mask_features, mask_heard
from ml.spectrograms import SpectrogramCache


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


def clip_windows(
    cache: FeatureCache,
    window: WindowConfig,
    heard: SpectrogramCache | None = None,
    clips: Iterable[int] | None = None,
) -> tuple[Inputs, np.ndarray]:
    """Cut clean clips into their windows: all of them, or those with some numbers.

    Returns
    -------
    inputs : Inputs
    owner : numpy.ndarray, shape (windows,), int
        Index of the clip that each window is of.
    """
    frames, hop = window_frames(cache.config, window)
    inputs, chunks, owner = [], [], []
    for index in range(len(cache.clips)) if clips is None else clips:
        features = cache.features(index)
        spectrogram = heard.spectrogram(index) if heard else None
        for start in window_starts(len(features.rms), frames, hop):
            inputs.append(model_input(features, start, frames, cache.config))
            owner.append(index)
            if heard and spectrogram is not None:
                first = _first_frame(start * cache.config.hop_s, heard.config)
                own = spectrogram[first : first + heard.config.chunk_frames]
                chunks.append(hear(own, spectrogram, heard.config.chunk_steps, heard.config))
    parts = [*zip(*chunks, strict=True), inputs]
    stacked = [np.stack(part) for part in parts]
    return (stacked if heard else stacked[0]), np.array(owner)


def _first_frame(start_s: float, config: EncoderConfig) -> int:
    """Name the spectrogram frame with which the step begins that a time lies in."""
    return 2 * config.pool * int(start_s * SAMPLE_RATE_HZ / config.step_length)


@dataclass(frozen=True)
class Sampler:
    """Draws augmented training batches; the same (seed, epoch, batch) gives the same batch.

    Attributes
    ----------
    cache : FeatureCache
        Of clips whose labels are among `labels`.
    labels : tuple of str
        What the network scores.
    answers : numpy.ndarray, shape (clips, labels), optional
        A teacher's probabilities, 0 at labels that the clip's corpus lacks.
    heard : SpectrogramCache, optional
        For a network with an encoder, of the same clips.
    intensity : bool
        The targets say how strong a voice sounds, too.

    Raises
    ------
    TooFewClipsError
        If there are fewer clips than a batch has.
    """

    cache: FeatureCache
    window: WindowConfig
    config: TrainConfig
    labels: tuple[str, ...] = LABELS
    answers: np.ndarray | None = None
    heard: SpectrogramCache | None = None
    intensity: bool = False

    def __post_init__(self) -> None:
        if not self.batches:
            raise TooFewClipsError(clips=len(self.cache.clips), batch_size=self.config.batch_size)

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
            A column for each label, then one for the intensity if that is wanted.
        """
        rng = np.random.default_rng([self.config.seed, number, position])
        variants = [self._variant(rng) for _ in clips]
        windows = [self._input(*which, rng) for which in zip(clips, variants, strict=True)]
        inputs = [np.stack(parts) for parts in zip(*windows, strict=True)]
        inputs, targets = self.mixed(inputs, self.targets(clips), rng)
        return (inputs if self.heard else inputs[0]), targets

    def heard_windows(
        self, clips: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw what a network with an encoder hears of some clips; return it and which is loud.

        Raises
        ------
        ValueError
            If the sampler has no spectrograms.
        """
        if self.heard is None:
            raise ValueError("the sampler was given no spectrograms")
        found = [self._hear(self.heard, clip, self._variant(rng), rng)[1:] for clip in clips]
        spectrograms, loud = zip(*found, strict=True)
        return np.stack(spectrograms), np.stack(loud)

    def mixed(
        self, inputs: list[np.ndarray], targets: np.ndarray, rng: np.random.Generator
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """Mix a batch with itself reversed, in half of the cases (mixup)."""
        alpha = self.config.mixup_alpha
        if alpha == 0 or rng.random() < 0.5:
            return inputs, targets
        share = rng.beta(alpha, alpha)
        return [_mix(part, share) for part in inputs], self._mix_targets(targets, share)

    def _variant(self, rng: np.random.Generator) -> int:
        variants = self.config.variants
        clean = variants == 0 or rng.random() < self.config.clean_share
        return 0 if clean else int(rng.integers(1, variants + 1))

    def targets(self, clips: np.ndarray) -> np.ndarray:
        """Make the targets of some clips, as `batch` returns them."""
        config = self.config
        targets = np.stack(
            [
                target(
                    self.cache.clips[clip], self.labels, config.label_smoothing, config.votes_weight
                )
                for clip in clips
            ]
        )
        if self.answers is not None:
            share = config.distill_weight
            mixed = (1 - share) * targets + share * self.answers[clips]
            targets = np.where(targets < 0, targets, mixed)
        parts = [targets]
        if self.intensity:
            said = [self.cache.clips[clip].intensity for clip in clips]
            parts.append(np.array([[-1.0 if one is None else one] for one in said]))
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
        features, config = self.cache.features(clip, variant), self.config
        frames, _hop = window_frames(self.cache.config, self.window)
        spare = len(features.rms) - frames
        start = int(rng.integers(0, spare + 1)) if spare > 0 else 0
        heard: list[np.ndarray] = []
        if self.heard:
            start_s, *heard = self._hear(self.heard, clip, variant, rng)
            start = max(0, min(round(start_s / self.cache.config.hop_s), spare))
        elif rng.random() < config.noise:
            features = add_mel_noise(features, rng)
        made = model_input(features, start, frames, self.cache.config, place=rng.random())
        return *heard, mask_features(made, self.cache.config, config, rng)

    def _hear(
        self, heard: SpectrogramCache, clip: int, variant: int, rng: np.random.Generator
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """Cut a stretch with voice for the encoder; return its start in seconds, too."""
        recipe, config = self.config, heard.config
        steps = round(recipe.crop_s * SAMPLE_RATE_HZ / config.step_length)
        frames = 2 * config.pool * steps
        spectrogram = change_channel(heard.spectrogram(clip, variant), recipe, rng)
        level = spectrogram.max(axis=1)
        voiced = np.flatnonzero(level > level.max() - config.loud_db / 10)
        first, last = int(voiced[0]), int(voiced[-1]) + 1 - frames
        start = int(rng.integers(min(first, last), max(first, last) + 1))
        start = max(0, min(start, len(spectrogram) - frames))
        own = spectrogram[start : start + frames]
        made, loud = hear(own, own, steps, config)
        mask_heard(made, loud, recipe, rng)
        return start * config.hop_length / SAMPLE_RATE_HZ, made, loud


def _mix(batch: np.ndarray, share: float) -> np.ndarray:
    """Mix a batch with itself reversed."""
    return (share * batch + (1 - share) * batch[::-1]).astype(np.float32)
