"""A second model on trial: it hears a share of the recordings after the answer, and is noted only.

What is noted are scores, in a storage of their own: `NOTED` says which. Neither a recording, nor
its name, nor whose it is gets there.
"""

from __future__ import annotations

import atexit
import json
import logging
import math
import queue
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, Any

import click
from flask import current_app
from flask.cli import with_appcontext

import ml
from webapp.listener import Listener, ListenerError, read_listener
from webapp.settings import Settings
from webapp.storage import RECORD, AnalysisNotFoundError, Storage, StorageError

log = logging.getLogger(__name__)

SCHEMA = 1
NOTED = {"speech_ratio": 2, "snr_db": 0, "level_dbfs": 0, "clipping": 3, "bandwidth_hz": -2}
"""What is noted of a recording's quality, each to so many decimals: enough to sort by."""

_SCORE_DECIMALS = 3
_HELD_S = 600
"""Sound that waits in one process, seconds; a longer recording waits alone."""
_LIMIT_S = 600.0
"""A recording that was not heard so long after its answer is let go."""
_NOTHING = b"null"
_FORGOTTEN_FOR = timedelta(hours=1)
_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class _Heard:
    """A recording that was answered, and is to be heard by the challenger.

    Attributes
    ----------
    until_s : float
        When it is let go, on the monotonic clock.
    line : dict
        What is noted of it, but for the challenger's part.
    """

    waveform: ml.Waveform
    labels: tuple[str, ...] | None
    until_s: float
    line: dict[str, Any]

    @property
    def weight_s(self) -> int:
        """What it counts among those that wait, in begun seconds."""
        return max(1, math.ceil(self.waveform.duration_s))


class Challenger:
    """Lets the model on trial hear recordings, one at a time, in the background.

    Nothing waits for it, and nothing of it fails: what it cannot hear is logged and counted.

    Parameters
    ----------
    storage : Storage
        Where the lines go.
    rng : random.Random
        Draws the recordings; from the system unless given, so that no two processes draw alike.
    clock : callable
        Gives the present moment, UTC.

    Attributes
    ----------
    counts : Counter
        How many recordings were ``compared``, ``dropped`` because too many waited, ``late``
        because their time ran out, or ``failed``.
    """

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        *,
        rng: random.Random | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._rng = rng or random.SystemRandom()
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: queue.Queue[_Heard] = queue.Queue()
        self._held_s = 0
        self._closed = False
        self._listener = Listener(settings.challenger)
        self._thread: threading.Thread | None = None
        self.counts: Counter[str] = Counter()

    def check(self) -> None:
        """Say in the log which model is on trial, or why it cannot be."""
        if not self._settings.challenger:
            return
        try:
            bundle = read_listener(self._settings.challenger)
        except ml.SerError as error:
            log.error("SER_CHALLENGER cannot be used: %s", error)
            return
        share = self._settings.challenger_share
        log.info("%s %s is on trial with %d %%", bundle.name, bundle.version, share)

    def draw(self) -> str | None:
        """Draw whether a recording is to be heard.

        Returns
        -------
        str or None
            The random id that its line will have, and nothing else has.
        """
        share = self._settings.challenger_share / 100
        if not self._settings.challenger or self._rng.random() >= share:
            return None
        return secrets.token_urlsafe(16)

    def hear(
        self,
        id: str,
        waveform: ml.Waveform,
        prediction: Mapping[str, Any],
        labels: tuple[str, ...] | None = None,
    ) -> None:
        """Let the challenger hear a recording later on; returns at once.

        Parameters
        ----------
        id : str
            From `draw`.
        prediction : dict
            What was answered, the JSON object of `ml.to_dict`.
        labels : tuple of str, optional
            What the answer was chosen among.
        """
        line = {"schema": SCHEMA, "id": id, "time": f"{self._clock():%Y-%m-%dT%H}:00Z"}
        heard = _Heard(waveform, labels, time.monotonic() + _LIMIT_S, line | _recording(prediction))
        with self._lock:
            full = self._held_s > 0 and self._held_s + heard.weight_s > _HELD_S
            if not full:
                self._held_s += heard.weight_s
                self._start()
                self._waiting.put(heard)
        if full:
            self._note("dropped", "too many wait")

    def _start(self) -> None:
        """Start the thread, once; not before the first recording, so after a server has forked."""
        if self._thread is None:
            atexit.register(self.close)
            self._thread = threading.Thread(target=self._work, name="challenger", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the process in which the challenger hears; what waits is let go."""
        self._closed = True
        self._listener.close()

    def _work(self) -> None:
        while not self._closed:
            heard = self._waiting.get()
            try:
                self._compare(heard)
            except Exception as error:
                if not self._closed:
                    known = isinstance(error, ListenerError | StorageError)
                    self._note("failed", str(error), None if known else error)
            finally:
                with self._lock:
                    self._held_s -= heard.weight_s
                del heard  # Otherwise it is held until the next one comes.
                self._waiting.task_done()

    def _compare(self, heard: _Heard) -> None:
        left_s = heard.until_s - time.monotonic()
        if left_s <= 0:
            self._note("late", f"not heard within {_LIMIT_S:.0f} s")
            return
        answer = self._listener.ask(heard.waveform, heard.labels, left_s)
        line = heard.line | {"challenger": _side(answer)}
        hour = datetime.fromisoformat(line["time"])
        expires = hour + timedelta(days=self._settings.retention_days)
        self._storage.save(line["id"], {RECORD: json.dumps(line).encode()}, expires)
        self._note("compared")

    def _note(self, what: str, why: str = "", error: Exception | None = None) -> None:
        with self._lock:
            self.counts[what] += 1
            counts = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
        if why:
            log.warning("A recording was not compared: %s (%s)", why, counts, exc_info=error)
        else:
            log.info("Recordings for the model on trial: %s", counts)

    def forget(self, id: str) -> None:
        """Delete a line, or see to it that it is never noted where the recording still waits.

        Raises
        ------
        StorageError
            If the storage cannot be reached.
        """
        try:
            # It takes the line's place, holds nothing, and goes when no recording waits any more.
            self._storage.save(id, {RECORD: _NOTHING}, self._clock() + _FORGOTTEN_FOR)
        except StorageError:
            self._storage.delete(id)

    def sweep(self) -> int:
        """Delete the lines whose day has come, and what interrupted writes left; count them."""
        due = self._storage.expired(self._clock())
        for id in due:
            self._storage.delete(id)
        self._storage.sweep()
        return len(due)

    def line(self, id: str) -> dict[str, Any] | None:
        """Give what is noted under an id; None where nothing is."""
        try:
            return json.loads(self._storage.read(id, RECORD))
        except AnalysisNotFoundError:
            return None

    def lines(self, meant: Mapping[str, str]) -> Iterator[str]:
        """Give every line that is noted, as JSON, with what people said was right.

        Parameters
        ----------
        meant : mapping of str to str
            From a line's id to the label.
        """
        found = []
        for id in self._storage.expired(_EVER):
            line = self.line(id)
            if line:
                found.append(line | {"right": meant.get(id)})
        # Within an hour the ids' order, which is random, hides who came first.
        for line in sorted(found, key=lambda one: (one["time"], one["id"])):
            yield json.dumps(line, ensure_ascii=False)


def _recording(prediction: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is noted of a recording and of its answer."""
    quality = prediction["quality"]
    return {
        "duration_s": round(prediction["duration_s"], 1),
        "quality": {name: _rounded(quality[name], places) for name, places in NOTED.items()},
        "champion": _side(prediction),
    }


def _side(prediction: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is noted of one model's answer."""
    model, scores = prediction["model"], prediction["probabilities"]
    return {
        **{name: model[name] for name in ("name", "version", "sha256")},
        **{name: prediction[name] for name in ("outcome", "label")},
        "confidence": _rounded(prediction["confidence"], _SCORE_DECIMALS),
        "probabilities": {label: round(scores[label], _SCORE_DECIMALS) for label in scores},
    }


def _rounded(value: float | None, places: int) -> float | None:
    return None if value is None else round(value, places)


@click.command("export-challenge")
@click.argument("file", type=click.File("w", encoding="utf-8"))
@with_appcontext
def export_challenge(file: IO[str]) -> None:
    """Write what was noted of the model on trial to FILE (- for the terminal), a line each."""
    meant = current_app.extensions["contributions"].meant()
    count = 0
    for line in current_app.extensions["challenger"].lines(meant):
        file.write(f"{line}\n")
        count += 1
    click.echo(f"{count} lines", err=True)
