"""Where an archive is worked on: processes of this machine, or a Dask cluster that runs already."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, Worker

from ml.errors import ClusterError, SerError

_CONNECT_S = 20
_LOCAL_CLUSTER = {
    # A worker holds one part at a time, so that none is suspected for what another one does.
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.allowed-failures": 1,
    "logging": {"distributed": "critical"},
}


@contextmanager
def local_cluster(workers: int | None = None) -> Iterator[Client]:
    """Start workers on this machine, one a core unless told: processes of one thread each."""
    with (
        dask.config.set(_LOCAL_CLUSTER),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",  # any free port
            silence_logs=logging.CRITICAL,
            preload=[__name__],
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def dask_setup(_worker: Worker) -> None:
    """Prepare a process of `local_cluster`: Ctrl-C reaches it too, but the client ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def running_cluster(address: str) -> Iterator[Client]:
    """Use the workers of a scheduler that runs already.

    Raises
    ------
    ClusterError
        If none answers at that address.
    """
    try:
        client = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(detail=f"no scheduler answers at '{address}'") from error
    with client:
        yield client


def threads(client: Client) -> int:
    """Count the threads of all workers: what is analysed at a time."""
    with _cluster_trouble():
        return sum(client.nthreads().values())


def result(future: Future) -> Any:
    """Wait for what a worker returns.

    Raises
    ------
    KilledWorker
        If workers died over it.
    SerError
        What the worker raised on purpose.
    ClusterError
        If the cluster is lost, or its workers cannot even begin.
    """
    with _cluster_trouble():
        return future.result()


@contextmanager
def _cluster_trouble() -> Iterator[None]:
    """Word what comes from a cluster that is lost, or whose workers cannot even begin."""
    try:
        yield
    except (KilledWorker, SerError):
        raise
    except Exception as error:
        detail = f"{type(error).__name__}: {error}".strip().rstrip(".")
        raise ClusterError(detail=detail) from error
