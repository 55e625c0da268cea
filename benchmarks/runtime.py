"""LiteRT against Keras on one window: time to be ready, time for an answer, memory.

``python benchmarks/runtime.py`` prints a Markdown table. Each runtime has a process of its own;
both run on one thread, in turns, so that a busy machine troubles both alike.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
RUNTIMES = ("LiteRT", "Keras")
ROUNDS, ANSWERS = 3, 100
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}


def litert() -> Callable[[np.ndarray], np.ndarray]:
    from ml.bundle import Scorer, read_bundle

    scorer = Scorer(read_bundle("cnn-gru"))
    return lambda inputs: scorer.score(inputs).probabilities


def keras_predict() -> Callable[[np.ndarray], np.ndarray]:
    import keras

    from ml.bundle import BUNDLES

    model = keras.models.load_model(BUNDLES / "cnn-gru" / "model.keras", compile=False)
    return lambda inputs: model.predict(inputs, verbose=0)


def peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def measure(runtime: str) -> dict[str, float]:
    """Measure in this process: seconds until the first answer, ms an answer, MB gained."""
    window = np.random.default_rng(0).normal(-30, 20, (1, 240, 86)).astype(np.float32)
    before_mb, start = peak_mb(), time.perf_counter()
    score = litert() if runtime == "LiteRT" else keras_predict()
    score(window)
    ready_s = time.perf_counter() - start
    times = []
    for _ in range(ANSWERS):
        start = time.perf_counter()
        score(window)
        times.append(time.perf_counter() - start)
    return {
        "ready_s": ready_s,
        "answer_ms": statistics.median(times) * 1e3,
        "memory_mb": peak_mb() - before_mb,
    }


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in RUNTIMES}
    for _ in range(ROUNDS):
        for name in RUNTIMES:
            printed = subprocess.run(
                [sys.executable, __file__, name],
                env=os.environ
                | ONE_THREAD
                | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=True,
            ).stdout
            found[name].append(json.loads(printed))
    print("| runtime | ready after, s | one window, ms | memory, MB |\n|---|---|---|---|")
    for name, rows in found.items():
        ready, answer, memory = (statistics.median(row[key] for row in rows) for key in rows[0])
        print(f"| {name} | {ready:.2f} | {answer:.1f} | {memory:.0f} |")


if __name__ == "__main__":
    main()
