"""Analyses in memory: kept as long as the process lives."""

import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from webapp.storage.protocol import (
    LEFT_OVER_AFTER,
    AnalysisNotFoundError,
    StorageError,
    as_storage_error,
    check_id,
)


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
        with as_storage_error(OSError):
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
