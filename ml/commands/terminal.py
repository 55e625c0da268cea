"""How commands look: colours and progress on a terminal, plain text anywhere else."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text
from rich_argparse import RawDescriptionRichHelpFormatter

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


class HelpFormatter(RawDescriptionRichHelpFormatter):
    """Help with colours on a terminal; examples keep their lines."""

    styles = RawDescriptionRichHelpFormatter.styles | {"argparse.groups": "bold"}
    group_name_formatter = str


def complain(text: str) -> None:
    """Tell what went wrong, on standard error."""
    said = Text.assemble(("undertone:", "bold red"), f" {text}")
    Console(stderr=True).print(said, soft_wrap=True)


def report(text: str) -> None:
    """Tell how far some work is, on standard error."""
    print(text, file=sys.stderr, flush=True)


def say(text: str, styles: Mapping[str, str]) -> None:
    """Print an answer; on a terminal, what matches a style's pattern gets that style."""
    if not sys.stdout.isatty():
        print(text, end="", flush=True)
        return
    shown = Text(text)
    for style, pattern in styles.items():
        shown.highlight_regex(pattern, style)
    Console().print(shown, end="", soft_wrap=True)


@contextmanager
def progress_bar(total: int) -> Iterator[Callable[[float], None]]:
    """Show how many of some things are done, where somebody looks at a terminal.

    Yields
    ------
    callable
        Is told how many are done, with the part of the next one.
    """
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("left"))
    with Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
        # Answers that go to the same terminal scroll by above the bar.
        redirect_stdout=sys.stdout.isatty(),
    ) as progress:
        task = progress.add_task("", total=total)
        yield lambda done: progress.update(task, completed=done)


def add_command(
    commands: Commands, name: str, summary: str, description: str, *examples: str
) -> argparse.ArgumentParser:
    """Add a command whose help ends with examples."""
    return commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog="\n".join(["examples:", *(f"  undertone {one}" for one in examples)]),
        formatter_class=HelpFormatter,
    )
