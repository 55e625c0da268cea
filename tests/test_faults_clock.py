"""A clock that leaps: a made-up one for single parts, libfaketime's for a real server."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from clips import VOICE, silence
from limits import parse
from limits.strategies import MovingWindowRateLimiter
from test_serving import serving
from visitors import NDJSON, Visitor, kill_workers, last_line

from webapp import create_app
from webapp.access import SteadyMemoryStorage
from webapp.clock import SETTLES_AFTER_S, PatientClock
from webapp.running import RunningAnalyses
from webapp.settings import Settings
from webapp.storage import MemoryStorage

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
# libfaketime refuses clock_nanosleep, by which Python sleeps, where monotonic time is left alone.
SLEEP = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds)[0] and None
"""
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


class Machine:
    """What a machine takes for the time, and the seconds that really pass."""

    def __init__(self) -> None:
        self.wall, self.passed_s = START, 0.0

    def wait(self, **time: float) -> None:
        self.wall += timedelta(**time)
        self.passed_s += timedelta(**time).total_seconds()

    def leap(self, **time: float) -> None:
        self.wall += timedelta(**time)


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def clock(machine):
    return PatientClock(lambda: machine.wall, lambda: machine.passed_s)


def test_time_goes_on(machine, clock):
    for _ in range(100):
        machine.wait(hours=7)
        assert clock() == machine.wall


def test_a_leap_ahead_is_believed_once_it_has_lasted(machine, clock):
    machine.leap(days=40)
    for _ in range(5):
        assert clock() == machine.wall - timedelta(days=40)
        machine.wait(hours=1)
    machine.wait(seconds=SETTLES_AFTER_S - 5 * 3600)
    assert clock() == machine.wall


def test_a_leap_ahead_and_back_changes_nothing(machine, clock):
    for _ in range(5):
        machine.leap(days=40)
        assert clock() == START + timedelta(seconds=machine.passed_s)
        machine.wait(hours=5)
        assert clock() == START + timedelta(seconds=machine.passed_s)
        machine.leap(days=-40)
        assert clock() == machine.wall


def test_each_leap_has_to_last(machine, clock):
    machine.leap(days=1)
    clock()
    machine.wait(hours=5)
    machine.leap(days=40)
    clock()
    machine.wait(hours=2)
    assert clock() == START + timedelta(hours=7)


def test_a_leap_back_is_followed_at_once_and_small_steps_are_too(machine, clock):
    machine.leap(days=-3)
    assert clock() == machine.wall
    machine.leap(seconds=30)
    assert clock() == machine.wall


def test_a_leap_ahead_deletes_nothing_and_hides_nothing(machine, clock):
    app = create_app(Settings(storage="memory", retention_days=30))
    retention = replace(app.extensions["retention"], clock=clock)
    analyser = retention.analyser
    analyser._clock, analyser.archive._deletion_clock = (lambda: machine.wall), clock
    kept = analyser.analyse(silence(1), "a.wav", owner="ada", keep=True)
    machine.leap(days=40)
    retention.sweep()
    assert [one.id for one in analyser.archive.mine("ada")] == [kept.id]
    machine.leap(days=-40)
    retention.sweep()
    assert [one.id for one in analyser.archive.mine("ada")] == [kept.id]
    machine.wait(days=31)
    retention.sweep()
    assert analyser.archive.mine("ada") == []


def test_notes_of_what_is_under_way_outlive_leaps(machine, clock):
    running = RunningAnalyses(MemoryStorage(), clock)
    id = running.start("ada", "a.wav")
    for days in (40, -40, -3):
        machine.leap(days=days)
        report = running.follow(id, "ada", "a.wav", None)
        report(1.0)
        assert not running.find(id, "ada").lost
        assert running.start("bob", "b.wav") and running.mine("ada")


def test_what_was_noted_before_a_leap_back_is_lost_if_nothing_follows(machine, clock):
    running = RunningAnalyses(MemoryStorage(), clock)
    id = running.start("ada", "a.wav")
    machine.leap(hours=-1)
    assert running.find(id, "ada").lost


def test_progress_is_told_after_a_leap_back(machine, clock, monkeypatch):
    running = RunningAnalyses(MemoryStorage(), clock)
    id = running.start("ada", "a.wav")
    report = running.follow(id, "ada", "a.wav", None)
    machine.leap(hours=-1)
    passed_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: passed_s + 3)
    report(0.5)
    assert running.find(id, "ada").share == 0.5 and not running.find(id, "ada").lost


def owner(client) -> str:
    client.get("/analyses")
    with client.session_transaction() as session:
        return session["owner"]


@pytest.mark.parametrize("leaps", [(40, -40), (-3,), (-300, 300)])
def test_a_browser_is_known_again_after_leaps(machine, clock, leaps):
    app = create_app(Settings(storage="memory", retention_days=30))
    app.session_interface._clock = clock
    client = app.test_client()
    first = owner(client)
    for days in leaps:
        machine.leap(days=days)
        assert owner(client) == first
    machine.wait(days=31)
    assert owner(client) != first, "but not for ever"


def test_a_cookie_of_another_key_is_refused_whenever_it_was_signed(machine, clock):
    first, second = (create_app(Settings(storage="memory")) for _ in range(2))
    client, other = first.test_client(), second.test_client()
    mine = owner(client)
    machine.leap(days=-3)
    second.session_interface._clock = clock
    other.set_cookie("undertone", client.get_cookie("undertone").value)
    assert owner(other) != mine


def test_a_rate_limit_counts_anew_after_a_leap_back(monkeypatch):
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s)
    limiter, limit = MovingWindowRateLimiter(SteadyMemoryStorage()), parse("3 per minute")
    assert [limiter.hit(limit, "ada") for _ in range(4)] == [True, True, True, False]
    now_s -= 3600
    assert [limiter.hit(limit, "ada") for _ in range(4)] == [True, True, True, False]
    now_s += 61
    assert limiter.hit(limit, "ada")


def test_the_site_counts_with_that_storage():
    app = create_app(Settings(storage="memory", rate_limit="3 per minute"))
    (limiter,) = app.extensions["limiter"]
    assert isinstance(limiter.storage, SteadyMemoryStorage)


def test_a_real_server_outlives_leaps(tmp_path):
    if not FAKETIME:
        pytest.skip("libfaketime is not installed (Debian's package faketime)")
    offset = tmp_path / "offset"
    offset.write_text("+0")
    (tmp_path / "sitecustomize.py").write_text(SLEEP)
    faked = {
        "LD_PRELOAD": FAKETIME,
        "PYTHONPATH": tmp_path,
        "FAKETIME_TIMESTAMP_FILE": offset,
        "FAKETIME_NO_CACHE": 1,
        "FAKETIME_DONT_FAKE_MONOTONIC": 1,
        "FAKETIME_DONT_RESET": 1,
        "SER_MODEL": "mfcc-cnn",
        "SER_RATE_LIMIT": "20 per minute",
        "WEB_CONCURRENCY": 2,
    }
    with serving(tmp_path, **faked) as (address, server):
        ada, bob = Visitor(address), Visitor(address)
        pages = [ada.kept(VOICE.read_bytes())]
        assert ada.post(f"{pages[0]}/share").status_code == 303
        link = ada.get(f"{pages[0]}").text.partition('readonly value="')[2].partition('"')[0]
        for days in (40, 0, -2):
            offset.write_text(f"{days:+d}d")
            kill_workers(server.pid)  # The ones that follow sweep at once.
            for page in pages:
                assert ada.get(page).status_code == 200
                assert page in ada.get("/analyses").text
            assert link and bob.session.get(link, timeout=60).status_code == 200
            assert ada.predict().status_code == 200
            pages.append(last_line(ada.send(headers=NDJSON))["location"])
            assert ada.get("/health").status_code == 200
        for page in pages:
            assert ada.post(f"{page}/delete").status_code == 303
    assert "Traceback" not in (tmp_path / "log").read_text()
