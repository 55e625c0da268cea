"""Everything of a visitor as one ZIP, made while it is sent: it is never whole in one place."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from webapp.archive import Analysis
from webapp.contributions import Contribution
from webapp.retention import Retention
from webapp.storage import AUDIO, RECORD, UPLOAD, AnalysisNotFoundError


class _File(NamedTuple):
    """A file to be packed; its content comes in pieces."""

    name: str
    made: datetime
    pieces: Iterable[bytes]


class _Sink(io.RawIOBase):
    """Takes what is written to it, until somebody fetches it."""

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held.append(bytes(data))
        return len(self._held[-1])

    def fetch(self) -> Iterator[bytes]:
        held, self._held = self._held, []
        yield from held


def takeout(kept: Retention, owner: str) -> Iterator[bytes]:
    """Give a ZIP with all that is kept of an owner, piece by piece.

    A folder for each analysis: the recording as it came, the converted copy, the record, and what
    a model on trial said, if one did. A folder for each clip that was given. What is deleted
    meanwhile is left out.

    Raises
    ------
    StorageError
        If the storage cannot be reached.
    """
    return _zipped(_files(kept, kept.analyser.archive.mine(owner), kept.contributions.mine(owner)))


def _files(
    kept: Retention, analyses: Iterable[Analysis], clips: Iterable[Contribution]
) -> Iterator[_File]:
    for analysis in analyses:
        yield from _analysis_files(kept, analysis)
    for clip in clips:
        folder = f"given/{_folder(clip.created, clip.id)}"
        yield _File(f"{folder}/clip.wav", clip.created, kept.contributions.sound(clip.id))
        yield _File(f"{folder}/record.json", clip.created, _json(_clip_record(clip)))


def _analysis_files(kept: Retention, analysis: Analysis) -> Iterator[_File]:
    id, made = str(analysis.id), analysis.created
    folder = f"analyses/{_folder(made, id)}"
    until = kept.analyser.archive.shared_until(id)
    # The hashes of secrets that open it are no use to anybody but the site.
    record = {"id": id, "shared_until": until and until.isoformat()}
    try:
        stored = json.loads(kept.storage.read(id, RECORD))
    except AnalysisNotFoundError:
        return
    record |= {name: value for name, value in stored.items() if name != "owners"}
    upload = f"{folder}/recording{_suffix(analysis.filename)}"
    yield _File(upload, made, kept.storage.chunks(id, UPLOAD))
    yield _File(f"{folder}/converted.wav", made, kept.storage.chunks(id, AUDIO))
    yield _File(f"{folder}/record.json", made, _json(record))
    scores = kept.challenger.line(analysis.challenge) if analysis.challenge else None
    if scores:
        yield _File(f"{folder}/model-on-trial.json", made, _json(scores))


def _folder(made: datetime, id: str) -> str:
    return f"{made:%Y-%m-%d}-{id}"


def _suffix(filename: str) -> str:
    """Give the ending of a name that came from elsewhere, where it is a plain one."""
    suffix = Path(filename).suffix
    return suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,8}", suffix) else ""


def _clip_record(clip: Contribution) -> dict[str, Any]:
    return asdict(clip) | {"created": clip.created.isoformat()}


def _json(content: dict[str, Any]) -> Iterator[bytes]:
    yield json.dumps(content, ensure_ascii=False, indent=2).encode()


def _zipped(files: Iterable[_File]) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:
        for file in files:
            pieces = iter(file.pieces)
            try:
                first = next(pieces, b"")
            except AnalysisNotFoundError:
                continue
            info = zipfile.ZipInfo(file.name, file.made.timetuple()[:6])
            with archive.open(info, "w", force_zip64=True) as entry:
                entry.write(first)
                yield from sink.fetch()
                for piece in pieces:
                    entry.write(piece)
                    yield from sink.fetch()
    yield from sink.fetch()
