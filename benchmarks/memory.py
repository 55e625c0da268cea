"""Memory of ``predict`` over ten thousand files, in one process and in two: does it grow?

python -m benchmarks.memory [--files 10000] [--model cnn-gru] [--write docs/memory.md]
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.site import memory_mb

ROOT = Path(__file__).resolve().parent.parent
CLIPS = sorted((ROOT / "samples").glob("*.flac"))
POINTS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--model", default="cnn-gru")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--write", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.files):
            source = CLIPS[number % len(CLIPS)]
            (Path(folder) / f"{number:06d}.flac").symlink_to(source)
        curves = {jobs: measure(Path(folder), args.model, jobs) for jobs in args.jobs}
    text = table(curves, args.files, args.model)
    print(text, end="")
    if args.write:
        args.write.write_text(text)


def measure(folder: Path, model: str, jobs: int) -> list[tuple[int, float, float]]:
    """Give (files done, seconds, MB of all its processes) at some points of a run."""
    command = [sys.executable, "-m", "ml", "predict", folder, "--model", model]
    command += ["--format", "jsonl", "--jobs", str(jobs)]
    total = len(list(folder.iterdir()))
    # Not at the end, where the processes are leaving.
    points = {total * (2 * number + 1) // (2 * POINTS) for number in range(POINTS)}
    start, found = time.perf_counter(), []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        assert process.stdout
        for done, _line in enumerate(process.stdout, 1):
            if done in points:
                found.append((done, time.perf_counter() - start, memory_mb(session(process.pid))))
    assert process.returncode == 0 and done == total
    return found


def session(leader: int) -> Iterator[int]:
    """List the processes of a session."""
    for entry in os.scandir("/proc"):
        with contextlib.suppress(OSError):  # It has ended meanwhile.
            if entry.name.isdecimal() and os.getsid(int(entry.name)) == leader:
                yield int(entry.name)


def table(curves: dict[int, list[tuple[int, float, float]]], files: int, model: str) -> str:
    rows = [
        f"# Memory of `predict` over {files:,} files",
        "",
        f"`python -m benchmarks.memory` with `{model}`; the samples' clips, again and again. All",
        "processes of the command together; what they share counts once (PSS).",
        "",
        "| files done | " + " | ".join(f"MB with `--jobs {jobs}`" for jobs in curves) + " |",
        "|---" * (1 + len(curves)) + "|",
    ]
    for points in zip(*curves.values(), strict=True):
        cells = [f"{points[0][0]:,}", *(f"{mb:.0f}" for _done, _seconds, mb in points)]
        rows.append(f"| {' | '.join(cells)} |")
    for jobs, points in curves.items():
        rows += ["", f"`--jobs {jobs}`: {points[-1][0] / points[-1][1]:.1f} files a second."]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
