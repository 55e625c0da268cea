"""Where analyses are kept: one protocol; a local folder, Azure Blob Storage, memory."""

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import ml
from webapp.settings import Settings

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient, StorageStreamDownloader

UPLOAD, AUDIO, RECORD, SHARE = "upload", "audio.wav", "record.json", "share.json"
PARTS = (UPLOAD, AUDIO, RECORD, SHARE)
"""What is kept of an analysis; the record is what makes the others count, a share may follow."""

_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
_OWNERS = "owners"
"""Where the marks lie; too short for an id."""

_CHUNK_BYTES = 1 << 20
LEFT_OVER_AFTER = timedelta(hours=1)
"""Age from which what is not whole is taken for a left-over; until then it may be under way."""


class StorageError(ml.SerError):
    """The storage cannot be reached, or refuses."""

    code: ClassVar[str] = "storage_unavailable"
    message_template: ClassVar[str] = "The storage cannot be reached at the moment ({detail})."
    hint_template: ClassVar[str] = "Try again in a few minutes."


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
    if not _ID.fullmatch(id):
        raise AnalysisNotFoundError()
    return id


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
        """Remove all parts now; nothing happens where there is none."""

    def expired(self, now: datetime) -> tuple[str, ...]:
        """Name the analyses whose day has come."""

    def sweep(self) -> None:
        """Remove what interrupted writes and deletions left behind, marks of what is gone too."""


def open_storage(settings: Settings, kind: str = "analyses") -> Storage:
    """Give the storage that the settings name, for one kind of thing; it is not touched yet."""
    return STORAGES[settings.storage](settings, kind)


def digest(secret: str) -> str:
    """Give the hash of a secret, which is all that is kept of it."""
    return hashlib.sha256(secret.encode()).hexdigest()


@contextlib.contextmanager
def _as_storage_error(*errors: type[Exception]) -> Iterator[None]:
    """Turn what a backend raises into `StorageError`; the visitor never sees paths or hosts."""
    try:
        yield
    except errors as error:
        raise StorageError(detail=type(error).__name__) from error


class MemoryStorage:
    """Keeps analyses as long as the process lives.

    Parameters
    ----------
    left_over_after : timedelta
        Age from which marks of what is not there are taken for left-overs.
    """

    def __init__(self, left_over_after: timedelta = LEFT_OVER_AFTER) -> None:
        self._left_over_after_s = left_over_after.total_seconds()
        self._kept: dict[str, tuple[datetime, dict[str, bytes]]] = {}
        self._marks: dict[str, dict[str, float]] = {}
        self._lock = threading.Lock()

    def save(self, id: str, parts: Mapping[str, bytes | Path], expires: datetime) -> None:
        """See `Storage`."""
        check_id(id)
        with _as_storage_error(OSError):
            read = {
                name: content.read_bytes() if isinstance(content, Path) else content
                for name, content in parts.items()
            }
        with self._lock:
            if id in self._kept:
                raise StorageError(detail="id taken")
            self._kept[id] = (expires, read)

    def read(self, id: str, part: str) -> bytes:
        """See `Storage`."""
        try:
            return self._kept[check_id(id)][1][part]
        except KeyError:
            raise AnalysisNotFoundError() from None

    def chunks(self, id: str, part: str) -> Iterator[bytes]:
        """See `Storage`."""
        yield self.read(id, part)

    def put(self, id: str, part: str, content: bytes) -> None:
        """See `Storage`."""
        with self._lock:
            if check_id(id) not in self._kept:
                raise AnalysisNotFoundError()
            self._kept[id][1][part] = content

    def drop(self, id: str, part: str) -> None:
        """See `Storage`."""
        with self._lock:
            if check_id(id) in self._kept:
                self._kept[id][1].pop(part, None)

    def mark(self, owner: str, id: str) -> None:
        """See `Storage`."""
        with self._lock:
            self._marks.setdefault(check_id(owner), {})[check_id(id)] = time.monotonic()

    def unmark(self, owner: str, id: str) -> None:
        """See `Storage`."""
        with self._lock:
            marks = self._marks.get(check_id(owner), {})
            marks.pop(check_id(id), None)
            if not marks:
                self._marks.pop(owner, None)

    def marked(self, owner: str) -> tuple[str, ...]:
        """See `Storage`."""
        with self._lock:
            return tuple(sorted(self._marks.get(check_id(owner), ())))

    def delete(self, id: str) -> None:
        """See `Storage`."""
        with self._lock:
            self._kept.pop(check_id(id), None)

    def expired(self, now: datetime) -> tuple[str, ...]:
        """See `Storage`."""
        with self._lock:
            return tuple(id for id, (expires, _) in self._kept.items() if expires <= now)

    def sweep(self) -> None:
        """See `Storage`; a process that ends takes its memory along."""
        before_s = time.monotonic() - self._left_over_after_s
        with self._lock:
            marks = [(owner, id, s) for owner, ids in self._marks.items() for id, s in ids.items()]
            gone = [(owner, id) for owner, id, s in marks if id not in self._kept and s <= before_s]
        for owner, id in gone:
            self.unmark(owner, id)


class LocalStorage:
    """Keeps each analysis as a folder, which appears and disappears by one rename.

    Parameters
    ----------
    root : Path
        Made when the first analysis is kept. Folders whose names begin with a dot are being
        written or deleted; whoever does that holds a shared lock on ``root/.lock``, so whoever
        gets the exclusive lock knows that such folders are left-overs.
    left_over_after : timedelta
        Age from which marks of what is not there are taken for left-overs.
    """

    def __init__(self, root: Path, left_over_after: timedelta = LEFT_OVER_AFTER) -> None:
        self.root = root
        self._left_over_after_s = left_over_after.total_seconds()

    def save(self, id: str, parts: Mapping[str, bytes | Path], expires: datetime) -> None:
        """See `Storage`."""
        check_id(id)
        with _as_storage_error(OSError):
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._locked(fcntl.LOCK_SH):
                draft = self.root / f".new-{secrets.token_hex(8)}"
                try:
                    draft.mkdir(mode=0o700)
                    for name, content in parts.items():
                        self._write(draft / name, content)
                    self._write(draft / "expires", expires.isoformat().encode())
                    _sync_folder(draft)
                    os.rename(draft, self.root / id)
                    _sync_folder(self.root)
                finally:
                    shutil.rmtree(draft, ignore_errors=True)

    def _write(self, path: Path, content: bytes | Path) -> None:
        with open(path, "xb") as file:
            if isinstance(content, Path):
                with open(content, "rb") as source:
                    shutil.copyfileobj(source, file, 1 << 20)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())

    @contextlib.contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        with open(os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o600), "rb") as lock:
            fcntl.flock(lock, kind)
            yield

    def read(self, id: str, part: str) -> bytes:
        """See `Storage`."""
        with _as_storage_error(OSError):
            try:
                return (self.root / check_id(id) / part).read_bytes()
            except FileNotFoundError:
                raise AnalysisNotFoundError() from None

    def chunks(self, id: str, part: str) -> Iterator[bytes]:
        """See `Storage`."""
        path = self.root / check_id(id) / part
        with contextlib.ExitStack() as stack, _as_storage_error(OSError):
            try:
                file = stack.enter_context(path.open("rb"))
            except FileNotFoundError:
                raise AnalysisNotFoundError() from None
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk

    def put(self, id: str, part: str, content: bytes) -> None:
        """See `Storage`."""
        folder = self.root / check_id(id)
        with _as_storage_error(OSError):
            draft = folder / f".{part}-{secrets.token_hex(8)}"
            try:
                self._write(draft, content)
                os.replace(draft, folder / part)
                _sync_folder(folder)
            except FileNotFoundError:
                raise AnalysisNotFoundError() from None

    def drop(self, id: str, part: str) -> None:
        """See `Storage`."""
        with _as_storage_error(OSError):
            (self.root / check_id(id) / part).unlink(missing_ok=True)

    def mark(self, owner: str, id: str) -> None:
        """See `Storage`."""
        path = self.root / _OWNERS / check_id(owner) / check_id(id)
        with _as_storage_error(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)

    def unmark(self, owner: str, id: str) -> None:
        """See `Storage`."""
        path = self.root / _OWNERS / check_id(owner) / check_id(id)
        with _as_storage_error(OSError):
            path.unlink(missing_ok=True)
            # Not empty, or gone: somebody else's business.
            with contextlib.suppress(OSError):
                path.parent.rmdir()

    def marked(self, owner: str) -> tuple[str, ...]:
        """See `Storage`."""
        folder = self.root / _OWNERS / check_id(owner)
        with _as_storage_error(OSError):
            try:
                return tuple(sorted(path.name for path in folder.iterdir()))
            except FileNotFoundError:
                return ()

    def delete(self, id: str) -> None:
        """See `Storage`."""
        path = self.root / check_id(id)
        with _as_storage_error(OSError):
            if not path.exists():
                return
            with self._locked(fcntl.LOCK_SH):
                doomed = self.root / f".old-{secrets.token_hex(8)}"
                try:
                    os.rename(path, doomed)
                except FileNotFoundError:
                    return
                shutil.rmtree(doomed)
                _sync_folder(self.root)

    def expired(self, now: datetime) -> tuple[str, ...]:
        """See `Storage`."""
        with _as_storage_error(OSError):
            kept = [path for path in self._folders() if _ID.fullmatch(path.name)]
            return tuple(path.name for path in kept if _expiry(path / "expires") <= now)

    def sweep(self) -> None:
        """See `Storage`."""
        with _as_storage_error(OSError):
            self._sweep_marks()
            if not any(path.name.startswith(".") for path in self._folders()):
                return
            with contextlib.suppress(BlockingIOError), self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
                for path in self._folders():
                    if path.name.startswith("."):
                        shutil.rmtree(path)

    def _sweep_marks(self) -> None:
        before_s = time.time() - self._left_over_after_s
        for mark in (self.root / _OWNERS).glob("*/*"):
            with contextlib.suppress(FileNotFoundError):
                if not (self.root / mark.name).exists() and mark.stat().st_mtime <= before_s:
                    self.unmark(mark.parent.name, mark.name)

    def _folders(self) -> list[Path]:
        try:
            return [path for path in self.root.iterdir() if path.is_dir()]
        except FileNotFoundError:
            return []


def _sync_folder(path: Path) -> None:
    """Make renames in a folder survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _expiry(path: Path) -> datetime:
    """Read a folder's day; one that vanished meanwhile has none to come."""
    try:
        return _day(path.read_text(errors="replace"))
    except FileNotFoundError:
        return datetime.max.replace(tzinfo=UTC)


def _day(text: str) -> datetime:
    """Read a day; where it is damaged, it has come: a voice must not stay for that."""
    with contextlib.suppress(ValueError):
        day = datetime.fromisoformat(text)
        if day.tzinfo:
            return day
    return datetime.min.replace(tzinfo=UTC)


class AzureStorage:
    """Keeps each analysis as blobs ``<id>/<part>``; the record is written last, deleted first.

    Blobs without a record do not count: they are being written, or left over from a failure.

    Parameters
    ----------
    settings : Settings
        Names the account (connection string, or its address with a managed identity) and the
        container, which is made when it is missing.
    left_over_after : timedelta
        Age from which blobs without a record, and marks of them, are taken for left-overs.
    """

    TIMEOUTS: ClassVar[dict[str, float]] = {"connection_timeout": 3, "read_timeout": 30}

    def __init__(self, settings: Settings, left_over_after: timedelta = LEFT_OVER_AFTER) -> None:
        self._settings = settings
        self._left_over_after = left_over_after

    @cached_property
    def _container(self) -> "ContainerClient":
        """The connection; azure's libraries load here, on first use."""
        from azure.storage.blob import BlobServiceClient, LinearRetry

        retry = LinearRetry(backoff=1, retry_total=1, random_jitter_range=0)
        options: dict[str, Any] = {"retry_policy": retry, **self.TIMEOUTS}
        if self._settings.azure_connection_string:
            service = BlobServiceClient.from_connection_string(
                self._settings.azure_connection_string, **options
            )
        else:
            from azure.identity import DefaultAzureCredential

            credential = DefaultAzureCredential(
                exclude_developer_cli_credential=True,
                exclude_powershell_credential=True,
                exclude_visual_studio_code_credential=True,
                exclude_shared_token_cache_credential=True,
                process_timeout=5,
            )
            service = BlobServiceClient(self._settings.azure_account_url, credential, **options)
        return service.get_container_client(self._settings.container)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn azure's errors into this module's; a malformed address shows as ValueError."""
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        with _as_storage_error(AzureError, OSError, ValueError):
            try:
                yield
            except ResourceNotFoundError:
                raise AnalysisNotFoundError() from None

    def save(self, id: str, parts: Mapping[str, bytes | Path], expires: datetime) -> None:
        """See `Storage`."""
        check_id(id)
        self._into_container(lambda: self._write(id, parts, expires))

    def _into_container(self, write: Callable[[], object]) -> None:
        """Write, and make the container first where it is missing."""
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

        with self._errors():
            try:
                write()
            except ResourceNotFoundError:
                with contextlib.suppress(ResourceExistsError):
                    self._container.create_container()
                write()

    def _write(self, id: str, parts: Mapping[str, bytes | Path], expires: datetime) -> None:
        """Write all parts; the first one claims the id, and a failure after it takes all back."""
        first, *others = sorted(parts, key=PARTS.index)
        self._upload(f"{id}/{first}", parts[first], expires, overwrite=False)
        try:
            for part in others:
                self._upload(f"{id}/{part}", parts[part], expires, overwrite=True)
        except BaseException:
            with contextlib.suppress(StorageError):
                self.delete(id)
            raise

    def _upload(
        self, name: str, content: bytes | Path, expires: datetime, *, overwrite: bool
    ) -> None:
        """Write one blob; it appears whole."""
        with contextlib.ExitStack() as stack:
            data: Any = content
            if isinstance(content, Path):
                data = stack.enter_context(open(content, "rb"))
            metadata = {"expires": expires.isoformat()}
            self._container.upload_blob(name, data, metadata=metadata, overwrite=overwrite)

    def read(self, id: str, part: str) -> bytes:
        """See `Storage`."""
        with self._errors():
            return bytes(self._download(id, part).readall())

    def chunks(self, id: str, part: str) -> Iterator[bytes]:
        """See `Storage`."""
        with self._errors():
            yield from self._download(id, part).chunks()

    def _download(self, id: str, part: str) -> "StorageStreamDownloader[bytes]":
        check_id(id)
        if part != RECORD and not self._container.get_blob_client(f"{id}/{RECORD}").exists():
            raise AnalysisNotFoundError()
        return self._container.download_blob(f"{id}/{part}")

    def put(self, id: str, part: str, content: bytes) -> None:
        """See `Storage`."""
        check_id(id)
        with self._errors():
            record = self._container.get_blob_client(f"{id}/{RECORD}").get_blob_properties()
            expires = datetime.fromisoformat(record.metadata["expires"])
            self._upload(f"{id}/{part}", content, expires, overwrite=True)

    def drop(self, id: str, part: str) -> None:
        """See `Storage`."""
        self._remove(f"{check_id(id)}/{part}")

    def _remove(self, name: str) -> None:
        with contextlib.suppress(AnalysisNotFoundError), self._errors():
            self._container.delete_blob(name)

    def mark(self, owner: str, id: str) -> None:
        """See `Storage`."""
        name = self._mark(owner, id)
        self._into_container(lambda: self._container.upload_blob(name, b"", overwrite=True))

    def unmark(self, owner: str, id: str) -> None:
        """See `Storage`."""
        self._remove(self._mark(owner, id))

    def _mark(self, owner: str, id: str) -> str:
        return f"{_OWNERS}/{check_id(owner)}/{check_id(id)}"

    def marked(self, owner: str) -> tuple[str, ...]:
        """See `Storage`."""
        prefix = f"{_OWNERS}/{check_id(owner)}/"
        found: list[str] = []
        with contextlib.suppress(AnalysisNotFoundError), self._errors():
            blobs = self._container.list_blobs(name_starts_with=prefix)
            found += [blob.name.removeprefix(prefix) for blob in blobs]
        return tuple(sorted(found))

    def delete(self, id: str) -> None:
        """See `Storage`."""
        from azure.core.exceptions import ResourceNotFoundError

        check_id(id)
        with self._errors():
            for part in reversed(PARTS):
                with contextlib.suppress(ResourceNotFoundError):
                    self._container.delete_blob(f"{id}/{part}")

    def _blobs(self) -> dict[str, dict[str, Any]]:
        """List the blobs of each id: part -> properties."""
        found: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(AnalysisNotFoundError), self._errors():
            for blob in self._container.list_blobs(include=["metadata"]):
                id, _, part = blob.name.partition("/")
                if _ID.fullmatch(id) and part in PARTS:
                    found.setdefault(id, {})[part] = blob
        return found

    def expired(self, now: datetime) -> tuple[str, ...]:
        """See `Storage`."""
        return tuple(
            id
            for id, blobs in self._blobs().items()
            if RECORD in blobs and _day((blobs[RECORD].metadata or {}).get("expires", "")) <= now
        )

    def sweep(self) -> None:
        """See `Storage`."""
        before = datetime.now(UTC) - self._left_over_after
        kept = self._blobs()
        for id, blobs in kept.items():
            if RECORD not in blobs and all(blob.last_modified < before for blob in blobs.values()):
                self.delete(id)
        for name in self._marks(before):
            if name.rpartition("/")[2] not in kept:
                self._remove(name)

    def _marks(self, before: datetime) -> list[str]:
        """Name the marks of all owners that were written before a moment."""
        found: list[str] = []
        with contextlib.suppress(AnalysisNotFoundError), self._errors():
            blobs = self._container.list_blobs(name_starts_with=f"{_OWNERS}/")
            found += [blob.name for blob in blobs if blob.last_modified < before]
        return found


def _azure(settings: Settings, kind: str) -> Storage:
    """Give each kind a container of its own; that of analyses bears the settings' name."""
    if kind != "analyses":
        settings = replace(settings, container=f"{settings.container}-{kind}"[:63])
    return AzureStorage(settings)


STORAGES: dict[str, Callable[[Settings, str], Storage]] = {
    "local": lambda settings, kind: LocalStorage(settings.storage_dir / kind),
    "azure": _azure,
    "memory": lambda settings, kind: MemoryStorage(),
}
