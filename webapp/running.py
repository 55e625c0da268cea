"""Analyses that are under way: a page that is loaded again finds them, and can end them."""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import ml
from webapp.storage import (
    RECORD,
    AnalysisNotFoundError,
    Storage,
    StorageError,
    digest,
    still_there,
)

TELL_EVERY_S = 2.0
LOST_AFTER_S = 180.0
"""Without news for so long, as when the server was restarted, nothing comes of it any more."""

KEPT_FOR = timedelta(hours=6)
"""After so long a note goes in any case."""


class CancelledError(ml.SerError):
    """Whoever wanted the analysis ended it."""

    code: ClassVar[str] = "cancelled"
    message_template: ClassVar[str] = "The analysis was cancelled, and nothing was kept of it."
    hint_template: ClassVar[str] = "Send the clip again if you want an answer all the same."


@dataclass(frozen=True)
class Running:
    """An analysis under way.

    Attributes
    ----------
    id : str
        Where it will be kept.
    filename : str
    share : float
        How much of it is done, 0 to 1.
    lost : bool
        Nothing was heard of it for long.
    """

    id: str
    filename: str
    share: float
    lost: bool


class RunningAnalyses:
    """Notes what is under way, in a storage that all processes of the site share.

    Parameters
    ----------
    clock : callable
        Gives the present moment, UTC.
    """

    def __init__(
        self, storage: Storage, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._storage, self._clock = storage, clock

    def start(self, owner: str, filename: str) -> str:
        """Note a new analysis; give the id under which it is to be kept.

        Raises
        ------
        StorageError
            If the storage cannot be reached.
        """
        id = secrets.token_urlsafe(16)
        note = self._note(digest(owner), filename, 0.0)
        self._storage.mark(digest(owner), id)
        self._storage.save(id, {RECORD: note}, self._clock() + KEPT_FOR)
        return id

    def follow(
        self, id: str, owner: str, filename: str, progress: Callable[[float], None] | None
    ) -> Callable[[float], None]:
        """Make a function to report the share done to, which also finds out whether to go on.

        It raises `CancelledError` once the analysis was ended.
        """
        told_s = time.monotonic()

        def report(share: float) -> None:
            nonlocal told_s
            if progress:
                progress(share)
            # The last report is never left out: after it the answer is kept.
            if share < 1 and time.monotonic() - told_s < TELL_EVERY_S:
                return
            told_s, ended = time.monotonic(), False
            try:
                self._storage.put(id, RECORD, self._note(digest(owner), filename, share))
            except AnalysisNotFoundError:
                ended = True
            except StorageError:
                pass  # The next report may reach it.
            if ended:  # Not raised above: the other error would hold the sound, in a ring.
                raise CancelledError()

        return report

    def find(self, id: str, owner: str) -> Running:
        """Give an analysis under way to whoever started it.

        Raises
        ------
        AnalysisNotFoundError
            If there is none, or somebody else's.
        """
        note = json.loads(self._storage.read(id, RECORD))
        if not hmac.compare_digest(note["owner"], digest(owner)):
            raise AnalysisNotFoundError()
        silent = self._clock() - datetime.fromisoformat(note["told"])
        # News from far ahead are from before the clock was set back, and none came since.
        lost = abs(silent.total_seconds()) > LOST_AFTER_S
        return Running(id, note["filename"], note["share"], lost)

    def mine(self, owner: str) -> list[Running]:
        """Give all that an owner has under way."""
        return [*still_there(self._storage, digest(owner), lambda id: self.find(id, owner))]

    def end(self, id: str, owner: str) -> Running | None:
        """Forget an analysis: it is done, or not wanted any more; whose it is not, stays.

        Returns
        -------
        Running or None
            What was forgotten; None where there was nothing, as when somebody else came first.
        """
        try:
            found = self.find(id, owner)
        except AnalysisNotFoundError:
            return None
        self._storage.delete(id)
        self._storage.unmark(digest(owner), id)
        return found

    def sweep(self) -> int:
        """Forget what is old, and say how many notes that were."""
        old = self._storage.expired(self._clock())
        for id in old:
            self._storage.delete(id)
        self._storage.sweep()
        return len(old)

    def _note(self, owner: str, filename: str, share: float) -> bytes:
        note = {"owner": owner, "filename": filename, "share": share}
        return json.dumps(note | {"told": self._clock().isoformat()}).encode()
