"""A real HTTP proxy in front of a storage: it delays, refuses, fails or cuts what goes through."""

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULTS = ("error", "cut", "lost", "slow", "held")
"""500 instead of an answer; no answer, and nothing reaches the storage; no answer though it did;
an answer after a while; no answer until it is let go."""

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class FaultyProxy(ThreadingHTTPServer):
    """Passes requests on to a storage, except where a fault is set.

    Attributes
    ----------
    reached : threading.Event
        Set when a request meets the fault.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address, self.upstream = f"http://127.0.0.1:{self.server_port}", upstream
        self.reached, self.let_go = threading.Event(), threading.Event()
        self._fault, self._method, self._end = "", "", ""

    def fail(self, fault: str, method: str = "", end: str = "") -> None:
        """Let requests of this method, whose path ends so, meet a fault; "" for all."""
        assert fault in FAULTS
        self.reached.clear()
        self.let_go.clear()
        self._fault, self._method, self._end = fault, method, end

    def mend(self) -> None:
        """Let everything through again."""
        self._fault = ""
        self.let_go.set()

    def fault_of(self, method: str, path: str) -> str:
        """Tell which fault a request meets; "" for none."""
        met = method.startswith(self._method) and path.partition("?")[0].endswith(self._end)
        if not (self._fault and met):
            return ""
        self.reached.set()
        return self._fault

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: whoever asked has left, or the storage is down, and the connection ends."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyProxy

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.fault_of(self.command, self.path)
        if fault == "slow":
            time.sleep(0.15)
        if fault == "held":
            self.server.let_go.wait(120)
        if fault == "error":
            self.answer(500, [], b"")
        elif fault in ("cut", "held"):
            self.close_connection = True
        else:
            answer = self.asked(body)
            if fault == "lost":
                self.close_connection = True
            else:
                self.answer(*answer)

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = forward

    def asked(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """Ask the storage itself."""
        storage = http.client.HTTPConnection(self.server.upstream, timeout=120)
        try:
            storage.request(self.command, self.path, body, dict(self.headers))
            answer = storage.getresponse()
            kept = [row for row in answer.getheaders() if row[0].lower() not in _HOP_BY_HOP]
            if self.command == "HEAD":
                kept.append(("Content-Length", answer.headers.get("Content-Length", "0")))
            return answer.status, kept, answer.read()
        finally:
            storage.close()

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for row in headers:
            self.send_header(*row)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def faulty_proxy(upstream: str) -> Iterator[FaultyProxy]:
    """Run a proxy in front of ``host:port``."""
    with FaultyProxy(upstream) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.mend()
            proxy.shutdown()
            thread.join()
