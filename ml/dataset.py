"""Which clips train, validate and test, and a cache of their features on disk."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np

from ml.audio import Waveform, decode
from ml.augment import chain_version, run_chain
from ml.config import FeatureConfig
from ml.corpora import CORPORA, Clip, checksum
from ml.errors import SpeakerOverlapError
from ml.features import Features, extract
from ml.processes import worker_pool


@dataclass(frozen=True)
class Split:
    """Clips of three sides that share no speaker, unless it says that they may.

    Attributes
    ----------
    by_speaker : bool
        False only for what `split_at_random` makes.
    """

    train: tuple[Clip, ...]
    validation: tuple[Clip, ...]
    test: tuple[Clip, ...]
    by_speaker: bool = True

    def __post_init__(self) -> None:
        if not self.by_speaker:
            return
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
    train, validation, test = map(tuple, sides.values())
    return Split(train, validation, test)


def split_at_random(clips: Iterable[Clip], seed: int) -> Split:
    """Share clips out by chance, with as many of each corpus on a side as `split_by_speaker`.

    Speakers stand on several sides then, and what is measured on the test side says nothing of new
    voices. It is there to show how much too high such a number is.
    """
    rng, pool = np.random.default_rng(seed), tuple(clips)
    sides: tuple[list[Clip], ...] = ([], [], [])
    for name in dict.fromkeys(clip.corpus for clip in pool):
        part = [clip for clip in pool if clip.corpus == name]
        fixed = split_by_speaker(part)
        ends = np.cumsum([len(fixed.train), len(fixed.validation)])
        for side, rows in zip(sides, np.split(rng.permutation(len(part)), ends), strict=True):
            side += [part[i] for i in sorted(rows)]
    train, validation, test = map(tuple, sides)
    return Split(train, validation, test, by_speaker=False)


def keep_labels(split: Split, labels: Iterable[str]) -> Split:
    """Leave out the clips of emotions that a network does not score."""
    wanted = frozenset(labels)
    train, validation, test = (
        tuple(clip for clip in side if clip.label in wanted)
        for side in (split.train, split.validation, split.test)
    )
    return Split(train, validation, test, split.by_speaker)


@dataclass(frozen=True)
class ArrayCache:
    """A matrix for each clip in its variants, on disk; variant 0 is the clean one.

    Attributes
    ----------
    arrays : tuple of numpy.ndarray, shape (total_rows, width), float16
        Rows of all clips and variants one after another; a corpus each.
    part : numpy.ndarray, shape (clips,), int
        In which of `arrays` each clip lies.
    offsets : numpy.ndarray, shape (clips, variants + 1), int
        Where the clip's variant v begins; it ends at ``offsets[clip, v] + lengths[clip, v]``.
    lengths : numpy.ndarray, shape (clips, variants + 1), int
    """

    clips: tuple[Clip, ...]
    arrays: tuple[np.ndarray, ...]
    part: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray

    def rows(self, clip: int, variant: int = 0) -> np.ndarray:
        """Map one matrix, shape (rows, width), float16."""
        start = self.offsets[clip, variant]
        return self.arrays[self.part[clip]][start : start + self.lengths[clip, variant]]

    def keep(self, labels: Iterable[str]) -> Self:
        """Leave out the clips of other emotions; nothing is computed or copied."""
        wanted = frozenset(labels)
        return self.choose([i for i, clip in enumerate(self.clips) if clip.label in wanted])

    def choose(self, rows: Sequence[int] | np.ndarray) -> Self:
        """Take the clips with some numbers; nothing is computed or copied."""
        return replace(
            self,
            clips=tuple(self.clips[i] for i in rows),
            part=self.part[rows],
            offsets=self.offsets[rows],
            lengths=self.lengths[rows],
        )


@dataclass(frozen=True)
class FeatureCache:
    """Features of clips in their variants: log-Mel in dB, ZCR and RMS of an `ArrayCache`."""

    cache: ArrayCache
    config: FeatureConfig

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips, in the order of their numbers."""
        return self.cache.clips

    def features(self, clip: int, variant: int = 0) -> Features:
        """Read one clip's features back (the MFCC are made by `model_input`)."""
        rows = np.asarray(self.cache.rows(clip, variant), np.float32)
        n_mels = self.config.n_mels
        empty = np.empty((0, len(rows)), np.float32)
        return Features(rows[:, :n_mels].T, empty, rows[:, n_mels], rows[:, n_mels + 1])

    def keep(self, labels: Iterable[str]) -> FeatureCache:
        """Leave out the clips of other emotions; nothing is computed or copied."""
        return replace(self, cache=self.cache.keep(labels))

    def choose(self, rows: Sequence[int] | np.ndarray) -> FeatureCache:
        """Take the clips with some numbers; nothing is computed or copied."""
        return replace(self, cache=self.cache.choose(rows))


def clip_versions(clip: Clip, variants: int, seed: int) -> Iterator[Waveform]:
    """Yield a clip as it is, then its augmented variants, the same ones for the same seed."""
    waveform = decode(clip.path)
    yield waveform
    name = zlib.crc32(f"{clip.corpus}/{clip.path.stem}".encode())
    for number in range(variants):
        yield run_chain(waveform, np.random.default_rng([seed, name, number]))


def _feature_rows(config: FeatureConfig, waveform: Waveform) -> np.ndarray:
    made = extract(waveform, config)
    return np.column_stack([made.log_mel.T, made.zcr, made.rms])


def cache_features(
    clips: Sequence[Clip],
    config: FeatureConfig,
    folder: Path,
    variants: int = 0,
    seed: int = 0,
    jobs: int = 2,
) -> FeatureCache:
    """Compute features of all clips, or map those that an earlier run has left in `folder`.

    They serve every network whose short-time analysis is the same.
    """
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
    make = Maker(partial(_feature_rows, config), json.dumps(analysis), config.n_mels + 2)
    return FeatureCache(cache_arrays(clips, make, folder, variants, seed, jobs), config)


@dataclass(frozen=True)
class Maker:
    """What a cache is filled with.

    Attributes
    ----------
    make : callable
        Turns a waveform into a matrix; a function that worker processes can import.
    key : str
        All that decides what it makes.
    width : int
        Columns of the matrix.
    """

    make: Callable[[Waveform], np.ndarray]
    key: str
    width: int


def cache_arrays(
    clips: Sequence[Clip],
    maker: Maker,
    folder: Path,
    variants: int = 0,
    seed: int = 0,
    jobs: int = 2,
) -> ArrayCache:
    """Make a matrix of each clip and variant, or map those that an earlier run has left.

    Each corpus has files of its own; they are made anew when what is in the clips, what is made of
    them or the augmentation changes.
    """
    part = np.zeros(len(clips), np.int64)
    offsets = np.zeros((len(clips), variants + 1), np.int64)
    lengths = np.zeros_like(offsets)
    arrays = []
    for number, name in enumerate(dict.fromkeys(clip.corpus for clip in clips)):
        rows = [i for i, clip in enumerate(clips) if clip.corpus == name]
        chosen = [clips[i] for i in rows]
        stem = folder / _key(chosen, maker, variants, seed)
        if not stem.with_suffix(".npy").exists():
            _write_arrays(stem, chosen, (maker, variants, seed), jobs)
        found = np.load(stem.with_suffix(".npy"))
        part[rows], lengths[rows] = number, found
        offsets[rows] = (np.cumsum(found.ravel()) - found.ravel()).reshape(found.shape)
        stored = np.memmap(stem.with_suffix(".f16"), np.float16, "r")
        arrays.append(stored.reshape(-1, maker.width))
    return ArrayCache(tuple(clips), tuple(arrays), part, offsets, lengths)


def _key(clips: Sequence[Clip], maker: Maker, variants: int, seed: int) -> str:
    """Name the files of a cache by all that decides what is in them."""
    order = [clip.path.stem for clip in clips]
    chain = [variants, seed, chain_version()] if variants else None
    parts = [maker.key, checksum(clips), order, chain]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _versions(clip: Clip, maker: Maker, variants: int, seed: int) -> list[np.ndarray]:
    return [
        maker.make(version).astype(np.float16) for version in clip_versions(clip, variants, seed)
    ]


def _write_arrays(
    stem: Path, clips: Sequence[Clip], how: tuple[Maker, int, int], jobs: int
) -> None:
    """Write both files whole or not at all; two runs that do so at a time do no harm."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    data, index = (stem.with_suffix(f".{os.getpid()}{suffix}") for suffix in (".f16", ".npy"))
    lengths = []
    with data.open("wb") as file, worker_pool(jobs) as pool:
        repeated = ([value] * len(clips) for value in how)
        for matrices in pool.map(_versions, clips, *repeated, chunksize=16):
            lengths.append([len(matrix) for matrix in matrices])
            file.writelines(matrix.tobytes() for matrix in matrices)
    np.save(index, np.array(lengths, np.int64))
    data.replace(stem.with_suffix(".f16"))
    index.replace(stem.with_suffix(".npy"))
