"""The door between the site and `ml`: a recording goes in, a kept analysis comes out."""

from __future__ import annotations

import contextlib
import hmac
import json
import logging
import re
import secrets
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import ml
from webapp.answers import after_answer
from webapp.closer import Closer, look_closer
from webapp.settings import ROOT, Settings
from webapp.storage import (
    AUDIO,
    RECORD,
    SHARE,
    UPLOAD,
    AnalysisNotFoundError,
    Storage,
    StorageError,
    digest,
)

if TYPE_CHECKING:
    from flask.sessions import SessionMixin

    from webapp.challenger import Challenger

log = logging.getLogger(__name__)

SCHEMA = 1
SAMPLES = ROOT / "samples"
SWEEP_EVERY_S = 3600.0
RETRY_READY_S = 10.0
LIVE_S = 6
"""Longest stretch of a live request, seconds."""

LIVE_BYTES = 2 * 16_000 * LIVE_S

NOT_KEPT = ml.Notice(
    "not_kept", "The storage could not be reached, so nothing was kept of this analysis."
)


class LiveSoundError(ml.SerError):
    """The body of a live request is not the sound that is taken."""

    code: ClassVar[str] = "bad_live_sound"
    message_template: ClassVar[str] = "The body holds {given}; wanted: {wanted}."
    hint_template: ClassVar[str] = (
        "Send at most 6 s of mono 16 kHz samples as signed 16-bit little-endian integers, with "
        "the media type audio/L16;rate=16000."
    )


class BusyError(ml.SerError):
    """All places are taken, and stayed so for as long as one waits."""

    code: ClassVar[str] = "busy"
    message_template: ClassVar[str] = "Too many recordings are being analysed right now."
    hint_template: ClassVar[str] = "Try again in a minute."


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


class Answer(NamedTuple):
    """What one model says of a recording, and how many seconds it took to say so."""

    bundle: ml.Bundle
    prediction: dict[str, Any]
    seconds: float


@dataclass(frozen=True)
class Sample:
    """A clip that comes with the site; `intended` is the emotion it was performed as."""

    id: str
    title: str
    file: str
    description: str
    intended: str | None
    voice: str
    seconds: float
    text: str

    @property
    def path(self) -> Path:
        """Where the clip lies."""
        return SAMPLES / self.file


def samples() -> tuple[Sample, ...]:
    """Read the bundled clips from their index; none where an operator removed it."""
    try:
        rows = json.loads((SAMPLES / "index.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    names = Sample.__dataclass_fields__
    return tuple(Sample(**{name: row[name] for name in names}) for row in rows)


def owner_of(session: SessionMixin) -> str:
    """Give the random id of this browser, making it on its first visit."""
    session.permanent = True
    if "owner" not in session:
        session["owner"] = secrets.token_urlsafe(16)
    return session["owner"]


def display_name(filename: str) -> str:
    """Make a name that came from elsewhere fit to show: no folders, nothing invisible."""
    name = re.split(r"[/\\]", filename)[-1]
    shown = "".join(char for char in name if unicodedata.category(char)[0] != "C").strip()
    return shown[:120] or "recording"


class Analyser:
    """Analyses recordings with models that are loaded once, and keeps the results.

    Parameters
    ----------
    clock : callable
        Gives the present moment, UTC.
    wait_s : float
        How long a recording waits for a free place before `BusyError`.
    challenger : Challenger, optional
        The model on trial, which hears some recordings once they are answered.
    """

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        wait_s: float = 30.0,
        challenger: Challenger | None = None,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._clock = clock
        self._wait_s = wait_s
        self._challenger = challenger
        self._places = threading.BoundedSemaphore(settings.concurrency)
        self._recognizers: dict[str, ml.Recognizer] = {}
        self._loading = threading.Lock()
        self._checking = threading.Lock()
        self._ready: dict[str, Any] | None = None
        self._not_ready: tuple[float, Exception] | None = None
        self._swept_s: float | None = None

    def analyse(
        self,
        data: bytes | Path,
        filename: str,
        *,
        owner: str,
        keep: bool,
        model: str | None = None,
        labels: tuple[str, ...] | None = None,
        sample: str | None = None,
        progress: Callable[[float], None] | None = None,
        token: str | None = None,
        id: str | None = None,
    ) -> Analysis:
        """Analyse a recording, and keep it if `keep` and the storage allow.

        Parameters
        ----------
        owner, token : str
            Secrets of whoever may open it later; only their hashes are kept.
        id : str, optional
            Where to keep it; a random one if not given.

        Raises
        ------
        ml.SerError
            If the recording cannot be decoded, the model or labels are unknown, or all places
            stay taken (`BusyError`). A storage that fails is no error but a note.
        """
        waveform, prediction = self._predict(data, model, labels, progress)
        # Everybody tries the samples: they would outnumber all else that is noted.
        challenge = None if sample else self._challenge(waveform, prediction, labels)
        wav, peaks = ml.to_wav(waveform), _peaks(waveform)
        del waveform  # an hour of it takes 230 MB
        analysis = Analysis(
            id=None,
            created=self._clock(),
            filename=display_name(filename),
            sample=sample,
            prediction=prediction,
            notes=(),
            wav=wav,
            peaks=peaks,
            challenge=challenge,
        )
        if not keep:
            return analysis
        try:
            owners = [owner, *([token] if token else [])]
            return self._keep(replace(analysis, id=id), data, wav, owners)
        except StorageError as error:
            log.warning("Analysis not kept: %s", error)
            return replace(analysis, notes=(NOT_KEPT,))

    def predict(
        self,
        data: bytes | Path,
        *,
        model: str | None = None,
        labels: tuple[str, ...] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> dict[str, Any]:
        """Answer for a recording and keep nothing; gives the JSON object of `ml.to_dict`."""
        waveform, prediction = self._predict(data, model, labels, progress)
        self._challenge(waveform, prediction, labels)
        return prediction

    def live(self, pcm: bytes, model: str | None = None) -> dict[str, Any]:
        """Answer for some seconds of sound that is going on, and keep nothing.

        Parameters
        ----------
        pcm : bytes
            Mono, 16 kHz, signed 16-bit little-endian, at most `LIVE_S` seconds.

        Returns
        -------
        dict
            The JSON object of `ml.to_dict`.

        Raises
        ------
        LiveSoundError
            If it is empty, longer, or not whole samples.
        """
        import numpy as np

        if len(pcm) > LIVE_BYTES:
            raise LiveSoundError(given=f"more than {LIVE_S} s", wanted=f"{LIVE_S} s at most")
        if not pcm or len(pcm) % 2:
            raise LiveSoundError(given=f"{len(pcm)} bytes", wanted="whole samples of two bytes")
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32_768
        recognizer = self._recognizer(model)
        with self._place():
            return ml.to_dict(recognizer.recognize(ml.Waveform(samples, 16_000)))

    def look_closer(self, analysis: Analysis, window: int | None = None) -> Closer:
        """Take a window of a kept recording apart; raises as `get` and `look_closer` do."""
        prediction = analysis.prediction
        with self._place():
            waveform = ml.decode(self.sound(analysis), self._limits)
            recognizer = self._recognizer(prediction["model"]["name"])
            return look_closer(recognizer, waveform, prediction, window)

    def look_closer_once(self, data: bytes | Path, model: str | None = None) -> Closer:
        """Analyse a recording, take its clearest window apart, and keep nothing."""
        waveform, prediction = self._predict(data, model, None, None)
        with self._place():
            return look_closer(self._recognizer(model), waveform, prediction)

    def compare(self, data: bytes | Path) -> list[Answer]:
        """Ask every model about a recording, and keep nothing."""
        with self._place():
            waveform = ml.decode(data, self._limits)
            return [self._answer(name, waveform) for name in self.models]

    def _answer(self, name: str, waveform: ml.Waveform) -> Answer:
        recognizer = self._recognizer(name)
        start_s = time.perf_counter()
        prediction = recognizer.recognize(waveform)
        return Answer(recognizer.bundle, ml.to_dict(prediction), time.perf_counter() - start_s)

    def _predict(
        self,
        data: bytes | Path,
        model: str | None,
        labels: tuple[str, ...] | None,
        progress: Callable[[float], None] | None,
    ) -> tuple[ml.Waveform, dict[str, Any]]:
        recognizer = self._recognizer(model)
        with self._place():
            waveform = ml.decode(data, self._limits)
            prediction = recognizer.recognize(waveform, labels=labels, progress=progress)
        return waveform, ml.to_dict(prediction)

    def _challenge(
        self,
        waveform: ml.Waveform,
        prediction: dict[str, Any],
        labels: tuple[str, ...] | None,
    ) -> str | None:
        """Draw whether the model on trial hears it too, once the answer is out; gives its id."""
        # It is to take the place of the model that answers by default, and of no other.
        if not self._challenger or prediction["model"]["name"] != self.default_model:
            return None
        id = self._challenger.draw()
        if id:
            after_answer(partial(self._challenger.hear, id, waveform, prediction, labels))
        return id

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=self._wait_s):
            raise BusyError()
        try:
            yield
        finally:
            self._places.release()

    @property
    def _limits(self) -> ml.DecodeLimits:
        return ml.DecodeLimits(
            max_bytes=self._settings.max_upload_mb * 1024 * 1024,
            max_seconds=float(self._settings.max_seconds),
        )

    @property
    def default_model(self) -> str:
        """The model that answers unless a request names one."""
        return self._settings.model or ml.DEFAULT_MODEL

    @property
    def models(self) -> list[str]:
        """All models by name, the one that answers by default first."""
        return sorted(ml.bundle_names(), key=lambda name: name != self.default_model)

    def _recognizer(self, model: str | None) -> ml.Recognizer:
        name = model or self.default_model
        with self._loading:
            if name not in self._recognizers:
                self._recognizers[name] = ml.load(name)
            return self._recognizers[name]

    def _keep(
        self, analysis: Analysis, data: bytes | Path, wav: bytes, owners: list[str]
    ) -> Analysis:
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
        # Noted first: a note without an analysis is passed over, the other way round it is lost.
        self._storage.mark(digest(owners[0]), id)
        self._storage.save(id, parts, expires)
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
        record = _parsed(self._storage.read(id, RECORD))
        expires = datetime.fromisoformat(record["expires"])
        owned = [hmac.compare_digest(kept, digest(owner)) for kept in record["owners"]]
        if expires <= self._clock() or not (any(owned) or self._opens(id, key)):
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
        assert analysis.id
        return self._storage.read(analysis.id, AUDIO)

    def mine(self, owner: str) -> list[Analysis]:
        """Give what an owner has made and is still kept, the newest first."""
        found = []
        for id in self._storage.marked(digest(owner)):
            try:
                found.append(self.get(id, owner))
            except AnalysisNotFoundError:
                self._storage.unmark(digest(owner), id)
        return sorted(found, key=lambda analysis: analysis.created, reverse=True)

    def share(self, id: str, owner: str) -> str:
        """Let whoever has a key open an analysis, for some days; a key given before is void.

        Returns
        -------
        str
            The key, of which only the hash is kept; raises as `get` does.
        """
        analysis, key = self.get(id, owner), secrets.token_urlsafe(16)
        until = self._clock() + timedelta(days=self._settings.share_days)
        assert analysis.expires
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
        return share["key"], until if until > self._clock() else None

    def delete(self, id: str, owner: str) -> None:
        """Remove recording and record now; raises as `get` does."""
        self.get(id, owner)
        self._delete(id)

    def delete_mine(self, owner: str) -> int:
        """Remove all that an owner has made, and say how many analyses that were."""
        found = self.mine(owner)
        for analysis in found:
            assert analysis.id
            self._delete(analysis.id)
        return len(found)

    def _delete(self, id: str) -> None:
        """Remove an analysis, and the notes of whose it is."""
        try:
            owners = _parsed(self._storage.read(id, RECORD))["owners"]
        except (AnalysisNotFoundError, StorageError):
            owners = []  # A damaged record must not keep a voice here.
        self._storage.delete(id)
        for owner in owners:
            self._storage.unmark(owner, id)

    def sweep(self) -> None:
        """Delete all whose day has come, and what interrupted writes left behind."""
        expired = self._storage.expired(self._clock())
        for id in expired:
            self._delete(id)
        self._storage.sweep()
        if expired:
            log.info("Deleted %d analyses whose day had come", len(expired))
        if self._challenger:
            self._challenger.sweep()

    def sweep_when_due(self) -> None:
        """Sweep in the background, on the first call and then at most hourly."""
        now = time.monotonic()
        if self._swept_s is None or now - self._swept_s >= SWEEP_EVERY_S:
            self._swept_s = now
            threading.Thread(target=self._sweep_or_log, name="sweep", daemon=True).start()

    def _sweep_or_log(self) -> None:
        try:
            self.sweep()
        except ml.SerError as error:
            log.warning("Sweep postponed: %s", error)

    def preload(self) -> None:
        """Load what processes forked later can share: decoder, code, weights; no interpreter."""
        import numpy as np

        ml.warm()
        self._recognizer(None)
        ml.extract(ml.Waveform(np.zeros(16_000, np.float32), 16_000))

    def ready(self) -> dict[str, Any]:
        """Say which model answers, having proved once that it does; gives its JSON object.

        Raises
        ------
        Exception
            Whatever keeps this process from answering; it is tried again after some seconds.
        """
        with self._checking:
            if self._ready is None:
                self._check()
            assert self._ready is not None
            return self._ready

    def _check(self) -> None:
        now = time.monotonic()
        if self._not_ready and now - self._not_ready[0] < RETRY_READY_S:
            raise self._not_ready[1]
        try:
            self._ready = self._predict(_probe(), None, None, None)[1]["model"]
        except Exception as error:
            self._not_ready = (now, error)
            raise


def _probe() -> bytes | Path:
    """Choose what to analyse to prove readiness: the shortest sample, which holds a voice."""
    clips = sorted(samples(), key=lambda sample: sample.seconds)
    voiced = [clip for clip in clips if clip.intended]
    return voiced[0].path if voiced else _second_of_silence()


def _second_of_silence() -> bytes:
    import numpy as np

    return ml.to_wav(ml.Waveform(np.zeros(16_000, np.float32), 16_000))


PEAKS = 600
"""Points of a waveform's outline."""


def _peaks(waveform: ml.Waveform) -> tuple[int, ...]:
    import numpy as np

    if not len(waveform.samples):
        return ()
    starts = np.unique(np.linspace(0, len(waveform.samples), PEAKS, endpoint=False).astype(int))
    loudest = np.maximum(
        np.maximum.reduceat(waveform.samples, starts),
        -np.minimum.reduceat(waveform.samples, starts),
    )
    top = max(float(loudest.max()), 1e-6)
    return tuple(np.round(99 * np.maximum(loudest, 0) / top).astype(int).tolist())


def _parsed(record: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(record)
        if parsed["schema"] == SCHEMA:
            return parsed
        raise StorageError(detail=f"record of schema {parsed['schema']}")
    except (ValueError, KeyError, TypeError):
        raise StorageError(detail="damaged record") from None
