"""``predict``: answers for files, folders and standard input."""

from __future__ import annotations

import argparse
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TypeAlias

from ml.bundle import read_bundle
from ml.commands.arguments import add_answer_options, chosen_labels, positive
from ml.commands.terminal import Commands, add_command, complain, progress_bar, say
from ml.formats import FORMATS
from ml.processes import worker_pool
from ml.recordings import Recording, answer, find_recordings, line, output_paths, stream

_FILES_WORTH_A_PROCESS = 16
_WAITING_PER_PROCESS = 4
_STYLES = {"bold green": r"(?<=: )sounds \w+", "yellow": "(?<=: )no emotion given"}

Progress: TypeAlias = Callable[[float], None]


def add_predict(commands: Commands) -> None:
    """Add ``predict``."""
    parser = add_command(
        commands,
        "predict",
        "say which emotion recordings carry",
        "Answers for each recording. One that cannot be read is reported, the others go on, and "
        "the exit code is 1.",
        "predict recording.m4a",
        "predict recordings/ --format jsonl > answers.jsonl",
        "predict 'calls/**/*.mp3' --labels 4 --jobs 2 --format csv",
        "predict interview.mp3 --format vtt --output subtitles/",
        "predict - --format json < recording.wav",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="file, folder (with all below it), pattern such as 'calls/*.mp3', or - for stdin",
    )
    add_answer_options(parser)
    parser.add_argument(
        "--format",
        choices=("text", "jsonl", *FORMATS),
        default="text",
        help="jsonl: one answer a line, in the order given (%(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="write a file for each recording (jsonl: one for all) into this folder",
    )
    parser.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="processes (one for a few recordings, one a core for many)",
    )
    parser.set_defaults(run=partial(_run_predict, parser))


def _run_predict(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    labels = chosen_labels(args)
    read_bundle(args.model)
    recordings = list(find_recordings(args.paths))
    single = len(args.paths) == 1 and not Path(args.paths[0]).is_dir()
    if args.format in ("audacity", "vtt") and not (single or args.output):
        parser.error(f"{args.format} describes one recording: give --output DIR for several")
    failed = False

    def noted(progress: Progress) -> Iterator[dict]:
        nonlocal failed
        for found in _answers(recordings, args, labels, progress):
            if "error" in found:
                failed = True
                error = found["error"]
                complain(f"{found['file']}: {error['message']} {error['hint']}")
            yield found

    with progress_bar(len(recordings)) as progress:
        _write(noted(progress), recordings, args, single)
    return int(failed)


def _answers(
    recordings: list[Recording],
    args: argparse.Namespace,
    labels: tuple[str, ...] | None,
    progress: Progress,
) -> Iterator[dict]:
    """Answer in this process, or in several, in the order of the recordings."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    jobs = args.jobs or min(cores or 1, 1 + len(recordings) // _FILES_WORTH_A_PROCESS)
    if jobs == 1:
        for done, recording in enumerate(recordings):
            yield answer(recording, args.model, labels, partial(_further, progress, done))
            progress(done + 1)
        return
    with worker_pool(jobs) as pool:
        waiting: deque[Future[dict]] = deque()
        for done, recording in enumerate(recordings):
            waiting.append(pool.submit(answer, recording, args.model, labels))
            if len(waiting) > _WAITING_PER_PROCESS * jobs:
                yield waiting.popleft().result()
                progress(done + 1 - len(waiting))
        while waiting:
            yield waiting.popleft().result()
            progress(len(recordings) - len(waiting))


def _further(progress: Progress, done: int, share: float) -> None:
    progress(done + share)


def _write(
    answers: Iterator[dict], recordings: list[Recording], args: argparse.Namespace, single: bool
) -> None:
    """Print, or fill the output folder; each answer as soon as it is there."""
    if args.output is None:
        for piece in stream(answers, args.format, single=single):
            say(piece, _STYLES if args.format == "text" else {})
    elif args.format == "jsonl":
        args.output.mkdir(parents=True, exist_ok=True)
        with (args.output / "predictions.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(stream(answers, args.format, single=single))
    else:
        suffix = ".txt" if args.format == "text" else FORMATS[args.format].suffix
        paths = output_paths(recordings, args.output, suffix)
        for path, found in zip(paths, answers, strict=True):
            if text := line(found, args.format):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8", errors="backslashreplace")
