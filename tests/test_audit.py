"""`make audit`: pip-audit and npm audit themselves, asking a server of advisories started here."""

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dependencies import audit
from dependencies.audit import Audit, audit_npm, audit_python, report, verdict

LISTED = f"""pears==1.0 --hash=sha256:{"0" * 64}
plums==2.0 --hash=sha256:{"1" * 64}
"""
PEARS = {
    "id": "PYSEC-2026-1",
    "summary": "They rot.",
    "affected": [
        {
            "package": {"name": "pears", "ecosystem": "PyPI"},
            "ranges": [
                {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]},
            ],
        }
    ],
}
KIWIS = {
    "id": 1,
    "url": "https://example.org/kiwis",
    "title": "They rot.",
    "severity": "high",
    "vulnerable_versions": "<2.0.0",
}
LOCKED = {
    "name": "small",
    "lockfileVersion": 3,
    "requires": True,
    "packages": {
        "": {"name": "small", "dependencies": {"kiwis": "1.0.0"}},
        "node_modules/kiwis": {"version": "1.0.0", "integrity": "sha512-AAAA"},
    },
}


class Advisories(BaseHTTPRequestHandler):
    """Speaks as the OSV database and as npm's registry do, of one bad package each."""

    server: "Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        asked = json.loads(body)
        if self.path.endswith("/advisories/bulk"):
            self.answer({"kiwis": [KIWIS]} if "kiwis" in asked and self.server.bad else {})
        else:
            known = asked["package"]["name"] == "pears" and self.server.bad
            self.answer({"vulns": [PEARS]} if known else {})

    def do_GET(self) -> None:
        versions = {number: {"name": "kiwis", "version": number} for number in ("1.0.0", "2.0.0")}
        self.answer({"name": "kiwis", "dist-tags": {"latest": "2.0.0"}, "versions": versions})

    def answer(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Keep quiet."""


class Server(ThreadingHTTPServer):
    bad = True

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Advisories) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    (tmp_path / "list.txt").write_text(LISTED)
    (tmp_path / "package.json").write_text(json.dumps({"dependencies": {"kiwis": "1.0.0"}}))
    (tmp_path / "package-lock.json").write_text(json.dumps(LOCKED))
    monkeypatch.setattr(audit, "ROOT", tmp_path)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path


def python(folder: Path, address: str) -> Audit:
    options = (f"--cache-dir={folder / 'cache'}", f"--osv-url={address}")
    return audit_python(["list.txt"], ["--vulnerability-service=osv", *options])


def npm(folder: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> Audit:
    monkeypatch.setenv("npm_config_registry", address)
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    return audit_npm(folder)


def test_a_known_vulnerability_is_named(server, folder, monkeypatch):
    found = python(folder, server.address)
    assert found.known == ("pears 1.0: PYSEC-2026-1, fixed in 1.1",) and not found.unasked
    other = npm(folder, server.address, monkeypatch)
    assert other.known == ("kiwis 1.0.0: high, a fix is there",) and not other.unasked
    assert verdict([found, other]) == 1
    assert report(found) == ["requirements: pears 1.0: PYSEC-2026-1, fixed in 1.1"]


def test_nothing_known_is_said_only_where_all_was_asked_for(server, folder, monkeypatch):
    server.bad = False
    audits = [python(folder, server.address), npm(folder, server.address, monkeypatch)]
    assert [report(one) for one in audits] == [
        ["requirements: no known vulnerabilities"],
        ["package-lock.json: no known vulnerabilities"],
    ]
    assert verdict(audits) == 0


def test_advisories_out_of_reach_are_no_good_news(server, folder, monkeypatch):
    nowhere = "http://127.0.0.1:9"
    audits = [python(folder, nowhere), npm(folder, nowhere, monkeypatch)]
    for one in audits:
        (line,) = report(one)
        assert "NOT CHECKED" in line and "nothing is known, good or bad" in line
    assert verdict(audits) == 2
    assert verdict([*audits, Audit("", ("one",), ())]) == 1


def test_a_package_that_could_not_be_asked_about_is_no_good_news(folder, monkeypatch):
    """PyPI's own service answers so where it does not know a package, and pip-audit with 0."""
    said = {"dependencies": [{"name": "pears", "skip_reason": "not found"}]}
    (folder / "say").write_text(f"#!/bin/sh\necho '{json.dumps(said)}'\n")
    (folder / "say").chmod(0o755)
    monkeypatch.setattr(audit, "PIP_AUDIT", (str(folder / "say"),))
    found = audit_python(["list.txt"])
    assert found.unasked == ("not found",) and verdict([found]) == 2
