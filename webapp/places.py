"""Places in which recordings are analysed: few at once, the others in the order they came in."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ClassVar, TypeVar

import ml

WAITING = 30
"""Recordings that wait for a place at once, each of which keeps a thread of the server."""

_LOOK_S = 1.0
"""So often whoever waits is asked whether they still want it."""

Made = TypeVar("Made")


class BusyError(ml.SerError):
    """All places are taken, and stayed so for as long as one waits."""

    code: ClassVar[str] = "busy"
    message_template: ClassVar[str] = "Too many recordings are being analysed right now."
    hint_template: ClassVar[str] = "Try again in a minute."


class Places:
    """Does work in so many threads of its own, first come, first served.

    They start with the first work, so after a server has forked.

    Parameters
    ----------
    count : int
        How many there are.
    wait_s : float
        How long one waits for a place at most, seconds.
    waiting : int
        How many may wait at once.
    """

    def __init__(self, count: int, wait_s: float, waiting: int = WAITING) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="place")
        self._wait_s = wait_s
        self._room = threading.BoundedSemaphore(count + waiting)

    def take(self, work: Callable[[], Made], alive: Callable[[], object] | None = None) -> Made:
        """Do some work in a place, and give what it makes.

        Parameters
        ----------
        alive : callable, optional
            Is called while the work waits; what it raises ends the waiting.

        Raises
        ------
        BusyError
            If too many wait, or no place became free in time.
        """
        if not self._room.acquire(blocking=False):
            raise BusyError()
        try:
            return self._done(work, alive or (lambda: None))
        finally:
            self._room.release()

    def _done(self, work: Callable[[], Made], alive: Callable[[], object]) -> Made:
        begun = threading.Event()
        # What belongs to the request, such as its id in the log, goes along.
        context = contextvars.copy_context()

        def run() -> Made:
            begun.set()
            return context.run(work)

        future = self._pool.submit(run)
        try:
            self._await_place(future, begun, alive)
            return future.result()
        except BaseException:
            future.cancel()
            raise
        finally:
            # It holds what the work raised, which holds this frame, in a ring; and what was heard.
            del future

    def _await_place(
        self, future: Future[Made], begun: threading.Event, alive: Callable[[], object]
    ) -> None:
        until_s = time.monotonic() + self._wait_s
        while not begun.wait(min(_LOOK_S, max(0.0, until_s - time.monotonic()))):
            if time.monotonic() >= until_s and future.cancel():
                raise BusyError()
            alive()
