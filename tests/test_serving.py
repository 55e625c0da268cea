"""The site over real HTTP: gunicorn, started by startup.sh, asked through a socket."""

import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from clips import VOICE, converted, silence

import ml

STARTUP = Path(__file__).resolve().parent.parent / "startup.sh"
PATIENCE_S = 120
"""How long to wait for what takes seconds, on a machine that does other work beside this."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(folder: Path, **settings: object) -> dict[str, str]:
    """Make an environment without the settings of whoever runs the tests."""
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    base = {"PATH": path, "VIRTUAL_ENV": sys.prefix, "HOME": str(folder)}
    return {
        **base,
        "SER_STORAGE_DIR": str(folder / "data"),
        **{k: str(settings[k]) for k in settings},
    }


@contextlib.contextmanager
def serving(folder: Path, **settings: object) -> Iterator[tuple[str, subprocess.Popen]]:
    """Run startup.sh in a foreign folder until it takes connections; gives address and process."""
    port = free_port()
    env = environment(folder, PORT=port, **settings)
    with (
        open(folder / "log", "wb") as log,
        subprocess.Popen([STARTUP], cwd=folder, env=env, stdout=log, stderr=log) as server,
    ):
        try:
            wait_until_open(port, server, folder / "log")
            yield f"http://127.0.0.1:{port}", server
        finally:
            server.terminate()
            assert server.wait(PATIENCE_S) == 0, (folder / "log").read_text()


def wait_until_open(port: int, server: subprocess.Popen, log: Path) -> None:
    for _ in range(PATIENCE_S * 20):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert server.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("serving")


@pytest.fixture(scope="module")
def server(folder):
    with serving(folder, SER_MAX_UPLOAD_MB=2, WEB_CONCURRENCY=2) as (address, process):
        yield address, process


@pytest.fixture
def address(server):
    return server[0]


def predict(address: str, path: Path, **arguments) -> requests.Response:
    with path.open("rb") as file:
        return requests.post(
            f"{address}/predict", files={"file": (path.name, file)}, timeout=PATIENCE_S, **arguments
        )


def test_first_answer_takes_seconds_from_the_start(tmp_path):
    """Seconds of work, which other work on the machine does not change, are what is limited."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with serving(tmp_path) as (address, _):
        assert predict(address, VOICE).json()["probabilities"]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert 0 < seconds < 15, f"{seconds:.1f} s of work for start, first answer and end"


def test_health(address):
    response = requests.get(f"{address}/health", timeout=PATIENCE_S)
    assert response.status_code == 200
    assert response.json()["status"] == "ok"
    assert response.json()["model"] == ml.DEFAULT_MODEL


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("voice.mp3", ("-q:a", "2")),
        ("voice.m4a", ("-c:a", "aac")),
        ("voice.webm", ("-c:a", "libopus")),
        ("voice.ogg", ("-c:a", "libvorbis")),
        ("voice.flac", ()),
        ("voice.wav", ("-ar", "44100", "-ac", "2")),
    ],
)
def test_predict(address, tmp_path, name, options):
    clip = converted(VOICE, tmp_path / name, *options)
    response = predict(address, clip)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["filename"] == name
    assert answer["emotion"] in ml.LABELS
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    expected = ml.to_dict(ml.recognize(clip))["probabilities"]
    assert answer["probabilities"] == pytest.approx(expected, abs=1e-6)


def test_an_upload_through_the_form_ends_on_its_page(address, tmp_path):
    browser = requests.Session()
    home = browser.get(address, timeout=PATIENCE_S).text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', home)[1]
    clip = converted(VOICE, tmp_path / "voice.mp3")
    sent = browser.post(
        f"{address}/analyses",
        data={"csrf_token": token, "keep": "1"},
        files={"file": ("voice.mp3", clip.read_bytes())},
        allow_redirects=False,
        timeout=PATIENCE_S,
    )
    assert sent.status_code == 303
    page = f"{address}{sent.headers['Location']}"
    for _ in range(6):  # whichever worker answers
        assert browser.get(page, timeout=PATIENCE_S).status_code == 200
    audio = browser.get(f"{page}/audio", headers={"Range": "bytes=0-3"}, timeout=PATIENCE_S)
    assert (audio.status_code, audio.content) == (206, b"RIFF")
    assert audio.headers["Cache-Control"] == "no-store"
    assert requests.get(page, timeout=PATIENCE_S).status_code == 404, "another browser"


def test_a_file_over_the_limit_gets_its_answer(address, tmp_path):
    large = tmp_path / "large.wav"
    large.write_bytes(silence(120))
    response = predict(address, large)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "too_large"


def test_garbage_gets_a_clear_answer(address, tmp_path):
    garbage = tmp_path / "voice.mp3"
    garbage.write_bytes(b"not a recording " * 500)
    response = predict(address, garbage)
    assert response.status_code == 415
    assert response.json()["error"]["code"] == "unsupported_format"


def test_many_at_once_are_all_answered(address):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: predict(address, VOICE).json(), range(16)))
    assert all(answer["probabilities"] == answers[0]["probabilities"] for answer in answers)
    assert answers[0]["probabilities"]


def test_the_log_names_neither_files_nor_analyses(server, folder, address):
    predict(address, VOICE)
    log = (folder / "log").read_text()
    assert "POST /predict 200" in log
    assert VOICE.name not in log
    assert "Traceback" not in log


def test_a_worker_and_the_decoder_that_they_share_may_die(server):
    address, process = server
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
    decoders = [pid for pid, command in commands.items() if b"decoder.serve()" in command]
    workers = [pid for pid in commands if pid not in decoders]
    assert len(workers) == 2 and len(decoders) == 1
    for killed in (workers[0], decoders[0]):
        os.kill(killed, signal.SIGKILL)
        for _ in range(4):
            assert predict(address, VOICE).status_code == 200


SLOW = """
import time

def app(environ, start_response):
    time.sleep(3)
    start_response("200 OK", [])
    return [b"done"]
"""


def test_an_analysis_may_take_longer_than_a_worker_may_be_silent(tmp_path):
    """The time-out is for workers that hang, not for requests; with a second of it, to see that."""
    (tmp_path / "slow.py").write_text(SLOW)
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", "python:webapp.serving"]
    command += ["--timeout", "1", "--pythonpath", f"{STARTUP.parent},{tmp_path}", "slow:app"]
    env = environment(tmp_path, PORT=port, WEB_CONCURRENCY=1)
    with (
        open(tmp_path / "log", "wb") as log,
        subprocess.Popen(command, cwd=STARTUP.parent, env=env, stdout=log, stderr=log) as server,
    ):
        try:
            wait_until_open(port, server, tmp_path / "log")
            address = f"http://127.0.0.1:{port}"
            assert requests.get(address, timeout=PATIENCE_S).text == "done"
        finally:
            server.terminate()
            server.wait(PATIENCE_S)
    assert "TIMEOUT" not in (tmp_path / "log").read_text()


def test_a_wrong_setting_is_said_in_one_line(tmp_path):
    done = subprocess.run(
        [STARTUP],
        env=environment(tmp_path, PORT="eighty"),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode != 0
    assert "PORT is 'eighty'; wanted: a whole number from 1 to 65535" in done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.strip().splitlines()) == 1


def listens_on_every_address(address: str) -> bool:
    with contextlib.suppress(OSError):
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.2", port), 1):
            return True
    return False


def test_listens_on_this_machine_only(address):
    assert not listens_on_every_address(address)


def test_on_azure_app_service_it_listens_everywhere_and_believes_its_proxy(tmp_path):
    with serving(tmp_path, WEBSITE_SITE_NAME="undertone", WEB_CONCURRENCY=1) as (address, _):
        assert listens_on_every_address(address)
        response = requests.get(address, headers={"X-Forwarded-Proto": "https"}, timeout=PATIENCE_S)
        assert "Secure" in response.headers["Set-Cookie"]
        assert response.headers["Strict-Transport-Security"]


def test_memory_storage_is_one_process(tmp_path):
    with serving(tmp_path, SER_STORAGE="memory", WEB_CONCURRENCY=3) as (address, _):
        with VOICE.open("rb") as file:
            made = requests.post(
                f"{address}/api/v1/analyses", files={"file": file}, timeout=PATIENCE_S
            )
        body = made.json()
        headers = {"Authorization": f"Bearer {body['token']}"}
        for _ in range(6):
            shown = requests.get(
                address + body["links"]["self"], headers=headers, timeout=PATIENCE_S
            )
            assert shown.status_code == 200
