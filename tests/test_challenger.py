"""A model on trial: it hears after the answer, its faults are not seen, and scores alone stay."""

import json
import logging
import os
import random
import re
import secrets
import shutil
import signal
import threading
import time
import weakref
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from clips import VOICE, wav
from flask import Flask
from flask.testing import FlaskClient
from forms import clip, post
from test_serving import PATIENCE_S, predict, serving

import ml
import webapp.challenger
import webapp.listener
from ml.__main__ import main
from webapp import create_app
from webapp.analysis import Analyser
from webapp.answers import after_answer, for_this_answer
from webapp.challenger import NOTED, Challenger
from webapp.listener import Listener
from webapp.settings import Settings
from webapp.storage import RECORD, STORAGES, AnalysisNotFoundError, MemoryStorage, open_storage

CHAMPION, CHALLENGER = "cnn-gru", "mfcc-cnn"
LINES = {"Accept": "application/x-ndjson"}
NAME = "my-secret-name.flac"
SIDE = {"name", "version", "sha256", "outcome", "label", "confidence", "probabilities"}
LINE = {"schema", "id", "time", "duration_s", "quality", "champion", "challenger", "right"}
VOICE_WAVEFORM = ml.decode(VOICE)
ANSWER = ml.to_dict(ml.load(CHAMPION).recognize(VOICE_WAVEFORM))


def trial(folder: Path, challenger: str | Path = CHALLENGER, share: int = 100) -> Settings:
    return Settings(
        storage_dir=folder, model=CHAMPION, challenger=str(challenger), challenger_share=share
    )


@pytest.fixture(scope="module", autouse=True)
def no_niceness():
    """Tests wait for the process, which else goes last on a busy machine."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(webapp.listener, "NICENESS", 0)
        yield


@pytest.fixture(scope="module")
def listener(no_niceness):
    """One process for the tests in which nothing happens to it."""
    listener = Listener(CHALLENGER)
    yield listener
    listener.close()


@pytest.fixture(scope="module")
def app(tmp_path_factory, listener):
    app = create_app(trial(tmp_path_factory.mktemp("trial")))
    app.extensions["challenger"]._listener = listener
    return app


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def challenger(app):
    return app.extensions["challenger"]


def settled(challenger: Challenger) -> dict[str, int]:
    """Wait until nothing waits any more; give what became of all that was drawn."""
    for _ in range(PATIENCE_S * 20):
        if not challenger._waiting.unfinished_tasks:
            return dict(challenger.counts)
        time.sleep(0.05)
    raise AssertionError(f"still waiting, with {challenger.counts}")


@contextmanager
def more(challenger: Challenger, **wanted: int):
    """Check what becomes of the recordings inside."""
    before = settled(challenger)
    yield
    after = settled(challenger)
    assert {
        key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key)
    } == wanted


def newest(challenger: Challenger, known: set[str] = frozenset()) -> dict:
    """Give the one line that is noted and not known."""
    found = [json.loads(line) for line in challenger.lines({})]
    (line,) = [line for line in found if line["id"] not in known]
    return line


def ids(challenger: Challenger) -> set[str]:
    settled(challenger)
    return {json.loads(line)["id"] for line in challenger.lines({})}


def rounded(prediction: dict) -> dict[str, float]:
    return {label: round(share, 3) for label, share in prediction["probabilities"].items()}


def send(client, address: str, headers=None, **fields):
    return post(client, address, headers, file=clip(VOICE.read_bytes(), NAME), **fields)


def last(response) -> dict:
    return json.loads(response.text.splitlines()[-1])


WAYS = {
    "page, kept": lambda client: send(client, "/analyses"),
    "page, not kept": lambda client: send(client, "/analyses", keep="0"),
    "page in lines, kept": lambda client: send(client, "/analyses", LINES),
    "page in lines, not kept": lambda client: send(client, "/analyses", LINES, keep="0"),
    "predict": lambda client: send(client, "/predict"),
    "predict in lines": lambda client: send(client, "/predict", LINES),
    "kept by a program": lambda client: send(client, "/api/v1/analyses"),
    "kept in lines": lambda client: send(client, "/api/v1/analyses", LINES),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_hears_what_was_answered_once_the_answer_is_out(client, challenger, way):
    known = ids(challenger)
    with more(challenger, compared=1):
        response = WAYS[way](client)
        assert response.text and response.status_code < 400
        assert not challenger._waiting.unfinished_tasks, "the answer has not gone out yet"
        response.close()
    line = newest(challenger, known)
    heard = ml.to_dict(ml.load(CHALLENGER).recognize(VOICE_WAVEFORM))
    assert line["champion"]["name"] == CHAMPION and line["challenger"]["name"] == CHALLENGER
    assert line["champion"]["probabilities"] == rounded(ANSWER)
    assert line["challenger"]["probabilities"] == rounded(heard)
    assert line["challenger"]["sha256"] == ml.read_bundle(CHALLENGER).sha256


def test_the_answer_is_the_one_that_would_come_without_it(client):
    with send(client, "/predict") as response:
        found = response.json
    assert {key: found[key] for key in ("label", "probabilities", "quality", "segments")} == {
        key: ANSWER[key] for key in ("label", "probabilities", "quality", "segments")
    }
    assert "challenge" not in response.text


def test_a_line_holds_scores_and_round_numbers_and_nothing_else(client, challenger):
    known = ids(challenger)
    with more(challenger, compared=1):
        send(client, "/predict?labels=4").close()
    line = newest(challenger, known)
    assert set(line) == LINE and line["right"] is None
    assert set(line["champion"]) == set(line["challenger"]) == SIDE
    assert set(line["champion"]["probabilities"]) == set(line["challenger"]["probabilities"])
    assert len(line["challenger"]["probabilities"]) == 4
    assert line["duration_s"] == round(ANSWER["duration_s"], 1)
    for name, places in NOTED.items():
        assert line["quality"][name] == round(ANSWER["quality"][name], places)
    assert set(line["quality"]) == set(NOTED)
    assert datetime.fromisoformat(line["time"]).minute == 0
    assert datetime.now(UTC) - datetime.fromisoformat(line["time"]) < timedelta(hours=2)


def test_nothing_but_scores_is_on_the_disk(tmp_path, listener):
    app = create_app(trial(tmp_path))
    client, challenger = app.test_client(), app.extensions["challenger"]
    challenger._listener = listener
    with more(challenger, compared=2):
        send(client, "/predict").close()
        send(client, "/analyses", keep="0").close()
    with client.session_transaction() as session:
        owner = session["owner"]
    files = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.name for path in files} == {RECORD, "expires", ".lock", "secret_key"}
    for path in files:
        content = path.read_bytes()
        assert len(content) < 2500
        for secret in (NAME, owner, "fLaC", "RIFF"):
            assert secret.encode() not in content


@pytest.mark.parametrize(
    ("address", "fields"),
    [
        ("/analyses", {"sample": "silence"}),
        ("/analyses", {"model": "cnn-bigru", "keep": "0"}),
        ("/analyses/explanation", {}),
        ("/predict?model=cnn-bigru", {}),
        ("/predict", {"file": clip(b"no sound")}),
    ],
)
def test_what_it_does_not_hear(client, challenger, address, fields):
    with more(challenger):
        fields = {"file": clip(VOICE.read_bytes()), **fields}
        if "sample" in fields:
            del fields["file"]
        post(client, address, **fields).close()


def test_it_hears_no_live_sound_and_no_probe(client, challenger):
    with more(challenger):
        body = {"data": b"\0\0" * 16_000, "content_type": "audio/L16;rate=16000"}
        assert client.post("/api/v1/live", **body).status_code == 200
        assert client.get("/health", buffered=True).json["model"] == CHAMPION


def test_a_kept_analysis_that_was_left_is_heard_once_it_is_done(
    app, client, challenger, monkeypatch
):
    recognizer, go = ml.load(app.extensions["analyser"].models.default), threading.Event()
    usual = recognizer.recognize

    def recognize(*given, **options):
        assert go.wait(PATIENCE_S)
        return usual(*given, **options)

    monkeypatch.setattr(recognizer, "recognize", recognize)
    before = challenger.counts["compared"]
    response = send(client, "/analyses", LINES)
    assert "running" in json.loads(next(response.iter_encoded()))
    response.close()
    assert not challenger._waiting.unfinished_tasks
    go.set()
    until(lambda: challenger.counts["compared"] == before + 1)


def test_work_of_a_thread_belongs_to_the_answer_that_it_was_made_for(app):
    done = []

    with app.test_request_context("/"):
        app.preprocess_request()
        work = for_this_answer(lambda: after_answer(lambda: done.append("after")))
        response = app.process_response(app.response_class("here it is"))
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == []
    response.close()
    assert done == ["after"]
    work()
    assert done == ["after"] * 2, "the answer has gone, so at once"


@pytest.fixture
def folder(tmp_path):
    """A bundle of its own, to be damaged."""
    return Path(shutil.copytree(ml.read_bundle(CHALLENGER).path, tmp_path / "bundle"))


@pytest.mark.parametrize("file", ["model.tflite", "bundle.json"])
def test_a_damaged_bundle_is_logged_and_never_seen(tmp_path, folder, file, caplog):
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[:-100])
    app = create_app(trial(tmp_path / "data", folder))
    client, challenger = app.test_client(), app.extensions["challenger"]
    with more(challenger, failed=2):
        for headers in ({}, LINES):
            with send(client, "/predict", headers) as response:
                found = last(response) if headers else response.json
                assert found["probabilities"] == ANSWER["probabilities"]
    assert "CorruptBundleError" in caplog.text and "2 failed" in caplog.text
    (folder / file).write_bytes(content)
    with more(challenger, compared=1):
        send(client, "/predict").close()
    challenger.close()


def test_one_that_does_not_exist_is_said_at_the_start(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    Challenger(trial(tmp_path, "no-such-model"), MemoryStorage()).check()
    assert "SER_CHALLENGER cannot be used: There is no model called 'no-such-model'" in caplog.text
    caplog.clear()
    Challenger(trial(tmp_path, share=7), MemoryStorage()).check()
    assert f"{CHALLENGER} {ml.read_bundle(CHALLENGER).version} is on trial with 7 %" in caplog.text
    caplog.clear()
    Challenger(Settings(), MemoryStorage()).check()
    assert not caplog.text


def hear(challenger: Challenger, waveform: ml.Waveform = VOICE_WAVEFORM) -> None:
    challenger.hear(challenger.draw(), waveform, ANSWER)


@contextmanager
def stopped(challenger: Challenger):
    """Hold the process in which the challenger hears; gives its number."""
    with more(challenger, compared=1):
        hear(challenger)
    process = challenger._listener._process
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGCONT)


def test_it_takes_no_place_of_a_visitor(app, client, challenger):
    with stopped(challenger):
        for _ in range(app.extensions["settings"].concurrency + 1):
            with send(client, "/predict") as response:
                assert response.json["probabilities"] == ANSWER["probabilities"]
        assert challenger._waiting.unfinished_tasks == 3, "all wait for it, and nobody else does"
    assert settled(challenger)


def test_when_too_many_wait_the_next_are_dropped(challenger, monkeypatch, caplog):
    monkeypatch.setattr(webapp.challenger, "_HELD_S", 8)
    with more(challenger, compared=3, dropped=2), stopped(challenger):
        for _ in range(4):
            hear(challenger)
    assert "too many wait" in caplog.text
    # Longer than what may wait, so it is heard alone.
    monkeypatch.setattr(webapp.challenger, "_HELD_S", 2)
    with more(challenger, compared=1):
        hear(challenger)


def test_one_that_hangs_is_ended_and_the_next_recording_gets_a_new_one(
    challenger, monkeypatch, caplog
):
    with more(challenger, compared=1, failed=1, late=1), stopped(challenger) as process:
        with monkeypatch.context() as patched:
            for limit_s in (0.5, 0.1):
                patched.setattr(webapp.challenger, "_LIMIT_S", limit_s)
                hear(challenger)
        settled(challenger)
        assert process.poll() == -signal.SIGKILL
    assert "no answer in" in caplog.text and "not heard within" in caplog.text
    with more(challenger, compared=1):
        hear(challenger)


def test_one_whose_process_dies_comes_again(challenger, caplog):
    with more(challenger, compared=2, failed=1):
        with stopped(challenger) as process:
            hear(challenger)
            process.kill()
        settled(challenger)
        hear(challenger)
    assert "its process cannot be reached" in caplog.text


def test_the_sound_is_held_no_longer_than_until_it_was_heard(challenger):
    waveform = ml.Waveform(np.array(VOICE_WAVEFORM.samples), 16_000)
    held = weakref.ref(waveform)
    with more(challenger, compared=1):
        hear(challenger, waveform)
        del waveform
    assert held() is None


def test_an_empty_recording_is_heard_too(tmp_path, challenger):
    with more(challenger, compared=1):
        hear(challenger, ml.Waveform(np.empty(0, np.float32), 16_000))


def test_the_share_is_drawn_by_chance(tmp_path):
    def drawn(share: int) -> list[bool]:
        chosen = trial(tmp_path, share=share)
        one = Challenger(chosen, MemoryStorage(), rng=random.Random(4))
        return [one.draw() is not None for _ in range(1000)]

    again = random.Random(4)
    assert drawn(30) == [again.random() < 0.3 for _ in range(1000)]
    assert drawn(100) == [True] * 1000 and drawn(0) == [False] * 1000
    one = Challenger(trial(tmp_path), MemoryStorage())
    assert len({one.draw() for _ in range(100)}) == 100
    assert Challenger(Settings(challenger_share=100), MemoryStorage()).draw() is None


class Clock:
    now = datetime(2026, 3, 1, 12, 59, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def trial_on(kind: str, folder: Path, request) -> Settings:
    options = {"model": CHAMPION, "challenger": CHALLENGER, "challenger_share": 100}
    if kind == "azure":
        options |= {
            "secret_key": "k" * 32,
            "azure_connection_string": request.getfixturevalue("azurite"),
            "container": f"t-{secrets.token_hex(8)}",
        }
    return Settings(storage=kind, storage_dir=folder, retention_days=30, **options)


@pytest.mark.parametrize("kind", STORAGES)
def test_several_processes_note_in_one_storage_and_it_is_swept(kind, tmp_path, request, listener):
    settings = trial_on(kind, tmp_path, request)
    storage = open_storage(settings, "challenge")
    clock = Clock()
    both = [Challenger(settings, storage, clock=clock) for _ in range(2)]
    for one in both:
        one._listener = listener
        hear(one)
        assert settled(one) == {"compared": 1}
    first, second = sorted(ids(both[0]))
    meant = {second: "sad"}
    lines = [json.loads(line) for line in both[1].lines(meant)]
    assert [(line["id"], line["right"]) for line in lines] == [(first, None), (second, "sad")]
    assert {line["time"] for line in lines} == {"2026-03-01T12:00Z"}
    clock.now = datetime(2026, 3, 31, 11, 59, tzinfo=UTC)
    assert both[0].sweep() == 0
    assert ids(both[0]) == {first, second}
    clock.now = datetime(2026, 3, 31, 12, tzinfo=UTC)
    assert both[0].sweep() == 2
    assert ids(both[0]) == set()


def holding(folder: Path, text: str) -> set[str]:
    """Name what in a folder bears a text, in its name or inside."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    bearing = [path for path in files if text in str(path) or text.encode() in path.read_bytes()]
    return {path.relative_to(folder).parts[0] for path in bearing}


def kept_on_trial(folder: Path, listener) -> tuple[Flask, FlaskClient, str, dict]:
    """Keep an analysis that the model on trial has heard; gives where it is, and the line of it."""
    app = create_app(trial(folder))
    client, challenger = app.test_client(), app.extensions["challenger"]
    challenger._listener = listener
    with send(client, "/analyses") as response:
        address = response.location
    settled(challenger)
    return app, client, address, newest(challenger)


def test_what_people_said_joins_until_it_is_taken_back(tmp_path, listener):
    app, client, address, line = kept_on_trial(tmp_path / "data", listener)
    log = tmp_path / "log.jsonl"

    def exported() -> list[dict]:
        ran = app.test_cli_runner().invoke(args=["export-challenge", str(log)])
        assert ran.exit_code == 0 and ran.output == "1 lines\n"
        return [json.loads(row) for row in log.read_text().splitlines()]

    assert exported() == [line]
    assert line["id"] not in address and line["id"] not in client.get(address).text
    assert holding(tmp_path / "data", line["id"]) == {"analyses", "challenge"}
    for label in ("happy", "sad"):
        post(client, f"{address}/feedback", label=label, consent="1")
    post(client, f"{address}/delete")
    assert exported() == [line | {"right": "sad"}], "the last word; a given clip stays"
    assert main(["compare", str(log)]) == 0
    assert holding(tmp_path / "data", line["id"]) == {"challenge", "contributions"}
    for address in re.findall(r'action="(/contributions/[^"]+)"', client.get("/analyses").text):
        post(client, address)
    ran = app.test_cli_runner().invoke(args=["export-challenge", str(log)])
    assert ran.output == "0 lines\n", "taken back, the clip takes the scores along"


def test_deleting_takes_the_scores_along(tmp_path, listener):
    _app, client, address, line = kept_on_trial(tmp_path / "data", listener)
    assert holding(tmp_path / "data", line["id"]) == {"analyses", "challenge"}
    post(client, f"{address}/delete")
    assert "What a model on trial said of it was removed, too." in client.get("/").text
    assert holding(tmp_path / "data", line["id"]) == set()


@pytest.mark.parametrize("kind", STORAGES)
def test_what_is_forgotten_before_it_is_heard_is_never_noted(kind, tmp_path, request, listener):
    settings, clock = trial_on(kind, tmp_path, request), Clock()
    challenger = Challenger(settings, open_storage(settings, "challenge"), clock=clock)
    challenger._listener = listener
    id = challenger.draw()
    challenger.forget(id)
    challenger.hear(id, VOICE_WAVEFORM, ANSWER)
    assert settled(challenger) == {"failed": 1}
    assert ids(challenger) == set() and challenger.line(id) is None
    clock.now += timedelta(hours=1)
    assert challenger.sweep() == 1
    assert challenger._storage.expired(datetime.max.replace(tzinfo=UTC)) == ()


def test_the_log_goes_to_the_terminal_too(app, challenger):
    with more(challenger, compared=1):
        hear(challenger)
    ran = app.test_cli_runner().invoke(args=["export-challenge", "-"])
    rows = ran.stdout.splitlines()
    assert {json.loads(row)["id"] for row in rows} == ids(challenger)


def test_an_old_analysis_and_one_that_was_not_drawn_have_no_line(tmp_path):
    storage = MemoryStorage()
    settings = trial(tmp_path, share=0)
    analyser = Analyser(settings, storage, challenger=Challenger(settings, MemoryStorage()))
    analysis = analyser.analyse(wav([0.0] * 16_000), "a", owner="ada", keep=True)
    assert analysis.challenge is None and analyser.archive.get(analysis.id, "ada") == analysis
    record = json.loads(storage.read(analysis.id, RECORD))
    del record["challenge"]
    storage.put(analysis.id, RECORD, json.dumps(record).encode())
    assert analyser.archive.get(analysis.id, "ada") == analysis
    with pytest.raises(AnalysisNotFoundError):
        storage.read("a" * 22, RECORD)


def test_pages_say_so(client):
    home = client.get("/").text
    assert 'href="/privacy#trial"' in home and "A model is on trial here" in home
    page = client.get("/privacy").text
    assert 'id="trial"' in page and "the recordings, 100\xa0%, drawn" in page
    assert "The notes are deleted after 30 days." in page
    assert "A model is on trial here" in send(client, "/analyses", keep="0").text
    assert "A model is on trial here" not in send(client, "/analyses").text


@pytest.mark.parametrize("options", [{}, {"challenger": CHALLENGER, "challenger_share": 0}])
def test_pages_do_not_say_so_where_there_is_none(options):
    client = create_app(Settings(storage="memory", model=CHAMPION, **options)).test_client()
    for page in (client.get("/"), client.get("/privacy"), send(client, "/analyses", keep="0")):
        assert "on trial" not in page.text


def listening(folder: Path) -> list[int]:
    """Find the processes that hear with the model in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def until(done) -> None:
    """Wait for what the lowest priority may get to late."""
    for _ in range(4 * PATIENCE_S * 10):
        if done():
            return
        time.sleep(0.1)
    raise AssertionError("it never came")


def test_the_site_serves_with_it_and_ends_with_it(tmp_path, folder):
    options = {"SER_MODEL": CHAMPION, "SER_CHALLENGER": folder, "SER_CHALLENGER_SHARE": 100}
    noted = tmp_path / "data" / "challenge"
    with serving(tmp_path, WEB_CONCURRENCY=1, **options) as (address, _process):
        for _ in range(3):
            assert predict(address, VOICE).json()["probabilities"] == pytest.approx(
                ANSWER["probabilities"], abs=1e-6
            )
        until(lambda: listening(folder))
        (process,) = listening(folder)
        until(lambda: os.getpriority(os.PRIO_PROCESS, process) == 19)
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, process, 0)  # The test itself waits for it.
        until(lambda: [*noted.glob(f"[!.]*/{RECORD}")])
        lines = [path.parent.name for path in noted.glob(f"[!.]*/{RECORD}")]
        predict(address, VOICE)
    until(lambda: not listening(folder))
    log = (tmp_path / "log").read_text()
    assert f"{CHALLENGER} {ml.read_bundle(CHALLENGER).version} is on trial with 100 %" in log
    assert "Traceback" not in log
    for line in lines:
        assert line not in log, "the log's times must not tell whose line it is"
