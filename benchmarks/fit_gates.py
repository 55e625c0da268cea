"""Fits what tells a voice from music and noise, and how far it stands over the noise.

``python -m benchmarks.fit_gates --sounds DIR --corpus cremad=DIR ... --cache DIR`` writes
``ml/judge.json``. Speech comes from training speakers only: clean, in a room, in a narrower band,
through a lossy codec, quieted, cut to 0.7 s, through a telephone's band, and mixed with noise and
babble at known ratios. Sounds come from ``benchmarks/sounds.py``; half of them (by instrument,
genre or file) is held out. The table that it prints is of validation speakers and held-out sounds.
"""

import argparse
import json
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import soundfile
import soxr
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPClassifier

from ml import augment, quality, speech
from ml.audio import Waveform, windows
from ml.config import SAMPLE_RATE_HZ, SpeechConfig, WindowConfig
from ml.corpora import Clip, read_clips
from ml.cues import CUES, measure_cues
from ml.dataset import split_by_speaker
from ml.judge import MODEL, inside, rate, terms
from ml.nonspeech import BABBLE, CLEAN, NOISES, VARIANTS, mix

CONFIG = SpeechConfig()
ROOM, NARROW, CODED = "room", "narrow", "coded"
TRUST_DB = (12.0, 35.0)
"""What the level ratio of a clean clip says of its own noise is believed within these bounds."""


LEAST_DB = 3.0
NETWORKS, HIDDEN, DECAY, EPOCHS = 3, 32, 0.3, 40
PASSING_TIMES = 20
"""So often counts a sound that passes the detector."""

FOOLED_SHARE = 0.15
"""Share of the other sounds that is also shown as if it had passed."""

RATIO_ALPHA = 10.0


@dataclass(frozen=True)
class Example:
    """One window: what it is, its cues, and the ratio of voice to noise (nan without a voice).

    `passes` tells whether the detector takes it for a voice, so that the cues are asked.
    """

    kind: str
    name: str
    held_out: bool
    passes: bool
    cues: np.ndarray
    snr_db: float


def read(path: Path) -> np.ndarray:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return soxr.resample(samples.mean(axis=1), rate, SAMPLE_RATE_HZ).astype(np.float32)


def described(samples: np.ndarray) -> Iterator[tuple[bool, np.ndarray]]:
    """Yield for each window whether the detector hears a voice in it, and its cues."""
    voice = speech.voice_probabilities(samples, CONFIG)
    for start, end in windows(len(samples), WindowConfig()):
        part = voice[start // CONFIG.frame_length : -(-end // CONFIG.frame_length)]
        heard = np.count_nonzero(part >= CONFIG.voice_probability) * CONFIG.frame_length
        passes = heard >= CONFIG.min_speech_s * SAMPLE_RATE_HZ
        yield bool(passes), measure_cues(samples[start:end], part)


def own_snr_db(samples: np.ndarray) -> float:
    voice = speech.voice_probabilities(samples, CONFIG)
    found = quality.snr_db(quality.frame_powers(samples, CONFIG.frame_length), voice, CONFIG)
    return float(np.clip(25.0 if found is None else found, *TRUST_DB))


def of_clip(clip: Clip, held_out: bool, babble: list[np.ndarray]) -> Iterator[Example]:
    """Yield the clip as it is, in a room, narrowed, coded, one variant, and two mixtures."""
    rng = np.random.default_rng(zlib.crc32(clip.path.stem.encode()))
    samples = read(clip.path)
    own = own_snr_db(samples)
    variant = str(rng.choice(list(VARIANTS)))
    versions = [
        (CLEAN, samples, own),
        (ROOM, in_room(samples, rng), own),
        (NARROW, changed(augment.limit_band, samples, rng), own),
        (CODED, changed(augment.encode, samples, rng), own),
        (variant, VARIANTS[variant](samples, rng), own),
    ]
    for voice in (samples, in_room(samples, rng) if rng.random() < 0.5 else samples):
        noise = str(rng.choice([BABBLE, *NOISES]))
        snr_db = float(rng.uniform(-8, 18))
        padded = np.pad(voice, round(rng.choice([0, 0, 0.5, 1]) * SAMPLE_RATE_HZ))
        mixed = mix(padded, noise, snr_db, rng, babble, reference=voice)
        total = -10 * np.log10(10 ** (-snr_db / 10) + 10 ** (-own / 10))
        versions.append((noise, mixed, total))
    for kind, version, snr_db in versions:
        for passes, cues in described(version):
            yield Example(f"speech/{kind}", str(clip.path), held_out, passes, cues, snr_db)


def changed(
    step: Callable[[Waveform, np.random.Generator], Waveform],
    samples: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    return step(Waveform(samples, SAMPLE_RATE_HZ), rng).samples


def in_room(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Let it sound in one of the rooms of augmentation, which are not those of the evaluation."""
    return changed(augment.add_room, samples, rng)


def is_held_out(path: Path) -> bool:
    """Hold out half of what there is: whole instruments, genres, and files of packages."""
    stem = path.stem.rsplit("-", 2)[0] if "music" in path.parent.name else path.stem
    return zlib.crc32(stem.encode()) % 2 == 0


def of_sound(path: Path) -> Iterator[Example]:
    held_out = is_held_out(path)
    for passes, cues in described(read(path)):
        yield Example(f"sound/{path.parent.name}", str(path), held_out, passes, cues, np.nan)


def gather(args: argparse.Namespace) -> list[Example]:
    """Measure all, or go on where an earlier call stopped."""
    rng = np.random.default_rng(0)
    clips = [*pick(args, rng)]
    voices = [read(clip.path) for clip, held_out in clips if not held_out][:40]
    work: list[tuple[Clip, bool] | Path] = [*clips, *sorted(args.sounds.glob("*/*.wav"))]
    parts = np.array_split(rng.permutation(len(work)), max(1, len(work) // 50))
    args.cache.mkdir(parents=True, exist_ok=True)
    paths = [args.cache / f"{number:03d}.npz" for number in range(len(parts))]
    joblib.Parallel(n_jobs=-1, verbose=5)(
        joblib.delayed(measure)(path, [work[index] for index in part], voices)
        for path, part in zip(paths, parts, strict=True)
        if not path.exists()
    )
    return [example for path in paths for example in load(path)]


def measure(path: Path, items: list[tuple[Clip, bool] | Path], voices: list[np.ndarray]) -> None:
    found = (of_sound(i) if isinstance(i, Path) else of_clip(*i, voices) for i in items)
    save(path, [example for some in found for example in some])


def pick(args: argparse.Namespace, rng: np.random.Generator) -> Iterator[tuple[Clip, bool]]:
    """Draw clips of training and validation speakers, as many of each corpus."""
    split = split_by_speaker(clip for name, path in args.corpus for clip in read_clips(name, path))
    sides = ((split.train, False, args.clips), (split.validation, True, args.clips // 2))
    for side, held_out, number in sides:
        for name, _path in args.corpus:
            clips = [clip for clip in side if clip.corpus == name]
            chosen = rng.permutation(len(clips))[: number // len(args.corpus)]
            yield from ((clips[index], held_out) for index in chosen)


FIELDS = ("kind", "name", "held_out", "passes", "snr_db")


def save(path: Path, examples: list[Example]) -> None:
    fields = {field: [getattr(example, field) for example in examples] for field in FIELDS}
    np.savez(path, cues=np.array([example.cues for example in examples]), **fields)


def load(path: Path) -> list[Example]:
    with np.load(path) as found:
        columns = [found[field].tolist() for field in FIELDS]
        return [
            Example(cues=cues, **dict(zip(FIELDS, row, strict=True)))
            for cues, *row in zip(found["cues"], *columns, strict=True)
        ]


def fit(examples: list[Example]) -> dict:
    """Fit the networks that tell a voice, and the linear model of its ratio to the noise."""
    cues = np.array([example.cues for example in examples])
    ratios = np.array([example.snr_db for example in examples])
    passes = np.array([example.passes for example in examples])
    spoken = ~np.isnan(ratios)
    mean, scale = cues.mean(axis=0), np.maximum(cues.std(axis=0), 1e-3)
    inputs = inside((cues - mean) / scale)
    # Speech that is buried need not be called a voice, and must not teach what one is. Few sounds
    # pass the detector; these count more often, the others tell what such sounds are like: as they
    # are, and as if the detector had heard a voice in them.
    used = np.where(spoken, passes & (ratios >= LEAST_DB), True)
    times = np.where(passes & ~spoken, PASSING_TIMES, 1)[used]
    rng = np.random.default_rng(0)
    drawn = rng.permutation(np.repeat(np.flatnonzero(used), times))
    fooled = inputs[~spoken & ~passes]
    fooled = fooled[rng.random(len(fooled)) < FOOLED_SHARE]
    heard = [place for place, name in enumerate(CUES) if name.startswith("vad_")]
    fooled[:, heard] = inputs[rng.choice(np.flatnonzero(used & spoken), len(fooled))][:, heard]
    shown = np.concatenate([inputs[drawn], fooled])
    said = np.concatenate([spoken[drawn], np.zeros(len(fooled), bool)])
    networks = [
        MLPClassifier((HIDDEN,), alpha=DECAY, max_iter=EPOCHS, random_state=seed)
        for seed in range(NETWORKS)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # So many epochs and no more.
        for network in networks:
            network.fit(shown, said)
    squared = terms(inputs[spoken & passes])
    ratio = Ridge(alpha=RATIO_ALPHA).fit(squared, ratios[spoken & passes])
    return {
        "cues": CUES,
        "mean": mean.tolist(),
        "scale": scale.tolist(),
        "hidden": _rounded([network.coefs_[0] for network in networks]),
        "hidden_bias": _rounded([network.intercepts_[0] for network in networks]),
        "voice": _rounded([network.coefs_[1][:, 0] for network in networks]),
        "voice_bias": _rounded([network.intercepts_[1][0] for network in networks]),
        "snr_db": ratio.coef_.tolist(),
        "snr_db_bias": float(ratio.intercept_),
    }


def _rounded(arrays: list) -> list:
    return np.round(np.array(arrays), 5).tolist()


def table(examples: list[Example]) -> Iterator[str]:
    """Say for each kind how many windows the detector passes, and what is said of those."""
    yield "| windows of | number | pass the detector | called a voice | too noisy | ratio, dB |"
    yield "|---|--:|--:|--:|--:|--:|"
    for kind in sorted({band(example) for example in examples}):
        windows_of = [example for example in examples if band(example) == kind]
        rated = [rate(example.cues) for example in windows_of if example.passes]
        likeness, ratio = np.array(rated).reshape(-1, 2).T
        voices = np.count_nonzero(likeness >= CONFIG.min_voice_likeness)
        noisy = np.count_nonzero(ratio < CONFIG.min_snr_db)
        middle = f"{np.median(ratio):.1f}" if rated else ""
        yield f"| {kind} | {len(windows_of)} | {len(rated)} | {voices} | {noisy} | {middle} |"


def band(example: Example) -> str:
    """Name the kind, with the ratio in steps of 5 dB where noise was added."""
    if example.kind.partition("/")[2] in (BABBLE, *NOISES):
        return f"{example.kind} {5 * np.round(example.snr_db / 5):+.0f} dB"
    return example.kind


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sounds", type=Path, required=True, metavar="DIR")
    parser.add_argument("--corpus", action="append", required=True, type=named, metavar="NAME=DIR")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR")
    parser.add_argument("--clips", type=int, default=1200, metavar="N", help="(%(default)s)")
    args = parser.parse_args()
    examples = gather(args)
    MODEL.write_text(json.dumps(fit([e for e in examples if not e.held_out])) + "\n")
    print(*table([e for e in examples if e.held_out]), sep="\n")
    return 0


def named(text: str) -> tuple[str, Path]:
    name, _separator, path = text.partition("=")
    return name, Path(path)


if __name__ == "__main__":
    sys.exit(main())
