"""What is kept of analyses, and who may open it: owners, and whoever has the key of a share."""

from __future__ import annotations

import contextlib
import hmac
import json
import logging
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import ml
from webapp.settings import Settings
from webapp.storage import (
    AUDIO,
    RECORD,
    SHARE,
    UPLOAD,
    AnalysisNotFoundError,
    Storage,
    StorageError,
    digest,
    still_there,
)

log = logging.getLogger(__name__)

SCHEMA = 1


class DamagedRecordError(StorageError):
    """What is kept of an analysis cannot be read any more."""


@dataclass(frozen=True)
class Analysis:
    """One answered recording.

    Attributes
    ----------
    id : str or None
        Where it is kept; None where nothing was.
    created : datetime
        UTC.
    filename : str
        As the visitor's device named it, safe to show, never used as a path.
    sample : str or None
        Id of the bundled sample that was picked.
    prediction : dict
        The JSON object of `ml.to_dict`.
    notes : tuple of Notice
        What the site has to add, such as ``not_kept``.
    wav : bytes or None
        The converted recording, where nothing was kept.
    expires : datetime or None
        When it is deleted, UTC; None where nothing was kept.
    peaks : tuple of int
        The waveform in outline: loudest sample of each of as many stretches, 0 to 99 for the
        loudest of all; empty for analyses of old.
    challenge : str or None
        Id under which the scores of a model on trial are noted, see `webapp.challenger`; None
        where it was not drawn for that.
    """

    id: str | None
    created: datetime
    filename: str
    sample: str | None
    prediction: dict[str, Any]
    notes: tuple[ml.Notice, ...]
    wav: bytes | None
    expires: datetime | None = None
    peaks: tuple[int, ...] = ()
    challenge: str | None = None


class Archive:
    """Keeps analyses in a storage until their day, for those who may open them.

    Parameters
    ----------
    clock, deletion_clock : callable
        Give the present moment, and the one by which things are over, UTC; see `webapp.clock`.
    """

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        clock: Callable[[], datetime],
        deletion_clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._clock = clock
        self._deletion_clock = deletion_clock

    def keep(
        self, analysis: Analysis, data: bytes | Path, wav: bytes, owners: list[str]
    ) -> Analysis:
        """Keep an analysis, the recording as it came and as WAV.

        Parameters
        ----------
        analysis : Analysis
            Its id says where to keep it; a random one if it has none.
        owners : list of str
            Secrets of whoever may open it; the first one's list has it.

        Raises
        ------
        StorageError
            If it cannot be kept; nothing of it is then.
        """
        id = analysis.id or secrets.token_urlsafe(16)
        expires = analysis.created + timedelta(days=self._settings.retention_days)
        record = {
            "schema": SCHEMA,
            "created": analysis.created.isoformat(),
            "expires": expires.isoformat(),
            "owners": [digest(owner) for owner in owners],
            "filename": analysis.filename,
            "sample": analysis.sample,
            "prediction": analysis.prediction,
            "peaks": analysis.peaks,
            "challenge": analysis.challenge,
            "notes": [asdict(note) for note in analysis.notes],
        }
        parts = {UPLOAD: data, AUDIO: wav, RECORD: json.dumps(record).encode()}
        owner = digest(owners[0])
        # Noted first: a note without an analysis is passed over, the other way round it is lost.
        self._storage.mark(owner, id)
        try:
            self._storage.save(id, parts, expires)
        except StorageError:
            with contextlib.suppress(StorageError):
                self._storage.unmark(owner, id)
            raise
        return replace(analysis, id=id, wav=None, expires=expires)

    def get(self, id: str, owner: str, key: str = "") -> Analysis:
        """Give a kept analysis to whoever made it, or has the key of a share of it.

        Raises
        ------
        AnalysisNotFoundError
            If there is none, its day has come, or it was made by somebody else.
        StorageError
            If the storage cannot be reached.
        """
        record = parsed(self._storage.read(id, RECORD))
        expires = datetime.fromisoformat(record["expires"])
        owned = [hmac.compare_digest(kept, digest(owner)) for kept in record["owners"]]
        if expires <= self._deletion_clock() or not (any(owned) or self._opens(id, key)):
            raise AnalysisNotFoundError()
        return Analysis(
            id=id,
            created=datetime.fromisoformat(record["created"]),
            filename=record["filename"],
            sample=record["sample"],
            prediction=record["prediction"],
            notes=tuple(ml.Notice(**note) for note in record["notes"]),
            wav=None,
            expires=expires,
            peaks=tuple(record.get("peaks", ())),
            challenge=record.get("challenge"),
        )

    def audio(self, id: str, owner: str, key: str = "") -> bytes:
        """Give the converted recording as WAV; raises as `get` does."""
        return self.sound(self.get(id, owner, key))

    def sound(self, analysis: Analysis) -> bytes:
        """Give the converted recording of an analysis that `get` gave, as WAV."""
        assert analysis.id  # noqa: S101 for mypy: what is kept has one
        return self._storage.read(analysis.id, AUDIO)

    def mine(self, owner: str) -> list[Analysis]:
        """Give what an owner has made and is still kept, the newest first."""
        found = still_there(self._storage, digest(owner), lambda id: self._listed(id, owner))
        kept = [analysis for analysis in found if analysis]
        return sorted(kept, key=lambda analysis: analysis.created, reverse=True)

    def _listed(self, id: str, owner: str) -> Analysis | None:
        """Give an analysis as `get` does; None for one whose record is damaged."""
        try:
            return self.get(id, owner)
        except DamagedRecordError as error:
            log.warning("Left out of a list: %s", error)
            return None

    def share(self, id: str, owner: str) -> str:
        """Let whoever has a key open an analysis, for some days; a key given before is void.

        Returns
        -------
        str
            The key, of which only the hash is kept; raises as `get` does.
        """
        analysis, key = self.get(id, owner), secrets.token_urlsafe(16)
        until = self._clock() + timedelta(days=self._settings.share_days)
        assert analysis.expires  # noqa: S101 for mypy: what is kept has one
        share = {"key": digest(key), "until": min(until, analysis.expires).isoformat()}
        self._storage.put(id, SHARE, json.dumps(share).encode())
        return key

    def unshare(self, id: str, owner: str) -> None:
        """Make a share's key void; raises as `get` does."""
        self.get(id, owner)
        self._storage.drop(id, SHARE)

    def shared_until(self, id: str) -> datetime | None:
        """Say until when an analysis is shared; None where it is not."""
        return self._share(id)[1]

    def _opens(self, id: str, key: str) -> bool:
        if not key:
            return False
        kept, until = self._share(id)
        return until is not None and hmac.compare_digest(kept, digest(key))

    def _share(self, id: str) -> tuple[str, datetime | None]:
        try:
            share = json.loads(self._storage.read(id, SHARE))
        except AnalysisNotFoundError:
            return "", None
        until = datetime.fromisoformat(share["until"])
        return share["key"], until if until > self._deletion_clock() else None


def parsed(record: bytes) -> dict[str, Any]:
    """Read what is kept of an analysis.

    Raises
    ------
    DamagedRecordError
        If it is none, or of another schema.
    """
    try:
        found = json.loads(record)
        if found["schema"] == SCHEMA:
            return found
        raise DamagedRecordError(detail=f"record of schema {found['schema']}")
    except (ValueError, KeyError, TypeError):
        raise DamagedRecordError(detail="damaged record") from None
