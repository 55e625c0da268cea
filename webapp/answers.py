"""What is to be done once an answer has gone out, so that nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

from flask import Flask, Response

Given = ParamSpec("Given")
Made = TypeVar("Made")


class _Answer:
    """The answer to one request: under way, then gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gone = False
        self._then: list[Callable[[], None]] = []

    def then(self, do: Callable[[], None]) -> None:
        """Do something once it has gone out: at once, if it has already."""
        with self._lock:
            if not self._gone:
                self._then.append(do)
                return
        do()

    def gone(self) -> None:
        """Do what was to be done."""
        with self._lock:
            self._gone = True
            then, self._then = self._then, []
        for do in then:
            do()


_current: ContextVar[_Answer | None] = ContextVar("answer", default=None)


def watch_answers(app: Flask) -> None:
    """Know when the answer to each request has gone out: its last byte is sent, or nobody reads."""
    app.before_request(_begin)
    app.after_request(_watch)


def _begin() -> None:
    _current.set(_Answer())


def _watch(response: Response) -> Response:
    if answer := _current.get():
        response.call_on_close(answer.gone)
    return response


def after_answer(do: Callable[[], None]) -> None:
    """Do something once the answer to this request has gone out; at once where there is none."""
    answer = _current.get()
    if answer:
        answer.then(do)
    else:
        do()


def for_this_answer(work: Callable[Given, Made]) -> Callable[Given, Made]:
    """Let some work belong to this request, though another thread does it."""
    answer = _current.get()

    def run(*given: Given.args, **named: Given.kwargs) -> Made:
        _current.set(answer)
        return work(*given, **named)

    return run
