"""gunicorn's worker, with patience of its own: a thread is for work, never for a slow visitor.

::

    accept ──► arriving: the event loop reads head and body ──► a thread answers ──► kept or closed
                  └── too slow, too large, too much at once: a thread refuses it

gunicorn's threaded worker hands a connection over at its first byte, and whoever then sends a byte
now and then keeps that thread for ever. Here a thread gets a request once it has come whole, and
never reads from a connection itself. What comes is held by `webapp.arrived.Arrived`. Whoever reads
an answer slowly does keep a thread, for as long as something goes out every `STALLED_S` seconds,
but all of them together never more than half of the threads.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import threading
import time
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.http import errors as refused
from gunicorn.http import get_parser
from gunicorn.workers.gthread import TConn, ThreadWorker
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, RequestTimeout
from werkzeug.test import create_environ, run_wsgi_app

import ml
from webapp.arrived import Arrived
from webapp.limits import REFUSED, body_bytes
from webapp.places import BusyError
from webapp.settings import read_settings

log = logging.getLogger(__name__)

STALLED_S = 30.0
"""After so long without a byte of an answer taken, its reader has gone."""

SLOW_S = 1.0
"""Who takes nothing for so long counts as a slow reader."""

LEAVING_S = 5.0
"""For so long what still comes of a refused request is read, or its sender would not read why."""

HELD_BODIES = 8
"""A worker holds the bytes of so many of the largest bodies; who brings more is told to wait."""

SEND_BUFFER_BYTES = 128 * 1024
"""Small, so that who reads nothing is noticed soon."""

_READ_BYTES = 256 * 1024
_HEAD_BYTES = 64 * 1024

STATUS: dict[type[Exception], int] = {
    RequestTimeout: 408,
    refused.LimitRequestLine: 414,
    refused.LimitRequestHeaders: 431,
    refused.ExpectationFailed: 417,
    refused.ConfigurationProblem: 500,
    refused.ParseException: 400,
}
"""What is said to a request that never gets to the site; others count as 500."""


def _no_room(error: OSError) -> ml.SerError:
    """Say why a request cannot be held."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return ml.NoRoomError() if full else BusyError()


class Understood:
    """A body whose framing is checked while it is read; the site hears of it in its own words."""

    def __init__(self, reader: Any) -> None:
        self.reader = reader

    def read(self, size: int) -> bytes:
        """Read; see gunicorn."""
        try:
            return self.reader.read(size)
        except refused.ParseException as error:
            raise BadRequest() from error


class Line(socket.socket):
    """A connection whose other end has to read what it asked for.

    Attributes
    ----------
    places : threading.Semaphore
        One for each slow reader that is borne.
    arrived : Arrived
        What came on it.
    """

    places: threading.Semaphore
    arrived: Arrived

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send all of it, as long as somebody takes it."""
        rest = memoryview(data).cast("B")
        self.settimeout(SLOW_S)
        while rest:
            try:
                rest = rest[self.send(rest, flags) :]
            except TimeoutError:
                rest = rest[self._send_slowly(rest, flags) :]

    def _send_slowly(self, rest: memoryview, flags: int) -> int:
        if not self.places.acquire(blocking=False):
            raise BrokenPipeError(errno.EPIPE, "too many slow readers")
        try:
            self.settimeout(STALLED_S)
            return self.send(rest, flags)
        except TimeoutError:
            raise BrokenPipeError(errno.EPIPE, "nobody reads") from None
        finally:
            self.places.release()
            self.settimeout(SLOW_S)


class Connection(TConn):
    """A visitor's connection; refused, it is closed by the event loop without waiting for it."""

    def __init__(self, worker: PatientWorker, sock: Line, client: Any, server: Any) -> None:
        super().__init__(worker.cfg, sock, client, server)
        self.worker = worker
        self.arrived = sock.arrived = Arrived(sock)
        self.parser = get_parser(worker.cfg, sock, client)
        self.parser.unreader = self.arrived

    def close(self, graceful: bool = False) -> None:
        """Close it; see gunicorn, which would wait here for the other end."""
        if graceful and not self.arrived.exact and self.worker.linger(self):
            return
        self.arrived.content.close()
        super().close()


class PatientWorker(ThreadWorker):
    """A worker whose threads meet whole requests only."""

    def init_process(self) -> None:
        """Prepare; see gunicorn."""
        self.arriving: dict[Connection, None] = {}
        self.leaving: dict[Connection, float] = {}
        self.largest = body_bytes(read_settings())
        self.held = 0
        self.looked_s = 0.0
        self.places = threading.Semaphore(max(1, self.cfg.threads // 2))
        super().init_process()

    def accept(self, listener: Any) -> None:
        """Take a connection."""
        try:
            taken, client = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                log.warning("No connection could be taken: %s", error.strerror)
                time.sleep(0.05)  # As when there are no file descriptors left.
            return
        line = Line(taken.family, taken.type, taken.proto, fileno=taken.detach())
        line.places = self.places
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.nr_conns += 1
        self.enqueue_req(Connection(self, line, client, listener.getsockname()))

    def enqueue_req(self, conn: Connection) -> None:
        """Let a request arrive."""
        conn.sock.setblocking(False)
        conn.arrived.begin()
        self.held += conn.arrived.held
        self.arriving[conn] = None
        self.poller.register(conn.sock, EVENT_READ, partial(self.read_on, conn))
        if conn.arrived.whole:
            self.hand_over(conn, RequestTimeout())
        else:
            self.read_on(conn, conn.sock)

    def read_on(self, conn: Connection, sock: socket.socket) -> None:
        """Read what came, and hand the request over once it is whole, or is not to be read."""
        try:
            data = sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:  # Whoever it was has gone.
            self.drop(conn)
            return
        arrived = conn.arrived
        self.held += len(data)
        try:
            arrived.add(data)
        except OSError as error:
            log.warning("A request could not be held: %s", error.strerror)
            arrived.forget_body()
            self.hand_over(conn, _no_room(error))
            return
        if arrived.whole:
            self.hand_over(conn, RequestTimeout())
        elif end := self.too_much(arrived):
            self.hand_over(conn, end)
        elif arrived.expects and not arrived.invited:
            arrived.invited = True
            with contextlib.suppress(OSError):  # The next read finds out who has gone.
                sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def too_much(self, arrived: Arrived) -> Exception | None:
        """Say what is wrong with a request that is not to be read on."""
        if arrived.wanted is None:
            long = len(arrived.head) > _HEAD_BYTES
            return refused.LimitRequestHeaders("more than any head") if long else None
        if max(arrived.wanted, arrived.held) > self.largest + len(arrived.head):
            return RequestEntityTooLarge()
        return BusyError() if self.held > HELD_BODIES * self.largest else None

    def hand_over(self, conn: Connection, end: Exception) -> None:
        """Let a thread answer."""
        self.poller.unregister(conn.sock)
        del self.arriving[conn]
        conn.arrived.exact &= conn.arrived.whole
        conn.arrived.end = end
        conn.arrived.content.seek(0)
        conn.data_ready = True
        super().enqueue_req(conn)

    def drop(self, conn: Connection) -> None:
        """Close a connection on which nothing is to be answered."""
        self.poller.unregister(conn.sock)
        del self.arriving[conn]
        self.held -= conn.arrived.held
        self.nr_conns -= 1
        conn.close()

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Answer; see gunicorn. What follows a request that did not come whole is no request."""
        if not conn.arrived.exact:
            req.force_close()
        req.body.reader = Understood(req.body.reader)
        req._expected_100_continue = False  # `read_on` has seen to that.
        return super().handle_request(req, conn)

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        """Skip what nobody read of a body; see gunicorn, which gives up after 64 KiB.

        The answer has promised to keep the connection, and all of the body is here.
        """
        return bool(keepalive and conn.parser.finish_body())

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """Keep the connection or close it; see gunicorn."""
        self.held -= conn.arrived.held
        conn.arrived.held = 0
        conn.arrived.unread(conn.arrived.keep_rest())
        super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        """Do without those that are too slow; gunicorn calls this once a second, or oftener."""
        super().murder_pending()
        now = time.monotonic()
        if now - self.looked_s < 0.2:
            return
        self.looked_s = now
        for conn in list(self.arriving):
            self.judge(conn, now)
        for conn, until_s in list(self.leaving.items()):
            if now > until_s or not self.alive:
                self.leave(conn)

    def judge(self, conn: Connection, now: float) -> None:
        """Decide how long to wait for a request; less where others wait to be let in at all."""
        arrived, full = conn.arrived, self.nr_conns >= self.worker_connections
        late = now > arrived.deadline_s
        if arrived.held == 0:
            if late or full or not self.alive:
                self.drop(conn)
        elif late or (full and arrived.wanted is None and now > arrived.began_s + SLOW_S):
            self.hand_over(conn, RequestTimeout())

    def linger(self, conn: Connection) -> bool:
        """Say that no more is sent, and close once the other end has read that; False if it has."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            self.poller.register(conn.sock, EVENT_READ, partial(self.throw_away, conn))
        except (OSError, ValueError):
            return False
        self.nr_conns += 1
        self.leaving[conn] = time.monotonic() + LEAVING_S
        return True

    def throw_away(self, conn: Connection, sock: socket.socket) -> None:
        """Read without looking."""
        try:
            gone = not sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            gone = True
        if gone:
            self.leave(conn)

    def leave(self, conn: Connection) -> None:
        """Close a connection that was lingering."""
        self.poller.unregister(conn.sock)
        del self.leaving[conn]
        self.nr_conns -= 1
        conn.close()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Have the site say what is wrong with a request that never gets to it."""
        status = next((code for kind, code in STATUS.items() if isinstance(exc, kind)), 500)
        if status == 500:
            log.error("A request could not be handled", exc_info=exc)
        environ = create_environ(client.arrived.path) | {REFUSED: status}
        body, line, headers = run_wsgi_app(self.wsgi, environ, buffered=True)
        rows = [f"HTTP/1.1 {line}", "Connection: close"]
        rows += [f"{name}: {value}" for name, value in headers]
        client.sendall("\r\n".join([*rows, "", ""]).encode("latin-1") + b"".join(body))
