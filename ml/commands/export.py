"""``export``: a trained model in the forms that other programs run."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from ml.bundle import DEFAULT_MODEL
from ml.commands.arguments import add_corpus_option, named_bundle, positive, read_split
from ml.commands.terminal import Commands, add_command, report
from ml.exporting import FORMS, Exported, export_bundle


def add_export(commands: Commands) -> None:
    """Add ``export``."""
    parser = add_command(
        commands,
        "export",
        "write a trained model as LiteRT float32, LiteRT int8 and ONNX",
        "Writes a folder that can go out: a bundle for each form, a model card as the "
        "Hugging Face Hub has it (README.md) and the licence of the weights. With --corpus, the "
        "test speakers tell how far each form's answers lie from the trained network's. The form "
        "that serves is handed on as it is; others are made from the model.keras that 'train' "
        "leaves in a bundle.",
        "export --model cnn-gru --format litert-float32 --output cnn-gru/",
        "export --model runs/mine --output out/ --corpus cremad=CREMA-D --clips 60",
    )
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, metavar="NAME|DIR", help="see 'models' (%(default)s)"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="the folder")
    parser.add_argument(
        "--format", nargs="+", choices=FORMS, default=FORMS, help="which forms (default: all)"
    )
    add_corpus_option(parser, required=False)
    parser.add_argument(
        "--clips",
        type=positive,
        metavar="N",
        help="with --corpus: N clips of each, spread over emotions and speakers (default: all)",
    )
    parser.set_defaults(run=partial(_run_export, parser))


def _run_export(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    if args.clips and not args.corpus:
        parser.error("--clips is for --corpus NAME=PATH")
    from ml.robustness import draw_evenly

    bundle = named_bundle(args.model)
    clips = read_split(args, ("test",)).test if args.corpus else ()
    drawn = draw_evenly(clips, args.clips) if args.clips else clips
    done = export_bundle(bundle, args.output, args.format, drawn, report)
    print("\n".join(_described(done)))
    return 0


def _described(done: Exported) -> list[str]:
    sizes = [
        f"{bundle.path}: {bundle.card['size_bytes'] / 1e6:.1f} MB"
        for bundle in done.bundles.values()
    ]
    if done.differences is None:
        return sizes
    from ml.hub_card import difference_lines

    return [*sizes, "", *difference_lines(done.differences)]
