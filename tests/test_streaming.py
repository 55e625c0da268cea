"""Progress line by line: it grows, the answer is the usual one; what goes on is found again."""

import gc
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from clips import VOICE, wav
from forms import clip, post, token

import ml
from webapp import create_app
from webapp.running import LOST_AFTER_S, RunningAnalyses
from webapp.settings import Settings
from webapp.storage import AnalysisNotFoundError, MemoryStorage
from webapp.streaming import NDJSON

ACCEPT = {"Accept": NDJSON}
LONG = wav([0.0] * 16_000 * 90)


@pytest.fixture
def app():
    return create_app(Settings(storage="memory", model="mfcc-cnn"))


@pytest.fixture
def client(app):
    return app.test_client()


def lines(answer) -> list[dict]:
    assert answer.status_code == 200 and answer.mimetype == NDJSON
    return [json.loads(line) for line in answer.text.splitlines()]


def send(client, address: str, data: bytes, headers=ACCEPT, **fields):
    return post(client, address, headers, file=clip(data), **fields)


def test_the_last_line_is_what_comes_without_lines(client):
    *progress, last = lines(send(client, "/predict", VOICE.read_bytes()))
    shares = [line["progress"] for line in progress]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert last == send(client, "/predict", VOICE.read_bytes(), headers={}).json


def test_a_kept_analysis_says_where_it_is(client):
    last = lines(send(client, "/analyses", VOICE.read_bytes()))[-1]
    assert client.get(last["location"]).status_code == 200
    api = lines(send(client, "/api/v1/analyses", VOICE.read_bytes()))[-1]
    bearer = {"Authorization": f"Bearer {api['token']}"}
    assert client.get(api["links"]["self"], headers=bearer).json["label"] == api["label"]


def test_an_analysis_that_is_not_kept_comes_as_a_page(client):
    last = lines(send(client, "/analyses", VOICE.read_bytes(), keep="0"))[-1]
    assert "Nothing was kept." in last["page"] and "</html>" in last["page"]


def test_what_fails_on_the_way_is_the_last_line(client):
    error = lines(send(client, "/predict", b"no sound at all"))[-1]["error"]
    assert error["code"] == "unsupported_format" and error["request_id"]


def test_what_is_wrong_at_once_has_its_status(client):
    assert client.post("/predict?labels=bored,tired", headers=ACCEPT).status_code == 400
    assert client.post("/predict", headers=ACCEPT, data={"model": "none"}).status_code in (200, 400)


@pytest.fixture
def watched(app, monkeypatch):
    """Events: the analysis is under way, it may go on, it ended, and with what."""
    recognizer = ml.load(app.extensions["analyser"].models.default)
    watch = SimpleNamespace(go=threading.Event(), ended=threading.Event(), error=None)
    usual = recognizer.recognize

    def recognize(*given, progress, **options):
        def held(share):
            progress(share)
            assert watch.go.wait(20)

        try:
            return usual(*given, progress=held, **options)
        except Exception as error:
            watch.error = error
            raise
        finally:
            watch.ended.set()

    monkeypatch.setattr(recognizer, "recognize", recognize)
    return watch


def begin(client, **fields):
    """Start a long analysis; give its answer, still open, and the address that it names."""
    answer = send(client, "/analyses", LONG, **fields)
    return answer, json.loads(next(answer.iter_encoded()))


def test_leaving_cancels_what_would_not_be_kept(app, client, watched):
    answer, first = begin(client, keep="0")
    assert first == {"progress": 0.0}
    watched.go.set()
    answer.close()
    assert watched.ended.wait(20) and watched.error
    assert app.extensions["analyser"].archive._storage._kept == {}


def test_what_is_kept_goes_on_and_can_be_found_again(client, watched):
    answer, first = begin(client)
    answer.close()
    address = first["running"]
    page = client.get(address)
    assert page.headers["Refresh"] and "voice.flac" in page.text and "Listening" in page.text
    assert address in client.get("/analyses").text
    assert client.application.test_client().get(address).status_code == 404
    watched.go.set()
    assert watched.ended.wait(20) and not watched.error
    assert "No voice found" in arrived(client, address).text
    assert "Done so far" not in client.get("/analyses").text


def arrived(client, address):
    for _ in range(100):
        page = client.get(address)
        if "Refresh" not in page.headers:
            return page
        time.sleep(0.1)
    raise AssertionError("the analysis never ended")


def test_what_is_under_way_can_be_ended(app, client, watched):
    answer, first = begin(client)
    address = first["running"]
    receipt = post_for(client, f"{address}/delete").text
    assert "was ended on" in receipt and address.rpartition("/")[2] in receipt
    watched.go.set()
    last = json.loads([*answer.iter_encoded()][-1])
    assert last["error"]["code"] == "cancelled"
    assert app.extensions["analyser"].archive._storage._kept == {}
    assert client.get(address).status_code == 404


def held_sound() -> list[str]:
    """Name the decoded recordings that this process still has in its memory."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    return [line for line in maps if line.endswith("/raw (deleted)")]


@pytest.mark.parametrize("ended", ["left", "cancelled"])
def test_what_is_ended_leaves_no_sound_in_the_memory(client, watched, ended):
    """Not even until Python looks for rings of objects."""
    gc.collect()
    before = held_sound()
    gc.disable()
    try:
        answer, first = begin(client, keep="0" if ended == "left" else "1")
        for _ in range(200):  # A kept one is told of before it is decoded.
            if held_sound() != before:
                break
            time.sleep(0.1)
        assert len(held_sound()) > len(before)
        if ended == "cancelled":
            post_for(client, f"{first['running']}/delete")
        watched.go.set()
        if ended == "cancelled":
            assert "cancelled" in [*answer.iter_encoded()][-1].decode()
        answer.close()
        assert watched.ended.wait(20) and watched.error
        watched.error = None
        assert held_sound() == before
    finally:
        gc.enable()


def test_what_is_kept_is_deleted_though_it_still_counts_as_under_way(app, client):
    address = lines(send(client, "/analyses", VOICE.read_bytes()))[-1]["location"]
    running = app.extensions["running"]
    with client.session_transaction() as session:
        owner = session["owner"]
    id = running.start(owner, "voice.flac")
    kept = app.extensions["analyser"].archive._storage._kept
    kept[id] = kept.pop(address.rpartition("/")[2])
    assert "removed on" in post_for(client, f"/analyses/{id}/delete").text
    assert kept == {} and running.mine(owner) == []


def post_for(client, address):
    return client.post(address, data={"csrf_token": token(client)}, follow_redirects=True)


def test_what_was_interrupted_is_said_to_be_lost(app, client, watched):
    answer, first = begin(client)
    running = app.extensions["running"]
    usual = running._clock
    running._clock = lambda: usual() + timedelta(seconds=LOST_AFTER_S + 1)
    page = client.get(first["running"])
    assert "Refresh" not in page.headers and "Please send the clip again." in page.text
    watched.go.set()
    assert watched.ended.wait(20)
    answer.close()


def test_notes_of_old_are_forgotten():
    now = datetime(2026, 3, 1, tzinfo=UTC)
    running = RunningAnalyses(MemoryStorage(), lambda: now)
    old = running.start("ada", "a.wav")
    assert [one.id for one in running.mine("ada")] == [old]
    now += timedelta(days=1)
    assert running.sweep() == 1
    new = running.start("ada", "b.wav")
    assert [one.id for one in running.mine("ada")] == [new]
    with pytest.raises(AnalysisNotFoundError):
        running.find(new, "bob")
