"""Worker processes that inherit nothing, and work that is handed to a pool and comes in order."""

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

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
