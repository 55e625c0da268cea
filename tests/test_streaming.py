"""Progress line by line: it grows, the answer is the usual one, and leaving cancels the work."""

import json
import threading

import pytest
from clips import VOICE, wav
from forms import clip, post

from webapp import create_app
from webapp.settings import Settings
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


def test_leaving_cancels_the_work_and_keeps_nothing(app, client, monkeypatch):
    analyser = app.extensions["analyser"]
    recognizer = analyser._recognizer(None)
    ended = threading.Event()
    usual = recognizer.recognize

    def watched(*given, **options):
        try:
            return usual(*given, **options)
        except Exception:
            ended.set()
            raise

    monkeypatch.setattr(recognizer, "recognize", watched)
    answer = send(client, "/analyses", LONG)
    first = next(answer.iter_encoded())
    assert json.loads(first) == {"progress": 0.0}
    answer.close()
    assert ended.wait(20)
    assert analyser._storage._kept == {}
