"""From clips to training batches: splits by speaker, a cache of features, targets and masks."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ml.audio import decode, window_starts
from ml.augment import CHAIN, run_chain
from ml.config import FeatureConfig, TrainConfig, WindowConfig
from ml.corpora import CORPORA, Clip
from ml.errors import SpeakerOverlapError
from ml.features import Features, extract, model_input, window_frames
from ml.labels import LABELS
from ml.processes import worker_pool


@dataclass(frozen=True)
class Split:
    """Clips of three sides that share no speaker."""

    train: tuple[Clip, ...]
    validation: tuple[Clip, ...]
    test: tuple[Clip, ...]

    def __post_init__(self) -> None:
        sides = {"train": self.train, "validation": self.validation, "test": self.test}
        names = list(sides)
        for i, first in enumerate(names):
            for second in names[i + 1 :]:
                check_speakers(sides[first], sides[second], first, second)


def check_speakers(one: Iterable[Clip], other: Iterable[Clip], first: str, second: str) -> None:
    """Make sure that no speaker stands on two sides.

    Raises
    ------
    SpeakerOverlapError
        Naming the speakers and the two sides.
    """
    shared = {clip.speaker for clip in one} & {clip.speaker for clip in other}
    if shared:
        raise SpeakerOverlapError(speakers=", ".join(sorted(shared)), first=first, second=second)


def split_by_speaker(clips: Iterable[Clip]) -> Split:
    """Share clips out as the corpora's rows fix it; who is named on neither side trains."""
    sides: dict[str, list[Clip]] = {"train": [], "validation": [], "test": []}
    for clip in clips:
        corpus, speaker = CORPORA[clip.corpus], clip.speaker.partition(":")[2]
        if speaker in corpus.test_speakers:
            sides["test"].append(clip)
        if speaker in corpus.validation_speakers:
            sides["validation"].append(clip)
        if speaker not in corpus.test_speakers | corpus.validation_speakers:
            sides["train"].append(clip)
    return Split(*(tuple(side) for side in sides.values()))


@dataclass(frozen=True)
class FeatureCache:
    """Features of clips in their variants, on disk; variant 0 is the clean one.

    Attributes
    ----------
    frames : numpy.ndarray, shape (total_frames, n_mels + 2), float16
        Log-Mel in dB, ZCR, RMS of all clips and variants one after another.
    offsets : numpy.ndarray, shape (clips, variants + 1), int
        Where the clip's variant v begins; it ends at ``offsets[clip, v] + lengths[clip, v]``.
    lengths : numpy.ndarray, shape (clips, variants + 1), int
    """

    clips: tuple[Clip, ...]
    config: FeatureConfig
    frames: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray

    def features(self, clip: int, variant: int = 0) -> Features:
        """Read one clip's features back (the MFCC are made by `model_input`)."""
        start = self.offsets[clip, variant]
        rows = np.asarray(self.frames[start : start + self.lengths[clip, variant]], np.float32)
        n_mels = self.config.n_mels
        empty = np.empty((0, len(rows)), np.float32)
        return Features(rows[:, :n_mels].T, empty, rows[:, n_mels], rows[:, n_mels + 1])


def _rows(clip: Clip, config: FeatureConfig, variants: int, seed: int) -> list[np.ndarray]:
    waveform = decode(clip.path)
    rng = np.random.default_rng([seed, zlib.crc32(f"{clip.corpus}/{clip.path.stem}".encode())])
    versions = [waveform] + [run_chain(waveform, rng) for _ in range(variants)]
    rows = []
    for version in versions:
        made = extract(version, config)
        stacked = np.column_stack([made.log_mel.T, made.zcr, made.rms])
        rows.append(stacked.astype(np.float16))
    return rows


def cache_features(
    clips: Sequence[Clip],
    config: FeatureConfig,
    folder: Path,
    variants: int = 0,
    seed: int = 0,
    jobs: int = 2,
) -> FeatureCache:
    """Compute features of all clips, or map them if an earlier run has left them in `folder`."""
    chain = [(step.__name__, probability) for step, probability in CHAIN]
    names = [f"{clip.corpus}/{clip.path.stem}" for clip in clips]
    key = json.dumps([asdict(config), names, variants, seed, chain])
    stem = folder / hashlib.sha256(key.encode()).hexdigest()[:16]
    data, index = stem.with_suffix(".f16"), stem.with_suffix(".npy")
    width = config.n_mels + 2
    if not index.exists():
        folder.mkdir(parents=True, exist_ok=True)
        lengths = []
        count = len(clips)
        with data.open("wb") as file, worker_pool(jobs) as pool:
            repeated = ([value] * count for value in (config, variants, seed))
            for rows in pool.map(_rows, clips, *repeated, chunksize=16):
                lengths.append([len(row) for row in rows])
                file.writelines(row.tobytes() for row in rows)
        np.save(index, np.array(lengths, np.int64))
    lengths_array = np.load(index)
    offsets = np.concatenate([[0], np.cumsum(lengths_array.ravel())[:-1]])
    return FeatureCache(
        tuple(clips),
        config,
        np.memmap(data, np.float16, "r").reshape(-1, width),
        offsets.reshape(lengths_array.shape),
        lengths_array,
    )


def target(label: str, corpus: str, smoothing: float = 0.0) -> np.ndarray:
    """Make the training target over `LABELS`, shape (8,): -1 where the corpus lacks the label."""
    allowed = [LABELS.index(name) for name in CORPORA[corpus].labels]
    vector = np.full(len(LABELS), -1.0, np.float32)
    vector[allowed] = smoothing / len(allowed)
    vector[LABELS.index(label)] += 1.0 - smoothing
    return vector


def clip_windows(cache: FeatureCache, window: WindowConfig) -> tuple[np.ndarray, np.ndarray]:
    """Cut every clean clip into its windows.

    Returns
    -------
    inputs : numpy.ndarray, shape (windows, frames, n_features)
    owner : numpy.ndarray, shape (windows,), int
        Index of the clip that each window is of.
    """
    frames, hop = window_frames(cache.config, window)
    inputs, owner = [], []
    for index in range(len(cache.clips)):
        features = cache.features(index)
        for start in window_starts(len(features.rms), frames, hop):
            inputs.append(model_input(features, start, frames, cache.config))
            owner.append(index)
    return np.stack(inputs), np.array(owner)


@dataclass(frozen=True)
class Sampler:
    """Draws augmented training batches; the same (seed, epoch, batch) gives the same batch."""

    cache: FeatureCache
    window: WindowConfig
    config: TrainConfig

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
        """Make a batch: inputs (n, frames, n_features) and targets (n, 8)."""
        rng = np.random.default_rng([self.config.seed, number, position])
        inputs = np.stack([self._input(clip, rng) for clip in clips])
        smoothing = self.config.label_smoothing
        rows = [self.cache.clips[clip] for clip in clips]
        targets = np.stack([target(row.label, row.corpus, smoothing) for row in rows])
        alpha = self.config.mixup_alpha
        if rng.random() < 0.5 and alpha > 0:
            return _mixup(inputs, targets, rng.beta(alpha, alpha))
        return inputs, targets

    def _input(self, clip: int, rng: np.random.Generator) -> np.ndarray:
        clean = rng.random() < self.config.clean_share or self.config.variants == 0
        variant = 0 if clean else int(rng.integers(1, self.config.variants + 1))
        features = self.cache.features(clip, variant)
        frames, _hop = window_frames(self.cache.config, self.window)
        spare = len(features.rms) - frames
        start = int(rng.integers(0, spare + 1)) if spare > 0 else 0
        lead = int(rng.integers(0, 1 - spare)) if spare < 0 else 0
        return self._mask(model_input(features, start, frames, self.cache.config, lead), rng)

    def _mask(self, made: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        config, n_mels = self.config, self.cache.config.n_mels
        silence = made.min(axis=0)
        mean = made[:, :n_mels].mean()
        for _ in range(config.time_masks):
            width = int(rng.integers(0, config.time_mask_frames + 1))
            start = int(rng.integers(0, len(made) - width))
            made[start : start + width] = silence
        for _ in range(config.mel_masks):
            width = int(rng.integers(0, config.mel_mask_bands + 1))
            start = int(rng.integers(0, n_mels - width))
            made[:, start : start + width] = mean
        return made


def _mixup(inputs: np.ndarray, targets: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Mix a batch with itself reversed; a label is allowed where either clip's corpus has it."""
    allowed = (targets >= 0) | (targets[::-1] >= 0)
    known = np.maximum(targets, 0)
    mixed = share * known + (1 - share) * known[::-1]
    inputs = share * inputs + (1 - share) * inputs[::-1]
    return inputs.astype(np.float32), np.where(allowed, mixed, -1.0).astype(np.float32)
