"""The command line: ``python -m ml COMMAND``, installed as ``undertone``."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import TypeAlias

from ml.bundle import DEFAULT_MODEL, Bundle, bundle_names, read_bundle, update_card
from ml.corpora import CORPORA, Clip, describe_options, read_clips, read_speakers
from ml.dataset import Split, split_by_speaker
from ml.errors import EmptySideError, SerError
from ml.formats import FORMATS
from ml.labels import LABEL_SETS, parse_labels
from ml.models import MODELS
from ml.options import add_recipe, with_recipe
from ml.processes import worker_pool
from ml.recordings import Recording, answer, find_recordings, line, output_paths, stream

_FILES_WORTH_A_PROCESS = 16
_WAITING_PER_PROCESS = 4
_INTERRUPTED, _PIPE_CLOSED = 128 + signal.SIGINT, 128 + signal.SIGPIPE

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    Returns
    -------
    int
        0: done; 1: done, but not for every file; 2: the call cannot be carried out as given.
    """
    parser = argparse.ArgumentParser(
        prog="undertone",
        description="Says which emotion a voice carries, how sure it is, and when it cannot tell.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_add_predict, _add_train, _add_evaluate, _add_models, _add_corpora):
        add(commands)
    args = parser.parse_args(arguments)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = args.run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has left; this keeps Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    except (SerError, OSError, BrokenProcessPool) as error:
        _complain(str(error))
        return 2
    return code


def _complain(text: str) -> None:
    print(f"undertone: {text}", file=sys.stderr)


def _add_predict(commands: Commands) -> None:
    parser = commands.add_parser(
        "predict",
        help="say which emotion recordings carry",
        description="Answers for each recording. One that cannot be read is reported, the others "
        "go on, and the exit code is 1.",
    )
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="file, folder (with all below it) or - for stdin"
    )
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, metavar="NAME", help="see 'models' (%(default)s)"
    )
    parser.add_argument(
        "--labels",
        metavar=f"{'|'.join(LABEL_SETS)}|a,b,c",
        help="choose among fewer emotions: a set by its size, or their names",
    )
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
        type=_positive,
        metavar="N",
        help="processes (one for a few recordings, one a core for many)",
    )
    parser.set_defaults(run=partial(_run_predict, parser))


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"wanted a whole number of at least 1, got '{text}'")
    return number


def _run_predict(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    labels = parse_labels(args.labels) if args.labels else None
    read_bundle(args.model)
    recordings = list(find_recordings(args.paths))
    single = len(args.paths) == 1 and not Path(args.paths[0]).is_dir()
    if args.format in ("audacity", "vtt") and not (single or args.output):
        parser.error(f"{args.format} describes one recording: give --output DIR for several")
    failed = False

    def noted() -> Iterator[dict]:
        nonlocal failed
        for found in _answers(recordings, args, labels):
            if "error" in found:
                failed = True
                error = found["error"]
                _complain(f"{found['file']}: {error['message']} {error['hint']}")
            yield found

    _write(noted(), recordings, args, single)
    return int(failed)


def _answers(
    recordings: list[Recording], args: argparse.Namespace, labels: tuple[str, ...] | None
) -> Iterator[dict]:
    """Answer in this process, or in several, in the order of the recordings."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    jobs = args.jobs or min(cores or 1, 1 + len(recordings) // _FILES_WORTH_A_PROCESS)
    if jobs == 1:
        yield from (answer(recording, args.model, labels) for recording in recordings)
        return
    with worker_pool(jobs) as pool:
        waiting: deque[Future[dict]] = deque()
        for recording in recordings:
            waiting.append(pool.submit(answer, recording, args.model, labels))
            if len(waiting) > _WAITING_PER_PROCESS * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _write(
    answers: Iterator[dict], recordings: list[Recording], args: argparse.Namespace, single: bool
) -> None:
    """Print, or fill the output folder; each answer as soon as it is there."""
    if args.output is None:
        for piece in stream(answers, args.format, single=single):
            print(piece, end="", flush=True)
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


def _add_train(commands: Commands) -> None:
    parser = commands.add_parser(
        "train",
        help="train a network on corpora and leave an evaluated bundle",
        description="Splits by speaker, trains, exports to LiteRT, calibrates on validation "
        "speakers and scores the test speakers once. An interrupted run goes on with --resume.",
    )
    parser.add_argument("--model", choices=MODELS, default="cnn-gru", help="(%(default)s)")
    _add_corpus_option(parser, required=False)
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
        help="weights of the pretrained encoder, for a network that has one",
    )
    parser.add_argument(
        "--teacher",
        metavar="MODEL",
        help="a bundle, by its name or its folder, whose answers the network learns, too",
    )
    add_recipe(parser)
    parser.set_defaults(run=partial(_run_train, parser))


def _add_corpus_option(parser: argparse.ArgumentParser, required: bool = True) -> None:
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


def _run_train(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    architecture = with_recipe(MODELS[args.model], args)
    args.corpus = args.corpus or []
    if args.corpora:
        args.corpus += [(name, args.corpora / name) for name in architecture.corpora]
    if not args.corpus:
        parser.error("give --corpora DIR, or --corpus NAME=PATH")
    if architecture.encoder and args.encoder is None:
        parser.error(f"{architecture.name} goes on from a pretrained encoder: give --encoder FILE")
    split = _split(args, ("train", "validation", "test"))
    from ml.train import train_bundle

    bundle = train_bundle(
        architecture,
        split,
        args.output,
        encoder=args.encoder,
        teacher=_bundle(args.teacher) if args.teacher else None,
        resume=args.resume,
        report=_report,
    )
    print((args.output / "evaluation" / "report.txt").read_text(), end="")
    print(f"bundle: {bundle.path}")
    return 0


def _split(args: argparse.Namespace, needed: tuple[str, ...]) -> Split:
    """Read the corpora and split them by speaker, with clips on every side that is needed."""
    clips = (clip for name, path in args.corpus for clip in read_clips(name, path))
    split = split_by_speaker(clips)
    for side in needed:
        if not getattr(split, side):
            raise EmptySideError(side=side)
    return split


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _add_evaluate(commands: Commands) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="measure a trained model on speakers that it never heard",
        description="Writes confusion matrices, report, metrics, and diagrams of reliability, of "
        "risk and coverage, and of the training. With --write, the results go into the model's "
        "bundle.json too; with --all, what all bundles say is set side by side, and with --output "
        "written as docs/models.md and MODEL_CARD.md in that folder.",
    )
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME", help="(%(default)s)")
    _add_corpus_option(parser, required=False)
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
        type=_positive,
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
        "--matrix", nargs="+", metavar="NAME", help="set models against corpora by their numbers"
    )
    parser.add_argument("--all", action="store_true", help="compare all bundles by their numbers")
    parser.set_defaults(run=partial(_run_evaluate, parser))


def _run_evaluate(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    if args.all or args.matrix:
        return _run_comparison(args)
    if not (args.corpus and args.output):
        parser.error("give --corpus NAME=PATH and --output DIR, or --all, or --matrix NAME...")
    if args.write and args.speakers != "test":
        parser.error("--write keeps results of test speakers only")
    if args.clips and not (args.sounds or args.robustness):
        parser.error("--clips is for --robustness and --sounds; others measure all clips")
    from ml import evaluate

    bundle = _bundle(args.model)
    left_out = [_bundle(name) for name in args.left_out]
    if args.calibrate:
        bundle = _calibrated(bundle, left_out, args)
    clips = getattr(_split(args, (args.speakers,)), args.speakers)
    if args.robustness or args.sounds:
        return (_run_robustness if args.robustness else _run_sounds)(bundle, clips, args)
    speakers = {
        key: one for name, path in args.corpus for key, one in read_speakers(name, path).items()
    }
    found = evaluate.evaluate_bundle(bundle, clips, args.output, report=_report, speakers=speakers)
    if args.write:
        _keep(bundle, found, left_out)
    print((args.output / "report.txt").read_text(), end="")
    return 0


def _run_robustness(bundle: Bundle, clips: Sequence[Clip], args: argparse.Namespace) -> int:
    from ml import robustness

    drawn = robustness.draw_evenly(clips, args.clips) if args.clips else clips
    results = robustness.measure_robustness(bundle, drawn, report=_report)
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
    speech = nonspeech.measure_variants(recognizer.recognize, paths, report=_report)
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
        print(tables.as_matrix([_bundle(name) for name in args.matrix]), end="")
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

    clips = _split(args, ("validation",)).validation
    return calibrate_bundle(bundle, clips, left_out, report=_report)


def _keep(bundle: Bundle, results: dict, left_out: list[Bundle]) -> None:
    from ml.evaluate import left_out_results, merge_results
    from ml.speed import measure_speed

    for other in left_out:
        if not other.card.get("left_out"):
            _report(f"{other.path} holds no result on a corpus it lacks: evaluate --write it first")
    kept = merge_results(bundle, results | left_out_results(left_out))
    update_card(kept, speed=measure_speed(bundle))


def _bundle(name: str) -> Bundle:
    """Read a bundle that ships, or one that `train` left in a folder."""
    return read_bundle(Path(name) if (Path(name) / "bundle.json").is_file() else name)


def _add_models(commands: Commands) -> None:
    parser = commands.add_parser("models", help="list the trained models")
    parser.set_defaults(run=_run_models)


def _run_models(_args: argparse.Namespace) -> int:
    for name in bundle_names():
        print(_described(read_bundle(name)))
    return 0


def _described(bundle: Bundle) -> str:
    card = bundle.card
    lines = [
        f"{bundle.name}  version {bundle.version}, {card['parameters'] / 1e6:.2f} M parameters, "
        f"{card['size_bytes'] / 1e6:.1f} MB{', the default' * (bundle.name == DEFAULT_MODEL)}",
        f"    labels: {', '.join(bundle.labels)}",
        f"    licence: {card['licence']}",
    ]
    lines += [
        f"    {corpus}: {found['wa']:.1%} WA, {found['ua']:.1%} UA, "
        f"{found['macro_f1']:.1%} macro-F1 on {found['clips']} clips of "
        f"{found['speakers']} unheard speakers"
        for corpus, found in card["metrics"].items()
    ]
    return "\n".join(lines)


def _add_corpora(commands: Commands) -> None:
    parser = commands.add_parser("corpora", help="list the corpora that training reads")
    parser.set_defaults(run=_run_corpora)


def _run_corpora(_args: argparse.Namespace) -> int:
    for corpus in CORPORA.values():
        about = ", ".join(filter(None, (corpus.licence, corpus.url)))
        print(f"{corpus.name}  {corpus.title} ({corpus.language}), {about}")
        print(f"    labels: {', '.join(corpus.labels)}")
        print(f"    layout: {corpus.layout}")
        if corpus.options:
            print(f"    options: {', '.join(describe_options(corpus))}")
        print(f"    {corpus.citation}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
