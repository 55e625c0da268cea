"""From bundles and measured files to the report: what it is made of, and PDF and HTML of it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typst

from ml.abstention import LEAST_COVERAGE, WANTED_ACCURACY
from ml.bundle import Bundle
from ml.corpora import CORPORA
from ml.groups import FEWEST_SPEAKERS
from ml.metrics import RESAMPLES
from reports.figures import draw_all
from reports.findings import find
from reports.tables import all_tables

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
SOURCES = ("report.typ", "style.typ", "style.css", "references.bib")
EXPECTED = {
    "html export is under active development and incomplete",
}
"""What Typst says of every HTML that it makes."""


class ReportError(Exception):
    """The report cannot be made, or not without a warning; the text says where and why."""


@dataclass(frozen=True)
class Measured:
    """What stands in the repository besides the bundles.

    Attributes
    ----------
    speed, load : mapping
        What ``docs/speed.json`` holds, and under ``load`` what ``docs/load.json`` does.
    tried : str
        The text of ``docs/ablation.md``.
    """

    speed: Mapping[str, Any]
    load: Mapping[str, Any]
    tried: str


def read_measured(folder: Path = ROOT / "docs") -> Measured:
    """Read what was measured and noted besides the bundles."""
    return Measured(
        json.loads((folder / "speed.json").read_text(encoding="utf-8")),
        json.loads((folder / "load.json").read_text(encoding="utf-8"))["load"],
        (folder / "ablation.md").read_text(encoding="utf-8"),
    )


def gather(bundles: Sequence[Bundle], measured: Measured) -> dict[str, Any]:
    """Gather all that the text refers to; the first bundle is the default."""
    tables = all_tables(bundles, measured.speed, measured.tried)
    made = max(bundle.card["created"] for bundle in bundles)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return {
        "title": "Undertone: speech emotion recognition that measures itself",
        "subtitle": "Technical report",
        "edition": f"Version {version}, with the networks as of {made[:10]}",
        "default": bundles[0].name,
        "cards": {bundle.name: bundle.card for bundle in bundles},
        "corpora": {name: {"title": corpus.title} for name, corpus in CORPORA.items()},
        "tables": {table.name: table.as_data() for table in tables},
        "findings": find(bundles, measured.speed, measured.load, tables, measured.tried),
        "speed": measured.speed,
        "load": measured.load,
        "resamples": RESAMPLES,
        "wanted": WANTED_ACCURACY,
        "held_back": 1 - LEAST_COVERAGE,
        "fewest_speakers": FEWEST_SPEAKERS,
    }


def build(bundles: Sequence[Bundle], measured: Measured, output: Path) -> dict[str, Path]:
    """Write ``report.pdf``, ``report.html``, ``data.json`` and the figures.

    Parameters
    ----------
    bundles : sequence of Bundle
        The first is the default, which the report describes most fully.
    measured : Measured
    output : Path
        A folder; made where it is missing.

    Returns
    -------
    dict
        ``pdf``, ``html``, ``data`` and the files' paths.

    Raises
    ------
    ReportError
        If a sentence is no longer true of the numbers, a reference leads nowhere, or Typst warns.
    """
    data = gather(bundles, measured)
    figures = draw_all(bundles)
    files = {name: (FOLDER / name).read_bytes() for name in SOURCES}
    files["data.json"] = json.dumps(data).encode()
    files |= {f"figures/{name}.svg": content for name, content in figures.items()}
    written = {
        **{name: content for name, content in files.items() if name not in SOURCES},
        "report.pdf": compile_as("pdf", files, _day(data), pdf_standards=["ua-1"]),
        "report.html": compile_as("html", files, _day(data)),
    }
    for name, content in written.items():
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return {name: output / f"report.{name}" for name in ("pdf", "html")} | {
        "data": output / "data.json"
    }


def _day(data: Mapping[str, Any]) -> datetime:
    """Date the document like the newest network in it, so that the same input gives the same."""
    made = max(card["created"] for card in data["cards"].values())
    return datetime.fromisoformat(made).astimezone(UTC)


def compile_as(kind: str, files: Mapping[str, bytes], day: datetime, **options: Any) -> bytes:
    """Have Typst set a document from files in memory, with its own fonts alone.

    Raises
    ------
    ReportError
        With Typst's error, or with what it warns of.
    """
    try:
        content, warnings = typst.compile_with_warnings(
            {("main.typ" if name == "report.typ" else name): files[name] for name in files},
            format=kind,
            sys_inputs={"format": kind},
            ignore_system_fonts=True,
            timestamp=day,
            **options,
        )
    except typst.TypstError as error:
        raise ReportError(f"{kind}: {error.diagnostic.strip()}") from error
    unexpected = [one.message for one in warnings if one.message not in EXPECTED]
    if unexpected:
        raise ReportError(f"{kind}: Typst warns: {'; '.join(unexpected)}")
    return content
