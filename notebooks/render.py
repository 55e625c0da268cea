"""Run the notebooks and write them with their outputs as Markdown.

python -m notebooks.render --output DIR [--corpora DIR] [--epochs N] [--clips N]
    [--work DIR] [NAME ...]

Each becomes ``DIR/NAME.md``, with its pictures and sounds in ``DIR/NAME_files/``.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor

FOLDER = Path(__file__).resolve().parent
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("0*.ipynb")))
_SOUND = re.compile(r'data:audio/(?:x-)?wav;base64,([^"]+)')


_LOGGED = re.compile(r"^INFO:tensorflow:.*\n?", re.MULTILINE)


def run(name: str, environment: dict[str, str]) -> nbformat.NotebookNode:
    """Run a notebook from its first cell to its last, in a process of its own.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        From the cell that failed, with what it said.
    """
    book = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    client = NotebookClient(
        book, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    )
    client.create_kernel_manager().transport_encryption = "required"
    client.execute(env=os.environ | environment)
    return book


def write(name: str, book: nbformat.NotebookNode, output: Path) -> Path:
    """Write a notebook that was run as Markdown, without what libraries logged; return the file."""
    output.mkdir(parents=True, exist_ok=True)
    _without_logs(book)
    beside = f"{name}_files"
    sounds = dict(_taken_out(book, beside))
    exporter = MarkdownExporter(preprocessors=[CoalesceStreamsPreprocessor(enabled=True)])
    text, resources = exporter.from_notebook_node(
        book, {"output_files_dir": beside, "unique_key": name}
    )
    for place, content in (resources["outputs"] | sounds).items():
        (output / place).parent.mkdir(exist_ok=True)
        (output / place).write_bytes(content)
    page = output / f"{name}.md"
    page.write_text(text.strip() + "\n", encoding="utf-8")
    return page


def _without_logs(book: nbformat.NotebookNode) -> None:
    """Leave out what went to stderr, and TensorFlow's log, which goes to stdout in a notebook."""
    for cell in book.cells:
        kept = [one for one in cell.get("outputs", ()) if one.get("name") != "stderr"]
        for output in kept:
            if output.output_type == "stream":
                output.text = _LOGGED.sub("", output.text)
        if "outputs" in cell:
            cell.outputs = kept


def _taken_out(book: nbformat.NotebookNode, folder: str) -> Iterator[tuple[str, bytes]]:
    """Let sounds lie in files of their own; yield the name and content of each."""
    number = 0
    for data in _shown(book):
        found = _SOUND.search(data.get("text/html", ""))
        if found:
            number += 1
            place = f"{folder}/sound-{number}.wav"
            yield place, base64.b64decode(found[1])
            data["text/html"] = f'<audio controls preload="none" src="{place}"></audio>'


def _shown(book: nbformat.NotebookNode) -> Iterator[dict[str, Any]]:
    for cell in book.cells:
        for output in cell.get("outputs", ()):
            yield output.get("data", {})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all notebooks, or some, in their order."""
    parser = argparse.ArgumentParser(prog="python -m notebooks.render", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)} (all)")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--corpora", type=Path, metavar="DIR", help="recordings; else made-up ones")
    parser.add_argument("--epochs", type=int, metavar="N", help="how long notebook 5 trains")
    parser.add_argument("--clips", type=int, metavar="N", help="at most N of each corpus")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keeps features and the bundle")
    args = parser.parse_args(arguments)
    unknown = set(args.names) - set(NAMES)
    if unknown:
        parser.error(f"no notebook is called {', '.join(sorted(unknown))}")
    given = {
        "CORPORA": args.corpora,
        "EPOCHS": args.epochs,
        "CLIPS": args.clips,
        "NOTEBOOKS_WORK": args.work,
    }
    environment = {
        key: str(value.resolve() if isinstance(value, Path) else value)
        for key, value in given.items()
        if value is not None
    }
    for name in args.names or NAMES:
        sys.stdout.write(f"{write(name, run(name, environment), args.output)}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
