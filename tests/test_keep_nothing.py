"""A real server, watched: what is not to be kept is nowhere, and its log tells of nobody."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import requests
from azure.storage.blob import BlobServiceClient
from azurite import running_azurite
from clips import VOICE, converted
from keepers import MODEL
from requests.adapters import HTTPAdapter
from test_serving import PATIENCE_S, STARTUP, environment, free_port, wait_until_open

import ml
from webapp.scratch import PREFIX

NAME = "diary-of-ada"
FROM = "127.0.0.9"
"""Where visitors come from in these tests; the log names 127.0.0.1 as where the server listens."""
FORWARDED = "203.0.113.77"
AGENT = "ada's own browser"


class Server(NamedTuple):
    """The site as `startup.sh` runs it, with its temporary files and its storage below a folder."""

    address: str
    process: subprocess.Popen
    folder: Path
    connection: str
    storage: contextlib.ExitStack

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def private(self) -> Path:
        (folder,) = (self.folder / "tmp").iterdir()
        return folder


@contextlib.contextmanager
def started(folder: Path, azure: bool = False, **settings: object) -> Iterator[Server]:
    (folder / "tmp").mkdir(exist_ok=True)
    port = free_port()
    settings = {"SER_MODEL": MODEL, "SER_PROXY_HOPS": 1, "WEB_CONCURRENCY": 1} | settings
    with contextlib.ExitStack() as storage:
        connection = storage.enter_context(running_azurite()) if azure else ""
        if azure:
            settings |= {"SER_STORAGE": "azure", "SECRET_KEY": "k" * 32}
            settings["AZURE_STORAGE_CONNECTION_STRING"] = connection
        env = environment(folder, PORT=port, TMPDIR=folder / "tmp", **settings)
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen([STARTUP], cwd=folder, env=env, stdout=log, stderr=log) as process,
        ):
            try:
                wait_until_open(port, process, folder / "log")
                address = f"http://127.0.0.1:{port}"
                assert requests.get(f"{address}/health", timeout=PATIENCE_S).status_code == 200
                yield Server(address, process, folder, connection, storage)
            finally:
                process.terminate()
                process.wait(PATIENCE_S)


@pytest.fixture(scope="module", params=["local", "azure"])
def server(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    with started(folder, request.param == "azure", SER_RATE_LIMIT="off") as running:
        until(lambda: not state(running)[1])  # Every worker has analysed a sample at its start.
        yield running
    assert [*(folder / "tmp").iterdir()] == [], "the folder goes with the server"


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> dict[str, bytes]:
    """A voice that is long enough for forms to put it on the disk, and what is no recording."""
    folder = tmp_path_factory.mktemp("clips")
    wav = converted(VOICE, folder / "a.wav", "-ar", "48000", "-ac", "2").read_bytes()
    assert len(wav) > 600_000
    m4a = converted(folder / "a.wav", folder / "a.m4a", "-c:a", "aac").read_bytes()
    return {"wav": wav, "m4a": m4a, "broken.m4a": m4a[: len(m4a) // 2], "broken.wav": wav[9:]}


class Visitor(requests.Session):
    """A browser, from an address of its own."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.headers.update({"X-Forwarded-For": FORWARDED, "User-Agent": AGENT})
        self.headers["Connection"] = "close"  # Else one that the server closes may be taken again.
        adapter = HTTPAdapter()
        adapter.init_poolmanager(2, 2, source_address=(FROM, 0))
        self.mount("http://", adapter)

    def ask(self, path: str, method: str = "GET", **options) -> requests.Response:
        options = {"timeout": PATIENCE_S, "allow_redirects": False} | options
        return self.request(method, self.address + path, **options)

    def token(self) -> str:
        return re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.ask("/").text)[1]

    def post(self, path: str, data: bytes | None = None, name: str = "", headers=None, **fields):
        file = {} if data is None else {"files": {"file": (f"{NAME}.{name}", data)}}
        fields["csrf_token"] = self.token()
        return self.ask(path, "POST", data=fields, headers=headers, **file)


LINES = {"Accept": "application/x-ndjson"}
WAYS = {
    "a page": lambda visitor, *clip: visitor.post("/analyses", *clip, keep="0"),
    "a page in lines": lambda visitor, *clip: visitor.post("/analyses", *clip, LINES, keep="0"),
    "predict": lambda visitor, *clip: visitor.post("/predict", *clip),
    "predict in lines": lambda visitor, *clip: visitor.post("/predict", *clip, LINES),
    "predict a body": lambda visitor, data, name: visitor.ask(
        "/predict", "POST", data=data, headers={"Content-Type": "audio/wav"}
    ),
    "explanation": lambda visitor, *clip: visitor.post("/analyses/explanation", *clip),
    "compare": lambda visitor, *clip: visitor.post("/analyses/compare", *clip),
    "live": lambda visitor, data, name: visitor.ask(
        "/api/v1/live",
        "POST",
        data=data[44 : 44 + 4 * 32_000],
        headers={"Content-Type": "audio/L16;rate=16000"},
    ),
}


CASES = [
    *((way, "wav") for way in WAYS),
    *((way, "m4a") for way in ("a page", "predict in lines")),
    *((way, "broken.m4a") for way in ("a page in lines", "predict")),
    ("compare", "broken.wav"),
]


def family(pid: int) -> Iterator[int]:
    """Name a process and all below it."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                yield from family(int(child))


def writable_files(pid: int) -> Iterator[str]:
    """Name the files that a process has open for writing, those without a name any more too."""
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = os.readlink(link)
                info = Path(f"/proc/{pid}/fdinfo/{link.name}").read_text()
                if target.startswith("/") and int(re.search(r"flags:\s+(\d+)", info)[1], 8) & 3:
                    yield target


def nameless(pid: int) -> Iterator[str]:
    """Name the deleted files that a process has open or mapped."""
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if (target := os.readlink(link)).endswith("(deleted)"):
                    yield target
        maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
        yield from (line.split(None, 5)[5] for line in maps if line.endswith("(deleted)"))


def files(folder: Path) -> dict[str, int]:
    """Give every file below a folder with its size; the log grows and does not count."""
    found = {}
    for parent, folders, names in os.walk(folder):
        for name in {*folders, *names} - {"log"}:
            with contextlib.suppress(FileNotFoundError):
                path = os.path.join(parent, name)
                found[path] = os.lstat(path).st_size
    return found


def blobs(connection: str) -> list[str]:
    if not connection:
        return []
    service = BlobServiceClient.from_connection_string(connection)
    found = [container.name for container in service.list_containers()]
    for name in tuple(found):
        found += [blob.name for blob in service.get_container_client(name).list_blobs()]
    return sorted(found)


def state(server: Server) -> tuple[object, ...]:
    """Give all that a server could keep of a recording outside its memory."""
    held = sorted(name for pid in family(server.process.pid) for name in nameless(pid))
    # Each worker has a nameless file by which gunicorn sees that it lives.
    held = [name for name in held if "wgunicorn-" not in name and "/dev/zero" not in name]
    return files(server.folder), held, blobs(server.connection)


class Watch:
    """Notes, again and again while a server works, what it writes to and what lies there."""

    def __init__(self, server: Server) -> None:
        self._server, self._ended = server, threading.Event()
        self.written: set[str] = set()
        self.blobs: set[str] = set()
        self._threads = [
            threading.Thread(target=self._again, args=pair)
            for pair in ((self._look_at_files, 0.01), (self._look_at_blobs, 0.2))
        ]

    def __enter__(self) -> "Watch":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _again(self, look, every_s: float) -> None:
        while not self._ended.wait(every_s):
            look()

    def _look_at_files(self) -> None:
        for pid in family(self._server.process.pid):
            self.written |= {*writable_files(pid)}
        self.written |= set(files(self._server.folder))

    def _look_at_blobs(self) -> None:
        self.blobs |= {*blobs(self._server.connection)}


def settled(server: Server, before: tuple[object, ...]) -> None:
    """Wait until all is as it was; what stays is what fails."""
    for _ in range(100):
        if state(server) == before:
            return
        time.sleep(0.1)
    assert state(server) == before


def holding(folder: Path, *texts: bytes) -> list[str]:
    """Name the files below a folder that bear one of some texts, in their name or inside."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [
        str(path)
        for path in found
        if any(text in str(path).encode() or text in path.read_bytes() for text in texts)
    ]


def test_keep_nothing_leaves_nothing(server, clips):
    visitor, before = Visitor(server.address), state(server)
    if not server.connection:
        assert {name for name in before[0] if "/data" in name} == {
            f"{server.folder}/data",
            f"{server.folder}/data/secret_key",
        }
    allowed = (str(server.private), f"{server.folder}/log", "/dev/", "/memfd:")
    known = set(before[0])
    for way, name in CASES[:: 2 if server.connection else 1]:
        with Watch(server) as watch:
            answer = WAYS[way](visitor, clips[name], name)
        wanted = (400, 415, 422) if name.startswith("broken") else (200,)
        assert answer.status_code in wanted or "lines" in way, (way, name, answer.text)
        strange = [one for one in watch.written - known if not one.startswith(allowed)]
        assert (strange, watch.blobs) == ([], set()), (way, name)
        # The look is quick enough to see what a recording passes through.
        seen = [one for one in watch.written if "/undertone-" in one.split(PREFIX)[-1]]
        assert seen or wanted != (200,) or way == "live", (way, name)
        settled(server, before)
    assert holding(server.folder, NAME.encode(), clips["wav"][5000:5100]) == []


def sent(server: Server, path: str, data: bytes, share: float, token: str, cookie: str, headers=""):
    """Send a form as a browser does, or the first part of it; gives the open connection."""
    parts = {"csrf_token": token, "keep": "0"}
    body = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        % (name.encode(), value.encode())
        for name, value in parts.items()
    )
    file = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{NAME}.wav"\r\n\r\n'
    body += file.encode() + data + b"\r\n--b--\r\n"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n{headers}"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    port = int(server.address.rpartition(":")[2])
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE_S, (FROM, 0))
    connection.sendall(head.encode() + body[: int(len(body) * share)])
    return connection


@pytest.mark.parametrize("path", ["/predict", "/analyses"])
def test_whoever_leaves_midway_leaves_nothing(server, clips, path):
    visitor, before = Visitor(server.address), state(server)
    token = visitor.token()
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    for share, headers in ((0.1, ""), (0.9, ""), (1, ""), (1, "Accept: application/x-ndjson\r\n")):
        with sent(server, path, clips["wav"], share, token, cookie, headers) as connection:
            if headers:
                connection.recv(200)  # It has begun to answer.
        settled(server, before)
    assert visitor.post("/predict", clips["wav"], "wav").status_code == 200
    assert holding(server.folder, NAME.encode(), clips["wav"][5000:5100]) == []


def everything(visitor: Visitor, clips: dict[str, bytes]) -> list[str]:
    """Do all that a visitor can; give what nobody else may learn of it."""
    address = visitor.post("/analyses", clips["wav"], "wav").headers["Location"]
    lines = visitor.post("/analyses", clips["m4a"], "m4a", LINES).text.splitlines()
    running = json.loads(lines[0])["running"]
    shared = visitor.post(f"{address}/share").headers["Location"]
    link = re.search(r'readonly value="([^"]+)"', visitor.ask(shared.partition("#")[0]).text)[1]
    key = link.partition("?key=")[2]
    assert visitor.ask(f"{address}?key={key}").status_code == 200
    for path in (f"/audio?key={key}", "/explanation", "", "/audio"):
        assert visitor.ask(address + path).status_code == 200
    stranger = Visitor(visitor.address)
    for path in (f"/explanation?key={key}", "/audio?key=guessed-key", "/audio"):
        assert stranger.ask(address + path).status_code == 404
    assert visitor.post(f"{address}/feedback", label="sad", consent="1").status_code == 303
    given = re.search(r'"/contributions/([\w-]+)/', visitor.ask("/analyses").text)[1]
    assert len(visitor.ask("/analyses/download").content) > 600_000
    made = visitor.ask("/api/v1/analyses", "POST", files={"file": (f"{NAME}.wav", clips["wav"])})
    body = made.json()
    bearer = {"Authorization": f"Bearer {body['token']}"}
    for name in ("self", "csv"):
        stranger.ask(body["links"][name], headers=bearer)
    assert visitor.post("/predict", b"no sound", "mp3").status_code == 415
    assert visitor.ask(f"/{NAME}/{key}").status_code == 404
    assert visitor.ask(f"{address}/delete", "POST").status_code == 400
    assert visitor.post(f"{running}/delete").status_code == 303
    ids = [one.rpartition("/")[2] for one in (address, running, given)]
    return [*ids, key, body["id"], body["token"], *visitor.cookies.values()]


def test_the_log_tells_nothing_of_a_visitor(server, clips):
    """The last test: Azurite is ended in the middle of it."""
    visitor = Visitor(server.address)
    secrets = everything(visitor, clips)
    assert visitor.post(f"/analyses/{secrets[0]}/delete").status_code == 303
    assert visitor.post("/analyses/delete").status_code == 303
    if server.connection:
        kept = visitor.post("/analyses", clips["wav"], "wav").headers["Location"]
        secrets += [kept.rpartition("/")[2], server.connection.partition("AccountKey=")[2][:20]]
        server.storage.close()
        assert visitor.ask(kept).status_code == 503
        assert "Nothing was kept" in visitor.post("/analyses", clips["wav"], "wav").text
    else:
        kept = visitor.post("/analyses", clips["wav"], "wav").headers["Location"]
        secrets.append(kept.rpartition("/")[2])
        damage = server.folder / "data" / "analyses" / secrets[-1] / "record.json"
        damage.write_text("{")
        assert visitor.ask(kept).status_code == 503
    log = server.log
    assert log.count("POST /analyses ") > 3 and "GET /analyses/<id> " in log and " 503 " in log
    assert "Traceback" not in log
    for secret in [*secrets, NAME, FROM, FORWARDED, AGENT, "key=", str(server.private)]:
        assert secret not in log, secret


def test_a_killed_server_leaves_nothing_to_the_next_one(tmp_path, clips):
    """Killed with all its processes in the midst of an upload and of an analysis."""
    long = ml.to_wav(ml.Waveform(np.tile(ml.decode(VOICE).samples, 300), 16_000))
    with started(tmp_path) as server:
        visitor = Visitor(server.address)
        with (
            sent(server, "/predict", clips["wav"], 0.9, "", ""),
            sent(server, "/predict", long, 1, "", ""),
        ):
            left = server.private
            # What came has no name, so that nothing is left of it; what is decoded has one.
            until(lambda: any(path.stat().st_size > 10**6 for path in left.rglob("raw")))
            for pid in [*family(server.process.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            server.process.wait()
    assert any(left.rglob("raw")), "it was in the midst of it"
    assert holding(left, long[5000:5100]) == []
    expired = tmp_path / "data" / "analyses" / ("a" * 22)
    expired.mkdir(parents=True)
    (expired / "expires").write_text("2026-03-01T12:00:00+00:00")
    with started(tmp_path, SER_RATE_LIMIT="1 per hour", WEB_CONCURRENCY=2) as server:
        assert server.private != left and not left.exists()
        assert not any((tmp_path / "tmp").rglob("raw"))
        until(lambda: not expired.exists())  # Swept though nobody visited.
        visitor = Visitor(server.address)
        asked = [visitor.post("/predict", clips["wav"], "wav").status_code for _ in range(3)]
        assert 429 in asked, "each of two workers counts for itself"
        log = server.log
        assert log.count("Deleted because their day had come, analyses: 1") == 1
        for secret in (NAME, FROM, FORWARDED, AGENT):
            assert secret not in log, secret


def until(done) -> None:
    for _ in range(PATIENCE_S * 100):
        with contextlib.suppress(FileNotFoundError):
            if done():
                return
        time.sleep(0.01)
    raise AssertionError("it never came")
