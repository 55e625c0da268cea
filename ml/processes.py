"""Worker processes that inherit nothing: forking a process in which TensorFlow runs breaks it."""

import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context


def worker_pool(jobs: int) -> ProcessPoolExecutor:
    """Make a pool of `jobs` processes, forked from a server that has the heavy imports done.

    Ctrl-C reaches the whole group: workers just end, the caller says so.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["ml.predict", "librosa"])
    return ProcessPoolExecutor(jobs, context, signal.signal, (signal.SIGINT, signal.SIG_DFL))
