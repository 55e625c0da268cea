"""How long an hour of speech takes over HTTP, beside the 230 s that Azure App Service waits.

``python -m benchmarks.long [--minutes 60] [MODEL ...]`` starts the site, sends the bundled story
over and over as MP3 to ``POST /predict``, and prints a Markdown table.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import imageio_ffmpeg
import requests

import ml

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 230


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", default=[ml.DEFAULT_MODEL, "cnn-gru"])
    parser.add_argument("--minutes", type=int, default=60)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recording = long_recording(Path(folder), args.minutes)
        print(f"| model | {args.minutes} minutes of MP3 | of {LIMIT_S} s | windows | outcome |")
        print("|---|--:|--:|--:|---|")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environ = os.environ | {"PORT": str(port), "SER_STORAGE": "memory"}
        with subprocess.Popen(
            [ROOT / "startup.sh"], env=environ, stderr=subprocess.DEVNULL
        ) as site:
            try:
                for model in args.models:
                    print(row(f"http://127.0.0.1:{port}", model, recording), flush=True)
            finally:
                site.terminate()
    return 0


def long_recording(folder: Path, minutes: int) -> Path:
    target = folder / "long.mp3"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-stream_loop", "-1"]
    command += [
        "-i",
        ROOT / "samples" / "story.mp3",
        "-t",
        str(60 * minutes),
        "-b:a",
        "64k",
        target,
    ]
    subprocess.run(command, check=True)
    return target


def row(site: str, model: str, recording: Path) -> str:
    ready(site)
    with recording.open("rb") as file:
        start_s = time.perf_counter()
        answer = requests.post(f"{site}/predict?model={model}", files={"file": file}, timeout=3600)
        took = time.perf_counter() - start_s
    answer.raise_for_status()
    body = answer.json()
    cells = (
        model,
        f"{took:.0f} s",
        f"{took / LIMIT_S:.0%}",
        len(body["segments"]),
        body["outcome"],
    )
    return f"| {' | '.join(map(str, cells))} |"


def ready(site: str) -> None:
    for _ in range(600):
        try:
            if requests.get(f"{site}/health", timeout=60).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise SystemExit("the site does not start")


if __name__ == "__main__":
    sys.exit(main())
