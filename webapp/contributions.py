"""Clips that visitors gave with what was meant, kept apart from analyses; a corpus to train on."""

from __future__ import annotations

import csv
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import ml
from webapp.storage import AUDIO, RECORD, AnalysisNotFoundError, Storage, digest

SCHEMA = 1
_NEVER = datetime.max.replace(tzinfo=UTC)
"""A gift stays until it is taken back."""


class NoConsentError(ml.SerError):
    """A clip was to be kept without consent."""

    code: ClassVar[str] = "no_consent"
    message_template: ClassVar[str] = "Nothing was kept: consent to keep the clip was not given."
    hint_template: ClassVar[str] = "Tick the consent, or leave the question unanswered."


class NoSuchLabelError(ml.SerError):
    """A clip was to be kept with a label that does not exist."""

    code: ClassVar[str] = "no_such_label"
    message_template: ClassVar[str] = "'{given}' is none of the emotions that can be given."
    hint_template: ClassVar[str] = "Choose one of {labels}."


@dataclass(frozen=True)
class Contribution:
    """A clip that was given.

    Attributes
    ----------
    id : str
    created : datetime
        UTC.
    label : str
        What was meant, one of ``ml.LABELS``.
    said : str or None
        What the model had said.
    model : str
        Its name and version.
    speaker : str
        A random name for the browser that gave it, so that training can tell speakers apart.
    challenge : str or None
        Id under which the scores of a model on trial are noted of it, if they are.
    """

    id: str
    created: datetime
    label: str
    said: str | None
    model: str
    speaker: str
    challenge: str | None = None


class Contributions:
    """Keeps clips that were given, in a storage of their own.

    Parameters
    ----------
    clock : callable
        Gives the present moment, UTC.
    """

    def __init__(
        self, storage: Storage, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._storage, self._clock = storage, clock

    def give(
        self,
        wav: bytes,
        label: str,
        prediction: dict,
        *,
        owner: str,
        consent: bool,
        challenge: str | None = None,
    ) -> Contribution:
        """Keep a clip with what was meant.

        Parameters
        ----------
        wav : bytes
            The converted recording.
        prediction : dict
            The JSON object of the answer that it got.

        Raises
        ------
        NoConsentError
            Without consent; nothing is kept then.
        NoSuchLabelError
            If `label` is none of ``ml.LABELS``.
        StorageError
            If the storage cannot be reached.
        """
        if not consent:
            raise NoConsentError()
        if label not in ml.LABELS:
            raise NoSuchLabelError(given=label, labels=", ".join(ml.LABELS))
        model = prediction["model"]
        given = Contribution(
            id=secrets.token_urlsafe(16),
            created=self._clock(),
            label=label,
            said=prediction["label"],
            model=f"{model['name']} {model['version']}",
            speaker=hashlib.sha256(f"speaker {owner}".encode()).hexdigest()[:12],
            challenge=challenge,
        )
        record = vars(given) | {"schema": SCHEMA, "created": given.created.isoformat()}
        self._storage.mark(digest(owner), given.id)
        parts = {AUDIO: wav, RECORD: json.dumps(record).encode()}
        self._storage.save(given.id, parts, _NEVER)
        return given

    def mine(self, owner: str) -> list[Contribution]:
        """Give what an owner has given and not taken back, the newest first."""
        found = [*self._read(self._storage.marked(digest(owner)))]
        return sorted(found, key=lambda one: one.created, reverse=True)

    def take_back(self, id: str, owner: str) -> Contribution | None:
        """Remove a clip that an owner gave.

        Returns
        -------
        Contribution or None
            What it was; None where only the mark of it was left.

        Raises
        ------
        AnalysisNotFoundError
            If there is none, or somebody else gave it.
        """
        marked = self._storage.marked(digest(owner))
        if not any([hmac.compare_digest(id.encode(), one.encode()) for one in marked]):
            raise AnalysisNotFoundError()
        given = next(self._read((id,)), None)
        self._storage.delete(id)
        self._storage.unmark(digest(owner), id)
        return given

    def sound(self, id: str) -> Iterator[bytes]:
        """Give a clip as WAV, piece by piece."""
        return self._storage.chunks(id, AUDIO)

    def sweep(self) -> None:
        """Remove what interrupted writes left behind; clips themselves have no day."""
        self._storage.sweep()

    def export(self, folder: Path) -> int:
        """Write all clips as a corpus that ``train --corpus csv=FOLDER/clips.csv`` reads.

        Returns
        -------
        int
            How many there are.
        """
        (folder / "clips").mkdir(parents=True, exist_ok=True)
        count = 0
        with (folder / "clips.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(("path", "label", "speaker"))
            for one in self._read(self._storage.expired(_NEVER)):
                path = Path("clips") / f"{one.id}.wav"
                (folder / path).write_bytes(self._storage.read(one.id, AUDIO))
                table.writerow((path, one.label, one.speaker))
                count += 1
        return count

    def meant(self) -> dict[str, str]:
        """Give what was meant by the ids under which a model on trial is noted; the last word."""
        found = sorted(self._read(self._storage.expired(_NEVER)), key=lambda one: one.created)
        return {one.challenge: one.label for one in found if one.challenge}

    def _read(self, ids: tuple[str, ...]) -> Iterator[Contribution]:
        for id in ids:
            try:
                record = json.loads(self._storage.read(id, RECORD))
            except AnalysisNotFoundError:
                continue
            del record["schema"]
            yield Contribution(**record | {"created": datetime.fromisoformat(record["created"])})
