"""Work that is done side by side, and its progress."""

import threading
import time

import pytest

from ml import processes


@pytest.fixture(params=[1, 4])
def cores(request, monkeypatch):
    monkeypatch.setattr(processes, "cores", lambda: request.param)
    return request.param


def test_results_come_in_order_from_as_many_threads_as_there_are_cores(cores):
    seen = set()

    def work(number):
        seen.add(threading.get_ident())
        time.sleep(0.01 * (number % 3))
        return number**2

    assert list(processes.on_all_cores(work, range(12))) == [number**2 for number in range(12)]
    assert len(seen) <= cores and (threading.get_ident() in seen) == (cores == 1)


def test_what_is_alone_is_done_in_the_callers_thread(cores):
    assert list(processes.on_all_cores(lambda _: threading.get_ident(), [0])) == [
        threading.get_ident()
    ]


def test_what_one_raises_ends_the_rest(cores):
    done = []

    def work(number):
        if number == 2:
            raise ValueError("enough")
        time.sleep(0.01)
        done.append(number)

    with pytest.raises(ValueError, match="enough"):
        list(processes.on_all_cores(work, range(100)))
    assert len(done) < 20


def test_progress_of_several_threads_never_goes_back(cores):
    shares = []
    counter = processes.Counter(40, shares.append)
    list(processes.on_all_cores(lambda _: counter.add(1), range(40)))
    assert shares == sorted(shares) and len(shares) == 40 and shares[-1] == 1.0
