"""A corpus of the user's own: a CSV file with a row for each clip.

Columns ``path`` (from the CSV's folder), ``label`` and ``speaker``; ``split`` (train, validation or
test), ``intensity`` (0 to 1), ``votes`` (how many listeners heard what: ``angry:7 happy:3``),
``sex`` (female or male), ``age`` and ``language`` where wanted.
"""

import csv
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, get_args

from ml.corpora.clips import Clip, Corpus, Side, Speaker
from ml.errors import CorpusTableError
from ml.labels import LABELS

_Value = TypeVar("_Value")

_NEEDED = ("path", "label", "speaker")
_SEXES = ("female", "male")
_SHARES: tuple[tuple[Side, float], ...] = (("train", 0.7), ("validation", 0.85), ("test", 1.0))
"""Each side, and the share of speakers on it and on those before it."""


@dataclass(frozen=True)
class _Row:
    """One line of the table, checked."""

    clip: Clip
    speaker: Speaker
    language: str


def read_row(table: Path) -> Corpus:
    """Describe a CSV file as a corpus: its name, its labels in the order of `LABELS`.

    Raises
    ------
    CorpusTableError
        If the file is not such a table; the message names the line.
    """
    rows = list(_rows(table))
    labels = {row.clip.label for row in rows}
    if len(labels) < 2:
        raise CorpusTableError(
            path=str(table), line=1, detail="fewer than two emotions are in the table"
        )
    speakers = len({row.clip.speaker for row in rows})
    return replace(
        CORPUS,
        name=_name(table),
        title=table.name,
        citation=f"{table.name}, {len(rows)} clips of {speakers} speakers.",
        language=", ".join(dict.fromkeys(row.language for row in rows if row.language))
        or "unknown",
        labels=tuple(label for label in LABELS if label in labels),
    )


def _name(table: Path) -> str:
    return "csv-" + re.sub(r"[^\w.-]+", "-", table.stem)


def _read(table: Path) -> Iterator[Clip]:
    return (row.clip for row in _rows(table))


def _read_speakers(table: Path) -> dict[str, Speaker]:
    return {row.clip.speaker: row.speaker for row in _rows(table)}


def _rows(table: Path) -> Iterator[_Row]:
    """Read and check the table line by line."""
    with table.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, restkey="")
        try:
            yield from _checked(reader, table)
        except UnicodeDecodeError:  # No table at all, which is said by `read_clips`.
            raise
        except (ValueError, csv.Error, OSError) as error:
            raise CorpusTableError(
                path=str(table), line=reader.line_num or 1, detail=str(error)
            ) from error


def _checked(reader: csv.DictReader, table: Path) -> Iterator[_Row]:
    """Check each line, and against those before it; a ValueError says what is wrong."""
    speakers: dict[str, Speaker] = {}
    paths: set[Path] = set()
    missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
    if missing:
        raise ValueError(f"there is no column {', '.join(missing)}")
    for cells in reader:
        row = _row(cells, table)
        if row.clip.path in paths:
            raise ValueError(f"'{cells['path']}' came before")
        if speakers.setdefault(row.clip.speaker, row.speaker) != row.speaker:
            raise ValueError(f"sex or age of '{cells['speaker']}' differ from before")
        paths.add(row.clip.path)
        yield row


def _row(cells: dict[str, str], table: Path) -> _Row:
    """Check one line; the text of a ValueError says what is wrong with it."""
    if "" in cells:
        raise ValueError("it has more cells than there are columns")
    path = table.parent / _cell(cells, "path", str)
    if not path.is_file():
        raise ValueError(f"there is no file '{path}'")
    speaker = _cell(cells, "speaker", str)
    side = _cell(cells, "split", _among(get_args(Side))) if "split" in cells else _draw(speaker)
    clip = Clip(
        path,
        _cell(cells, "label", _among(LABELS)),
        f"{_name(table)}:{speaker}",
        _name(table),
        intensity=_optional(cells, "intensity", _share),
        votes=_optional(cells, "votes", _votes),
        side=side,
    )
    person = Speaker(_optional(cells, "sex", _among(_SEXES)), _optional(cells, "age", _years))
    return _Row(clip, person, _optional(cells, "language", str) or "")


def _cell(cells: dict[str, str], column: str, convert: Callable[[str], _Value]) -> _Value:
    text = (cells[column] or "").strip()
    if not text:
        raise ValueError(f"its {column} is empty")
    try:
        return convert(text)
    except ValueError as error:
        raise ValueError(f"its {column} is '{text}': {error}") from error


def _optional(
    cells: dict[str, str], column: str, convert: Callable[[str], _Value]
) -> _Value | None:
    return _cell(cells, column, convert) if (cells.get(column) or "").strip() else None


def _among(choices: tuple[_Value, ...]) -> Callable[[str], _Value]:
    """Make a check that a text, whatever its case, is one of `choices`."""

    def check(text: str) -> _Value:
        for choice in choices:
            if text.lower() == choice:
                return choice
        raise ValueError(f"wanted one of {', '.join(map(str, choices))}")

    return check


def _share(text: str) -> float:
    if not re.fullmatch(r"0|1|[01]?\.\d+", text) or float(text) > 1:
        raise ValueError("wanted a number from 0 to 1")
    return float(text)


def _votes(text: str) -> dict[str, float]:
    """Turn counts of listeners into shares."""
    counts: dict[str, int] = {}
    for part in text.split():
        name, _, count = part.partition(":")
        label = _among(LABELS)(name)
        if not re.fullmatch(r"[0-9]{1,6}", count) or label in counts:
            raise ValueError("wanted each emotion once, with a count: angry:7 happy:3")
        counts[label] = int(count)
    total = sum(counts.values())
    if not total:
        raise ValueError("nobody voted")
    return {label: count / total for label, count in counts.items()}


def _years(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("wanted a whole number of years")
    return int(text)


def _draw(speaker: str) -> Side:
    """Give a speaker a side by name, so that it stays the same however the table grows."""
    place = int.from_bytes(hashlib.sha256(speaker.encode()).digest()[:8]) / 2**64
    return next(side for side, share in _SHARES if place < share)


CORPUS = Corpus(
    name="csv",
    title="A corpus of your own",
    citation="A CSV file with the columns path, label and speaker, and, where wanted, split, "
    "intensity, votes, sex, age and language.",
    licence="its owner's",
    url="",
    language="any language",
    labels=LABELS,
    layout="a CSV file with the columns path,label,speaker",
    read=_read,
    read_speakers=_read_speakers,
    # The table's column split says who they are, or else the speakers' names.
    validation_speakers=frozenset(),
    test_speakers=frozenset(),
)
