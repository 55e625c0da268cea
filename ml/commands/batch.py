"""``batch``: answers for a whole archive, on as many machines as there are."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from ml.commands.arguments import add_answer_options, chosen_labels, positive
from ml.commands.terminal import Commands, add_command, complain, report
from ml.errors import MissingPackageError

if TYPE_CHECKING:
    from ml.batch import Tally

_EXTRA = "pip install 'undertone[batch]'"


def add_batch(commands: Commands) -> None:
    """Add ``batch``."""
    parser = add_command(
        commands,
        "batch",
        "analyse a whole archive, resumably, on Dask",
        "Analyses every recording of a folder or a cloud storage on all cores, or on a Dask "
        "cluster, and writes a table of answers. Started again, it goes on where it was stopped or "
        "killed, and takes what is new. Exit codes: 0 every recording has an answer, 1 some failed "
        "(_manifest says why), 2 the call cannot be carried out, or not to its end.",
        "batch calls/ --output answers/",
        "batch calls/ --output answers/ --rows files --format jsonl --workers 4",
        "batch az://calls/2026 --output az://answers/2026",
        "batch az://calls/2026 --output az://answers/2026 --scheduler tcp://10.0.0.5:8786",
        "batch calls/ --output answers/ --retry-failed",
    )
    _add_folders(parser)
    _add_answers(parser)
    _add_work(parser)
    parser.set_defaults(run=partial(_run_batch, parser))


def _add_folders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="SOURCE", help="folder, or an address such as az://CONTAINER/PREFIX"
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="DEST",
        help="folder or address for the answers; empty, or begun by this very command",
    )
    parser.add_argument(
        "--pattern",
        action="append",
        default=[],
        metavar="GLOB",
        help="take files whose name or path is like this, such as '*.wav' or '2026/*'; may be "
        "repeated (files with a suffix of audio or video)",
    )


def _add_answers(parser: argparse.ArgumentParser) -> None:
    add_answer_options(parser)
    parser.add_argument(
        "--rows",
        choices=("segments", "files"),
        default="segments",
        help="a row for each segment of a recording, or one for each recording (%(default)s)",
    )
    parser.add_argument(
        "--format", choices=("parquet", "jsonl"), default="parquet", help="(%(default)s)"
    )


def _add_work(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a Dask scheduler that runs already, such as tcp://HOST:8786",
    )
    where.add_argument(
        "--workers", type=positive, metavar="N", help="processes on this machine (one a core)"
    )
    parser.add_argument(
        "--files-per-part",
        type=positive,
        default=16,
        metavar="N",
        help="recordings that a worker takes, and a file of the result holds, at most "
        "(%(default)s)",
    )
    parser.add_argument(
        "--retry-failed", action="store_true", help="analyse again the recordings that failed"
    )


def _run_batch(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    try:
        from ml import batch, clusters
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            purpose="'batch'", package=str(error.name), command=_EXTRA
        ) from error
    labels = chosen_labels(args)
    run = batch.describe(args.source, args.output, args.model, labels, args.rows, args.format)
    if args.scheduler:
        cluster = partial(clusters.running_cluster, args.scheduler)
    else:
        cluster = partial(clusters.local_cluster, args.workers)
    with _told() as told:
        tally = batch.analyse_archive(
            run,
            cluster,
            patterns=tuple(args.pattern),
            files_per_part=args.files_per_part,
            retry=args.retry_failed,
            report=told,
        )
    _conclude(tally, run.output)
    return int(bool(tally.errors))


@contextmanager
def _told() -> Iterator[Callable[[Tally], None]]:
    """Show on a terminal how far it is; elsewhere say only what needs saying."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()),
        *(TextColumn("{task.fields[note]}"), TimeElapsedColumn(), TimeRemainingColumn()),
    )
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("listing", total=None, note="")
        started = waited = False

        def told(tally: Tally) -> None:
            nonlocal started, waited
            if tally.workers == 0 and not waited:
                report("The scheduler has no workers yet; waiting for one.")
                waited = True
            if not started:
                progress.reset(bar, total=tally.files, completed=tally.done)
                started = True
            failed = tally.errors.total()
            note = f"{failed:,} failed" if failed else ""
            description = "starting" if tally.workers is None else "analysing"
            progress.update(bar, completed=tally.done, description=description, note=note)

        yield told


def _conclude(tally: Tally, output: str) -> None:
    """Say what came of it, and name the first that failed."""
    for state in tally.failures:
        complain(f"{state.file}: {state.error_message} {state.error_hint}")
    if tally.changed:
        report(
            f"Files that are others than when they were planned: {tally.changed:,}. What was "
            "analysed stays; give another --output to analyse all anew."
        )
    if tally.passed_over:
        report(f"Files passed over by their names (see --pattern): {tally.passed_over:,}.")
    failed = tally.errors.total()
    codes = ", ".join(f"{code} {count:,}" for code, count in tally.errors.most_common())
    why = f" ({codes}; {output}/_manifest says which and why)" if failed else ""
    print(
        f"{tally.done:,} recordings: {tally.done - failed:,} answered, {failed:,} failed{why}; "
        f"{tally.analysed:,} of them now."
    )
