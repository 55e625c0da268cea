"""How long a visitor waits: the answer's page, a closer look, all models, for clips of any length.

``python -m benchmarks.pages`` prints a Markdown table: seconds on this machine, the median of three
times, without a network between; the page's weight without the sound. The clips are the bundled
story, over and over.
"""

import io
import re
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

import ml
from webapp import create_app
from webapp.samples import SAMPLES
from webapp.settings import Settings

LENGTHS_S = (3, 60, 600)
TIMES = 3


def timed(run: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    run()
    return time.perf_counter() - start_s


def main() -> int:
    client = create_app(Settings(storage="memory")).test_client()
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/").text)
    assert token
    story = ml.decode(SAMPLES / "story.mp3").samples
    print("| clip | analysis | its page | page, kB | closer look | all models |")
    print("|--:|--:|--:|--:|--:|--:|")
    for seconds in LENGTHS_S:
        samples = np.resize(story, 16_000 * seconds)
        wav = ml.to_wav(ml.Waveform(samples, 16_000))

        def send(wav: bytes = wav) -> str:
            fields = {"csrf_token": token[1], "file": (io.BytesIO(wav), "clip.wav")}
            answer = client.post("/analyses", data=fields, content_type="multipart/form-data")
            return answer.location

        address = send()
        runs: tuple[Callable[[], object], ...] = (
            send,
            lambda address=address: client.get(address),
            lambda address=address: client.get(f"{address}/explanation"),
            lambda address=address: client.get(f"{address}/compare"),
        )
        took = [statistics.median(timed(run) for _ in range(TIMES)) for run in runs]
        weight = len(client.get(address).data) / 1024
        analysis, page, closer, compared = (f"{one:.2f} s" for one in took)
        print(f"| {seconds} s | {analysis} | {page} | {weight:.0f} | {closer} | {compared} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
