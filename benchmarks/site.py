"""A site of its own for a benchmark: started as `startup.sh` starts it, stopped at the end."""

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import requests

ROOT = Path(__file__).resolve().parent.parent


class Site(NamedTuple):
    """A site that runs.

    Attributes
    ----------
    address : str
    pid : int
        Of its first process, which leads the session of all others but the decoder's.
    started_s : float
        Seconds from its start until it has answered.
    """

    address: str
    pid: int
    started_s: float


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running_site(**settings: str) -> Iterator[Site]:
    """Start the site with some settings, without a rate limit, on a folder that goes with it."""
    port = free_port()
    command, start_s = [ROOT / "startup.sh"], time.perf_counter()
    with (
        tempfile.TemporaryDirectory(prefix="undertone-") as folder,
        subprocess.Popen(
            command,
            env=os.environ
            | {"PORT": str(port), "SER_RATE_LIMIT": "off", "SER_STORAGE_DIR": folder}
            | settings,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process,
    ):
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(address)
            yield Site(address, process.pid, time.perf_counter() - start_s)
        finally:
            process.terminate()


def _wait(address: str) -> None:
    for _ in range(1200):
        try:
            if requests.get(f"{address}/health", timeout=60).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise SystemExit("the site does not start")


def processes(root: int) -> list[int]:
    """List a process and all that it and its children have started."""
    parents: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        with contextlib.suppress(OSError):
            if entry.name.isdecimal():
                stat = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(stat[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += parents.get(pid, [])
    return found


def command_line(pid: int) -> str:
    """Give what a process was started with; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def memory_mb(pids: Iterable[int]) -> float:
    """Add up the memory of processes; what they share counts once (PSS)."""
    return sum(_kilobytes(pid) for pid in pids) / 1024


def _kilobytes(pid: int) -> int:
    try:
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0  # It has ended meanwhile.
    return sum(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
