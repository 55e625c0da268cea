"""How long a bundle's network takes, measured there and then."""

from __future__ import annotations

import platform
import statistics
import time
from pathlib import Path

import numpy as np

from ml.audio import windows
from ml.bundle import Bundle, Scorer
from ml.features import window_frames

SECONDS = 3
ANSWERS = 50


def measure_speed(bundle: Bundle) -> dict[str, str | float]:
    """Time the network on what `SECONDS` of a recording give it, on one core.

    Returns
    -------
    dict
        ``window_ms``: the median of `ANSWERS` answers of LiteRT, ms of the processor's time, so
        that other work on the machine does not count; ``processor``: which one.
    """
    frames, _hop = window_frames(bundle.features, bundle.windows)
    rate = bundle.features.sample_rate_hz
    count = len(list(windows(SECONDS * rate, bundle.windows, rate)))
    shape = (count, frames, bundle.features.n_features)
    inputs = np.random.default_rng(0).normal(-30, 20, shape).astype(np.float32)
    scorer = Scorer(bundle)
    scorer.score(inputs)
    times = []
    for _ in range(ANSWERS):
        start = time.process_time()
        scorer.score(inputs)
        times.append(time.process_time() - start)
    return {"window_ms": round(statistics.median(times) * 1e3, 2), "processor": _processor()}


def _processor() -> str:
    """Name the processor as the system does."""
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
