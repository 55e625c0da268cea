"""Many recordings: found in files and folders, answered one by one, written in an output format."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from ml.errors import SerError, UnreadableFileError, UnsupportedFormatError
from ml.formats import FORMATS, to_dict
from ml.predict import load

SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".m4b", ".aac", ".mp4", ".mov"),
    *(".webm", ".mka", ".mkv", ".amr", ".3gp", ".caf", ".aif", ".aiff", ".aifc", ".wma", ".w64"),
    *(".au", ".avi", ".flv", ".mpg", ".mpeg"),
)
"""In a folder these are recordings by name, so that a damaged one is reported, not passed over."""


@dataclass(frozen=True)
class Recording:
    """Something to answer for.

    Attributes
    ----------
    file : str
        As the caller named it, or as found in a folder that the caller named.
    source : Path or bytes
    name : str
        Relative path for what is written about it.
    """

    file: str
    source: Path | bytes
    name: str


def find_recordings(paths: Iterable[str]) -> Iterator[Recording]:
    """List files as given, folders with all that lies in them sorted by path, ``-`` for stdin.

    What is no path but a pattern stands for all that fits it (``**`` for any folders). A folder or
    pattern without a recording is listed itself, so that its lack is reported.
    """
    for given in paths:
        if given == "-":
            yield Recording("-", sys.stdin.buffer.read(), "stdin")
        elif has_magic(given) and not Path(given).exists():
            for path in sorted(glob(given, recursive=True)) or [given]:
                yield from _at(path)
        else:
            yield from _at(given)


def _at(given: str) -> Iterator[Recording]:
    path = Path(given)
    inside = [file for file in sorted(path.rglob("*")) if _is_recording(file)]
    for file in inside:
        yield Recording(str(file), file, str(file.relative_to(path)))
    if not inside:
        yield Recording(given, path, path.name)


def _is_recording(path: Path) -> bool:
    if path.name.startswith(".") or not path.is_file():
        return False
    if path.suffix.lower() in SUFFIXES:
        return True
    from ml.codecs import identify

    try:
        with path.open("rb") as file:
            identify(file)
    except (UnsupportedFormatError, OSError):
        return False
    return True


def answer(
    recording: Recording,
    model: str,
    labels: tuple[str, ...] | None,
    progress: Callable[[float], None] | None = None,
) -> dict:
    """Answer for one recording; `progress` is told the share done.

    Returns
    -------
    dict
        `file` and the prediction's object; or `file` and `error` with code, message and hint.
    """
    try:
        if isinstance(recording.source, Path) and recording.source.is_dir():
            raise UnreadableFileError(path=recording.file, detail="there is no recording in it")
        found = to_dict(load(model).recognize(recording.source, labels, progress))
    except SerError as error:
        return _failure(recording, error)
    except OSError as error:
        detail = error.strerror or str(error)
        return _failure(recording, UnreadableFileError(path=recording.file, detail=detail))
    return {"file": recording.file, **found}


def _failure(recording: Recording, error: SerError) -> dict:
    body = {"code": error.code, "message": error.message, "hint": error.hint}
    return {"file": recording.file, "error": body}


def output_paths(recordings: Iterable[Recording], folder: Path, suffix: str) -> Iterator[Path]:
    """Name a file for each recording, none twice (not even where case does not count)."""
    taken: set[str] = set()
    for recording in recordings:
        stem, number = folder / recording.name, 1
        path = stem.with_name(stem.name + suffix)
        while str(path).casefold() in taken:
            number += 1
            path = stem.with_name(f"{stem.name}-{number}{suffix}")
        taken.add(str(path).casefold())
        yield path


def stream(answers: Iterable[dict], name: str, *, single: bool) -> Iterator[str]:
    """Turn answers into the pieces of one text.

    Parameters
    ----------
    answers : iterable of dict
        From `answer`.
    name : str
        ``"text"``, ``"jsonl"`` or a key of `FORMATS`.
    single : bool
        One JSON object instead of a list of them.
    """
    if name == "json" and not single:
        return _json_list(answers)
    if name == "csv":
        return _csv_table(answers)
    return (line(one, name) for one in answers)


def line(found: dict, name: str) -> str:
    """Write one answer; only JSON has a place for an error, the other formats are empty then."""
    if name == "jsonl":
        return json.dumps(found, ensure_ascii=False, allow_nan=False) + "\n"
    if "error" in found and name != "json":
        return ""
    return _sentence(found) if name == "text" else FORMATS[name].render(found)


def _sentence(found: dict) -> str:
    """Word an answer for people: the file, what it sounds like, the runners-up, the warnings."""
    if found["label"] is None:
        said = f"no emotion given ({found['outcome'].replace('_', ' ')}). {found['reason']}"
    else:
        ranked = sorted(found["probabilities"].items(), key=lambda item: -item[1])
        others = ", ".join(
            f"{label} {share:.0%}" for label, share in ranked if label != found["label"]
        )
        said = f"sounds {found['label']} ({found['confidence']:.0%}; {others})"
    notes = "".join(f"\n    {warning['message']}" for warning in found["warnings"])
    return f"{found['file']}: {said}{notes}\n"


def _json_list(answers: Iterable[dict]) -> Iterator[str]:
    before = "[\n"
    for found in answers:
        yield before + FORMATS["json"].render(found).rstrip("\n")
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"


def _csv_table(answers: Iterable[dict]) -> Iterator[str]:
    header = ""
    for found in answers:
        head, newline, rows = line(found, "csv").partition("\n")
        yield rows if header else head + newline + rows
        header = header or head
