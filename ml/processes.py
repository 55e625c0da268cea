"""Worker processes that inherit nothing, threads, and work that a pool does and gives in order."""

import functools
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

from threadpoolctl import threadpool_limits

Given = TypeVar("Given")
Made = TypeVar("Made")


def worker_pool(jobs: int) -> ProcessPoolExecutor:
    """Make a pool of `jobs` processes, forked from a server that has the heavy imports done.

    Forking a process in which TensorFlow runs would break it.
    Ctrl-C reaches the whole group: workers just end, the caller says so.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["ml.predict", "librosa"])
    return ProcessPoolExecutor(jobs, context, signal.signal, (signal.SIGINT, signal.SIG_DFL))


def in_order(
    pool: Executor, work: Callable[[Given], Made], items: Iterable[Given], waiting: int
) -> Iterator[Made]:
    """Yield what `work` makes of each item; so many are taken ahead of the one that is wanted."""
    begun: deque[Future[Made]] = deque()
    for item in items:
        begun.append(pool.submit(work, item))
        if len(begun) > waiting:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def in_threads(
    work: Callable[[Given], Made], items: Iterable[Given], threads: int
) -> Iterator[Made]:
    """Yield what `work` makes of each item, in order; so many are worked on side by side."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield from in_order(pool, work, items, threads)
    finally:
        pool.shutdown(cancel_futures=True)


def on_all_cores(work: Callable[[Given], Made], items: Sequence[Given]) -> Iterator[Made]:
    """Yield what `work` makes of each item, in order, on every core; a single item starts none."""
    threads = min(len(items), cores())
    if threads < 2:
        yield from map(work, items)
        return
    # Otherwise each of these threads would have threads of its own, which wait for each other.
    with threadpool_limits(1, user_api="blas"):
        yield from in_threads(work, items, threads)


@functools.cache
def cores() -> int:
    """Return how many cores this process may use, within a container's share of them."""
    from joblib import cpu_count

    return cpu_count()


class Counter:
    """Puts the progress of work in several threads together, and reports it one at a time.

    Parameters
    ----------
    total : float
        What all the work adds up to.
    report : callable, optional
        Is given the share done, 0 to 1; what it raises ends the work.
    """

    def __init__(self, total: float, report: Callable[[float], None] | None) -> None:
        self._total, self._report = total, report
        self._done = 0.0
        self._lock = threading.Lock()

    def add(self, amount: float) -> None:
        """Note that so much more is done."""
        if self._report is None:
            return
        with self._lock:
            self._done += amount
            self._report(min(1.0, self._done / self._total))
