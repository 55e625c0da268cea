"""Places in which recordings are analysed: few at once, in order, and nobody waits for ever."""

import contextvars
import threading
import time

import pytest

from webapp.places import BusyError, Places


class Work:
    """Work that says when it began, and waits until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.go.wait(30)
        return threading.current_thread().name


def in_background(places: Places, work, **options) -> threading.Thread:
    thread = threading.Thread(target=places.take, args=(work,), kwargs=options)
    thread.start()
    return thread


def test_gives_what_the_work_makes_and_raises_what_it_raises():
    places = Places(1, 1.0)
    assert places.take(lambda: 42) == 42
    with pytest.raises(KeyError):
        places.take(lambda: {}["missing"])
    assert places.take(lambda: 43) == 43


def test_few_threads_do_all_the_work():
    places = Places(2, 30.0)
    names = set()
    threads = [
        in_background(places, lambda: names.add(threading.current_thread().name)) for _ in range(20)
    ]
    for thread in threads:
        thread.join(30)
    assert 1 <= len(names) <= 2


def test_first_come_first_served():
    places, first, order = Places(1, 30.0), Work(), []
    threads = [in_background(places, first)]
    assert first.begun.wait(30)
    for number in range(5):
        threads.append(in_background(places, lambda number=number: order.append(number)))
        while places._pool._work_queue.qsize() <= number:
            time.sleep(0.01)
    first.go.set()
    for thread in threads:
        thread.join(30)
    assert order == [0, 1, 2, 3, 4]


def test_nobody_waits_longer_than_they_may():
    places, first, done = Places(1, 0.2), Work(), []
    thread = in_background(places, first)
    assert first.begun.wait(30)
    with pytest.raises(BusyError):
        places.take(lambda: done.append("late"))
    first.go.set()
    thread.join(30)
    assert places.take(lambda: "next") == "next"
    assert done == [], "what was given up is not done after all"


def test_who_finds_too_many_waiting_is_told_at_once():
    places, first = Places(1, 30.0, waiting=1), Work()
    threads = [in_background(places, first)]
    assert first.begun.wait(30)
    threads.append(in_background(places, lambda: None))
    while not places._pool._work_queue.qsize():
        time.sleep(0.01)
    with pytest.raises(BusyError):
        places.take(lambda: None)
    first.go.set()
    for thread in threads:
        thread.join(30)
    assert places.take(lambda: "next") == "next"


class LeftError(Exception):
    pass


def test_who_leaves_while_waiting_gives_the_wait_up():
    places, first, done = Places(1, 30.0), Work(), []
    thread = in_background(places, first)
    assert first.begun.wait(30)

    def left() -> None:
        raise LeftError()

    with pytest.raises(LeftError):
        places.take(lambda: done.append("unwanted"), left)
    first.go.set()
    thread.join(30)
    assert places.take(lambda: "next") == "next" and done == []


def test_what_belongs_to_the_request_goes_along():
    request = contextvars.ContextVar("request", default="none")
    request.set("mine")
    assert Places(1, 1.0).take(request.get) == "mine"
