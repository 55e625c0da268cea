"""``train``: clips in, an evaluated bundle out."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from ml.commands.arguments import add_corpus_option, named_bundle, read_split
from ml.commands.terminal import Commands, add_command, report
from ml.models import MODELS
from ml.options import add_recipe, with_recipe


def add_train(commands: Commands) -> None:
    """Add ``train``."""
    parser = add_command(
        commands,
        "train",
        "train a network on corpora and leave an evaluated bundle",
        "Splits by speaker, trains, exports to LiteRT, calibrates on validation speakers and "
        "scores the test speakers once. An interrupted run goes on with --resume.",
        "train --model cnn-gru --corpora corpora/ --output runs/cnn-gru --resume",
        "train --model crnn --corpus cremad=CREMA-D --corpus csv=mine.csv --output runs/mine",
        "train --model cnn-gru --corpora corpora/ --output runs/try --epochs 5 --seed 2",
    )
    parser.add_argument("--model", choices=MODELS, default="cnn-gru", help="(%(default)s)")
    add_corpus_option(parser, required=False)
    parser.add_argument(
        "--corpora",
        type=Path,
        metavar="DIR",
        help="a folder that holds, under their names, the corpora that the network learns from",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="the bundle")
    parser.add_argument("--resume", action="store_true", help="go on where DIR stopped")
    parser.add_argument(
        "--encoder",
        type=Path,
        metavar="FILE",
        help="weights of the pretrained encoder: a network that has one goes on from it, another "
        "is taught by it",
    )
    parser.add_argument(
        "--start",
        metavar="MODEL",
        help="a bundle of the same network, by its name or its folder, from whose model.keras "
        "it goes on",
    )
    parser.add_argument(
        "--split",
        choices=("speaker", "random"),
        default="speaker",
        help="random: clips drawn by chance, so that the test speakers are heard in training; "
        "shows what such a split claims too much, see 'evaluate --random-split' (%(default)s)",
    )
    add_recipe(parser)
    parser.set_defaults(run=partial(_run_train, parser))


def _run_train(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    architecture = with_recipe(MODELS[args.model], args)
    args.corpus = args.corpus or []
    if args.corpora:
        args.corpus += [(name, args.corpora / name) for name in architecture.corpora]
    if not args.corpus:
        parser.error("give --corpora DIR, or --corpus NAME=PATH")
    if architecture.encoder and args.encoder is None:
        parser.error(f"{architecture.name} goes on from a pretrained encoder: give --encoder FILE")
    start = named_bundle(args.start) if args.start else None
    if start and not (start.name == architecture.name and (start.path / "model.keras").is_file()):
        parser.error(f"{start.path} is no {architecture.name} with a model.keras to go on from")
    seed = architecture.train.seed if args.split == "random" else None
    split = read_split(args, ("train", "validation", "test"), seed)
    from ml.train import train_bundle

    bundle = train_bundle(
        architecture,
        split,
        args.output,
        encoder=args.encoder,
        start=start,
        resume=args.resume,
        report=report,
    )
    print((args.output / "evaluation" / "report.txt").read_text(), end="")
    print(f"bundle: {bundle.path}")
    return 0
