"""The container as far as it goes without an engine: its lines are the ones that run here."""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import requests
from clips import SAMPLES, VOICE
from test_serving import PATIENCE_S, free_port, predict, wait_until_open
from test_telemetry import connection_string, ingestion

import ml
from webapp.scratch import PREFIX

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
MAKEFILE = (ROOT / "Makefile").read_text().replace("\\\n", " ")
FINAL = DOCKERFILE.rpartition("\nFROM ")[2]
ABLE = "--bounding-set=-all", "--inh-caps=-all"
"""What takes root's right to write where modes forbid it; then it is a user like any other."""


def deployed() -> list[str]:
    return re.search(r"^DEPLOYED := (.*)$", MAKEFILE, re.MULTILINE)[1].split()


def instructions(text: str, name: str) -> list[str]:
    return re.findall(rf"^{name} (.*)$", text, re.MULTILINE)


def image_environment() -> dict[str, str]:
    (line,) = instructions(FINAL, "ENV")
    return dict(pair.split("=", 1) for pair in shlex.split(line))


def volumes() -> list[str]:
    (line,) = instructions(FINAL, "VOLUME")
    return json.loads(line)


def test_hadolint_finds_nothing():
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and not done.stdout, done.stdout + done.stderr


def test_it_holds_what_a_package_for_app_service_holds():
    copied = {name for line in instructions(DOCKERFILE, "COPY") for name in line.split()[:-1]}
    copied = {name for name in copied if not name.startswith(("/", "--"))}
    assert copied == set(deployed())
    kept = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert set(kept) == set(deployed())
    assert all((ROOT / name).exists() for name in deployed())


def test_it_installs_and_starts_as_make_does():
    assert "ARG REQUIREMENTS=requirements.txt" in DOCKERFILE
    pip = "python -m pip install --quiet --disable-pip-version-check"
    assert f".venv/bin/{pip} " in DOCKERFILE and f"$(BIN)/{pip}" in MAKEFILE
    assert "python3 -m venv .venv" in DOCKERFILE
    assert instructions(FINAL, "CMD") == ['["/opt/undertone/startup.sh"]']
    assert instructions(FINAL, "WORKDIR") == ["/opt/undertone"]
    assert "exec ./startup.sh" in MAKEFILE


def test_it_is_nobody_and_its_stages_are_of_the_same_slim_python():
    assert instructions(FINAL, "USER") == ["10001:10001"]
    bases = {line.split()[0] for line in re.findall(r"^FROM (.*)$", DOCKERFILE, re.MULTILINE)}
    assert len(bases) == 1 and re.fullmatch(r"python:3\.1[123]-slim-\w+", bases.pop())


def test_whatever_is_written_goes_to_volumes_or_tmp():
    writable = (*volumes(), "/tmp")
    environment = image_environment()
    places = {name: value for name, value in environment.items() if value.startswith("/")}
    assert {"NUMBA_CACHE_DIR", "MPLCONFIGDIR", "XDG_CACHE_HOME", "TMPDIR", "HOME"} <= set(places)
    assert all(value.startswith(writable) for value in places.values())
    assert environment["SER_STORAGE_DIR"] in volumes()
    built = re.search(r"^ENV NUMBA_CACHE_DIR=(.*)$", DOCKERFILE, re.MULTILINE)[1]
    assert environment["NUMBA_CACHE_DIR"] == built, "what was prepared is what is used"


class Container(NamedTuple):
    """The site as the container runs it: read-only code, and folders that it may write."""

    address: str
    process: subprocess.Popen
    code: Path
    writable: Path
    prepared: int
    telemetry: list[tuple[str, str]]

    @property
    def log(self) -> str:
        return (self.writable / "log").read_text()


@pytest.fixture(scope="module")
def container() -> Iterator[Container]:
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root may write anywhere, and setpriv (util-linux) is not there to forbid it")
    with tempfile.TemporaryDirectory() as folder, started(Path(folder)) as running:
        yield running


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Container]:
    code, writable = folder / "opt", folder / "writable"
    copy_code(code)
    environment, port = rebased(writable), free_port()
    prepared = prepare_cache(code, Path(environment["NUMBA_CACHE_DIR"]))
    command = [*(("setpriv", *ABLE) if os.geteuid() == 0 else ()), code / "startup.sh"]
    with (
        ingestion() as azure,
        open(writable / "log", "wb") as log,
        read_only(code),
        subprocess.Popen(
            command,
            cwd="/",
            env=environment
            | {
                "HOST": "127.0.0.1",
                "PORT": str(port),
                "SER_LOG_FORMAT": "json",
                "APPLICATIONINSIGHTS_CONNECTION_STRING": connection_string(azure),
            },
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            wait_until_open(port, process, writable / "log")
            address = f"http://127.0.0.1:{port}"
            yield Container(address, process, code, writable, prepared, azure.taken)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def copy_code(code: Path) -> None:
    """Lay out what the Dockerfile copies, with this environment in place of its own."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in deployed():
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, code / name, ignore=ignore)
        else:
            code.mkdir(exist_ok=True)
            shutil.copy(source, code / name)
    (code / ".venv").symlink_to(sys.prefix)


def rebased(writable: Path) -> dict[str, str]:
    """Give the image's environment with its writable folders under another root, and make them."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", **image_environment()}
    for name, value in environment.items():
        if value.startswith((*volumes(), "/tmp")):
            environment[name] = f"{writable}{value}"
    for place in (*volumes(), "/tmp"):
        Path(f"{writable}{place}").mkdir(parents=True)
    return environment


def prepare_cache(code: Path, cache: Path) -> int:
    """Do what the image's build does by analysing a sample: compile numba's functions."""
    from numba.core.caching import UserProvidedCacheLocator

    ml.extract(ml.Waveform(np.zeros(16_000, np.float32), 16_000))
    packages = code / ".venv" / Path(np.__file__).relative_to(sys.prefix).parent.parent
    made = list(packages.glob("librosa/**/__pycache__/*.nb[ci]"))
    for file in made:
        source = str(file.parent.parent / "any.py")
        target = cache / UserProvidedCacheLocator.get_suitable_cache_subpath(source)
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return len(made)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    folders = [path for path in (folder, *folder.rglob("*")) if path.is_dir()]
    ours = [path for path in folders if not path.is_symlink()]
    for path in ours:
        path.chmod(0o555)
    yield
    for path in ours:
        path.chmod(0o755)


def test_it_answers_with_read_only_code(container):
    with pytest.raises(subprocess.CalledProcessError):
        command = ["touch", container.code / "webapp" / "written"]
        run = ["setpriv", *ABLE, *command] if os.geteuid() == 0 else command
        subprocess.run(run, check=True, capture_output=True)
    assert requests.get(f"{container.address}/health", timeout=PATIENCE_S).status_code == 200
    assert predict(container.address, VOICE).json()["probabilities"]


def test_the_health_check_of_the_image_finds_it_healthy(container):
    (check,) = re.findall(r"^HEALTHCHECK .*?CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    _python, *arguments = json.loads(check)
    for port, healthy in ((container.address.rpartition(":")[2], True), (str(free_port()), False)):
        done = subprocess.run(
            [sys.executable, *arguments], env={"PORT": port}, capture_output=True, timeout=60
        )
        assert (done.returncode == 0) is healthy, done.stderr


def test_nothing_is_written_but_in_its_folders_and_nothing_of_a_visitor(container):
    before = {path for path in container.writable.rglob("*") if path.is_file()}
    assert predict(container.address, VOICE).status_code == 200
    after = {path for path in container.writable.rglob("*") if path.is_file()}
    assert after == before
    (private,) = (container.writable / "tmp").iterdir()
    assert private.name.startswith(PREFIX) and private.stat().st_mode & 0o077 == 0
    assert [path.name for path in private.iterdir()] == ["sweeping.lock"]
    assert not list(container.code.rglob("__pycache__"))


def test_numbas_functions_need_no_compiling(container):
    if not container.prepared:
        pytest.skip("numba's cache lies elsewhere here (NUMBA_CACHE_DIR)")
    assert predict(container.address, VOICE).status_code == 200
    cache = container.writable / "var" / "cache" / "undertone" / "numba"
    assert len(list(cache.rglob("*.nb[ci]"))) == container.prepared


def test_a_refused_request_is_logged_without_its_address(container):
    port = int(container.address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        connection.sendall(b"GET /analyses/secret? key HTTP/1.1 nonsense\r\n\r\n")
        assert b" 400 " in connection.recv(4096)
    lines = [json.loads(line) for line in container.log.splitlines() if line.startswith("{")]
    refused = [line["route"] for line in lines if line.get("status") == 400]
    assert refused == ["/analyses/<id>"]
    told = [line["message"] for line in lines if not line["message"].startswith("Listening at")]
    assert "127.0.0.1" not in str(told) and "secret" not in str(told)


def test_a_stop_lets_what_is_being_analysed_end(container):
    """The last test: it ends the server."""
    story, answers = (SAMPLES / "story.mp3").read_bytes(), []
    with requests.post(
        f"{container.address}/predict",
        files={"file": ("story.mp3", story)},
        headers={"Accept": "application/x-ndjson", "Connection": "close"},
        stream=True,
        timeout=PATIENCE_S,
    ) as response:
        for line in response.iter_lines():
            if not answers:
                container.process.send_signal(signal.SIGTERM)
            answers.append(json.loads(line))
    assert "progress" in answers[0] and answers[-1]["probabilities"], "answered to the end"
    assert container.process.wait(PATIENCE_S) == 0
    assert "Traceback" not in container.log
    assert "POST /predict" in str(container.telemetry), "sent before the worker left"
    assert VOICE.name not in str(container.telemetry)
