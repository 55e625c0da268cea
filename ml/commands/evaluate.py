"""``evaluate``: what a trained model is worth on speakers that it never heard."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ml.bundle import DEFAULT_MODEL, Bundle, bundle_names, read_bundle, update_card
from ml.commands.arguments import add_corpus_option, named_bundle, positive, read_split
from ml.commands.terminal import Commands, add_command, report
from ml.corpora import Clip, read_speakers


def add_evaluate(commands: Commands) -> None:
    """Add ``evaluate``."""
    parser = add_command(
        commands,
        "evaluate",
        "measure a trained model on speakers that it never heard",
        "Writes confusion matrices, report, metrics, and diagrams of reliability, of "
        "risk and coverage, and of the training. With --write, the results go into the model's "
        "bundle.json too; with --all, what all bundles say is set side by side, and with --output "
        "written as docs/models.md and MODEL_CARD.md in that folder.",
        "evaluate --model cnn-gru --corpus cremad=CREMA-D --output reports/",
        "evaluate --model runs/mine --corpus csv=mine.csv --output reports/ --robustness",
        "evaluate --all",
    )
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME", help="(%(default)s)")
    add_corpus_option(parser, required=False)
    parser.add_argument("--output", type=Path, metavar="DIR", help="where the results go")
    parser.add_argument(
        "--speakers", choices=("test", "validation"), default="test", help="(%(default)s)"
    )
    parser.add_argument(
        "--write", action="store_true", help="keep results and speed in the model's bundle.json"
    )
    parser.add_argument(
        "--robustness",
        action="store_true",
        help="measure the accuracy through codecs, rooms, noise, levels and clipping instead",
    )
    parser.add_argument(
        "--sounds",
        type=Path,
        metavar="DIR",
        help="count the sounds without speech in DIR/<class>/ that get an emotion, and the speech "
        "that is turned away, instead",
    )
    parser.add_argument(
        "--clips",
        type=positive,
        metavar="N",
        help="with --robustness or --sounds: N clips of each corpus, spread over emotions and "
        "speakers (default: all)",
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="first fit temperature and threshold on validation speakers, and keep them",
    )
    parser.add_argument(
        "--left-out",
        nargs="+",
        default=[],
        metavar="NAME",
        help="models trained alike, each without a corpus: --calibrate hears that corpus through "
        "them, --write takes their results on it over",
    )
    parser.add_argument(
        "--random-split",
        metavar="DIR",
        help="a network of the same kind from 'train --split random': its accuracy goes into the "
        "model's bundle.json, to stand beside the one on new voices",
    )
    parser.add_argument(
        "--matrix", nargs="+", metavar="NAME", help="set models against corpora by their numbers"
    )
    parser.add_argument("--all", action="store_true", help="compare all bundles by their numbers")
    parser.set_defaults(run=partial(_run_evaluate, parser))


def _run_evaluate(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    if args.all or args.matrix:
        return _run_comparison(args)
    if args.random_split:
        return _keep_random_split(parser, args)
    _refuse_contradictions(parser, args)
    from ml import evaluate

    bundle = named_bundle(args.model)
    left_out = [named_bundle(name) for name in args.left_out]
    if args.calibrate:
        bundle = _calibrated(bundle, left_out, args)
    clips = getattr(read_split(args, (args.speakers,)), args.speakers)
    if args.robustness or args.sounds:
        return (_run_robustness if args.robustness else _run_sounds)(bundle, clips, args)
    speakers = {
        key: one for name, path in args.corpus for key, one in read_speakers(name, path).items()
    }
    found = evaluate.evaluate_bundle(bundle, clips, args.output, report=report, speakers=speakers)
    if args.write:
        _keep(bundle, found, left_out)
    print((args.output / "report.txt").read_text(), end="")
    return 0


def _refuse_contradictions(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    if not (args.corpus and args.output):
        parser.error("give --corpus NAME=PATH and --output DIR, or --all, or --matrix NAME...")
    if args.write and args.speakers != "test":
        parser.error("--write keeps results of test speakers only")
    if args.clips and not (args.sounds or args.robustness):
        parser.error("--clips is for --robustness and --sounds; others measure all clips")


def _keep_random_split(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from ml.provenance import same_recipe

    bundle, leaked = named_bundle(args.model), named_bundle(args.random_split)
    if not leaked.leaks:
        parser.error(f"{args.random_split} is not from 'train --split random'")
    if not same_recipe(leaked.card, bundle.card):
        parser.error(f"{args.random_split} is not {bundle.name} with the same recipe and corpora")
    kept = {
        "seed": leaked.card["provenance"]["seed"],
        "git_commit": leaked.card["provenance"]["git_commit"],
        "metrics": leaked.card["metrics"],
    }
    update_card(bundle, random_split=kept)
    for name, found in leaked.card["metrics"].items():
        heard, new = found["wa"], bundle.card["metrics"][name]["wa"]
        print(f"{name}: WA {new:.1%} on new voices, {heard:.1%} by a random split")
    return 0


def _run_robustness(bundle: Bundle, clips: Sequence[Clip], args: argparse.Namespace) -> int:
    from ml import robustness

    drawn = robustness.draw_evenly(clips, args.clips) if args.clips else clips
    results = robustness.measure_robustness(bundle, drawn, report=report)
    robustness.write_robustness(results, args.output)
    if args.write:
        update_card(
            bundle,
            robustness=robustness.as_shares(results),
            robustness_clips=robustness.clips_of(results),
        )
    print(robustness.robustness_table(results), end="")
    return 0


def _run_sounds(bundle: Bundle, clips: Sequence[Clip], args: argparse.Namespace) -> int:
    from ml import nonspeech, robustness
    from ml.predict import Recognizer

    recognizer = Recognizer(bundle)
    drawn = robustness.draw_evenly(clips, args.clips) if args.clips else clips
    paths = [clip.path for clip in drawn]
    speech = nonspeech.measure_variants(recognizer.recognize, paths, report=report)
    sounds = nonspeech.measure_nonspeech(recognizer.recognize, args.sounds)
    table = nonspeech.nonspeech_table(sounds, speech)
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "nonspeech.md").write_text(table)
    if args.write:
        update_card(bundle, nonspeech=nonspeech.as_shares(sounds, speech))
    print(table, end="")
    return 0


def _run_comparison(args: argparse.Namespace) -> int:
    from ml import card, tables

    if args.matrix:
        print(tables.as_matrix([named_bundle(name) for name in args.matrix]), end="")
        return 0
    bundles = [read_bundle(name) for name in bundle_names()]
    print("\n".join(card.models_table(one.card for one in bundles)))
    if args.output:
        (args.output / "docs").mkdir(parents=True, exist_ok=True)
        (args.output / "docs" / "models.md").write_text(card.models_document(bundles))
        (args.output / "MODEL_CARD.md").write_text(card.model_card(bundles))
    return 0


def _calibrated(bundle: Bundle, left_out: list[Bundle], args: argparse.Namespace) -> Bundle:
    from ml.calibrating import calibrate_bundle

    clips = read_split(args, ("validation",)).validation
    return calibrate_bundle(bundle, clips, left_out, report=report)


def _keep(bundle: Bundle, results: dict, left_out: list[Bundle]) -> None:
    from ml.evaluate import left_out_results, merge_results
    from ml.speed import measure_speed

    for other in left_out:
        if not other.card.get("left_out"):
            report(f"{other.path} holds no result on a corpus it lacks: evaluate --write it first")
    kept = merge_results(bundle, results | left_out_results(left_out))
    update_card(kept, speed=measure_speed(bundle))
