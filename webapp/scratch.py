"""The server's private folder for temporary files: gone at its end, swept if it was killed."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "undertone-server-"
_TRIES = 10
"""After so many the file system has no locks, and nobody sweeps there."""


def private_folder() -> Path:
    """Make a folder, mode 0700, for all temporary files of this process and those it starts.

    Call it before anything else makes such files or starts processes. What killed servers left goes
    first; the folders of servers that run stay. It goes itself when this process ends.

    A server holds a lock on its folder by a descriptor that its forks inherit: a folder whose lock
    can be had is nobody's any more.
    """
    parent = Path(tempfile.gettempdir())
    sweep(parent)
    # Again, should another server that starts just now take it for a left-over.
    made = (_made(parent) for _ in range(_TRIES))
    folder = next(filter(None, made), None) or Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    atexit.register(_remove, folder, os.getpid())
    return folder


def sweep(parent: Path) -> None:
    """Remove the folders in `parent` of servers that were killed."""
    for folder in parent.glob(f"{PREFIX}*"):
        descriptor = _lock(folder)
        if descriptor is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)


def _made(parent: Path) -> Path | None:
    """Make a folder whose lock is held as long as the process lives; None if it was swept."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    descriptor = _lock(folder)
    if descriptor is not None and folder.exists():
        return folder
    if descriptor is not None:
        os.close(descriptor)
    shutil.rmtree(folder, ignore_errors=True)
    return None


def _lock(folder: Path) -> int | None:
    """Lock a folder of this user's; gives a descriptor, or None where that is not possible."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _remove(folder: Path, maker: int) -> None:
    if os.getpid() == maker:
        shutil.rmtree(folder, ignore_errors=True)
