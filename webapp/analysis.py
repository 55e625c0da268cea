"""The door between the site and `ml`: a recording goes in, an analysis comes out."""

from __future__ import annotations

import logging
import re
import secrets
import threading
import time
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import ml
from webapp.answers import after_answer
from webapp.archive import Analysis, Archive
from webapp.closer import Closer, look_closer
from webapp.models import Models
from webapp.places import Places
from webapp.samples import samples
from webapp.settings import Settings
from webapp.storage import Storage, StorageError

if TYPE_CHECKING:
    from flask.sessions import SessionMixin

    from webapp.challenger import Challenger

log = logging.getLogger(__name__)

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


class Answer(NamedTuple):
    """What one model says of a recording, and how many seconds it took to say so."""

    bundle: ml.Bundle
    prediction: dict[str, Any]
    seconds: float


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
    deletion_clock : callable, optional
        Gives the moment by which things are over and deleted, see `webapp.clock`; `clock` if not
        given.
    wait_s : float
        How long a recording waits for a free place before `BusyError`, see `webapp.places`.
    challenger : Challenger, optional
        The model on trial, which hears some recordings once they are answered.

    Attributes
    ----------
    archive : Archive
        What is kept of analyses.
    """

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        deletion_clock: Callable[[], datetime] | None = None,
        wait_s: float = 30.0,
        challenger: Challenger | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self.archive = Archive(settings, storage, clock, deletion_clock or clock)
        self._challenger = challenger
        self._places = Places(settings.concurrency, wait_s)
        self._models = Models(settings.model)
        self._checking = threading.Lock()
        self._ready: dict[str, Any] | None = None
        self._not_ready: tuple[float, Exception] | None = None

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
            return self.archive.keep(replace(analysis, id=id), data, wav, owners)
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

        def answer() -> dict[str, Any]:
            with self._models.used(model) as recognizer:
                return ml.to_dict(recognizer.recognize(ml.Waveform(samples, 16_000)))

        return self._places.take(answer)

    def look_closer(self, analysis: Analysis, window: int | None = None) -> Closer:
        """Take a window of a kept recording apart; raises as `look_closer` does."""
        prediction, sound = analysis.prediction, self.archive.sound(analysis)

        def look() -> Closer:
            waveform = ml.decode(sound, self._limits)
            with self._models.used(prediction["model"]["name"]) as recognizer:
                return look_closer(recognizer, waveform, prediction, window)

        return self._places.take(look)

    def look_closer_once(self, data: bytes | Path, model: str | None = None) -> Closer:
        """Analyse a recording, take its clearest window apart, and keep nothing."""
        waveform, prediction = self._predict(data, model, None, None)

        def look() -> Closer:
            with self._models.used(model) as recognizer:
                return look_closer(recognizer, waveform, prediction)

        return self._places.take(look)

    def compare(self, data: bytes | Path) -> list[Answer]:
        """Ask every model that can be used about a recording, and keep nothing."""

        def ask() -> list[Answer]:
            waveform = ml.decode(data, self._limits)
            return [self._answer(bundle.name, waveform) for bundle in self._models.usable()]

        return self._places.take(ask)

    def _answer(self, name: str, waveform: ml.Waveform) -> Answer:
        with self._models.used(name) as recognizer:
            start_s = time.perf_counter()
            prediction = recognizer.recognize(waveform)
            seconds = time.perf_counter() - start_s
            return Answer(recognizer.bundle, ml.to_dict(prediction), seconds)

    def _predict(
        self,
        data: bytes | Path,
        model: str | None,
        labels: tuple[str, ...] | None,
        progress: Callable[[float], None] | None,
    ) -> tuple[ml.Waveform, dict[str, Any]]:
        def answer() -> tuple[ml.Waveform, dict[str, Any]]:
            with self._models.used(model) as recognizer:
                waveform = ml.decode(data, self._limits)
                prediction = recognizer.recognize(waveform, labels=labels, progress=progress)
            return waveform, ml.to_dict(prediction)

        # Whoever has left while it waited is found out by telling them that nothing is done yet.
        return self._places.take(answer, partial(progress, 0.0) if progress else None)

    def _challenge(
        self,
        waveform: ml.Waveform,
        prediction: dict[str, Any],
        labels: tuple[str, ...] | None,
    ) -> str | None:
        """Draw whether the model on trial hears it too, once the answer is out; gives its id."""
        # It is to take the place of the model that answers by default, and of no other.
        if not self._challenger or prediction["model"]["name"] != self._models.default:
            return None
        id = self._challenger.draw()
        if id:
            after_answer(partial(self._challenger.hear, id, waveform, prediction, labels))
        return id

    @property
    def _limits(self) -> ml.DecodeLimits:
        return ml.DecodeLimits(
            max_bytes=self._settings.max_upload_mb * 1024 * 1024,
            max_seconds=float(self._settings.max_seconds),
        )

    @property
    def models(self) -> Models:
        """The models that answer."""
        return self._models

    def preload(self) -> None:
        """Load what processes forked later can share: decoder, code, weights; no interpreter."""
        import numpy as np

        ml.warm()
        self._models.preload()
        ml.extract(ml.Waveform(np.zeros(16_000, np.float32), 16_000))

    def ready(self) -> dict[str, Any]:
        """Say which model answers, having proved once that it does; gives its JSON object.

        Raises
        ------
        Exception
            Whatever keeps this process from answering; it is tried again after some seconds.
        """
        with self._checking:
            self._models.check()
            if self._ready is None:
                self._check()
            assert self._ready is not None  # noqa: S101 for mypy: checked above
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
