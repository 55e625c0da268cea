"""What a pretrained encoder hears of clips in training: spectrograms, kept on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from ml.audio import Waveform
from ml.config import SAMPLE_RATE_HZ, EncoderConfig
from ml.corpora import Clip
from ml.dataset import ArrayCache, Maker, cache_arrays
from ml.encoding import log_mel


def cache_spectrograms(
    clips: Sequence[Clip],
    config: EncoderConfig,
    folder: Path,
    variants: int = 0,
    seed: int = 0,
    jobs: int = 2,
) -> SpectrogramCache:
    """Compute `ml.encoding.log_mel` of all clips, or map what an earlier run has left."""
    analysis = ["log10", SAMPLE_RATE_HZ, config.frame_length, config.hop_length, config.n_mels]
    maker = Maker(partial(_rows, config), json.dumps(analysis), config.n_mels)
    return SpectrogramCache(cache_arrays(clips, maker, folder, variants, seed, jobs), config)


def _rows(config: EncoderConfig, waveform: Waveform) -> np.ndarray:
    return log_mel(waveform.samples, config)


@dataclass(frozen=True)
class SpectrogramCache:
    """Spectrograms of clips in their variants, decimal logarithm of the power in Mel bands."""

    cache: ArrayCache
    config: EncoderConfig

    def spectrogram(self, clip: int, variant: int = 0) -> np.ndarray:
        """Read one spectrogram, shape (frames, n_mels), float32."""
        return np.asarray(self.cache.rows(clip, variant), np.float32)

    def keep(self, labels: Sequence[str]) -> SpectrogramCache:
        """Leave out the clips of other emotions."""
        return replace(self, cache=self.cache.keep(labels))
