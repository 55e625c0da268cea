"""``batch`` killed at any moment and started again: each recording is in the result once."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from clips import SAMPLES, converted
from threadpoolctl import threadpool_limits

import ml
from ml.folders import list_files, make, names, open_folder, read

MODEL = "mfcc-cnn"
CLIPS = ("angry-man.flac", "sad-woman.flac", "silence.flac")
LONG = [f"long-{number}.mp3" for number in range(9)]
PATIENCE_S = 300


@pytest.fixture
def source(tmp_path):
    """Clips that take a moment, so that there is something to kill, and a bad one."""
    folder = tmp_path / "calls"
    folder.mkdir()
    for name in CLIPS:
        shutil.copy(SAMPLES / name, folder)
    long = converted(SAMPLES / "story.mp3", tmp_path / "long.mp3", "-t", "20")
    for name in LONG:
        shutil.copy(long, folder / name)
    (folder / "bad.wav").write_bytes(b"no sound")
    return folder


@contextmanager
def started(source: str, output: str, workers: int = 2):
    """Start the command in a session of its own; whatever is left of it is killed afterwards."""
    command = [sys.executable, "-m", "ml", "batch", source, "--output", output, "--model", MODEL]
    process = subprocess.Popen(
        [*command, "--rows", "files", "--format", "jsonl", "--workers", str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(condition) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


def parts(output) -> list[str]:
    return [f"shard=00000/{name}" for name in names(output, "shard=00000")]


def rows(output) -> list[dict]:
    lines = [line for name in parts(output) for line in read(output, name).splitlines()]
    return [json.loads(line) for line in lines]


def assert_complete(output, source: Path) -> None:
    """Each file once, with the very answer that the library gives."""
    found = rows(output)
    assert Counter(row["file"] for row in found) == Counter([*CLIPS, *LONG, "bad.wav"])
    with threadpool_limits(1):  # as in Dask's processes: sums of floats depend on it
        answers = {name: ml.recognize(source / name, MODEL) for name in (*CLIPS, LONG[0])}
    for row in found:
        if row["file"] == "bad.wav":
            assert row["error_code"] == "unsupported_format"
            continue
        expected = answers[LONG[0] if row["file"] in LONG else row["file"]]
        assert (row["outcome"], row["label"]) == (expected.outcome, expected.label)
        for label, share in expected.probabilities.items():
            assert row[f"p_{label}"] == pytest.approx(share, abs=1e-6)
    manifest = [json.loads(line) for line in read(output, "_manifest/00000.jsonl").splitlines()]
    assert Counter(line["file"] for line in manifest) == Counter(row["file"] for row in found)
    assert {line["part"] for line in manifest} == set(parts(output))


def finish(source: str, output: str) -> str:
    with started(source, output, workers=1) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1, err  # one recording is bad
    assert "Traceback" not in err
    assert "13 recordings: 12 answered, 1 failed (unsupported_format 1" in out
    return out


def workers(process: subprocess.Popen) -> list[psutil.Process]:
    """Find Dask's processes among those that the command started."""
    children = psutil.Process(process.pid).children()
    return [one for one in children if "spawn_main" in " ".join(one.cmdline())]


def kill_a_worker_then_the_client(source: str, output) -> None:
    with started(source, output.url) as process:
        wait_for(lambda: parts(output))
        workers(process)[0].kill()
        so_far = len(parts(output))
        wait_for(lambda: len(parts(output)) > so_far)
        left = workers(process)
        process.kill()
        process.wait()
    wait_for(lambda: not any(one.is_running() and one.status() != "zombie" for one in left))


def interrupt(source: str, output) -> None:
    """End it as Ctrl-C does, which reaches all processes."""
    so_far = len(parts(output))
    with started(source, output.url, workers=1) as process:
        wait_for(lambda: len(parts(output)) > so_far)
        os.killpg(process.pid, signal.SIGINT)
        _out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 128 + signal.SIGINT
    assert "Traceback" not in err


def test_workers_then_client_then_all_at_once(source, tmp_path):
    output = open_folder(str(tmp_path / "answers"))
    kill_a_worker_then_the_client(str(source), output)
    before = {name: os.stat(output.path(name)).st_mtime_ns for name in parts(output)}
    assert 2 <= len(before) < 13
    assert read(output, "_manifest/00000.jsonl") is None
    interrupt(str(source), output)
    left = 13 - len(parts(output))
    assert f"; {left} of them now" in finish(str(source), output.url)
    assert_complete(output, source)
    # What was done before the first kill was not done again.
    assert before == {name: os.stat(output.path(name)).st_mtime_ns for name in before}
    names_there = ["_manifest", "_plan", "_run.json", "shard=00000"]
    assert sorted(os.listdir(output.root)) == names_there


def test_azure_to_azure_killed_and_started_again(source, azurite, monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite)
    calls, answers = "az://killed/calls/2026", "az://killed/answers"
    stored, output = open_folder(calls), open_folder(answers)
    make(stored)
    for path in source.iterdir():
        stored.files.pipe_file(stored.path(f"below/{path.name}"), path.read_bytes())
    stored = open_folder(f"{calls}/below")
    with started(stored.url, answers, workers=1) as process:
        wait_for(lambda: len(parts(output)) >= 2)
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = {file.name: file.etag for file in list_files(output)}
    assert 2 <= sum(name.startswith("shard=") for name in before) < 13
    finish(stored.url, answers)
    assert_complete(output, source)
    after = {file.name: file.etag for file in list_files(output)}
    assert after | before == after
    assert "; 0 of them now" in finish(stored.url, answers)
