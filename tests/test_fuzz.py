"""A short run of the hostile uploads, and that it would notice what must not be."""

import json
import os
import signal
import time

import pytest

from benchmarks import fuzz
from benchmarks.calls import call
from benchmarks.hostile import CONTAINERS, ENCODED, MUTATIONS, corpus

UPLOADS, SEED = 250, 7


@pytest.fixture(scope="module")
def recordings():
    return corpus()


def test_hostile_uploads_find_nothing(recordings, tmp_path):
    report = fuzz.fuzz(tmp_path, range(UPLOADS), SEED, tmp_path / "kept")
    assert report.findings == []
    kinds = {kind for kind, _status in report.counts}
    assert kinds >= MUTATIONS.keys() and sum(report.counts.values()) == UPLOADS
    assert {200, 201, 303, 400, 413, 415, 422} <= {status for _kind, status in report.counts}
    assert "Findings: 0." in fuzz.page(report, SEED)


def test_every_format_is_among_the_recordings(recordings):
    written = {name.partition("/")[0] for name in recordings if "/" in name}
    assert written == set(CONTAINERS)
    assert recordings.keys() >= ENCODED.keys()
    assert len(recordings) > 100


def test_an_upload_follows_from_seed_and_number(recordings):
    assert call(recordings, 3, 17) == call(recordings, 3, 17)
    assert call(recordings, 3, 17) != call(recordings, 4, 17)


def answer(status=200, body=b"{}", **headers) -> fuzz.Answer:
    given = {"content-type": "application/json", "content-security-policy": "x"} | headers
    return fuzz.Answer(status, given, body)


ERROR = {"code": "a", "message": "b", "hint": "c", "request_id": "d"}
TOLD = json.dumps({"error": ERROR}).encode()
BAD = {
    "500": answer(500, TOLD),
    "503 without Retry-After": answer(503, TOLD),
    "NaN": answer(200, b'{"probability": NaN}'),
    "half of it": answer(200, b'{"probability"'),
    "another error": answer(400, b'{"error": "no"}'),
    "an error more": answer(400, json.dumps({"error": ERROR | {"trace": ""}}).encode()),
    "a page": answer(400, b"<html>", **{"content-type": "text/html"}),
    "a header from the upload": answer(200, **{"x-evil": "1"}),
    "no policy": fuzz.Answer(200, {"content-type": "application/json"}, b"{}"),
    "failed stream": answer(
        200,
        json.dumps({"error": ERROR | {"code": "internal_error"}}).encode(),
        **{"content-type": "application/x-ndjson"},
    ),
    "nothing": None,
}


@pytest.mark.parametrize("kind", BAD)
def test_it_notices_a_bad_answer(recordings, kind):
    upload = fuzz.Call("intact", "/predict", b"", {})
    assert fuzz.wrong_with(upload, BAD[kind])
    assert not fuzz.wrong_with(upload, answer(503, TOLD, **{"retry-after": "30"}))


def test_it_notices_what_is_left_over(tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "CALM_S", 1)
    with fuzz.serving(tmp_path) as server:
        assert server.calm() == []
        (tmp_path / "tmp" / "undertone-sound").touch()
        assert server.calm() == ["left over: tmp/undertone-sound"]
        (tmp_path / "tmp" / "undertone-sound").unlink()
        worker = next(p for p, name in server.lasting.items() if "gunicorn" in name)
        os.kill(worker, signal.SIGKILL)
        time.sleep(0.5)
        assert any(told.startswith("ended: ") for told in server.calm())
        with (tmp_path / "log").open("a") as log:
            log.write("Traceback (most recent call last):\n")
        assert server.troubles()[-1] == "Traceback (most recent call last):"
    assert fuzz.growth([(1, 100.0), (2, 200.0), (3, 230.0)]) > fuzz.GROWTH
    assert fuzz.growth([(1, 100.0), (2, 200.0), (3, 205.0)]) < fuzz.GROWTH
