"""``compare``: what a log says of a model on trial beside the one that answers."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ml.commands.terminal import Commands, add_command, complain
from ml.errors import LogLineError

_TITLES = {
    "snr_db": "by signal-to-noise ratio, dB",
    "level_dbfs": "by level, dBFS",
    "bandwidth_hz": "by bandwidth, Hz",
    "duration_s": "by duration, s",
}
_SIDES = f"{'champion':>12}{'challenger':>12}"


def add_compare(commands: Commands) -> None:
    """Add ``compare``."""
    parser = add_command(
        commands,
        "compare",
        "set a model on trial beside the one that answers",
        "Reads what a site noted of two models that heard the same recordings "
        "(SER_CHALLENGER; 'flask --app webapp export-challenge FILE' writes it): agreement, a "
        "confusion matrix between the two, differences by the quality of the recording and, where "
        "people said what was right, both accuracies and McNemar's test. A line that cannot be "
        "read is reported, the others count, and the exit code is 1.",
        "compare challenge.jsonl",
        "compare - --format json < challenge.jsonl",
    )
    parser.add_argument("log", metavar="LOG", help="the file, or - for standard input")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="(%(default)s)")
    parser.set_defaults(run=_run_compare)


def _run_compare(args: argparse.Namespace) -> int:
    from ml import comparison

    failed = False

    def read(lines: Iterable[bytes]) -> Iterator[comparison.Line]:
        nonlocal failed
        for number, line in enumerate(lines, start=1):
            try:
                if text := line.decode("utf-8", "backslashreplace").strip():
                    yield comparison.read_line(text, number)
            except LogLineError as error:
                failed = True
                complain(str(error))

    if args.log == "-":
        found = comparison.compare_models(read(sys.stdin.buffer))
    else:
        with Path(args.log).open("rb") as file:
            found = comparison.compare_models(read(file))
    if args.format == "json":
        print(json.dumps(found, indent=2))
    else:
        print("\n\n".join(map(_as_text, found)) or "There is no line to compare.")
    return int(failed)


def _as_text(found: dict[str, Any]) -> str:
    both = found["agreement_named"]
    return "\n".join(
        [
            *(_model(found[name], name) for name in ("champion", "challenger")),
            "",
            f"{_agreement('same answer', found['agreement'])}; no emotion is an answer, too",
            _agreement("same emotion, where both name one", both),
            *_matrix("outcomes", found["outcomes"]),
            *_matrix("answers", found["confusion"]),
            *(line for name, bands in found["bands"].items() for line in _bands(name, bands)),
            *_right(found["right"]),
        ]
    )


def _model(model: dict[str, str], name: str) -> str:
    return f"{name:12}{model['name']} {model['version']}  sha256 {model['sha256'][:12]}"


def _agreement(title: str, found: dict[str, Any]) -> str:
    if not found["clips"]:
        return f"{title}: no clip"
    low, high = found["interval"]
    kappa = "-" if found["kappa"] is None else f"{found['kappa']:.3f}"
    return (
        f"{title}: {found['share']:.1%} [{low:.1%}, {high:.1%}] of {found['clips']} clips, "
        f"kappa {kappa}"
    )


def _matrix(title: str, matrix: dict[str, Any]) -> list[str]:
    names = matrix["names"]
    width = max(map(len, names)) + 2
    return [
        "",
        f"{title}: rows by the champion, columns by the challenger",
        " " * width + "".join(f"{name:>{width}}" for name in names),
        *(
            f"{name:{width}}" + "".join(f"{count:{width}}" for count in row)
            for name, row in zip(names, matrix["rows"], strict=True)
        ),
    ]


def _bands(name: str, bands: dict[str, dict[str, Any]]) -> list[str]:
    told = any(row["right"] for row in bands.values())
    return [
        "",
        f"{'':45}{'an emotion is named by':>24}{'right, of clips' if told else '':>28}".rstrip(),
        f"{_TITLES[name]:30}{'clips':>7}{'agree':>8}" + _SIDES + (_SIDES if told else ""),
        *(
            f"  {band:28}{row['clips']:7}{row['agreement']:8.1%}{row['champion_named']:12.1%}"
            f"{row['challenger_named']:12.1%}{_right_in(row['right'])}"
            for band, row in bands.items()
        ),
    ]


def _right_in(found: dict[str, Any] | None) -> str:
    if not found:
        return ""
    return f"{found['champion']:12.1%}{found['challenger']:12.1%} of {found['clips']}"


def _right(found: dict[str, Any] | None) -> list[str]:
    if not found:
        return ["", "nobody said of any clip what was right"]
    return [
        "",
        f"what people said was right, of {found['clips']} clips (no emotion counts as wrong):",
        f"  champion {found['champion']:.1%}, challenger {found['challenger']:.1%}",
        f"  right by the champion alone {found['only_champion']}, by the challenger alone "
        f"{found['only_challenger']}; McNemar's test, exact: p = {found['p']:.3g}",
    ]
