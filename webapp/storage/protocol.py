"""What every storage does, what is kept of an analysis, and the errors that this can end with."""

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar

import ml

UPLOAD, AUDIO, RECORD, SHARE = "upload", "audio.wav", "record.json", "share.json"
PARTS = (UPLOAD, AUDIO, RECORD, SHARE)
"""What is kept of an analysis; the record is what makes the others count, a share may follow."""

ID = re.compile(r"[A-Za-z0-9_-]{16,64}")

OWNERS = "owners"
"""Where the marks lie; too short for an id."""


CHUNK_BYTES = 1 << 20
LEFT_OVER_AFTER = timedelta(hours=1)
"""Age from which what is not whole is taken for a left-over; until then it may be under way."""


class StorageError(ml.SerError):
    """The storage cannot be reached, or refuses."""

    code: ClassVar[str] = "storage_unavailable"
    message_template: ClassVar[str] = "The storage cannot be reached at the moment ({detail})."
    hint_template: ClassVar[str] = "Try again in a few minutes."


class NotDeletedError(StorageError):
    """The storage failed while something was being deleted."""

    code: ClassVar[str] = "not_deleted"
    message_template: ClassVar[str] = (
        "Not everything could be deleted: the storage cannot be reached at the moment ({detail})."
    )
    hint_template: ClassVar[str] = (
        "Delete it again in a few minutes; what is left goes on its day in any case."
    )


class AnalysisNotFoundError(ml.SerError):
    """Nothing is kept under this id, or not for whoever asks."""

    code: ClassVar[str] = "not_found"
    message_template: ClassVar[str] = "There is no such analysis, or it was made elsewhere."
    hint_template: ClassVar[str] = "Results open only where they were made, until they are deleted."


def check_id(id: str) -> str:
    """Let an id pass that can be one; no other ever reaches a path or a blob's name.

    Raises
    ------
    AnalysisNotFoundError
        If it is not 16 to 64 letters, digits, hyphens and underscores.
    """
    if not ID.fullmatch(id):
        raise AnalysisNotFoundError()
    return id


Found = TypeVar("Found")


class Storage(Protocol):
    """Keeps the `PARTS` of each analysis, whole or not at all.

    Every method raises `StorageError` where the storage cannot be reached, and
    `AnalysisNotFoundError` for an id that cannot be one.
    """

    def save(self, id: str, parts: Mapping[str, bytes | Path], expires: datetime) -> None:
        """Keep all `parts` (each one's content, or the file it is in), or nothing of them."""

    def read(self, id: str, part: str) -> bytes:
        """Give the content of one part; raises `AnalysisNotFoundError` where there is none."""

    def chunks(self, id: str, part: str) -> Iterator[bytes]:
        """Give the same piece by piece; raises when the first piece is asked for."""

    def put(self, id: str, part: str, content: bytes) -> None:
        """Keep or replace one part of an analysis; `AnalysisNotFoundError` where there is none."""

    def drop(self, id: str, part: str) -> None:
        """Remove one part; nothing happens where there is none."""

    def mark(self, owner: str, id: str) -> None:
        """Note that an analysis is an owner's; `owner` is named like an id."""

    def unmark(self, owner: str, id: str) -> None:
        """Take such a note away; nothing happens where there is none."""

    def marked(self, owner: str) -> tuple[str, ...]:
        """Name what was noted for an owner, whether it is still kept or not."""

    def delete(self, id: str) -> None:
        """Remove all parts now; nothing happens where there is none.

        Raises `NotDeletedError` where the storage fails meanwhile: what is left can be deleted
        again.
        """

    def expired(self, now: datetime) -> tuple[str, ...]:
        """Name the analyses whose day has come."""

    def sweep(self) -> None:
        """Remove what interrupted writes and deletions left behind, marks of what is gone too."""


def still_there(storage: Storage, owner: str, get: Callable[[str], Found]) -> Iterator[Found]:
    """Yield what an owner's marks lead to; a mark of what is gone is taken away.

    Parameters
    ----------
    get : callable
        Gives what is kept under an id, or raises `AnalysisNotFoundError`.
    """
    for id in storage.marked(owner):
        try:
            found = get(id)
        except AnalysisNotFoundError:
            storage.unmark(owner, id)
        else:
            yield found


def day(text: str) -> datetime:
    """Read a day; where it is damaged, it has come: a voice must not stay for that."""
    with contextlib.suppress(ValueError):
        found = datetime.fromisoformat(text)
        if found.tzinfo:
            return found
    return datetime.min.replace(tzinfo=UTC)


def digest(secret: str) -> str:
    """Give the hash of a secret, which is all that is kept of it."""
    return hashlib.sha256(secret.encode()).hexdigest()


@contextlib.contextmanager
def as_storage_error(*errors: type[Exception]) -> Iterator[None]:
    """Turn what a backend raises into `StorageError`; the visitor never sees paths or hosts."""
    try:
        yield
    except errors as error:
        told = error.strerror if isinstance(error, OSError) else None
        raise StorageError(detail=told or type(error).__name__) from error


@contextlib.contextmanager
def not_deleted() -> Iterator[None]:
    """Say of a failure that it befell a deletion."""
    try:
        yield
    except StorageError as error:
        raise NotDeletedError(**error.params) from error
