"""Analyses as folders on this machine."""

import contextlib
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from webapp.storage.protocol import (
    CHUNK_BYTES,
    ID,
    LEFT_OVER_AFTER,
    OWNERS,
    AnalysisNotFoundError,
    as_storage_error,
    check_id,
    day,
    not_deleted,
)


class LocalStorage:
    """Keeps each analysis as a folder, which appears and disappears by one rename.

    Parameters
    ----------
    root : Path
        Made when the first analysis is kept. Folders, and files in them, whose names begin with
        a dot are being written or deleted; whoever does that holds a shared lock on
        ``root/.lock``, so whoever gets the exclusive lock knows that such are left-overs.
    left_over_after : timedelta
        Age from which marks of what is not there are taken for left-overs.
    """

    def __init__(self, root: Path, left_over_after: timedelta = LEFT_OVER_AFTER) -> None:
        self.root = root
        self._left_over_after_s = left_over_after.total_seconds()

    def save(self, id: str, parts: Mapping[str, bytes | Path], expires: datetime) -> None:
        """See `Storage`."""
        check_id(id)
        with as_storage_error(OSError):
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
        with as_storage_error(OSError):
            try:
                return (self.root / check_id(id) / part).read_bytes()
            except FileNotFoundError:
                raise AnalysisNotFoundError() from None

    def chunks(self, id: str, part: str) -> Iterator[bytes]:
        """See `Storage`."""
        path = self.root / check_id(id) / part
        with contextlib.ExitStack() as stack, as_storage_error(OSError):
            try:
                file = stack.enter_context(path.open("rb"))
            except FileNotFoundError:
                raise AnalysisNotFoundError() from None
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    def put(self, id: str, part: str, content: bytes) -> None:
        """See `Storage`."""
        folder = self.root / check_id(id)
        with as_storage_error(OSError):
            try:
                with self._locked(fcntl.LOCK_SH):
                    self._replace(folder, part, content)
            except FileNotFoundError:
                raise AnalysisNotFoundError() from None

    def _replace(self, folder: Path, part: str, content: bytes) -> None:
        draft = folder / f".{part}-{secrets.token_hex(8)}"
        try:
            self._write(draft, content)
            os.replace(draft, folder / part)
            _sync_folder(folder)
        finally:
            draft.unlink(missing_ok=True)

    def drop(self, id: str, part: str) -> None:
        """See `Storage`."""
        with as_storage_error(OSError):
            (self.root / check_id(id) / part).unlink(missing_ok=True)

    def mark(self, owner: str, id: str) -> None:
        """See `Storage`."""
        path = self.root / OWNERS / check_id(owner) / check_id(id)
        with as_storage_error(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)

    def unmark(self, owner: str, id: str) -> None:
        """See `Storage`."""
        path = self.root / OWNERS / check_id(owner) / check_id(id)
        with as_storage_error(OSError):
            path.unlink(missing_ok=True)
            # Not empty, or gone: somebody else's business.
            with contextlib.suppress(OSError):
                path.parent.rmdir()

    def marked(self, owner: str) -> tuple[str, ...]:
        """See `Storage`."""
        folder = self.root / OWNERS / check_id(owner)
        with as_storage_error(OSError):
            try:
                return tuple(sorted(path.name for path in folder.iterdir()))
            except FileNotFoundError:
                return ()

    def delete(self, id: str) -> None:
        """See `Storage`."""
        path = self.root / check_id(id)
        with not_deleted(), as_storage_error(OSError):
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
        with as_storage_error(OSError):
            kept = [path for path in self._folders() if ID.fullmatch(path.name)]
            return tuple(path.name for path in kept if _expiry(path / "expires") <= now)

    def sweep(self) -> None:
        """See `Storage`."""
        with as_storage_error(OSError):
            self._sweep_marks()
            if not any(self._drafts()):
                return
            with contextlib.suppress(BlockingIOError), self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
                for path in self._drafts():
                    if path.is_dir():
                        shutil.rmtree(path)
                    else:
                        path.unlink(missing_ok=True)

    def _sweep_marks(self) -> None:
        before_s = time.time() - self._left_over_after_s
        for mark in (self.root / OWNERS).glob("*/*"):
            with contextlib.suppress(FileNotFoundError):
                if not (self.root / mark.name).exists() and mark.stat().st_mtime <= before_s:
                    self.unmark(mark.parent.name, mark.name)

    def _drafts(self) -> Iterator[Path]:
        """Yield what is being written or deleted: whole analyses, and single parts of others."""
        for path in self._folders():
            if path.name.startswith("."):
                yield path
            elif ID.fullmatch(path.name):
                yield from path.glob(".*")

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
        return day(path.read_text(errors="replace"))
    except FileNotFoundError:
        return datetime.max.replace(tzinfo=UTC)
