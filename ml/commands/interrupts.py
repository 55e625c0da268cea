"""Ctrl-C, which is to end a command wherever it comes."""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

_AGAIN_AFTER_S = 0.01


@contextlib.contextmanager
def noticed_interrupts() -> Iterator[list[int]]:
    """Note every Ctrl-C, and raise again what was raised where Python lets nothing out.

    A `KeyboardInterrupt` that is raised in a finaliser or in the callback of a weak reference
    ends there, and the command would go on. And where worker processes have heard the signal
    first, what is raised is that they are gone; whoever catches that can look here for the reason.

    Yields
    ------
    list of int
        The signals that have come.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came  # Signals come to the main thread only.
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    def again(unraisable: sys.UnraisableHookArgs) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            # Later: here it would be swallowed once more.
            threading.Timer(_AGAIN_AFTER_S, _thread.interrupt_main).start()
        else:
            sys.__unraisablehook__(unraisable)

    hook, handler = sys.unraisablehook, signal.signal(signal.SIGINT, interrupt)
    sys.unraisablehook = again
    try:
        yield came
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGINT, handler)
