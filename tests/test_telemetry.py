"""Requests told to Azure Monitor: what leaves the machine, received by an endpoint of our own."""

import contextlib
import gzip
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from clips import VOICE

from webapp import create_app, telemetry
from webapp.settings import Settings

KEY = "00000000-0000-4000-8000-000000000001"


class Endpoint(BaseHTTPRequestHandler):
    """Takes what is sent as Azure Monitor's ingestion does."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.taken.append((self.path, body.decode()))
        count = len(json.loads(body))
        answer = {"itemsReceived": count, "itemsAccepted": count, "errors": []}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_arguments):
        pass


@contextlib.contextmanager
def ingestion() -> Iterator[ThreadingHTTPServer]:
    """Serve such an endpoint; what it took is in its list `taken`, as (path, JSON)."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    server.taken = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def endpoint():
    with ingestion() as server:
        yield server


def connection_string(server: ThreadingHTTPServer) -> str:
    return f"InstrumentationKey={KEY};IngestionEndpoint=http://127.0.0.1:{server.server_port}/"


def test_routes_and_times_are_told_and_nothing_of_the_visitor(endpoint):
    app = create_app(Settings(storage="memory", proxy_hops=1))
    provider = telemetry.report_requests(app, connection_string(endpoint))
    client = app.test_client()
    visitor = {"X-Forwarded-For": "203.0.113.9", "User-Agent": "Visitors-Browser"}
    found = client.get("/analyses/somebodys-secret-id?key=sharekey", headers=visitor)
    with VOICE.open("rb") as file:
        data = {"file": (file, "grandmothers-voice.flac")}
        assert client.post("/predict", data=data, headers=visitor).status_code == 200
    client.get("/no-such-page", headers=visitor)
    provider.shutdown()

    told = [item for path, body in endpoint.taken for item in json.loads(body)]
    assert {path for path, _body in endpoint.taken} == {"/v2.1/track"}
    facts = [(item["data"]["baseData"]["name"], item["data"]["baseData"]) for item in told]
    assert [(name, base["responseCode"], base["success"]) for name, base in facts] == [
        ("GET /analyses/<id>", "404", False),
        ("POST /predict", "200", True),
        ("GET -", "404", False),
    ]
    assert facts[0][1]["properties"] == {"request_id": found.headers["X-Request-ID"]}
    assert facts[1][1]["duration"] > "0.00:00:00.000"
    assert {item["iKey"] for item in told} == {KEY}
    text = str(endpoint.taken)
    for private in ("203.0.113.9", "Visitors", "secret", "sharekey", "grandmother", "no-such"):
        assert private not in text


def test_nothing_is_sent_about_the_exporter_itself(endpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    app = create_app(Settings(storage="memory"))
    before = threading.enumerate()
    provider = telemetry.report_requests(app, connection_string(endpoint))
    started = [thread.name for thread in threading.enumerate() if thread not in before]
    assert len(started) == 1 and "Span" in started[0]  # which sends in the background
    provider.shutdown()
    assert endpoint.taken == [] and list(tmp_path.iterdir()) == []


def test_an_endpoint_that_is_gone_harms_nobody():
    app = create_app(Settings(storage="memory"))
    gone = f"InstrumentationKey={KEY};IngestionEndpoint=http://127.0.0.1:9/"
    provider = telemetry.report_requests(app, gone)
    assert app.test_client().get("/privacy").status_code == 200
    provider.shutdown()


def test_without_the_setting_nothing_of_it_is_loaded():
    code = (
        "import sys; from webapp import create_app, telemetry;"
        "from webapp.settings import Settings;"
        "app = create_app(Settings(storage='memory'));"
        "assert telemetry.report_requests(app, '') is None;"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def test_without_the_packages_the_site_runs_and_says_so(monkeypatch, caplog):
    for name in list(sys.modules):
        if name.startswith("azure.monitor"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "azure.monitor.opentelemetry", None)
    app = create_app(Settings(storage="memory"))
    with caplog.at_level(logging.WARNING):
        assert telemetry.report_requests(app, f"InstrumentationKey={KEY}") is None
    assert "requirements-azure.txt" in caplog.text
    assert app.test_client().get("/privacy").status_code == 200
