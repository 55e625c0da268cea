"""The load benchmark: a few visitors for a moment, and what it makes of what it measured."""

import json

import pytest

from benchmarks import load
from benchmarks.load_report import Asked, Memory, allowed, quantile, render, summary

MACHINE = {"date": "2026-11-22", "machine": "a machine", "visitors": 4}


def asked(status: int, retry_after: bool = False, route: str = "GET /") -> Asked:
    return Asked(route, 0.0, 0.1, status, retry_after, 0.0)


@pytest.mark.parametrize(
    ("status", "retry_after", "good"),
    [
        *((200, False, True), (303, False, True), (429, True, True), (503, True, True)),
        *((429, False, False), (503, False, False), (404, False, False), (500, True, False)),
        (0, False, False),
    ],
)
def test_only_some_answers_are_allowed(status, retry_after, good):
    assert allowed(asked(status, retry_after)) is good


def test_what_should_not_be_is_a_finding():
    found = summary([asked(200), asked(500), asked(500), asked(503, route="POST /predict")], [])
    assert found["findings"] == {"GET / 500": 2, "POST /predict 503": 1}
    page = render({"load": MACHINE | found})
    assert "GET / 500 (2 times)" in page and "Every answer was" not in page


def test_figures_by_route():
    rows = [Asked("GET /", second, second / 1000, 200, False, 0.0) for second in range(100)]
    memory = [Memory(float(n), n * 100, 500.0 + n, 900.0) for n in range(31)]
    found = summary([*rows, *(asked(200) for _ in range(2900))], memory)
    assert found["routes"]["GET /"]["requests"] == 3000
    assert found["pss_mb_first_thousand"] == 505.0 and found["pss_mb_last_thousand"] == 525.5
    assert quantile([3, 1, 2, 4], 0.5) == 3 and quantile([1.0], 0.95) == 1.0


def test_visitors_go_round_on_a_real_site(tmp_path):
    run = load.load(visitors=6, requests=60, samples=2)
    found = MACHINE | summary(run.asked, run.memory)
    assert found["findings"] == {} and found["requests"] >= 60
    assert {"GET /", "GET /health", "POST /predict", "POST .../delete"} <= set(found["routes"])
    assert all(row.pss_mb > 50 and row.rss_mb >= row.pss_mb for row in run.memory)
    page = render({"load": found, "soak": found})
    assert "## 4 visitors" in page and "| `POST /predict` |" in page
    assert json.loads(json.dumps(found)) == found
