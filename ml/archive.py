"""What a destination holds: whose answers, the plan, the parts with the answers, manifests.

::

    _run.json                             source, model, labels and layout: never a mixture
    _plan/00000.jsonl                     shard 0: its files, and which part each belongs to
    shard=00000/part-00000-000.parquet    the answers for the files of one part
    _manifest/00000.jsonl                 what became of each file of a finished shard

That each recording is in the result once rests on three things. The plan gives a file to one part
for good, and nobody can write a shard of it that is there. A part is written as a whole or not at
all and speaks of each of its files, also of those that failed; whoever does it twice overwrites
it. A manifest only repeats what the parts of its shard say, once they are all there.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from ml.bundle import Bundle
from ml.errors import DestinationError
from ml.folders import Folder, Listed, create, make, names, read, remove, write
from ml.rows import SCHEMA, TABLE_FORMATS, Row, Table, shown

PARTS_IN_A_SHARD = 64
_RUN = "_run.json"


@dataclass(frozen=True)
class Run:
    """Which answers go where; all that a worker must know.

    Attributes
    ----------
    source, output : str
        Addresses of the folders.
    table : Table
    format : str
        A key of `TABLE_FORMATS`.
    settings_sha256 : str
        Of what else decides an answer, from `settings_digest`.
    """

    source: str
    output: str
    table: Table
    format: str
    settings_sha256: str

    def described(self) -> dict[str, Any]:
        """Say what all answers in a destination have in common."""
        return {
            "schema": SCHEMA,
            "source": self.source,
            "model": self.table.model.name,
            "model_version": self.table.model.version,
            "model_sha256": self.table.model.sha256,
            "settings_sha256": self.settings_sha256,
            "labels": list(self.table.labels),
            "rows": self.table.layout,
            "format": self.format,
        }


@dataclass(frozen=True)
class Part:
    """Some files of a shard, whose answers are one file of the result."""

    shard: int
    number: int
    files: tuple[Listed, ...]

    @property
    def name(self) -> str:
        """Path of its file in the destination, without the suffix."""
        return f"shard={self.shard:05d}/part-{self.shard:05d}-{self.number:03d}"


@dataclass(frozen=True)
class State:
    """What became of one file: a line of a manifest.

    Attributes
    ----------
    file : str
        Path relative to the source.
    part : str
        Path of the file with its rows, relative to the destination.
    rows : int
    error_code, error_message, error_hint : str or None
        None unless it failed.
    """

    file: str
    part: str
    rows: int
    error_code: str | None
    error_message: str | None
    error_hint: str | None


@dataclass(frozen=True)
class Plan:
    """How much there is to do, and what the source held that was new.

    Attributes
    ----------
    shards, files : int
        All that are planned.
    added : int
        Files that no earlier run had planned.
    changed : int
        Planned files that are others now, by size or ETag.
    """

    shards: int
    files: int
    added: int
    changed: int


def settings_digest(bundle: Bundle) -> str:
    """Digest what a bundle holds beside its network that decides an answer."""
    encoder = asdict(bundle.encoder) if bundle.encoder else None
    parts = [asdict(bundle.features), asdict(bundle.windows), asdict(bundle.calibration), encoder]
    text = json.dumps([*parts, bundle.labels, bundle.rule], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def begin(output: Folder, run: Run) -> None:
    """Take the destination for a run, or see that it is this run's already.

    Raises
    ------
    DestinationError
        If it holds answers of another kind, or files that are no answers.
    """
    make(output)
    wanted = run.described()
    content = read(output, _RUN)
    if content is None:
        others = [name for name in names(output, "") if not name.startswith("_")]
        if others:
            raise DestinationError(url=output.url, detail=f"it holds other files ('{others[0]}')")
        try:
            create(output, _RUN, json.dumps(wanted, indent=2).encode())
        except FileExistsError:
            content = read(output, _RUN)
    found = json.loads(content) if content else wanted
    differing = [key for key, value in wanted.items() if found.get(key) != value]
    if differing:
        told = "; ".join(_difference(key, found.get(key), wanted[key]) for key in differing)
        raise DestinationError(url=output.url, detail=f"it was begun otherwise: {told}")


def _difference(key: str, there: Any, now: Any) -> str:
    if key.endswith("sha256"):  # says nothing to a reader
        return f"another {key}"
    return f"{key} is {json.dumps(there)} there and {json.dumps(now)} now"


def extend_plan(output: Folder, listed: Iterable[Listed], files_per_part: int) -> Plan:
    """Plan every file that is not planned yet; in little memory, however many there are.

    Parameters
    ----------
    output : Folder
    listed : iterable of Listed
        What the source holds.
    files_per_part : int
        At most; fewer where there are few files, so that all workers have something to do.

    Raises
    ------
    DestinationError
        If another run plans there at the same time.
    """
    shards, counts = 0, {"added": 0, "changed": 0}
    with closing(sqlite3.connect("")) as known:  # a file without a name, gone when closed
        known.execute("CREATE TABLE files (name BLOB PRIMARY KEY, mark TEXT) WITHOUT ROWID")
        while parts := read_plan(output, shards):
            rows = ((_key(file), _mark(file)) for part in parts for file in part.files)
            known.executemany("INSERT OR IGNORE INTO files VALUES (?, ?)", rows)
            shards += 1
        fresh = _fresh(known, listed, counts)
        while files := list(islice(fresh, files_per_part * PARTS_IN_A_SHARD)):
            _write_shard(output, shards, files, files_per_part)
            shards += 1
        (planned,) = known.execute("SELECT count(*) FROM files").fetchone()
    return Plan(shards, planned, **counts)


def _fresh(
    known: sqlite3.Connection, listed: Iterable[Listed], counts: dict[str, int]
) -> Iterator[Listed]:
    for file in listed:
        query = known.execute("SELECT mark FROM files WHERE name = ?", (_key(file),))
        found = query.fetchone()
        if found is None:
            known.execute("INSERT INTO files VALUES (?, ?)", (_key(file), _mark(file)))
            counts["added"] += 1
            yield file
        elif found[0] != _mark(file):
            counts["changed"] += 1


def _key(file: Listed) -> bytes:
    return file.name.encode("utf-8", "surrogateescape")


def _mark(file: Listed) -> str:
    return f"{file.size_bytes} {file.etag}"


def _write_shard(output: Folder, shard: int, files: list[Listed], files_per_part: int) -> None:
    size = min(files_per_part, max(1, len(files) // PARTS_IN_A_SHARD))
    lines = ({"part": index // size} | asdict(file) for index, file in enumerate(files))
    try:
        # As ASCII, in which every name of a file can be written.
        create(output, _plan_name(shard), "".join(json.dumps(row) + "\n" for row in lines).encode())
    except FileExistsError as error:
        raise DestinationError(
            url=output.url, detail="another run plans there at the same time"
        ) from error


def _plan_name(shard: int) -> str:
    return f"_plan/{shard:05d}.jsonl"


def read_plan(output: Folder, shard: int) -> list[Part]:
    """Read the parts of a shard; none if there is no such shard."""
    files: dict[int, list[Listed]] = {}
    for line in (read(output, _plan_name(shard)) or b"").splitlines():
        row = json.loads(line)
        files.setdefault(row.pop("part"), []).append(Listed(**row))
    return [Part(shard, number, tuple(inside)) for number, inside in files.items()]


def read_part(output: Folder, run: Run, part: Part) -> dict[str, list[Row]]:
    """Read the rows of a part by the file that they are of; none if it was not done yet."""
    form = TABLE_FORMATS[run.format]
    content = read(output, part.name + form.suffix)
    rows: dict[str, list[Row]] = {}
    for row in form.decode(content) if content else []:
        rows.setdefault(row["file"], []).append(row)
    return rows


def write_part(output: Folder, run: Run, part: Part, rows: dict[str, list[Row]]) -> None:
    """Write the rows of all files of a part, in the order of the plan."""
    form = TABLE_FORMATS[run.format]
    ordered = [row for file in part.files for row in rows[shown(file.name)]]
    write(output, part.name + form.suffix, form.encode(ordered, run.table.schema))


def states(run: Run, part: Part, rows: dict[str, list[Row]]) -> list[State]:
    """Say what became of each file of a part."""
    name = part.name + TABLE_FORMATS[run.format].suffix
    return [_state(name, rows[shown(file.name)]) for file in part.files]


def _state(part: str, rows: list[Row]) -> State:
    told = {key: rows[0][key] for key in ("error_code", "error_message", "error_hint")}
    return State(file=rows[0]["file"], part=part, rows=len(rows), **told)


def write_manifest(output: Folder, shard: int, lines: Iterable[State]) -> None:
    """Write what became of all files of a shard, which is finished with that."""
    text = "".join(json.dumps(asdict(state), ensure_ascii=False) + "\n" for state in lines)
    write(output, manifest_name(shard), text.encode())


def read_manifest(output: Folder, shard: int) -> list[State] | None:
    """Read what became of the files of a shard; None if it is not finished."""
    content = read(output, manifest_name(shard))
    if content is None:
        return None
    return [State(**json.loads(line)) for line in content.splitlines()]


def reopen(output: Folder, shard: int) -> None:
    """Let a shard count as not finished, so that its parts are looked at again."""
    remove(output, manifest_name(shard))


def manifest_name(shard: int) -> str:
    """Path of a shard's manifest in the destination."""
    return f"_manifest/{shard:05d}.jsonl"
