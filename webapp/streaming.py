"""An answer that takes a while, told line by line: how far it is, and the answer last."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from flask import Response, request, stream_with_context

from webapp.answers import for_this_answer
from webapp.errors import described

NDJSON = "application/x-ndjson"
HEARTBEAT_S = 1.0
"""After so long without news the last progress is told again, which also finds out who has left."""

_STEP = 0.01

Made = TypeVar("Made")
Progress = Callable[[float], None]


class _LeftError(Exception):
    """Whoever asked has closed the connection."""


def wanted() -> bool:
    """Tell whether the request asks for lines of progress."""
    return NDJSON in request.accept_mimetypes.values()


def streamed(
    work: Callable[[Progress], Made],
    told: Callable[[Made], dict[str, Any]],
    address: str | None = None,
) -> Response:
    """Do some work in a thread, and stream its progress and its answer.

    Closing the connection cancels the work at its next report, unless it can be found again.

    Parameters
    ----------
    work : callable
        Is given a function to report the share done to, 0 to 1; knows nothing of the request.
    told : callable
        Turns what was made into the last line, within the request. What fails after the first
        line has gone out, comes as a last line ``{"error": {...}}``.
    address : str, optional
        Where the work can be found while it goes on: the first line names it.
    """
    lines = _lines(for_this_answer(work), told, address)
    return Response(stream_with_context(lines), mimetype=NDJSON)


class _Work:
    """Some work in a thread of its own, which tells how far it is and ends when it is left."""

    def __init__(self, work: Callable[[Progress], Any]) -> None:
        self._news: queue.Queue[Any] = queue.Queue()
        self._left = threading.Event()
        self._told = -1.0
        self._thread = threading.Thread(target=self._run, args=(work,), name="streamed")
        self._thread.start()

    def _run(self, work: Callable[[Progress], Any]) -> None:
        try:
            self._news.put(_Made(work(self._report)))
        except Exception as error:
            self._news.put(_Made(error))

    def _report(self, share: float) -> None:
        if self._left.is_set():
            raise _LeftError()
        if share - self._told >= _STEP:
            self._told = share
            self._news.put(share)

    def progress(self) -> Iterator[float]:
        """Yield the share done until the work is; then `result` is there."""
        share = 0.0
        while True:
            try:
                item = self._news.get(timeout=HEARTBEAT_S)
            except queue.Empty:
                item = share
            if isinstance(item, _Made):
                self.result = item.value
                return
            share = item
            yield share

    def leave(self) -> None:
        """End the work at its next report, wait for that, and let go of what came of it."""
        self._left.set()
        self._thread.join()
        # An error holds the sound that it was raised beside, and would do so in a ring.
        self._news, self.result = queue.Queue(), None


class _Made(NamedTuple):
    value: Any


def _lines(
    work: Callable[[Progress], Made],
    told: Callable[[Made], dict[str, Any]],
    address: str | None,
) -> Iterator[str]:
    started = _Work(work)
    try:
        if address:
            yield _line({"running": address})
        for share in started.progress():
            yield _line({"progress": round(share, 3)})
        yield _line(_last(started.result, told))
    finally:
        if not address:
            started.leave()


def _last(item: Any, told: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    try:
        if isinstance(item, Exception):
            raise item
        return told(item)
    except Exception as error:
        body = {"error": described(error)}
        error.__traceback__ = None  # It holds the sound that it was raised beside, in a ring.
        return body


def _line(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False) + "\n"
