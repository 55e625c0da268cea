"""``batch``: what it writes, what it does a second time, what it refuses, what it survives."""

import json
import logging
import os
import shutil
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from dataclasses import replace
from pathlib import Path

import dask
import deadly
import pandas
import pytest
from clips import SAMPLES, converted, tone
from distributed import Client, LocalCluster

import ml
from ml import archive, batch, clusters, predict
from ml.__main__ import main
from ml.folders import Listed, open_folder

MODEL = "mfcc-cnn"
LABELS = ml.read_bundle(MODEL).labels
GOOD = ("angry.flac", "below/sad.flac", "silence.flac", "short.wav")
BAD = {"bad.mp3": "unsupported_format", "empty.wav": "empty_file"}


@pytest.fixture(scope="module")
def cluster():
    """A scheduler with two workers of one thread, as a team might have it."""
    settings = clusters._LOCAL_CLUSTER | {"distributed.worker.preload": [deadly.__name__]}
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster.scheduler_address


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "calls"
    (folder / "below").mkdir(parents=True)
    shutil.copy(SAMPLES / "angry-woman.flac", folder / "angry.flac")
    shutil.copy(SAMPLES / "sad-man.flac", folder / "below" / "sad.flac")
    shutil.copy(SAMPLES / "silence.flac", folder)
    (folder / "short.wav").write_bytes(tone(0.2))
    (folder / "bad.mp3").write_bytes(b"no music at all")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "notes.txt").write_text("nothing to hear")
    (folder / ".hidden.wav").write_bytes(tone(0.2))
    return folder


@pytest.fixture
def run(capsys, cluster, source, tmp_path):
    """Run the command on the cluster; returns its exit code and what it said."""

    def called(*options, folder=source):
        base = ["batch", str(folder), "--output", str(tmp_path / "answers"), "--model", MODEL]
        code = main([*base, "--scheduler", cluster, *map(str, options)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return called


def manifest(folder: Path) -> dict[str, dict]:
    lines = [
        json.loads(line)
        for path in sorted((folder / "_manifest").iterdir())
        for line in path.read_text().splitlines()
    ]
    files = [line["file"] for line in lines]
    assert len(files) == len(set(files))
    return {line["file"]: line for line in lines}


def parts(folder: Path, suffix: str = ".parquet") -> dict[str, int]:
    """Map the files of the result to the times of their last change."""
    return {str(path): path.stat().st_mtime_ns for path in folder.glob(f"shard=*/*{suffix}")}


def jsonl(folder: Path) -> list[dict]:
    return [
        json.loads(line)
        for path in sorted(parts(folder, ".jsonl"))
        for line in Path(path).read_text().splitlines()
    ]


def assert_rows(rows: pandas.DataFrame, expected: ml.Prediction) -> None:
    """A row for each segment says what the segment does, and what the recording does."""
    assert len(rows) == max(1, len(expected.segments))
    first = rows.iloc[0]
    for column in ("speech_ratio", "level_dbfs", "duration_s", "clipping", "bandwidth_hz"):
        assert first[column] == getattr(expected.quality, column)
    said = None if pandas.isna(first["recording_label"]) else first["recording_label"]
    assert (first["recording_outcome"], said) == (expected.outcome, expected.label)
    assert list(first["warnings"]) == [warning.code for warning in expected.warnings]
    for (_index, row), segment in zip(rows.iterrows(), expected.segments, strict=True):
        span = (segment.start_s, segment.end_s, segment.outcome)
        assert (row["start_s"], row["end_s"], row["outcome"]) == span
        assert segment.probabilities in ({label: row[f"p_{label}"] for label in LABELS}, {})


def test_parquet_has_a_row_for_each_segment(run, source, tmp_path):
    code, out, err = run()
    answers = tmp_path / "answers"
    table = pandas.read_parquet(answers)
    assert code == 1
    assert set(table["file"]) == {*GOOD, *BAD}
    for name in GOOD:
        assert_rows(table[table["file"] == name], ml.recognize(source / name, MODEL))
    info = ml.read_bundle(MODEL).info
    assert set(table["model_sha256"]) == {info.sha256}
    assert set(table["labels"]) == {",".join(info.labels)}
    assert (table["error_code"].dropna().to_list()) == list(BAD.values())
    assert "6 recordings: 4 answered, 2 failed (" in out
    assert "bad.mp3: This file is not audio" in err
    assert "passed over by their names (see --pattern): 1." in err
    assert not (answers / "_unfinished").exists()


def test_the_manifest_says_what_became_of_each_file(run, tmp_path):
    run()
    told = manifest(tmp_path / "answers")
    assert {name: told[name]["error_code"] for name in told} == dict.fromkeys(GOOD) | BAD
    for state in told.values():
        assert len(pandas.read_parquet(tmp_path / "answers" / state["part"])) == state["rows"]


def test_jsonl_has_a_row_for_each_file(run, source, tmp_path):
    code, _out, _err = run("--format", "jsonl", "--rows", "files", "--labels", "4")
    labels = ml.LABEL_SETS["4"]
    rows = {row["file"]: row for row in jsonl(tmp_path / "answers")}
    assert code == 1
    assert list(rows) == sorted([*GOOD, *BAD])
    for name in GOOD:
        expected = ml.recognize(source / name, MODEL, labels)
        row = rows[name]
        assert (row["outcome"], row["label"]) == (expected.outcome, expected.label)
        assert row["confidence"] == expected.confidence
        assert row["reason_code"] == (expected.reason and expected.reason.code)
        shares = {label: row[f"p_{label}"] for label in labels}
        assert shares == (expected.probabilities or dict.fromkeys(labels))
        assert row["vote_label"] == (expected.vote and expected.vote.label)
        assert row["snr_db"] == expected.quality.snr_db
        assert not {key for key in row if key.startswith("p_")} - {f"p_{one}" for one in labels}
    for name, error in BAD.items():
        assert rows[name]["error_code"] == error
        assert rows[name]["error_message"] and rows[name]["error_hint"]
        assert rows[name]["outcome"] is None


def test_started_again_it_does_only_what_is_new(run, source, tmp_path):
    run()
    before = parts(tmp_path / "answers")
    code, out, err = run()
    assert (code, parts(tmp_path / "answers")) == (1, before)
    assert "6 recordings: 4 answered, 2 failed" in out and "; 0 of them now" in out
    assert "bad.mp3" not in err
    shutil.copy(SAMPLES / "happy-man.flac", source / "added.flac")
    shutil.copy(SAMPLES / "happy-man.flac", source / "angry.flac")
    _code, out, err = run()
    after = parts(tmp_path / "answers")
    assert "7 recordings: 5 answered" in out and "; 1 of them now" in out
    assert "others than when they were planned: 1." in err
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 1
    assert set(manifest(tmp_path / "answers")) == {*GOOD, *BAD, "added.flac"}


def test_failed_recordings_are_tried_again_when_asked_for(run, source, tmp_path):
    run("--format", "jsonl", "--rows", "files")
    shutil.copy(SAMPLES / "happy-man.flac", source / "bad.mp3")
    code, out, _err = run("--format", "jsonl", "--rows", "files")
    assert code == 1 and "4 answered, 2 failed" in out
    code, out, _err = run("--format", "jsonl", "--rows", "files", "--retry-failed")
    assert code == 1 and "5 answered, 1 failed (empty_file 1" in out
    rows = jsonl(tmp_path / "answers")
    assert Counter(row["file"] for row in rows) == Counter([*GOOD, *BAD])
    (now,) = (row for row in rows if row["file"] == "bad.mp3")
    assert now["outcome"] == ml.recognize(source / "bad.mp3", MODEL).outcome
    assert now["error_code"] is None
    shutil.copy(SAMPLES / "happy-man.flac", source / "empty.wav")
    code, out, _err = run("--format", "jsonl", "--rows", "files", "--retry-failed")
    assert code == 0 and "6 recordings: 6 answered, 0 failed;" in out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--model", "cnn-gru"), 'model is "mfcc-cnn" there and "cnn-gru" now'),
        (("--labels", "4"), "labels is"),
        (("--rows", "files"), 'rows is "segments" there and "files" now'),
        (("--format", "jsonl"), 'format is "parquet" there and "jsonl" now'),
    ],
)
def test_a_destination_is_of_one_kind(run, source, tmp_path, options, told):
    for name in (*GOOD[:3], *BAD):
        (source / name).unlink()
    assert run()[0] == 0
    before = parts(tmp_path / "answers")
    code, out, err = run(*options)
    assert (code, out) == (2, "")
    assert told in err and "Traceback" not in err
    assert parts(tmp_path / "answers") == before


def test_another_source_is_refused(run, source, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "short.wav").write_bytes(tone(0.2))
    assert run(folder=other)[0] == 0
    code, _out, err = run(folder=source)
    assert code == 2 and f"source is {json.dumps(str(other))} there" in err


def refused(capsys, *arguments) -> str:
    code = main(["batch", *map(str, arguments)])
    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "")
    assert "Traceback" not in printed.err
    return printed.err


def test_what_cannot_be_meant_is_said_before_any_work(capsys, source, tmp_path):
    out = tmp_path / "answers"
    assert "No such file" in refused(capsys, tmp_path / "none", "--output", out)
    assert "it is the source itself" in refused(capsys, source, "--output", source)
    assert "it holds other files ('calls')" in refused(capsys, source, "--output", tmp_path)
    assert "nobody" in refused(capsys, source, "--output", out, "--model", "nobody")
    assert "joy" in refused(capsys, source, "--output", out, "--labels", "joy,sad")
    assert "pip install s3fs" in refused(capsys, "s3://calls/2026", "--output", out)
    assert "pip install s3fs" in refused(capsys, source, "--output", "s3://answers")
    assert "Protocol not known: carrier" in refused(capsys, "carrier://pigeon", "--output", out)
    assert not out.exists()
    for name in source.rglob("*.*"):
        name.unlink()
    assert "There is no recording in" in refused(capsys, source, "--output", out)
    assert not out.exists()


def test_a_scheduler_that_is_not_there_is_said_plainly(capsys, source, tmp_path, monkeypatch):
    monkeypatch.setattr(clusters, "_CONNECT_S", 0.5)
    address = "tcp://127.0.0.1:9"
    err = refused(capsys, source, "--output", tmp_path / "out", "--scheduler", address)
    assert f"no scheduler answers at '{address}'" in err


def test_a_worker_with_another_model_ends_the_run(cluster, source, tmp_path):
    run = batch.describe(str(source), str(tmp_path / "out"), MODEL, None, "files", "jsonl")
    with pytest.raises(ml.ClusterError, match="another version of the model"):
        batch.analyse_archive(
            replace(run, settings_sha256="0" * 64), lambda: clusters.running_cluster(cluster)
        )
    assert not parts(tmp_path / "out", ".jsonl")


def test_answers_that_cannot_be_written_end_the_run(run, source, tmp_path):
    for name in (*GOOD[:3], *BAD):
        (source / name).unlink()
    assert run()[0] == 0
    (tmp_path / "answers" / "shard=00001").write_text("in the way")
    (source / "added.wav").write_bytes(tone(0.2))
    code, out, err = run()
    assert (code, out) == (2, "")
    assert "cannot be used: Not a directory" in err and "Traceback" not in err
    (tmp_path / "answers" / "shard=00001").unlink()
    code, out, _err = run()
    assert code == 0 and "2 recordings: 2 answered, 0 failed; 1 of them now" in out


def test_a_cluster_that_is_lost_ends_the_run_and_the_next_goes_on(source, tmp_path, monkeypatch):
    monkeypatch.setattr(clusters, "_CONNECT_S", 1)
    run = batch.describe(str(source), str(tmp_path / "out"), MODEL, None, "files", "jsonl")
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(processes=False, silence_logs=logging.CRITICAL, **options) as lost:

        def lose(tally):
            if tally.done:
                lost.close()

        with pytest.raises(ml.ClusterError, match="The work cannot go on"):
            batch.analyse_archive(
                run, lambda: clusters.running_cluster(lost.scheduler_address), report=lose
            )
    done = parts(tmp_path / "out", ".jsonl")
    assert 0 < len(done) < 6
    with LocalCluster(processes=False, silence_logs=logging.CRITICAL, **options) as found:
        tally = batch.analyse_archive(
            run, lambda: clusters.running_cluster(found.scheduler_address)
        )
    assert (tally.files, tally.done) == (6, 6)
    after = parts(tmp_path / "out", ".jsonl")
    assert {name: after[name] for name in done} == done


def test_a_client_that_is_killed_leaves_workers_that_do_no_harm(run, cluster, source, tmp_path):
    """They end what they began, while the next client has the same part done."""
    long = converted(SAMPLES / "story.mp3", tmp_path / "long.mp3", "-t", "12")
    names = [f"{number}.mp3" for number in range(5)]
    for name in names:
        shutil.copy(long, source / name)
    command = [sys.executable, "-m", "ml", "batch", source, "--output", tmp_path / "answers"]
    options = ["--format", "jsonl", "--rows", "files"]
    call = [*command, "--scheduler", cluster, "--model", MODEL, *options]
    with subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
        while not parts(tmp_path / "answers", ".jsonl"):
            assert client.poll() is None
            time.sleep(0.01)
        client.kill()
    _code, out, _err = run(*options)
    assert "11 recordings: 9 answered, 2 failed" in out
    rows = jsonl(tmp_path / "answers")
    assert Counter(row["file"] for row in rows) == Counter([*GOOD, *BAD, *names])
    assert len(parts(tmp_path / "answers", ".jsonl")) == 11


def test_a_recording_that_kills_workers_is_found_and_the_others_answered(
    run, source, tmp_path, monkeypatch
):
    monkeypatch.setattr(archive, "PARTS_IN_A_SHARD", 1)  # all six and the deadly one in one part
    (source / "poison.wav").write_bytes(tone(0.2))
    code, out, err = run("--format", "jsonl", "--rows", "files", folder=f"deadly://{source}")
    rows = jsonl(tmp_path / "answers")
    assert len(parts(tmp_path / "answers", ".jsonl")) == 1
    assert code == 1
    assert "7 recordings: 4 answered, 3 failed" in out and "worker_died 1" in out
    assert "poison.wav: Each process that analysed this recording died." in err
    assert Counter(row["file"] for row in rows) == Counter([*GOOD, *BAD, "poison.wav"])
    for row in rows:
        if row["file"] in GOOD:
            assert row["outcome"] == ml.recognize(source / row["file"], MODEL).outcome
    (source / "poison.wav").rename(source / "harmless.wav")
    code, out, _err = run("--format", "jsonl", "--rows", "files", folder=f"deadly://{source}")
    assert "8 recordings: 5 answered, 3 failed" in out and "; 1 of them now" in out


def test_few_futures_exist_at_a_time_and_a_worker_loads_the_model_once(cluster, source, tmp_path):
    for number in range(60):
        (source / f"{number:02d}.wav").write_bytes(b"")
    run = batch.describe(str(source), str(tmp_path / "out"), MODEL, None, "files", "parquet")
    known: list[int] = []
    with Client(cluster, set_as_default=False) as observer:

        def look(_tally):
            tasks = observer.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
            known.append(tasks)

        tally = batch.analyse_archive(run, lambda: clusters.running_cluster(cluster), report=look)
        loads = observer.run(lambda: predict._load.cache_info()._asdict())
    assert (tally.files, tally.done, tally.errors.total()) == (66, 66, 62)
    assert len(known) > 60
    # Two for each of two threads, and a few whose release is on its way.
    assert 0 < max(known) < 16
    assert all(found["misses"] <= 1 for found in loads.values())
    assert sum(found["hits"] for found in loads.values()) > 60


def test_planning_takes_no_more_memory_for_more_files(tmp_path):
    def peak(files: int) -> int:
        output = open_folder(str(tmp_path / str(files)))
        listed = (Listed(f"{number:09d}.wav", 10, "etag") for number in range(files))
        tracemalloc.start()
        plan = archive.extend_plan(output, listed, 16)
        _now, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (plan.files, plan.added, plan.shards) == (files, files, -(-files // 1024))
        return most

    peak(1024)
    assert peak(8192) < 2 * peak(2048)  # what lies in a list grows with the files


def test_two_runs_never_plan_the_same(tmp_path):
    output = open_folder(str(tmp_path))

    def listed():
        yield Listed("a.wav", 1, "")
        # Meanwhile another run has planned.
        archive.extend_plan(output, iter([Listed("b.wav", 1, "")]), 16)

    with pytest.raises(ml.DestinationError, match="another run plans there"):
        archive.extend_plan(output, listed(), 16)
    assert [part.files[0].name for part in archive.read_plan(output, 0)] == ["b.wav"]


def test_names_of_any_bytes(run, tmp_path):
    folder = tmp_path / "odd"
    names = [b"a b#1?.wav", b"%20[x].wav", "ü🎙.wav".encode(), b"\xff\xfe.wav", b"new\nline.wav"]
    for name in names:
        path = os.fsencode(folder) + b"/" + name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).write_bytes(tone(0.2))
    code, out, _err = run(folder=folder)
    assert code == 0 and "5 recordings: 5 answered" in out
    shown = {name.decode("utf-8", "backslashreplace") for name in names}
    assert set(pandas.read_parquet(tmp_path / "answers")["file"]) == shown
    assert "; 0 of them now" in run(folder=folder)[1]


def test_patterns_choose_files(run, source, tmp_path):
    run("--pattern", "below/*", "--pattern", "short.*", "--rows", "files")
    assert set(manifest(tmp_path / "answers")) == {"below/sad.flac", "short.wav"}


def test_progress_is_for_terminals(run, source, tmp_path):
    _code, out, err = run("--rows", "files")
    assert "6/6" not in out + err and "\x1b" not in out + err
    command = [sys.executable, "-m", "ml", "batch", source, "--output", tmp_path / "answers"]
    command += ["--model", MODEL, "--rows", "files"]
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, check=False)
        shown = terminal.read(65_536)
        os.close(theirs)
    assert done.returncode == 1
    assert b"6/6" in shown and b"2 failed" in shown
    assert b"6/6" not in done.stdout


def test_help_shows_examples_and_exit_codes(capsys):
    with pytest.raises(SystemExit):
        main(["batch", "--help"])
    printed = capsys.readouterr().out
    for word in ("az://", "--scheduler tcp://", "--retry-failed", "Exit codes: 0", "_manifest"):
        assert word in printed


def test_workers_and_a_scheduler_exclude_each_other(capsys, source, tmp_path):
    with pytest.raises(SystemExit) as ended:
        refused(
            capsys, source, "--output", tmp_path / "o", "--workers", 2, "--scheduler", "tcp://x"
        )
    assert ended.value.code == 2


def test_without_its_packages_the_command_names_them(source, tmp_path):
    script = (
        "import sys; sys.modules['distributed'] = None\n"
        "from ml.__main__ import main\n"
        f"sys.exit(main(['batch', {str(source)!r}, '--output', {str(tmp_path / 'o')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 2
    assert "'batch' needs distributed" in done.stderr
    assert "pip install 'undertone[batch]'" in done.stderr
