"""Ctrl-C, wherever it comes."""

import os
import signal
import sys
import threading

import pytest

from ml import __main__ as cli
from ml.commands.interrupts import noticed_interrupts


class Swallows:
    """Is interrupted where Python lets no exception out."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass


def test_one_that_comes_in_a_finaliser_is_raised_after_it():
    handler, hook = signal.getsignal(signal.SIGINT), sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), noticed_interrupts() as came:
        swallows = Swallows()
        del swallows
        threading.Event().wait(30)
    assert set(came) == {signal.SIGINT}
    assert signal.getsignal(signal.SIGINT) is handler and sys.unraisablehook is hook


def test_other_exceptions_in_finalisers_are_told_as_ever(capsys):
    class Fails:
        def __del__(self):
            raise ValueError("in a finaliser")

    with noticed_interrupts() as came:
        fails = Fails()
        del fails
    assert not came and "in a finaliser" in capsys.readouterr().err


def test_in_another_thread_nothing_is_changed():
    found = []

    def look():
        with noticed_interrupts() as came:
            found.append((came, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [([], signal.getsignal(signal.SIGINT))]


def test_workers_that_heard_of_it_first_are_no_error(monkeypatch, capsys):
    def interrupted(args):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise cli.BrokenProcessPool("gone") from None

    parser = cli.make_parser()
    args = parser.parse_args(["models"])
    args.run = interrupted
    monkeypatch.setattr(
        cli, "make_parser", lambda: type("P", (), {"parse_args": lambda *_: args})()
    )
    assert cli.main(["models"]) == 128 + signal.SIGINT
    assert capsys.readouterr().err == ""
