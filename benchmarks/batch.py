"""An archive on one worker and on two, and what a million calls would take and cost from that.

``python -m benchmarks.batch`` prints the page; ``--write`` puts it into ``docs/batch.md``, between
its markers, and the figures into ``docs/batch.json``. ``--read docs/batch.json --price 0.08``
calculates it from those figures for another price. One worker, two workers and a plain loop over
the library take turns, so that a busy machine troubles all alike: trust the ratios.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from distributed import Client

import ml
from ml import batch, clusters, parts
from ml.folders import list_files, open_folder

ROOT = Path(__file__).resolve().parent.parent
PAGE, FIGURES = ROOT / "docs" / "batch.md", ROOT / "docs" / "batch.json"
MARKERS = "<!-- measured -->\n", "<!-- end of measured -->\n"
CALL_S = 300
WORKERS = (2, 16, 64, 256)


def clips_folder(folder: Path, count: int) -> None:
    """Fill a folder with the bundled voices, over and over."""
    folder.mkdir()
    voices = sorted((ROOT / "samples").glob("*man.flac"))
    for number in range(count):
        voice = voices[number % len(voices)]
        (folder / f"{number:04d}-{voice.name}").write_bytes(voice.read_bytes())


def calls_folder(folder: Path, count: int) -> None:
    """Fill a folder with one call of five minutes: the bundled story over and over, as MP3."""
    folder.mkdir()
    story = ml.decode(ROOT / "samples" / "story.mp3").samples
    sound = ml.to_wav(ml.Waveform(np.resize(story, CALL_S * 16_000), 16_000))
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", "-", "-b:a", "32k"]
    subprocess.run([*command, folder / "000.mp3"], input=sound, check=True)
    for number in range(1, count):
        os.link(folder / "000.mp3", folder / f"{number:03d}.mp3")


def empty_folder(folder: Path, count: int) -> None:
    """Fill a folder with files in which there is nothing to analyse."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:04d}.wav").write_bytes(b"")


def loop(folder: Path, model: str) -> float:
    """Seconds for a plain loop over the library in this process."""
    recognizer = ml.load(model)
    recognizer.recognize(ROOT / "samples" / "silence.flac")
    start_s = time.perf_counter()
    for path in sorted(folder.iterdir()):
        recognizer.recognize(path)
    return time.perf_counter() - start_s


def archive(client: Client, folder: Path, model: str, results: Path) -> float:
    """Seconds for a run over an archive, on workers that have their model; results are kept."""
    run = batch.describe(str(folder), str(results), model, None, "segments", "parquet")
    start_s = time.perf_counter()
    batch.analyse_archive(run, lambda: nullcontext(client))
    return time.perf_counter() - start_s


def warm(client: Client, folder: Path, model: str, results: Path) -> None:
    """Let every worker load the model and start its decoder."""
    run = batch.describe(str(folder), str(results), model, None, "segments", "parquet")
    client.run(parts.analyse_file, run, next(list_files(open_folder(str(folder)))))


def measure(model: str, clips: int, calls: int, empty: int, rounds: int) -> dict:
    """Measure in turns; see `page` for what the figures mean."""
    found: dict[str, list[float]] = {}
    size = 0
    with tempfile.TemporaryDirectory(prefix="undertone-") as name:
        here = Path(name)
        clips_folder(here / "clips", clips)
        calls_folder(here / "calls", calls)
        empty_folder(here / "empty", empty)

        def note(key: str, seconds: float) -> None:
            print(f"{key}: {seconds:.2f} s", flush=True)
            found.setdefault(key, []).append(seconds)

        for turn in range(rounds):
            note("loop_clips_s", loop(here / "clips", model))
            for workers in (1, 2):
                with clusters.local_cluster(workers) as client:
                    run = timed_runs(client, here, model, f"{turn}-{workers}")
                    for kind in ("clips", "calls", "empty"):
                        note(f"workers{workers}_{kind}_s", run(kind))
        results = (here / "results-0-2-calls").rglob("*.parquet")
        size = sum(path.stat().st_size for path in results)
    return {
        "machine": machine(),
        "model": model,
        "clips": clips,
        "calls": calls,
        "empty": empty,
        "call_s": CALL_S,
        "bytes_a_call": size / calls,
        **found,
    }


def timed_runs(client: Client, here: Path, model: str, turn: str) -> Callable[[str], float]:
    warm(client, here / "clips", model, here / f"results-{turn}-warm")
    return lambda kind: archive(client, here / kind, model, here / f"results-{turn}-{kind}")


def machine() -> str:
    """Name the processor, its cores and how busy they are."""
    cpu = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpu.read_text()) if cpu.exists() else None
    name = found[1] if found else platform.machine()
    return f"{name}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} when it ended"


def page(figures: dict, price: float, calls: int = 1_000_000) -> str:
    """Write what was measured, and what follows from it, as Markdown."""
    one_s, two_s, calls_one_s, calls_two_s, loop_s, empty_s = (
        np.array(figures[key])
        for key in (
            *("workers1_clips_s", "workers2_clips_s", "workers1_calls_s", "workers2_calls_s"),
            *("loop_clips_s", "workers1_empty_s"),
        )
    )
    clips_efficiency, calls_efficiency = (
        statistics.median(one / (2 * two))
        for one, two in ((one_s, two_s), (calls_one_s, calls_two_s))
    )
    busy_s = 2 * min(calls_two_s) / figures["calls"]
    part_s = min(empty_s) / figures["empty"]
    client_busy = WORKERS[-1] * part_s / (batch.FILES_PER_PART * busy_s)
    hours = calls * busy_s / 3600
    paper = [
        f"| {n} | {hours / n:,.0f} h ({hours / n / 24:,.1f} days) | {hours:,.0f} "
        f"| {hours * price:,.0f} |"
        for n in WORKERS
    ]
    minutes, price_text = figures["call_s"] // 60, f"{price:g} for a vCPU hour, in your currency"
    lines = [
        f"Measured with `{figures['model']}` on {figures['machine']},",
        f"which other work shared. {len(one_s)} rounds, in which all took turns. Rates are those",
        "of the least disturbed round, ratios the median of the rounds.",
        "",
        "| | 1 worker | 2 workers | efficiency |",
        "|---|--:|--:|--:|",
        f"| clips of 3 to 6 s, a second | {figures['clips'] / min(one_s):.2f} "
        f"| {figures['clips'] / min(two_s):.2f} | {clips_efficiency:.0%} |",
        f"| calls of {minutes} minutes, an hour "
        f"| {3600 * figures['calls'] / min(calls_one_s):,.0f} "
        f"| {3600 * figures['calls'] / min(calls_two_s):,.0f} | {calls_efficiency:.0%} |",
        "",
        "Efficiency is the rate of two workers over twice that of one. Both workers, the scheduler",
        "and the processes that decode shared two cores. One worker reached",
        f"{statistics.median(loop_s / one_s):.0%} of the rate of a plain loop over `ml.recognize`.",
        "A part in which there is nothing to analyse cost",
        f"{part_s * 1000:.0f} ms, with its way to the worker and back and its file.",
        "",
        "## A million calls, on paper",
        "",
        f"{calls:,} calls of {minutes} minutes, at {busy_s:.1f} s of a worker each, as measured",
        "with two at work:",
        "",
        "| workers | take | vCPU hours | costs |",
        "|--:|--:|--:|--:|",
        *paper,
        "",
        f"The price is an assumption to be replaced: {price_text}",
        "(`--price`). A worker is a vCPU like those measured. Storage, transfer and the machine of",
        "the scheduler are not in it. That workers on other machines do not hinder each other is",
        "assumed, too. They share the storage and one client, which has at most",
        f"{part_s * 1000:.0f} ms of work with a part of {batch.FILES_PER_PART} calls: with "
        f"{WORKERS[-1]} workers, it is busy {client_busy:.0%} of the time. The answers take",
        f"{figures['bytes_a_call'] * calls / 1e9:.0f} GB as Parquet, a row for each segment.",
    ]
    return "\n".join(lines) + "\n"


def with_page(document: str, text: str) -> str:
    """Put a page between the markers of a document."""
    before, rest = document.split(MARKERS[0])
    _old, after = rest.split(MARKERS[1])
    return f"{before}{MARKERS[0]}{text}{MARKERS[1]}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=ml.DEFAULT_MODEL, help="(%(default)s)")
    parser.add_argument("--price", type=float, default=0.05, help="of a vCPU hour (%(default)s)")
    parser.add_argument("--clips", type=int, default=48, help="(%(default)s)")
    parser.add_argument("--calls", type=int, default=4, help="(%(default)s)")
    parser.add_argument("--empty", type=int, default=100, help="(%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--read", type=Path, help="take the figures from here, measure nothing")
    parser.add_argument("--write", action="store_true", help="write docs/batch.md and .json")
    args = parser.parse_args()
    if args.read:
        figures = json.loads(args.read.read_text())
    else:
        figures = measure(args.model, args.clips, args.calls, args.empty, args.rounds)
    if args.write:
        FIGURES.write_text(json.dumps(figures | {"price": args.price}, indent=2) + "\n")
        PAGE.write_text(with_page(PAGE.read_text(), page(figures, args.price)))
    print(page(figures, args.price))


if __name__ == "__main__":
    main()
