"""The private folder for temporary files: gone with its server, swept after one that was killed."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from webapp.scratch import PREFIX, private_folder, sweep

ROOT = Path(__file__).resolve().parent.parent
SERVER = """
import os, subprocess, sys, tempfile
from webapp.scratch import private_folder

folder = private_folder()
told = subprocess.run([sys.executable, "-c", "import tempfile; print(tempfile.gettempdir())"],
                      capture_output=True, text=True, check=True)
assert told.stdout.strip() == tempfile.gettempdir() == str(folder)
(folder / "voice").write_bytes(b"a voice")
child = os.fork() if "fork" in sys.argv else -1
if child:
    print(folder, child, flush=True)
sys.stdin.read()
if not child:
    os._exit(0)
"""


@contextlib.contextmanager
def server(temporary: Path, *options: str):
    """Run a process with a private folder; it ends when its input does."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, *options],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        folder, child = process.stdout.readline().split()
        try:
            yield process, Path(folder), int(child)
        finally:
            process.stdin.close()


def test_it_is_private_and_goes_with_the_process(tmp_path):
    with server(tmp_path) as (process, folder, _):
        assert folder.parent == tmp_path and folder.name.startswith(PREFIX)
        assert folder.stat().st_mode & 0o077 == 0
    assert process.returncode == 0 and [*tmp_path.iterdir()] == []


def test_what_a_killed_one_left_goes_at_the_next_start_and_neighbours_stay(tmp_path):
    with server(tmp_path) as (killed, left, _), server(tmp_path) as (_, neighbour, _):
        killed.kill()
        killed.wait()
        assert (left / "voice").exists()
        with server(tmp_path) as (_, folder, _):
            assert {*tmp_path.iterdir()} == {neighbour, folder}
            assert (neighbour / "voice").exists()


def test_it_is_in_use_as_long_as_a_fork_lives(tmp_path):
    with server(tmp_path, "fork") as (process, folder, child):
        process.kill()
        process.wait()
        sweep(tmp_path)
        assert (folder / "voice").exists(), "the fork may still write there"
        os.kill(child, signal.SIGKILL)
        while Path(f"/proc/{child}/fd").exists() and os.listdir(f"/proc/{child}/fd"):
            pass  # Until its descriptors are closed.
        sweep(tmp_path)
        assert [*tmp_path.iterdir()] == []


def test_nothing_else_is_swept(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / f"{PREFIX}file").touch()
    (tmp_path / "undertone-other").mkdir()
    before = {*tmp_path.rglob("*")}
    sweep(tmp_path)
    assert {*tmp_path.rglob("*")} == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_somebody_elses_folder_is_left_alone(tmp_path):
    (tmp_path / f"{PREFIX}theirs").mkdir()
    os.chown(tmp_path / f"{PREFIX}theirs", 12_345, 12_345)
    sweep(tmp_path)
    assert (tmp_path / f"{PREFIX}theirs").exists()


def test_without_locks_there_is_a_folder_all_the_same(tmp_path, monkeypatch):
    """Some file systems of the network have none."""

    def no_locks(descriptor, operation):
        raise OSError("no locks")

    monkeypatch.setattr("fcntl.flock", no_locks)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("atexit.register", lambda *given: None)
    folder = private_folder()
    assert folder.is_dir() and [*tmp_path.iterdir()] == [folder]
    assert os.environ["TMPDIR"] == str(folder)
