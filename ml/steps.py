"""What the pretrained encoder makes of clips, kept on disk for training."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from ml.audio import Waveform
from ml.bundle import Network
from ml.config import EncoderConfig
from ml.corpora import Clip
from ml.dataset import ArrayCache, Maker, cache_arrays
from ml.encoding import ChunkEncoder


def cache_steps(
    clips: Sequence[Clip],
    encoder: Path,
    config: EncoderConfig,
    folder: Path,
    variants: int = 0,
    seed: int = 0,
    jobs: int = 2,
) -> ArrayCache:
    """Encode all clips, or map what an earlier run has left in `folder`.

    Parameters
    ----------
    encoder : Path
        The encoder alone, as ``ml.export.encoder_to_litert`` writes it without a head.

    Returns
    -------
    ArrayCache
        A row for each step: `EncoderConfig.width` numbers, and last the share of it that is loud.
    """
    made_by = [asdict(config), hashlib.sha256(encoder.read_bytes()).hexdigest()]
    maker = Maker(partial(_step_rows, encoder, config), json.dumps(made_by), config.width + 1)
    return cache_arrays(clips, maker, folder, variants, seed, jobs)


def _step_rows(encoder: Path, config: EncoderConfig, waveform: Waveform) -> np.ndarray:
    found = ChunkEncoder(waveform.samples, _network(encoder).encode, config)
    return found.stretch(0, found.steps)


@functools.cache
def _network(encoder: Path) -> Network:
    return Network(encoder.read_bytes())
