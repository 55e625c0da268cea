"""Small corpora in official layouts, with synthetic voices cut from the samples."""

from itertools import cycle, product
from pathlib import Path

import numpy as np
import soundfile

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
VOICES = ("neutral-woman", "happy-man", "sad-woman", "angry-man", "fearful-woman", "disgust-man")


def voices() -> list[tuple[np.ndarray, int]]:
    return [soundfile.read(SAMPLES / f"{name}.flac", dtype="float32") for name in VOICES]


def write_cremad(root: Path, speakers: tuple[str, ...], sentences: tuple[str, ...]) -> Path:
    """Write ``AudioWAV/1002_DFA_ANG_XX.wav`` and so on, six emotions of every speaker."""
    (root / "AudioWAV").mkdir(parents=True)
    sounds = cycle(voices())
    codes = ("NEU", "HAP", "SAD", "ANG", "FEA", "DIS")
    for speaker, sentence, code in product(speakers, sentences, codes):
        samples, rate = next(sounds)
        path = root / "AudioWAV" / f"{speaker}_{sentence}_{code}_XX.wav"
        soundfile.write(path, samples[: 3 * rate], rate)
    return root


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root
