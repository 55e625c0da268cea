"""A request while it comes: what of it is here, what is missing, and how long to wait for that."""

from __future__ import annotations

import contextlib
import re
import socket
import tempfile
import time
from typing import Any

from gunicorn.http.unreader import SocketUnreader
from werkzeug.exceptions import RequestTimeout

HEAD_S = 10.0
"""Within so long the head of a request has to come."""

BODY_S = 20.0
"""Within so long a body has to come, and a second longer for each `BODY_BYTES_PER_S` of it."""

BODY_BYTES_PER_S = 8 * 1024
SILENCE_S = 20.0
"""After so long without a byte of a body, no more is awaited."""

HELD_IN_MEMORY = 512 * 1024
"""What is longer lies in a file without a name."""

_TAIL_BYTES = 8 * 1024
_LAST_CHUNK = re.compile(rb"(?:\A|\r\n)0+(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*\r\n\Z")


class Arrived(SocketUnreader):
    """What has come of a request: filled by the event loop, then read by a thread.

    Attributes
    ----------
    held : int
        Bytes that came.
    wanted : int or None
        Bytes of head and body, as far as the head says; None until the head is here.
    chunked : bool
        Whether the body tells its end itself.
    exact : bool
        Whether the request is here as its head says, and nothing else.
    end : Exception
        What a thread meets that reads on beyond what came.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.content = _file()
        self.begin()

    def begin(self) -> None:
        """Expect the next request, which may have come with the one before."""
        rest = self.keep_rest()
        self.head, self.tail = bytearray(), b""
        self.held = 0
        self.wanted: int | None = None
        self.chunked = self.expects = self.invited = self.exact = False
        self.end: Exception = RequestTimeout()
        self.began_s = self.heard_s = time.monotonic()
        if rest:
            self.add(rest)

    def keep_rest(self) -> bytes:
        """Let go of what was read; give the rest."""
        rest = self.take_buffered() + self.content.read()
        self.content.close()
        self.content = _file()
        return rest

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Give some of what came; see gunicorn."""
        data = self.content.read(max(size_hint or 0, self.mxchunk))
        if not data:
            raise self.end
        return data

    def add(self, data: bytes) -> None:
        """Take what came."""
        self.held += len(data)
        self.heard_s = time.monotonic()
        self.content.write(data)
        if self.wanted is None:
            seen = max(0, len(self.head) - 3)
            self.head += data
            self._find_body(self.head.find(b"\r\n\r\n", seen) + 4)
        else:
            self.tail = (self.tail + data)[-_TAIL_BYTES:]

    def forget_body(self) -> None:
        """Keep the head alone, as where the disk is full."""
        with contextlib.suppress(OSError):
            self.content.close()
        self.content = _file()
        self.content.write(self.head)
        self.exact, self.chunked, self.wanted = False, False, self.held + 1

    def _find_body(self, size: int) -> None:
        """Learn when to ask gunicorn, which alone decides where the request ends."""
        if size < 4:
            return
        self.tail = bytes(self.head[size:])[-_TAIL_BYTES:]
        del self.head[size:]
        fields = [line.partition(b":")[::2] for line in self.head.lower().split(b"\r\n")]
        lengths = [value.strip() for name, value in fields if name == b"content-length"]
        codings = [value.strip() for name, value in fields if name == b"transfer-encoding"]
        plain = len(lengths) == 1 and re.fullmatch(rb"\d{1,18}", lengths[0])
        self.wanted = size + (int(lengths[0]) if plain and not codings else 0)
        self.chunked = codings == [b"chunked"] and not lengths
        self.exact = not codings and (bool(plain) or not lengths)
        self.expects = any(
            name == b"expect" and value.strip() == b"100-continue" for name, value in fields
        )

    @property
    def whole(self) -> bool:
        """Whether the request is here, as far as one can tell."""
        if self.wanted is None:
            return False
        return bool(_LAST_CHUNK.search(self.tail)) if self.chunked else self.held >= self.wanted

    @property
    def deadline_s(self) -> float:
        """When it must be here, or more of it."""
        if self.wanted is None:
            return self.began_s + HEAD_S
        body_s = BODY_S + self.held / BODY_BYTES_PER_S
        return min(self.began_s + HEAD_S + body_s, self.heard_s + SILENCE_S)

    @property
    def path(self) -> str:
        """Path that is asked for, where it can be told."""
        found = re.match(rb"[A-Z]+ (/[!->@-~]{0,999})", self.head)
        return found[1].decode("ascii") if found else "/"


def _file() -> Any:
    return tempfile.SpooledTemporaryFile(HELD_IN_MEMORY, prefix="undertone-")
