"""The process that decodes: cheap to start, limited, killed with its children when it overruns.

::

    caller ──Popen once──► server ──fork──► supervisor ──fork──► worker ──► ffmpeg
       └────────── a socket for each recording ──┘

The *server* has the libraries loaded and forks for each recording, so none pays for the start of
a Python; it is no `multiprocessing` server because that would run the caller's main module again.
The *supervisor* owns the temporary folder and the clock: whether the worker ends, overruns, is
killed or the caller goes away, it kills the worker's process group and removes the folder. The
*worker* meets the foreign bytes under limits of memory and file size. Replies are JSON and go
through pipes, so that a full disk can still be told of; samples come as the descriptor of a file
that has no name any more.
"""

import atexit
import errno
import json
import logging
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, NoReturn

from ml import errors
from ml.config import SAMPLE_RATE_HZ, DecodeLimits

_log = logging.getLogger(__name__)

_MESSAGE_BYTES = 1 << 16
_REPLY_BYTES = select.PIPE_BUF
"""A pipe takes so much at once or not at all, so that no half of a reply is ever read."""
_TRACE_CHARACTERS = 600
"""JSON writes one with six bytes at most."""
_GRACE_S = 30.0
"""What a caller waits beyond the time limit before it takes the server for dead."""

_BOOT = "import sys; sys.path[:] = sys.argv[2:]; from ml import decoder; decoder.serve()"
# One thread each, few arenas: otherwise address space, which is limited, grows with the cores.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


class _Server:
    """The server as its callers see it; started at first use, again if it died."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen | None = None
        self.socket: socket.socket | None = None
        self.owner = 0

    def connect(self, file: IO[bytes]) -> socket.socket:
        """Hand `file` over; the socket returned talks to its supervisor."""
        ours, theirs = socket.socketpair()
        with theirs, self.lock:
            try:
                self._send(theirs, file)
            except OSError:  # the server is no more
                self._stop()
                self._send(theirs, file)
        return ours

    def start(self) -> None:
        with self.lock:
            if self.socket is None:
                self._start()

    def stop(self) -> None:
        with self.lock:
            self._stop()

    def _send(self, connection: socket.socket, file: IO[bytes]) -> None:
        control = self.socket or self._start()
        socket.send_fds(control, [b"."], [connection.fileno(), file.fileno()])

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-W", "ignore", "-c", _BOOT, str(theirs.fileno())]
            self.process = subprocess.Popen(  # noqa: S603 this Python
                command + [entry or os.getcwd() for entry in sys.path],
                env={**os.environ, **_ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self.owner, self.socket = os.getpid(), ours
        return ours

    def _stop(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None
        if self.process is not None and self.owner == os.getpid():
            self.process.kill()
            self.process.wait()
        self.process = None


_server = _Server()


def _renew_lock() -> None:
    """A fork (gunicorn's workers) shares the server; another thread may have held the lock."""
    _server.lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)
atexit.register(_server.stop)


def warm() -> None:
    """Start the server, if none runs, without waiting for it."""
    _server.start()


def run(file: IO[bytes], limits: DecodeLimits) -> tuple[dict, IO[bytes]]:
    """Decode `file` in a process of its own.

    Returns
    -------
    source : dict
        ``name``, ``rate_hz`` and ``channels`` of what came.
    samples : file
        float32, mono, at `SAMPLE_RATE_HZ`; nameless, gone once closed and unmapped.

    Raises
    ------
    AudioError
        Whatever the decoder found, or `DecoderTimeoutError`.
    NoRoomError
        If the disk is full.
    """
    message, descriptors = _ask(file, limits)
    if not message:  # the server was killed just now; a new one is started
        _server.stop()
        message, descriptors = _ask(file, limits)
    if not message:
        raise errors.CorruptAudioError(detail="the decoder stopped without a word")
    return _understood(json.loads(message), descriptors)


def _ask(file: IO[bytes], limits: DecodeLimits) -> tuple[bytes, list[int]]:
    with _server.connect(file) as connection:
        connection.settimeout(limits.timeout_s + _GRACE_S)
        try:
            connection.sendall(json.dumps(asdict(limits)).encode())
            return socket.recv_fds(connection, _MESSAGE_BYTES, 1)[:2]
        except TimeoutError:
            _server.stop()
            raise errors.DecoderTimeoutError(limit_s=limits.timeout_s) from None
        except ConnectionError:
            return b"", []


def _understood(reply: dict, descriptors: list[int]) -> tuple[dict, IO[bytes]]:
    if "source" in reply:
        return reply["source"], os.fdopen(descriptors[0], "rb")
    if "crash" in reply:
        _log.error("the decoder failed: %s", reply["crash"])
        raise errors.CorruptAudioError(detail="the decoder failed on it")
    found: list[type[errors.SerError]] = [errors.NoRoomError, *errors.AudioError.__subclasses__()]
    kinds = {kind.code: kind for kind in found}
    raise kinds[reply["code"]](**reply["params"])


def serve() -> None:
    """Fork a supervisor for each recording until no caller is left; runs in the server."""
    from ml import codecs  # loaded here, once, and inherited by every fork

    codecs.preload()
    tempfile.gettempdir()  # Where temporary files go is found out once, while there is room.
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 2)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            _in_fork(_supervise, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _in_fork(function, *arguments) -> NoReturn:  # type: ignore[no-untyped-def]
    """Run `function` and end the process without what the parent left to be done at exit."""
    status = 1
    try:
        function(*arguments)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _supervise(connection_fd: int, file_fd: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    connection = socket.socket(fileno=connection_fd)
    asked = connection.recv(_MESSAGE_BYTES)
    if not asked:  # the caller was interrupted before it could
        return
    limits = DecodeLimits(**json.loads(asked))
    samples: list[int] = []
    try:
        with needing_room(), tempfile.TemporaryDirectory(prefix="undertone-") as folder:
            reply = _watch(Path(folder), connection, file_fd, limits)
            if "source" in reply:
                samples.append(os.open(f"{folder}/raw", os.O_RDONLY))
    except errors.NoRoomError as error:
        reply = _told(error)
    with suppress(ConnectionError):  # the caller has gone
        socket.send_fds(connection, [json.dumps(reply).encode()], samples)


def _watch(folder: Path, connection: socket.socket, file_fd: int, limits: DecodeLimits) -> dict:
    """Run the worker; return its reply, or what became of it."""
    ended, alive = os.pipe()
    worker = os.fork()
    if worker == 0:
        connection.close()
        _in_fork(_work, folder, file_fd, limits, alive)
    with suppress(OSError):  # here and in the worker, so that neither outruns the other
        os.setpgid(worker, worker)
    os.close(alive)
    ready, _, _ = select.select([ended, connection.fileno()], [], [], limits.timeout_s)
    with suppress(ProcessLookupError):
        os.killpg(worker, signal.SIGKILL)
    _, status = os.waitpid(worker, 0)
    if not ready:
        return {"code": "decoder_timeout", "params": {"limit_s": limits.timeout_s}}
    if ended in ready and (reply := os.read(ended, _REPLY_BYTES)):
        return json.loads(reply)
    return {"crash": f"the worker ended with status {status}"}


def _work(folder: Path, file_fd: int, limits: DecodeLimits, reply_fd: int) -> None:
    from ml import codecs

    with suppress(OSError):
        os.setpgid(0, 0)
    tempfile.tempdir = str(folder)
    _limit(limits)
    try:
        with needing_room():
            source = codecs.convert(os.fdopen(file_fd, "rb", buffering=0), folder / "raw", limits)
        reply: dict = {"source": asdict(source)}
    except errors.SerError as error:
        reply = _told(error)
    except MemoryError:
        reply = {"code": "corrupt_audio", "params": {"detail": "it unfolds beyond all memory"}}
    except Exception:
        reply = {"crash": traceback.format_exc()[-_TRACE_CHARACTERS:]}
    os.write(reply_fd, json.dumps(reply).encode())


def _told(error: errors.SerError) -> dict:
    return {"code": error.code, "params": error.params}


@contextmanager
def needing_room() -> Iterator[None]:
    """Raise `NoRoomError` where the disk is full, whatever a library made of that."""
    try:
        yield
    except Exception as error:
        found: BaseException | None = error
        while found:
            if isinstance(found, OSError) and found.errno in (errno.ENOSPC, errno.EDQUOT):
                raise errors.NoRoomError() from error
            found = found.__context__
        raise


def _limit(limits: DecodeLimits) -> None:
    sound_bytes = int((limits.max_seconds + 10) * SAMPLE_RATE_HZ * 4)
    largest_file = max(sound_bytes, limits.max_bytes) + (16 << 20)
    for kind, amount in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, largest_file),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (amount, amount))
