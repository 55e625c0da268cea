"""How long a bundle's network takes, measured there and then."""

from __future__ import annotations

import platform
import statistics
import time
from pathlib import Path

import numpy as np

from ml.audio import windows
from ml.bundle import Bundle, Scorer
from ml.encoding import ChunkEncoder
from ml.features import window_frames

SECONDS = 3
ANSWERS = 50


def measure_speed(bundle: Bundle) -> dict[str, str | float]:
    """Time the network on what `SECONDS` of a recording give it, on one core.

    Returns
    -------
    dict
        ``window_ms``: the median of `ANSWERS` answers of LiteRT, ms of the processor's time that
        the calling thread takes, so that other work on the machine does not count, nor numpy's
        threads that wait for some; ``processor``: which one.
    """
    frames, _hop = window_frames(bundle.features, bundle.windows)
    rate = bundle.features.sample_rate_hz
    count = len(list(windows(SECONDS * rate, bundle.windows, rate)))
    shape = (count, frames, bundle.features.n_features)
    rng = np.random.default_rng(0)
    inputs = rng.normal(-30, 20, shape).astype(np.float32)
    samples = rng.normal(0, 0.1, SECONDS * rate).astype(np.float32)
    scorer = Scorer(bundle)
    times = []
    for _ in range(1 + ANSWERS):
        start = time.thread_time()
        steps = []
        if bundle.encoder:
            steps = [ChunkEncoder(samples, scorer.network.encode, bundle.encoder).window(0)[None]]
        scorer.score(*steps, inputs)
        times.append(time.thread_time() - start)
    del times[0]
    return {"window_ms": round(statistics.median(times) * 1e3, 2), "processor": _processor()}


def _processor() -> str:
    """Name the processor as the system does."""
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
