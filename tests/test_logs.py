"""What the log says: lines of text or JSON with the request's id, and nothing of the visitor."""

import io
import json
import logging
import logging.config

import pytest

from webapp import create_app
from webapp.logs import log_config
from webapp.serving import processes
from webapp.settings import Settings


@pytest.fixture
def lines(request):
    """Log in the style given to a text, and put the loggers back afterwards."""
    kept = {
        name: (logger.level, logger.propagate, logger.handlers[:], logger.filters[:])
        for name in ("", "webapp", "ml", "gunicorn.error", "gunicorn.access")
        for logger in [logging.getLogger(name)]
    }
    text = io.StringIO()
    config = log_config(request.param)
    config["handlers"]["stderr"]["stream"] = text
    config["root"]["handlers"] = ["stderr"]
    logging.config.dictConfig(config)
    yield lambda: text.getvalue().splitlines()
    for name, (level, propagate, handlers, filters) in kept.items():
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.propagate, logger.handlers, logger.filters = propagate, handlers, filters


@pytest.fixture
def client():
    return create_app(Settings(storage="memory")).test_client()


@pytest.mark.parametrize("lines", ["json"], indirect=True)
def test_a_request_is_an_object_on_a_line(lines, client):
    response = client.get("/analyses/somebodys-secret-id", headers={"User-Agent": "browser"})
    (line,) = lines()
    told = json.loads(line)
    assert told["level"] == "INFO" and told["logger"] == "webapp.errors" and told["timestamp"]
    assert (told["method"], told["route"], told["status"]) == ("GET", "/analyses/<id>", 404)
    assert told["ms"] >= 0
    assert told["request_id"] == response.headers["X-Request-ID"]
    assert "somebodys" not in line and "browser" not in line and "127.0.0.1" not in line


@pytest.mark.parametrize("lines", ["json"], indirect=True)
def test_whatever_is_logged_during_a_request_has_its_id(lines, client):
    client.application.add_url_rule("/note", view_func=lambda: str(note()))
    response = client.get("/note")
    first = json.loads(lines()[0])
    assert first["message"] == "something\non two lines"
    assert first["request_id"] == response.headers["X-Request-ID"]


def note() -> None:
    logging.getLogger("webapp.analysis").warning("something\non two lines")


@pytest.mark.parametrize("lines", ["json"], indirect=True)
def test_an_error_is_one_line_with_its_trace(lines):
    try:
        raise ValueError("inner detail")
    except ValueError:
        logging.getLogger("webapp").exception("Not ready")
    (line,) = lines()
    told = json.loads(line)
    assert "request_id" not in told
    assert told["message"] == "Not ready" and "inner detail" in told["exc_info"]


@pytest.mark.parametrize("lines", ["text"], indirect=True)
def test_text_is_read_by_people(lines, client):
    response = client.get("/privacy")
    (line,) = lines()
    assert f"request_id={response.headers['X-Request-ID']}" in line
    assert "INFO webapp.errors: GET /privacy 200 " in line


@pytest.mark.parametrize("lines", ["text"], indirect=True)
def test_gunicorns_lines_name_neither_addresses_nor_what_was_asked_for(lines):
    # As gunicorn writes them (workers/base.py).
    log = logging.getLogger("gunicorn.error")
    log.warning("Invalid request from ip={ip}: {error}".format(ip="203.0.113.9", error="/secret"))
    log.error("Error handling request %s", "/analyses/secret?key=secret")
    log.info("Worker exiting (pid: %s)", 7)
    first, second, third = lines()
    assert first.endswith(": Invalid request") and second.endswith(": Error handling request")
    assert third.endswith("Worker exiting (pid: 7)")


@pytest.mark.parametrize("lines", ["text", "json"], indirect=True)
def test_the_access_log_is_off(lines):
    logging.getLogger("gunicorn.access").info("203.0.113.9 GET /analyses/secret")
    assert lines() == []


@pytest.mark.parametrize(
    ("given", "cores", "expected"),
    [
        ({}, 1, 2),  # so that one may die
        ({}, 2, 2),
        ({}, 8, 8),
        ({}, 96, 64),
        ({"workers": 1}, 8, 1),
        ({"workers": 12}, 2, 12),
        ({"storage": "memory", "workers": 4}, 8, 1),
    ],
)
def test_workers_come_from_the_cores_unless_they_are_set(given, cores, expected):
    assert processes(Settings(**given), cores) == expected
