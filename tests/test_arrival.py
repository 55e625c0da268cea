"""Slow, large and odd visitors of the real server: each is answered, and keeps nobody waiting."""

import contextlib
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from clips import VOICE
from test_serving import (
    PATIENCE_S,
    STARTUP,
    environment,
    free_port,
    predict,
    serving,
    wait_until_open,
)

HURRIED = """
from webapp import arrival, arrived
arrived.HEAD_S = arrived.BODY_S = arrived.SILENCE_S = 1.0
arrival.STALLED_S, arrival.SLOW_S = 2.0, 0.2
from webapp.serving import *
"""
PATIENT = """
from webapp import arrival
arrival.HELD_BODIES = 1
from webapp.serving import *
"""
PARTIAL = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: audio/wav\r\n"
PAGE = b"GET /privacy HTTP/1.1\r\nHost: a\r\n"


@contextlib.contextmanager
def hurried(
    folder: Path, patience: str = HURRIED, largest_file: int = -1, **settings: object
) -> Iterator[int]:
    """Run the server with its own configuration, but other patience; gives its port."""
    (folder / "hurried.py").write_text(patience)
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", folder / "hurried.py"]
    if largest_file > 0:
        command = ["prlimit", f"--fsize={largest_file}", *command]
    env = environment(folder, PORT=port, SER_MAX_UPLOAD_MB=1, SER_MODEL="mfcc-cnn", **settings)
    with (
        open(folder / "log", "wb") as log,
        subprocess.Popen(command, cwd=STARTUP.parent, env=env, stdout=log, stderr=log) as server,
    ):
        try:
            wait_until_open(port, server, folder / "log")
            yield port
        finally:
            server.terminate()
            assert server.wait(PATIENCE_S) == 0, (folder / "log").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("hurried")


@pytest.fixture(scope="module")
def port(folder):
    with hurried(folder, WEB_CONCURRENCY=1, SER_RATE_LIMIT="off") as port:
        yield port


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), PATIENCE_S)


def rest_of(line: socket.socket) -> bytes:
    """Read until the server closes."""
    data = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while block := line.recv(65536):
            data += block
    return bytes(data)


def answer(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send some bytes, and read an answer until the server closes the connection."""
    with connected(port) as line:
        line.sendall(request)
        return taken_apart(rest_of(line))


def taken_apart(data: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _blank, body = data.partition(b"\r\n\r\n")
    status, *rows = head.decode().split("\r\n")
    headers = dict(row.lower().split(": ", 1) for row in rows)
    assert len(body) == int(headers["content-length"]), data
    return int(status.split()[1]), headers, body


def assert_error(found: tuple[int, dict[str, str], bytes], status: int, code: str) -> None:
    """Check the one shape of errors, and that the connection ends with it."""
    assert found[0] == status, found
    error = json.loads(found[2])["error"]
    assert error["code"] == code
    assert set(error) == {"code", "message", "hint", "request_id"}
    assert_closing_with_headers(found[1])


def assert_closing_with_headers(headers: dict[str, str]) -> None:
    assert headers["connection"] == "close"
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "begun",
    [
        PARTIAL,
        PARTIAL + b"Content-Length: 5000\r\n\r\nabc",
        PARTIAL + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        PARTIAL + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    ],
    ids=["head", "body", "chunked body", "invited body"],
)
def test_who_is_too_slow_is_told_so(port, begun):
    status, headers, body = answer(port, begun) if b"Expect" not in begun else invited(port, begun)
    assert_error((status, headers, body), 408, "too_slow")


def invited(port: int, begun: bytes) -> tuple[int, dict[str, str], bytes]:
    with connected(port) as line:
        line.sendall(begun)
        first, _blank, rest = rest_of(line).partition(b"\r\n\r\n")
        assert first == b"HTTP/1.1 100 Continue"
        return taken_apart(rest)


def test_a_browser_is_told_on_a_page(port):
    status, headers, body = answer(port, PAGE + b"X-Slow: ")
    assert status == 408 and headers["content-type"].startswith("text/html")
    assert "came too slowly" in body.decode()
    assert_closing_with_headers(headers)


def test_who_says_nothing_is_left(port):
    with connected(port) as line:
        assert rest_of(line) == b""


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"GET /health?" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n", 414, "address_too_long"),
        (b"GET /health HTTP/1.1\r\nA: " + b"a" * 9000 + b"\r\n\r\n", 431, "header_too_large"),
        (b"GET /health HTTP/1.1\r\n" + b"A: b\r\n" * 65 + b"\r\n", 431, "header_too_large"),
        (b"GET /health HTTP/1.1\r\n" + b"A: b\r\n" * 20_000, 431, "header_too_large"),
        (b"GET /health HTTP/1.1\r\nExpect: cake\r\n\r\n", 417, "bad_request"),
        (b"GET /health HTTP/3.7\r\n\r\n", 400, "bad_request"),
        (b"GET /health HTTP/1.1\r\nno colon\r\n\r\n", 400, "bad_request"),
        (PARTIAL + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, "bad_request"),
        (PARTIAL + b"Content-Length: -1\r\n\r\n", 400, "bad_request"),
        (PARTIAL + b"Transfer-Encoding: gzip\r\n\r\nab", 400, "bad_request"),
        (PARTIAL + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n0\r\n\r\n", 400, "bad_request"),
        (
            PARTIAL + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
            400,
            "bad_request",
        ),
    ],
)
def test_odd_requests_get_the_one_shape_of_errors(port, request_bytes, status, code):
    assert_error(answer(port, request_bytes), status, code)


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
def test_a_length_over_the_limit_is_refused_before_a_byte_of_it(port, expect):
    request = PARTIAL + expect + b"Content-Length: 10000000000\r\n\r\n"
    assert_error(answer(port, request), 413, "too_large")


def test_a_body_without_length_is_refused_once_it_is_over_the_limit(port):
    with connected(port) as line:
        line.sendall(PARTIAL + b"Transfer-Encoding: chunked\r\n\r\n")
        sent, chunk = 0, b"10000\r\n" + bytes(0x10000) + b"\r\n"
        with contextlib.suppress(OSError):
            while sent < 1000:
                line.sendall(chunk)
                sent += 1
        # It is read on for some seconds, so that the answer can be read.
        found = taken_apart(rest_of(line))
    assert_error(found, 413, "too_large")


@pytest.mark.parametrize("trailer", [b"", b"X-Checksum: 1\r\n"])
def test_a_chunked_recording_is_analysed_when_it_has_come(port, trailer):
    content = VOICE.read_bytes()
    with connected(port) as line:
        line.sendall(PARTIAL + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(content), 7000):
            block = content[start : start + 7000]
            line.sendall(b"%x;name=value\r\n%b\r\n" % (len(block), block))
        line.sendall(b"0\r\n" + trailer + b"\r\n")
        status, _headers, body = taken_apart(rest_of(line))
    assert status == 200 and json.loads(body)["probabilities"]


def test_requests_may_follow_each_other_at_once(port):
    get = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    live = b"POST /api/v1/live HTTP/1.1\r\nHost: a\r\nContent-Type: audio/L16;rate=16000\r\n"
    live += b"Content-Length: 6400\r\n\r\n" + bytes(6400)
    last = get.replace(b"Host", b"Connection: close\r\nHost")
    with connected(port) as line:
        line.sendall(get + live + get + last)
        answers = rest_of(line)
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200"] * 4
    kinds = re.findall(rb'\r\n\r\n{"(status|schema)"', answers)
    assert kinds == [b"status", b"schema", b"status", b"status"]


def test_a_connection_that_was_promised_is_kept_when_nobody_read_the_body(port):
    unread = b"POST /privacy HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + bytes(300_000)
    last = PAGE + b"Connection: close\r\n\r\n"
    with connected(port) as line:
        line.sendall(unread + last)
        answers = rest_of(line)
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"405", b"200"]


def test_who_brings_more_than_a_worker_holds_is_told_to_wait(tmp_path):
    """One of the largest bodies is what this one holds; each of these has all but its last byte."""
    begun = PARTIAL + b"Connection: close\r\nContent-Length: 1000000\r\n\r\n" + bytes(999_999)
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(hurried(tmp_path, PATIENT, WEB_CONCURRENCY=1))
        lines = [stack.enter_context(connected(port)) for _ in range(2)]
        for line in lines:
            line.sendall(begun)
        for line in lines:
            with contextlib.suppress(OSError):
                line.sendall(b"a")
        found = [taken_apart(rest_of(line)) for line in lines]
        refused = [one for one in found if one[0] == 503]
        assert refused and {status for status, _headers, _body in found} <= {503, 415}
        for one in refused:
            assert_error(one, 503, "busy")
            assert int(one[1]["retry-after"]) > 0
        assert answer(port, begun + b"a")[0] == 415


def test_a_full_disk_ends_neither_worker_nor_connection(tmp_path):
    """No file may grow over 700 KB here, which is what a full disk looks like to who writes."""
    with hurried(tmp_path, PATIENT, 700_000, WEB_CONCURRENCY=1) as port:
        request = PARTIAL + b"Content-Length: 1000000\r\n\r\n" + bytes(1_000_000)
        for _ in range(3):
            found = answer(port, request)
            assert_error(found, 503, "busy")
            assert int(found[1]["retry-after"]) > 0
        assert answer(port, PAGE + b"Connection: close\r\n\r\n")[0] == 200
    log = (tmp_path / "log").read_text()
    assert "A request could not be held: File too large" in log
    assert log.count("Booting worker") == 1 and "gunicorn/" not in log


def test_who_reads_nothing_is_left_and_the_others_are_answered(port):
    """More of them than there are threads; the answer is larger than all buffers in between."""
    asset = b"GET /docs/assets/js/swagger-ui-bundle.js HTTP/1.1\r\nHost: a\r\n\r\n"
    with contextlib.ExitStack() as stack:
        lines = []
        for _ in range(40):
            line = stack.enter_context(socket.socket())
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.settimeout(PATIENCE_S)
            line.connect(("127.0.0.1", port))
            line.sendall(asset)
            lines.append(line)
        for _ in range(3):
            health = requests.get(f"http://127.0.0.1:{port}/health", timeout=PATIENCE_S)
            assert health.status_code == 200
        time.sleep(3)
        assert all(len(rest_of(line)) < 1_000_000 for line in lines)
    whole = requests.get(
        f"http://127.0.0.1:{port}/docs/assets/js/swagger-ui-bundle.js", timeout=PATIENCE_S
    )
    assert len(whole.content) > 1_000_000


def test_a_neighbour_is_believed_no_more_than_others(port):
    """gunicorn by itself believes whoever asks from this machine, and fails over SCRIPT_NAME."""
    lines = b"X-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.9\r\nSCRIPT_NAME: /x\r\n"
    status, headers, _body = answer(port, PAGE + lines + b"Connection: close\r\n\r\n")
    assert status == 200
    assert "strict-transport-security" not in headers


def test_no_address_and_no_trace_in_the_log(port, folder):
    answer(port, b"GET /secret-path HTTP/1.1\r\nno colon\r\n\r\n")
    log = (folder / "log").read_text()
    assert "127.0.0.1" not in log.replace(f"http://127.0.0.1:{port}", "")
    assert "secret-path" not in log and "Traceback" not in log


def test_forty_that_drip_keep_nobody_waiting(tmp_path):
    """As `startup.sh` starts it: more connections that drip than there are threads."""
    with serving(tmp_path, WEB_CONCURRENCY=1) as (address, _server):
        port = int(address.rpartition(":")[2])
        with contextlib.ExitStack() as stack:
            lines = [stack.enter_context(connected(port)) for _ in range(80)]
            for number, line in enumerate(lines):
                line.sendall(PARTIAL)
                if number % 2:
                    line.sendall(b"Content-Length: 90000\r\n\r\n")
            with ThreadPoolExecutor(4) as pool:
                for _ in range(3):
                    for line in lines:
                        line.sendall(b"X")
                    health = pool.submit(requests.get, f"{address}/health", timeout=PATIENCE_S)
                    answers = [pool.submit(predict, address, VOICE) for _ in range(3)]
                    assert health.result().status_code == 200
                    assert {one.result().status_code for one in answers} == {200}
