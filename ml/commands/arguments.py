"""What several commands take as arguments."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from ml.bundle import DEFAULT_MODEL, Bundle, read_bundle
from ml.corpora import CORPORA, read_clips
from ml.dataset import Split, split_at_random, split_by_speaker
from ml.errors import EmptySideError
from ml.labels import LABEL_SETS, parse_labels


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"wanted a whole number of at least 1, got '{text}'")
    return number


def named_bundle(name: str) -> Bundle:
    """Read a bundle that ships, or one that `train` left in a folder."""
    return read_bundle(Path(name) if (Path(name) / "bundle.json").is_file() else name)


def add_answer_options(parser: argparse.ArgumentParser) -> None:
    """Let a command be told which model answers, and among which emotions."""
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, metavar="NAME", help="see 'models' (%(default)s)"
    )
    parser.add_argument(
        "--labels",
        metavar=f"{'|'.join(LABEL_SETS)}|a,b,c",
        help="choose among fewer emotions: a set by its size, or their names",
    )


def chosen_labels(args: argparse.Namespace) -> tuple[str, ...] | None:
    """Name the emotions that the options choose among; None for all that the model knows."""
    return parse_labels(args.labels) if args.labels else None


def add_corpus_option(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Let a command be told where corpora are."""
    parser.add_argument(
        "--corpus",
        action="append",
        type=_corpus,
        required=required,
        metavar="NAME[:OPTION=VALUE,...]=PATH",
        help="a corpus's folder in its official layout (csv: a table of your own), may be "
        f"repeated: {', '.join(CORPORA)}; 'corpora' lists them with their options",
    )


def _corpus(text: str) -> tuple[str, Path]:
    """Split ``NAME=PATH`` or ``NAME:OPTION=VALUE,OPTION=VALUE=PATH`` before the path."""
    found = re.fullmatch(r"(\w+(?::\w+=\w+(?:,\w+=\w+)*)?)=(.+)", text)
    if found is None:
        raise argparse.ArgumentTypeError(
            "wanted NAME=PATH such as cremad=DIR, or with options such as "
            f"iemocap:test=Session3=DIR, got '{text}'"
        )
    return found[1], Path(found[2])


def read_split(
    args: argparse.Namespace, needed: tuple[str, ...], random_seed: int | None = None
) -> Split:
    """Read the corpora and split them, with clips on every side that is needed.

    They are split by speaker, or by chance where there is a seed.
    """
    clips = [clip for name, path in args.corpus for clip in read_clips(name, path)]
    split = split_by_speaker(clips) if random_seed is None else split_at_random(clips, random_seed)
    for side in needed:
        if not getattr(split, side):
            raise EmptySideError(side=side)
    return split
