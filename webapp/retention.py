"""What ends: deletion at a visitor's wish, with a receipt, and the hourly sweep of what is due."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

import ml
from webapp.analysis import Analyser
from webapp.archive import DamagedRecordError, parsed
from webapp.challenger import Challenger
from webapp.contributions import Contributions
from webapp.running import RunningAnalyses
from webapp.storage import RECORD, AnalysisNotFoundError, Storage, StorageError, digest

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 3600.0
TAKE_OVER_AFTER_S = 60.0
"""So often the other workers look whether the one that sweeps is still there."""


@dataclass(frozen=True)
class Receipt:
    """What was deleted at a visitor's wish.

    Attributes
    ----------
    ids : tuple of str
        Of the analyses, those under way among them.
    filename : str or None
        Of the recording, where it was one.
    kept : int
        How many of them were kept: each with its recording, converted copy and answer.
    ended : int
        How many of them were under way.
    shared : bool
        A link opened one of them until now.
    scores : bool
        A model on trial may have noted scores of one of them, which are gone, too.
    given : int
        How many clips that the visitor gave were taken back.
    """

    ids: tuple[str, ...]
    filename: str | None = None
    kept: int = 0
    ended: int = 0
    shared: bool = False
    scores: bool = False
    given: int = 0


@dataclass(frozen=True)
class Retention:
    """Ends what is kept: analyses, notes of what is under way, scores of a model on trial.

    Attributes
    ----------
    storage : Storage
        Of the analyses.
    clock : callable
        Gives the present moment, UTC.
    """

    storage: Storage
    analyser: Analyser
    running: RunningAnalyses
    contributions: Contributions
    challenger: Challenger
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def delete(self, id: str, owner: str) -> Receipt:
        """Remove every copy of an analysis now, and end it where it is under way.

        Raises
        ------
        AnalysisNotFoundError
            If there is none, its day has come, or it was made by somebody else.
        StorageError
            If the storage cannot be reached.
        """
        # The note goes first: whoever finishes the analysis looks for it, and keeps nothing then.
        ended = self.running.end(id, owner)
        try:
            analysis = self.analyser.archive.get(id, owner)
        except AnalysisNotFoundError:
            if ended:
                return Receipt((id,), ended.filename, ended=1)
            raise
        shared = self.analyser.archive.shared_until(id) is not None
        # The analysis goes last: should the storage fail before, it can be deleted once more.
        scores = self._forget_scores(analysis.challenge, owner)
        self.remove(id)
        return Receipt((id,), analysis.filename, 1, int(bool(ended)), shared, scores)

    def delete_all(self, owner: str) -> Receipt:
        """Remove all that an owner has made, has under way, or gave; raises `StorageError`."""
        ended = [one for one in self.running.mine(owner) if self.running.end(one.id, owner)]
        given = self.contributions.mine(owner)
        for one in given:
            self.take_back(one.id, owner)
        # By the marks, so that a damaged record goes, too.
        found = [id for id in self.storage.marked(digest(owner)) if self._delete_marked(id, owner)]
        ids = dict.fromkeys([*found, *(one.id for one in ended)])
        return Receipt(tuple(ids), kept=len(found), ended=len(ended), given=len(given))

    def _delete_marked(self, id: str, owner: str) -> bool:
        """Remove what bears an owner's mark, and say whether there was anything."""
        challenge, there = None, True
        try:
            challenge = parsed(self.storage.read(id, RECORD)).get("challenge")
        except AnalysisNotFoundError:
            there = False
        except DamagedRecordError as error:
            log.warning("Deleted all the same: %s", error)
        self._forget_scores(challenge, owner)
        self.remove(id)
        self.storage.unmark(digest(owner), id)
        return there

    def take_back(self, id: str, owner: str) -> None:
        """Remove a clip that an owner gave, and the scores that its word stood beside.

        Raises
        ------
        AnalysisNotFoundError
            If there is none, or somebody else gave it.
        """
        given = self.contributions.take_back(id, owner)
        if given and given.challenge:
            self.challenger.forget(given.challenge)

    def _forget_scores(self, challenge: str | None, owner: str) -> bool:
        """Remove what a model on trial said, unless the owner gave the clip and lets it stand."""
        given = self.contributions.mine(owner) if challenge else []
        if not challenge or any(one.challenge == challenge for one in given):
            return False
        self.challenger.forget(challenge)
        return True

    def remove(self, id: str) -> None:
        """Remove an analysis, whoever made it, and the notes of whose it is."""
        try:
            owners = parsed(self.storage.read(id, RECORD))["owners"]
        except (AnalysisNotFoundError, StorageError):
            owners = []  # A damaged record must not keep a voice here.
        self.storage.delete(id)
        for owner in owners:
            self.storage.unmark(owner, id)

    def sweep(self) -> dict[str, int]:
        """Delete all whose day has come, and what interrupted writes left behind.

        Where one thing cannot be deleted, the others are all the same.

        Returns
        -------
        dict of str to int
            How many there were of each kind.

        Raises
        ------
        StorageError
            If something could not be deleted; it is tried again next time.
        """
        kinds: dict[str, Callable[[], int]] = {
            "analyses": self._sweep_analyses,
            "notes of analyses under way": self.running.sweep,
            "notes of a model on trial": self.challenger.sweep,
        }
        counts: dict[str, int] = {}
        with _all_tried() as tried:
            for kind, sweep in kinds.items():
                with tried():
                    counts[kind] = sweep()
            with tried():
                self.contributions.sweep()
            if any(counts.values()):
                log.info("Deleted because their day had come, %s", told(counts))
        return counts

    def _sweep_analyses(self) -> int:
        count = 0
        with _all_tried() as tried:
            for id in self.storage.expired(self.clock()):
                with tried():
                    self.remove(id)
                    count += 1
            self.storage.sweep()
        return count


@contextlib.contextmanager
def _all_tried() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Let several things be tried though one of them fails; the last failure is raised then."""
    failed: list[StorageError] = []

    @contextlib.contextmanager
    def tried() -> Iterator[None]:
        try:
            yield
        except StorageError as error:
            failed.append(error)

    yield tried
    if failed:
        raise failed[-1]


def told(counts: dict[str, int]) -> str:
    """Put a sweep's counts into words."""
    return ", ".join(f"{kind}: {count}" for kind, count in counts.items())


def keep_sweeping(
    retention: Retention,
    *,
    every_s: float = SWEEP_EVERY_S,
    take_over_after_s: float = TAKE_OVER_AFTER_S,
    ended: threading.Event | None = None,
) -> threading.Thread:
    """Sweep now and then hourly, in the background, in one of all processes that call this.

    They share a folder for temporary files, where the one that sweeps holds a lock; when it dies
    another one takes over. Neither depends on what the clock on the wall says.

    Parameters
    ----------
    ended : threading.Event, optional
        Ends it.
    """
    turn = Path(tempfile.gettempdir()) / "sweeping.lock"
    ended = ended or threading.Event()

    def work() -> None:
        with turn.open("wb") as lock:
            while not _locked(lock.fileno()):
                if ended.wait(take_over_after_s):
                    return
            while not ended.is_set():
                _sweep_or_log(retention)
                ended.wait(every_s)

    thread = threading.Thread(target=work, name="sweep", daemon=True)
    thread.start()
    return thread


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sweep_or_log(retention: Retention) -> None:
    try:
        retention.sweep()
    except ml.SerError as error:
        log.warning("Sweep postponed: %s", error)
    except Exception:
        log.exception("Sweep postponed")


@click.command("sweep")
@with_appcontext
def sweep() -> None:
    """Delete what is due now, as the server does hourly, and say how much it was."""
    try:
        click.echo(f"Deleted {told(current_app.extensions['retention'].sweep())}")
    except StorageError as error:
        raise click.ClickException(str(error)) from None
