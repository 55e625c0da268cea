"""How fast and lean the site is, against the bare work and against the way of every tutorial.

``python -m benchmarks.speed`` prints a table; ``--write`` puts it into ``README.md``, between its
markers, and the figures into ``docs/speed.json``. Everything is measured in one run, in turns, so
that a busy machine troubles all alike: trust the ratios.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import requests

import ml
from benchmarks.batch import machine, with_page
from benchmarks.site import Site, command_line, memory_mb, processes, running_site
from ml.predict import Recognizer

ROOT = Path(__file__).resolve().parent.parent
PAGE, FIGURES = ROOT / "README.md", ROOT / "docs" / "speed.json"
KINDS = ("wav", "mp3", "m4a")
MODELS = (ml.DEFAULT_MODEL, "cnn-gru")
REPEATS = {3: 40, 30: 12, 300: 4}
BATCH = 8
HOUR_S = 3600
CLIENTS = 8


def recordings(folder: Path, seconds: int, kinds: tuple[str, ...] = KINDS) -> dict[str, Path]:
    """Write the bundled story, over and over, as 16 kHz WAV and what ffmpeg makes of that."""
    story = ml.decode(ROOT / "samples" / "story.mp3").samples[16_000:]
    wav = folder / f"{seconds}.wav"
    wav.write_bytes(ml.to_wav(ml.Waveform(np.resize(story, seconds * 16_000), 16_000)))
    made = {kind: folder / f"{seconds}.{kind}" for kind in kinds}
    for kind, path in made.items():
        if kind != "wav":
            command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", wav]
            subprocess.run([*command, "-b:a", "64k", path], check=True)
    return made


def bare(recognizer: Recognizer, content: bytes) -> None:
    """Decode a recording, extract features and run the network: no gate, no website."""
    samples = ml.decode(content).samples
    spans = ml.audio.windows(len(samples), recognizer.bundle.windows)
    encoder = recognizer._encoder(samples)
    for first in range(0, len(spans), BATCH):
        recognizer._scored(samples, spans[first : first + BATCH], encoder)


def timed(work: Callable[[], Any]) -> float:
    start_s = time.perf_counter()
    work()
    return time.perf_counter() - start_s


def latencies(site: Site, folder: Path) -> list[dict[str, Any]]:
    """Time answers of the site and the bare work in turns; seconds."""
    rows = []
    with requests.Session() as session:
        for model in MODELS:
            recognizer = ml.load(model)
            for seconds, repeats in REPEATS.items():
                for kind, path in recordings(folder, seconds).items():
                    content = path.read_bytes()
                    ask = asking(session, site, model, path)
                    both = [(timed(lambda: bare(recognizer, content)), timed(ask))  # noqa: B023
                            for _ in range(repeats + 1)][1:]  # fmt: skip
                    floor, http = (sorted(column) for column in zip(*both, strict=True))
                    rows.append(
                        {
                            "model": model,
                            "seconds": seconds,
                            "kind": kind,
                            "bare_s": statistics.median(floor),
                            "site_s": statistics.median(http),
                            "site_p95_s": http[int(0.95 * (len(http) - 1))],
                        }
                    )
                    print(rows[-1], file=sys.stderr)
    return rows


def asking(
    session: requests.Session, site: Site, model: str, path: Path
) -> Callable[[], dict[str, Any]]:
    def ask() -> dict[str, Any]:
        with path.open("rb") as file:
            found = session.post(
                f"{site.address}/predict?model={model}", files={"file": file}, timeout=3600
            )
        found.raise_for_status()
        return found.json()

    return ask


def pages(site: Site, clip: Path) -> dict[str, float]:
    """Time the front page, and the page that answers for a clip that is not kept; seconds."""
    with requests.Session() as session:
        front = session.get(site.address).text
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', front)
        assert token
        form = {"csrf_token": token[1], "keep": "0"}

        def answer() -> None:
            with clip.open("rb") as file:
                found = session.post(
                    f"{site.address}/analyses",
                    data=form,
                    files={"file": file},
                    headers={"Referer": site.address},
                    timeout=60,
                )
            assert found.status_code == 200, found.text[:300]

        answer()
        return {
            "front_page_s": statistics.median(
                timed(lambda: session.get(site.address)) for _ in range(20)
            ),
            "answer_page_s": statistics.median(timed(answer) for _ in range(20)),
        }


def long_ones(folder: Path) -> Iterator[dict[str, Any]]:
    """Give for each model the seconds for an hour of MP3, and the most memory of a worker, MB."""
    path = recordings(folder, HOUR_S, ("mp3",))["mp3"]
    (folder / f"{HOUR_S}.wav").unlink()
    for model in MODELS:
        with running_site(WEB_CONCURRENCY="1") as site, requests.Session() as session:
            took_s = timed(asking(session, site, model, path))
            (worker,) = [pid for pid in processes(site.pid)[1:] if "gunicorn" in command_line(pid)]
            peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{worker}/status").read_text())
            assert peak
            yield {"model": model, "took_s": took_s, "peak_mb": int(peak[1]) / 1024}


def workers(clip: Path) -> list[dict[str, float]]:
    """Give seconds until the first answer and the memory of all processes, with 1 to 3 workers."""
    rows = []
    for count in (1, 2, 3):
        start_s = time.perf_counter()
        with running_site(WEB_CONCURRENCY=str(count)) as site, requests.Session() as session:
            asking(session, site, MODELS[0], clip)()
            first_s = time.perf_counter() - start_s
            ask_all(site, [clip] * 40 * count, MODELS[0])
            rows.append(
                {
                    "workers": count,
                    "first_answer_s": first_s,
                    "memory_mb": memory_mb(processes(site.pid)),
                }
            )
    return rows


def ask_all(site: Site, clips: list[Path], model: str) -> float:
    """Let several clients send clips, each the next when it has its answer; seconds for all."""

    def client(share: list[Path]) -> None:
        with requests.Session() as session:
            for path in share:
                asking(session, site, model, path)()

    with ThreadPoolExecutor(CLIENTS) as pool:
        return timed(lambda: list(pool.map(client, [clips[n::CLIENTS] for n in range(CLIENTS)])))


def throughput(folder: Path, clips: int) -> list[dict[str, Any]]:
    """Give answers a second, by the site and by the plain way, for clips of 3 s of each kind."""
    rows = []
    files = recordings(folder, 3)
    with running_site(SER_CONCURRENCY="4") as site:
        for kind, path in files.items():
            ask_all(site, [path] * CLIENTS, "cnn-gru")
            plain = [sys.executable, "-m", "benchmarks.plain", *[str(path)] * 20]
            printed = subprocess.run(
                plain, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            ).stdout
            rows.append(
                {
                    "kind": kind,
                    "plain_per_s": 1 / statistics.median(json.loads(printed.splitlines()[-1])),
                    **{
                        f"{model}_per_s": clips / ask_all(site, [path] * clips, model)
                        for model in MODELS
                    },
                }
            )
            print(rows[-1], file=sys.stderr)
    return rows


def cli(clip: Path) -> float:
    """Give the seconds that ``predict`` takes for one clip, with its start."""
    run = [sys.executable, "-m", "ml", "predict", str(clip)]
    return statistics.median(
        timed(lambda: subprocess.run(run, cwd=ROOT, check=True, capture_output=True))
        for _ in range(5)
    )


def measure(clips: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="undertone-") as name:
        folder = Path(name)
        clip = recordings(folder, 3)["wav"]
        with running_site() as site:
            found = {"latencies": latencies(site, folder), **pages(site, clip)}
        found |= {
            "workers": workers(clip),
            "throughput": throughput(folder, clips),
            "cli_s": cli(clip),
            "hour": list(long_ones(folder)),
        }
    return {"date": datetime.now(UTC).date().isoformat(), "machine": machine(), **found}


def page(figures: dict[str, Any]) -> str:
    """Write what was measured as Markdown."""
    lines = [
        f"Measured on {figures['date']}, on {figures['machine']}. The bare work is decoding,",
        "features and network, called directly, without the gates that look for a voice; medians,",
        "taken in turns.",
        "",
        "| recording | model | bare work | `POST /predict` | ratio | 95th percentile |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for row in figures["latencies"]:
        lines.append(
            f"| {row['seconds']} s {row['kind'].upper()} | `{row['model']}` "
            f"| {milliseconds(row['bare_s'])} | {milliseconds(row['site_s'])} "
            f"| {row['site_s'] / row['bare_s']:.2f} | {milliseconds(row['site_p95_s'])} |"
        )
    first, *others = figures["workers"]
    more = [
        other["memory_mb"] - before["memory_mb"]
        for before, other in zip(figures["workers"], others, strict=False)
    ]
    lines += [
        "",
        "| what | measured |",
        "|---|--:|",
        *[
            f"| an hour of MP3, `{row['model']}` | {row['took_s']:.1f} s, "
            f"{row['peak_mb']:.0f} MB at most |"
            for row in figures["hour"]
        ],
        f"| from the start to the first answer | {first['first_answer_s']:.1f} s |",
        f"| memory with one worker, all processes (PSS) | {first['memory_mb']:.0f} MB |",
        f"| each further worker | {statistics.mean(more):.0f} MB |",
        f"| the front page | {milliseconds(figures['front_page_s'])} |",
        f"| the page that answers for 3 s of WAV | {milliseconds(figures['answer_page_s'])} |",
        f"| `undertone predict` on 3 s of WAV, with its start | {figures['cli_s']:.1f} s |",
        "",
        "Answers a second for clips of 3 s, over HTTP, from all cores. The plain way is that of",
        "every tutorial (pydub through pipes, librosa, Keras `predict`; `benchmarks/plain.py`), in",
        "a process of its own without a website.",
        "",
        f"| clips | plain way, `cnn-gru` | site, `cnn-gru` | times | site, `{MODELS[0]}` |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in figures["throughput"]:
        plain, small, large = (row[f"{key}_per_s"] for key in ("plain", "cnn-gru", MODELS[0]))
        lines.append(
            f"| {row['kind'].upper()} | {plain:.1f} | {small:.1f} | {small / plain:.1f} "
            f"| {large:.1f} |"
        )
    return "\n".join(lines) + "\n"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=int, default=200, help="for the throughput (%(default)s)")
    parser.add_argument("--read", type=Path, help="take the figures from here, measure nothing")
    parser.add_argument("--write", action="store_true", help="write README.md and docs/speed.json")
    args = parser.parse_args()
    figures = json.loads(args.read.read_text()) if args.read else measure(args.clips)
    if args.write:
        FIGURES.write_text(json.dumps(figures, indent=2) + "\n")
        PAGE.write_text(with_page(PAGE.read_text(), page(figures)))
    print(page(figures))


if __name__ == "__main__":
    main()
