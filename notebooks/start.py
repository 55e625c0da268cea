"""What every notebook begins with: the recordings, how long to train, and where results go.

The environment says so, the same for all six:

``CORPORA``
    A folder that holds corpora under their names (``cremad``, ``ravdess``, ``emodb``, ``nemo``),
    each in its official layout. Without it, voices made from numbers are written and used.
``EPOCHS``
    How long ``05_train_cnn_gru`` trains; the recipe's number unless set.
``CLIPS``
    For a quick look: at most so many clips of each corpus, spread over emotions and speakers.
``NOTEBOOKS_WORK``
    Where features, the made corpus and the trained bundle are kept; ``runs/notebooks`` unless set.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A notebook runs in its own folder; what it imports lies beside that.
sys.path.insert(0, str(ROOT))
# What libraries say of themselves would stand among the cells' outputs.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore", message="IProgress not found")

from IPython.display import Audio, Markdown, display  # noqa: E402

from ml.audio import Waveform, decode  # noqa: E402
from ml.bundle import Bundle, read_bundle  # noqa: E402
from ml.config import FeatureConfig, TrainConfig  # noqa: E402
from ml.corpora import CORPORA, Clip, Speaker, read_clips, read_speakers  # noqa: E402
from ml.dataset import FeatureCache, cache_features  # noqa: E402
from ml.models import CORPORA_OF_ALL  # noqa: E402
from ml.robustness import draw_evenly  # noqa: E402
from notebooks.corpus import make_corpus  # noqa: E402

SHIPPED = "cnn-gru"
"""The model that is evaluated where none was trained."""

MADE_UP = (
    "**These voices are made from numbers** by `notebooks/voices.py`, because `CORPORA` names no "
    "folder. Whatever a model reaches on them says nothing about real voices."
)


@dataclass(frozen=True)
class Recordings:
    """What a notebook works on.

    Attributes
    ----------
    clips : tuple of Clip
    speakers : dict of str to Speaker
        By the names that the clips bear.
    made_up : bool
        Nobody speaks in the clips.
    work : Path
        Where what is made of them is kept.
    """

    clips: tuple[Clip, ...]
    speakers: dict[str, Speaker]
    made_up: bool
    work: Path

    @property
    def run(self) -> Path:
        """Where ``05_train_cnn_gru`` leaves its bundle."""
        return self.work / "cnn-gru"

    def features(self, clips: Iterable[Clip] | None = None) -> FeatureCache:
        """Compute features of all clips, or map those of an earlier notebook; keep some of them."""
        found = cache_features(self.clips, FeatureConfig(), self.work / "features")
        if clips is None:
            return found
        wanted = set(clips)
        return found.choose([i for i, clip in enumerate(self.clips) if clip in wanted])

    def recipe(self, usual: TrainConfig) -> TrainConfig:
        """Shorten a recipe to `EPOCHS`; for the made-up voices, to a minute."""
        epochs = int(os.environ.get("EPOCHS") or (8 if self.made_up else usual.epochs))
        # A clip is drawn about once an epoch.
        shorter = replace(usual, epochs=epochs, variants=min(usual.variants, epochs))
        if not self.made_up:
            return shorter
        return replace(
            shorter,
            batch_size=16,
            warmup_epochs=1,
            ema_momentum=0.8,
            variants=1,
            clean_share=0.6,
            mixup_alpha=0.0,
            time_masks=0,
            mel_masks=0,
        )

    def bundle(self) -> Bundle:
        """Read the bundle that ``05_train_cnn_gru`` has left, or else the one that ships."""
        trained = (self.run / "bundle.json").is_file()
        return read_bundle(self.run if trained else SHIPPED)


def recordings() -> Recordings:
    """Read the corpora that `CORPORA` names, or make the small one; say which it is."""
    folder, work = (
        os.environ.get("CORPORA"),
        Path(os.environ.get("NOTEBOOKS_WORK") or ROOT / "runs" / "notebooks"),
    )
    work = work / ("corpora" if folder else "made-up")
    places = _given(Path(folder)) if folder else {"csv": make_corpus(work / "voices")}
    clips = tuple(clip for name, path in places.items() for clip in read_clips(name, path))
    if os.environ.get("CLIPS"):
        clips = draw_evenly(clips, int(os.environ["CLIPS"]))
    speakers = {
        k: one for name, path in places.items() for k, one in read_speakers(name, path).items()
    }
    titles = ", ".join(CORPORA[name].title for name in dict.fromkeys(clip.corpus for clip in clips))
    display(Markdown(MADE_UP if not folder else f"Corpora: {titles}."))
    return Recordings(clips, speakers, not folder, work)


def _given(folder: Path) -> dict[str, Path]:
    """Find the corpora that lie in a folder under their names."""
    found = {name: folder / name for name in CORPORA_OF_ALL if (folder / name).is_dir()}
    if not found:
        raise FileNotFoundError(f"{folder} holds none of {', '.join(CORPORA_OF_ALL)}")
    return found


def listen(sound: Clip | Waveform, words: str) -> None:
    """Show a player for a clip or a waveform, with words before it."""
    waveform = decode(sound.path) if isinstance(sound, Clip) else sound
    display(Markdown(words))
    display(Audio(waveform.samples, rate=waveform.sample_rate_hz, normalize=False))
