"""Recordings that come with a request: as a file of a form, or as the request's body."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar

import ml

if TYPE_CHECKING:
    from flask import Request
    from werkzeug.datastructures import FileStorage

FORMS = ("", "multipart/form-data", "application/x-www-form-urlencoded")
"""Media types of bodies that are no recording themselves."""


class NoFileError(ml.SerError):
    """A request without a recording."""

    code: ClassVar[str] = "no_file"
    message_template: ClassVar[str] = "No recording came with the request."
    hint_template: ClassVar[str] = (
        "Choose a file; programs send it as the multipart field 'file', or as the body with its "
        "media type, such as audio/wav."
    )


@contextlib.contextmanager
def saved_upload(file: FileStorage | None) -> Iterator[Path]:
    """Put an uploaded file on the disk, without ever holding it whole in memory.

    Yields
    ------
    Path
        Where it can be read by this process; it has no name of its own, so nothing is left of it
        when the process is killed.

    Raises
    ------
    NoFileError
        If the form had no such field, or it was left empty.
    """
    if file is None or not (file.filename or file.stream.seek(0, 2)):
        raise NoFileError()
    file.stream.seek(0)
    with _saved(file.stream) as path:
        yield path


@contextlib.contextmanager
def saved_recording(request: Request) -> Iterator[tuple[Path, str]]:
    """Put a request's recording on the disk: its multipart field ``file``, or else its body.

    Yields
    ------
    tuple of Path and str
        Where it lies, and its name as it was sent; empty if none was.

    Raises
    ------
    NoFileError
        If there is neither.
    """
    if request.mimetype in FORMS:
        file = request.files.get("file") if request.mimetype == FORMS[1] else None
        with saved_upload(file) as path:
            yield path, (file and file.filename) or ""
    else:
        with _saved(request.stream) as path:
            yield path, ""


@contextlib.contextmanager
def _saved(stream: IO[bytes]) -> Iterator[Path]:
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy)
        copy.flush()
        yield Path(f"/proc/self/fd/{copy.fileno()}")
