"""Which clips train, validate and test, and a cache of their features on disk."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ml.audio import Waveform, decode, window_starts
from ml.augment import chain_version, run_chain
from ml.config import FeatureConfig, WindowConfig
from ml.corpora import CORPORA, Clip
from ml.errors import SpeakerOverlapError
from ml.features import Features, extract, model_input, window_frames
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
    """Share clips out as they say or the corpora's rows fix it; who is named nowhere trains."""
    sides: dict[str, list[Clip]] = {"train": [], "validation": [], "test": []}
    for clip in clips:
        if clip.side is not None:
            sides[clip.side].append(clip)
            continue
        corpus, speaker = CORPORA[clip.corpus], clip.speaker.partition(":")[2]
        if speaker in corpus.test_speakers:
            sides["test"].append(clip)
        if speaker in corpus.validation_speakers:
            sides["validation"].append(clip)
        if speaker not in corpus.test_speakers | corpus.validation_speakers:
            sides["train"].append(clip)
    return Split(*(tuple(side) for side in sides.values()))


def keep_labels(split: Split, labels: Iterable[str]) -> Split:
    """Leave out the clips of emotions that a network does not score."""
    wanted = frozenset(labels)
    sides = (split.train, split.validation, split.test)
    return Split(*(tuple(clip for clip in side if clip.label in wanted) for side in sides))


@dataclass(frozen=True)
class FeatureCache:
    """Features of clips in their variants, on disk; variant 0 is the clean one.

    Attributes
    ----------
    frames : tuple of numpy.ndarray, shape (total_frames, n_mels + 2), float16
        Log-Mel in dB, ZCR, RMS of all clips and variants one after another; a corpus each.
    part : numpy.ndarray, shape (clips,), int
        In which of `frames` each clip lies.
    offsets : numpy.ndarray, shape (clips, variants + 1), int
        Where the clip's variant v begins; it ends at ``offsets[clip, v] + lengths[clip, v]``.
    lengths : numpy.ndarray, shape (clips, variants + 1), int
    """

    clips: tuple[Clip, ...]
    config: FeatureConfig
    frames: tuple[np.ndarray, ...]
    part: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray

    def features(self, clip: int, variant: int = 0) -> Features:
        """Read one clip's features back (the MFCC are made by `model_input`)."""
        start = self.offsets[clip, variant]
        stored = self.frames[self.part[clip]][start : start + self.lengths[clip, variant]]
        rows = np.asarray(stored, np.float32)
        n_mels = self.config.n_mels
        empty = np.empty((0, len(rows)), np.float32)
        return Features(rows[:, :n_mels].T, empty, rows[:, n_mels], rows[:, n_mels + 1])

    def keep(self, labels: Iterable[str]) -> FeatureCache:
        """Leave out the clips of other emotions; nothing is computed or copied."""
        wanted = frozenset(labels)
        rows = [i for i, clip in enumerate(self.clips) if clip.label in wanted]
        return replace(
            self,
            clips=tuple(self.clips[i] for i in rows),
            part=self.part[rows],
            offsets=self.offsets[rows],
            lengths=self.lengths[rows],
        )


def clip_versions(clip: Clip, variants: int, seed: int) -> Iterator[Waveform]:
    """Yield a clip as it is, then its augmented variants, the same ones for the same seed."""
    waveform = decode(clip.path)
    yield waveform
    rng = np.random.default_rng([seed, zlib.crc32(f"{clip.corpus}/{clip.path.stem}".encode())])
    for _ in range(variants):
        yield run_chain(waveform, rng)


def _rows(clip: Clip, config: FeatureConfig, variants: int, seed: int) -> list[np.ndarray]:
    rows = []
    for version in clip_versions(clip, variants, seed):
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
    """Compute features of all clips, or map those that an earlier run has left in `folder`.

    Each corpus has files of its own, which serve every network whose short-time analysis is the
    same; they are made anew when the clips' files or the augmentation change.
    """
    part = np.zeros(len(clips), np.int64)
    offsets = np.zeros((len(clips), variants + 1), np.int64)
    lengths = np.zeros_like(offsets)
    frames = []
    for number, name in enumerate(dict.fromkeys(clip.corpus for clip in clips)):
        rows = [i for i, clip in enumerate(clips) if clip.corpus == name]
        chosen = [clips[i] for i in rows]
        stem = folder / _key(chosen, config, variants, seed)
        if not stem.with_suffix(".npy").exists():
            _write_frames(stem, chosen, (config, variants, seed), jobs)
        found = np.load(stem.with_suffix(".npy"))
        part[rows], lengths[rows] = number, found
        offsets[rows] = (np.cumsum(found.ravel()) - found.ravel()).reshape(found.shape)
        stored = np.memmap(stem.with_suffix(".f16"), np.float16, "r")
        frames.append(stored.reshape(-1, config.n_mels + 2))
    return FeatureCache(tuple(clips), config, tuple(frames), part, offsets, lengths)


def _key(clips: Sequence[Clip], config: FeatureConfig, variants: int, seed: int) -> str:
    """Name the files of a cache by all that decides what is in them."""
    analysis = [
        getattr(config, name)
        for name in (
            "sample_rate_hz",
            "frame_length",
            "hop_length",
            "n_mels",
            "fmin_hz",
            "fmax_hz",
            "floor_db",
        )
    ]
    files = [
        (clip.corpus, clip.path.stem, stat.st_size, stat.st_mtime_ns)
        for clip in clips
        for stat in (clip.path.stat(),)
    ]
    chain = [variants, seed, chain_version()] if variants else None
    return hashlib.sha256(json.dumps([analysis, files, chain]).encode()).hexdigest()[:16]


def _write_frames(
    stem: Path, clips: Sequence[Clip], how: tuple[FeatureConfig, int, int], jobs: int
) -> None:
    """Write both files whole or not at all; two runs that do so at a time do no harm."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    data, index = (stem.with_suffix(f".{os.getpid()}{suffix}") for suffix in (".f16", ".npy"))
    lengths = []
    with data.open("wb") as file, worker_pool(jobs) as pool:
        repeated = ([value] * len(clips) for value in how)
        for rows in pool.map(_rows, clips, *repeated, chunksize=16):
            lengths.append([len(row) for row in rows])
            file.writelines(row.tobytes() for row in rows)
    np.save(index, np.array(lengths, np.int64))
    data.replace(stem.with_suffix(".f16"))
    index.replace(stem.with_suffix(".npy"))


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
