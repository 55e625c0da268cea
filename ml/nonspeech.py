"""How often something that is no speech gets an emotion, and speech is turned away; counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ml.audio import Waveform, decode
from ml.config import SAMPLE_RATE_HZ
from ml.errors import NoSoundsError
from ml.results import Prediction

Recognize = Callable[[Waveform], Prediction]
Variant = Callable[[np.ndarray, np.random.Generator], np.ndarray]

NOISES = {"white": 0.0, "pink": 1.0, "brown": 2.0}
"""Power falls with frequency to this power."""

_AUDIO_SUFFIXES = (".wav", ".flac", ".ogg")
CLEAN, BABBLE = "clean", "babble"
_MUSIC = ("music", "genre", "drums")
_TURNED_AWAY = ("no_speech", "too_noisy", "too_short")


def measure_nonspeech(recognize: Recognize, folder: Path) -> dict[str, Any]:
    """Count the sounds without speech that get an emotion.

    Parameters
    ----------
    recognize : callable
        Gives a waveform's `Prediction`, as ``Recognizer.recognize`` does.
    folder : Path
        Recordings in one folder for each class, ``folder/<class>/*.wav``; ``benchmarks/sounds.py``
        writes such a tree.

    Returns
    -------
    dict
        ``{"clips", "given_an_emotion", "scored", "by_class": {class: the same three}}``: how many
        there are, got an emotion, and reached the network at all (`uncertain` included).

    Raises
    ------
    NoSoundsError
        If the folder holds none.
    """
    paths = [path for path in sorted(folder.glob("*/*")) if path.suffix in _AUDIO_SUFFIXES]
    if not paths:
        raise NoSoundsError(folder=str(folder))
    outcomes: dict[str, Counter[str]] = {}
    for path in paths:
        outcome = recognize(decode(path)).outcome
        outcomes.setdefault(path.parent.name, Counter())[outcome] += 1
    total = sum(outcomes.values(), Counter())
    return {**_counts(total), "by_class": {name: _counts(c) for name, c in outcomes.items()}}


def _counts(outcomes: Counter[str]) -> dict[str, int]:
    scored = outcomes["emotion"] + outcomes["uncertain"]
    return {
        "clips": outcomes.total(),
        "given_an_emotion": outcomes["emotion"],
        "scored": scored,
    }


def measure_turned_away(outcomes: Iterable[str]) -> dict[str, float]:
    """Return which share of real speech was turned away, by outcome, and how many there were."""
    counted = Counter(outcomes)
    total = max(1, counted.total())
    shares = {outcome: counted[outcome] / total for outcome in _TURNED_AWAY}
    return {"clips": counted.total(), **shares}


def measure_variants(
    recognize: Recognize,
    paths: Sequence[Path],
    report: Callable[[str], None] = lambda line: None,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """Count the speech that is turned away: clean, quiet, short, by telephone, and in noise.

    Parameters
    ----------
    paths : sequence of Path
        Recordings of speech; their voices make the babble, too.

    Returns
    -------
    dict of str to dict
        For ``"clean"``, each of `VARIANTS` and each noise at -5 to 10 dB, see
        `measure_turned_away`.
    """
    voices = [decode(path).samples for path in paths]
    rng = np.random.default_rng(seed)
    changes: dict[str, Variant] = {CLEAN: lambda samples, rng: samples, **VARIANTS}
    for noise in ("white", "pink", BABBLE):
        for snr_db in (-5, 0, 5, 10):
            changes[f"{noise} {snr_db:+d} dB"] = _mixer(noise, snr_db, voices)
    found = {}
    for name, change in changes.items():
        heard = (Waveform(change(samples, rng), SAMPLE_RATE_HZ) for samples in voices)
        found[name] = measure_turned_away(recognize(waveform).outcome for waveform in heard)
        report(f"heard {len(voices)} clips: {name}")
    return found


def as_shares(sounds: Mapping[str, Any], speech: Mapping[str, Mapping]) -> dict[str, float]:
    """Give ``bundle.json`` its shares: sounds that get an emotion, speech that is turned away."""
    counts: dict[str, list[int]] = {}
    for name, found in sounds["by_class"].items():
        group = "music" if any(word in name for word in _MUSIC) else name
        clips, given = counts.setdefault(group, [0, 0])
        counts[group] = [clips + found["clips"], given + found["given_an_emotion"]]
    shares = {name: given / clips for name, (clips, given) in sorted(counts.items())}
    for version in (CLEAN, *VARIANTS):
        for outcome, words in (("no_speech", "taken for none"), ("too_noisy", "taken for noise")):
            shares[f"{version} speech {words}"] = speech[version][outcome]
    return shares


def nonspeech_table(sounds: Mapping[str, Any], speech: Mapping[str, Mapping]) -> str:
    """Lay both out in Markdown."""
    lines = ["| sounds | clips | given an emotion | scored |", "|---|--:|--:|--:|"]
    for name, found in {**sounds["by_class"], "all": sounds}.items():
        lines.append(
            f"| {name} | {found['clips']} | {found['given_an_emotion']} | {found['scored']} |"
        )
    lines += ["", "| speech | clips | no_speech | too_noisy | too_short |", "|---|--:|--:|--:|--:|"]
    for name, turned in speech.items():
        shares = " | ".join(f"{turned[outcome]:.1%}" for outcome in _TURNED_AWAY)
        lines.append(f"| {name} | {turned['clips']} | {shares} |")
    return "\n".join(lines) + "\n"


def _mixer(noise: str, snr_db: float, voices: Sequence[np.ndarray]) -> Variant:
    return lambda samples, rng: mix(samples, noise, snr_db, rng, voices)


def mix(
    samples: np.ndarray,
    noise: str,
    snr_db: float,
    rng: np.random.Generator,
    voices: Sequence[np.ndarray],
    reference: np.ndarray | None = None,
) -> np.ndarray:
    """Add noise at a known ratio of mean powers.

    Parameters
    ----------
    samples : numpy.ndarray, shape (n,), float32
    noise : str
        One of `NOISES`, or ``"babble"``: eight of `voices` at once.
    snr_db : float
        Power of `reference` over the noise's, dB.
    voices : sequence of numpy.ndarray
        Where babble is taken from.
    reference : numpy.ndarray, optional
        The voice without what was put around it; `samples` unless given.
    """
    voice = samples if reference is None else reference
    added = (
        _babble(len(samples), voices, rng)
        if noise == BABBLE
        else _coloured(len(samples), NOISES[noise], rng)
    )
    power = np.mean(voice**2) / 10 ** (snr_db / 10)
    mixed = samples + added * np.sqrt(power / max(float(np.mean(added**2)), 1e-20))
    return (mixed / max(1.0, float(np.max(np.abs(mixed))))).astype(np.float32)


def _coloured(count: int, colour: float, rng: np.random.Generator) -> np.ndarray:
    frequency = np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ), 20)
    spectrum = np.fft.rfft(rng.standard_normal(count)) * frequency ** (-colour / 2)
    return np.fft.irfft(spectrum, count)


def _babble(count: int, voices: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    total = np.zeros(count)
    for index in rng.integers(0, len(voices), 8):
        voice = voices[index] / max(float(np.sqrt(np.mean(voices[index] ** 2))), 1e-6)
        total += np.roll(np.resize(voice, count), rng.integers(0, count))
    return total


def _quiet(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lower by 40 dB and round to 16 bits."""
    return (np.round(samples * 0.01 * 32_768) / 32_768).astype(np.float32)


def _short(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Keep the loudest 0.7 s."""
    length = round(0.7 * SAMPLE_RATE_HZ)
    if len(samples) <= length:
        return samples
    energy = np.cumsum(samples.astype(np.float64) ** 2)
    start = int(np.argmax(energy[length:] - energy[:-length]))
    return samples[start : start + length]


def _telephone(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Keep 300 to 3400 Hz, in the eight bits of G.711 (mu-law)."""
    spectrum = np.fft.rfft(samples)
    frequency = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ)
    spectrum[(frequency < 300) | (frequency > 3400)] = 0
    kept = np.clip(np.fft.irfft(spectrum, len(samples)), -1, 1)
    coded = np.round(127 * np.sign(kept) * np.log1p(255 * np.abs(kept)) / np.log(256)) / 127
    return (np.sign(coded) * np.expm1(np.abs(coded) * np.log(256)) / 255).astype(np.float32)


VARIANTS: Mapping[str, Variant] = {"quiet": _quiet, "short": _short, "telephone": _telephone}
"""Ways in which real speech reaches a recorder; none of them is a reason to turn it away."""
