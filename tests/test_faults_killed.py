"""A real server whose processes are killed, amid an analysis and amid a write to the disk."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import requests
from clips import silence
from test_serving import PATIENCE_S, serving
from visitors import CLIP, NDJSON, Visitor, decoder, eventually, kill_workers, left_in

from webapp.storage import LocalStorage

LONG = silence(900)
"""Takes a second or more to be heard."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    temporary = folder / "temporary"
    temporary.mkdir()
    settings = {"SER_MODEL": "mfcc-cnn", "SER_RATE_LIMIT": "off", "TMPDIR": temporary}
    with serving(folder, WEB_CONCURRENCY=2, **settings) as (address, server):
        yield SimpleNamespace(
            address=address,
            server=server.pid,
            temporary=temporary,
            kept=LocalStorage(folder / "data" / "analyses"),
            under_way=LocalStorage(folder / "data" / "running"),
        )


def begun(site, visitor: Visitor):
    """Send a long clip, and read until its analysis is under way; gives lines and address."""
    form = visitor.get("/").text
    token = form.partition('name="csrf_token" value="')[2].partition('"')[0]
    answer = visitor.session.post(
        f"{site.address}/analyses",
        data={"csrf_token": token},
        files={"file": ("long.wav", LONG)},
        headers=NDJSON,
        stream=True,
        timeout=PATIENCE_S,
    )
    lines = answer.iter_lines()
    first = next(lines).decode()
    next(lines)
    return lines, first.partition('"running": "')[2].partition('"')[0]


def test_a_worker_killed_amid_an_analysis_leaves_nothing(site):
    ada = Visitor(site.address)
    lines, page = begun(site, ada)
    assert ada.get(page).headers["Refresh"], "it is under way"
    kill_workers(site.server)
    with pytest.raises(requests.RequestException):
        list(lines)
    assert ada.predict().status_code == 200
    eventually(lambda: not left_in(site.temporary))
    assert not kept(site)
    assert ada.post(f"{page}/delete").status_code == 303, "what is left of it can be removed"
    assert ada.get(page).status_code == 404
    assert site.under_way.expired(datetime.max.replace(tzinfo=UTC)) == ()
    assert ada.kept()


def test_the_decoder_killed_amid_many_recordings_fails_none(site):
    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(Visitor(site.address).predict) for _ in range(12)]
        os.kill(decoder(site.server), signal.SIGKILL)
        assert {answer.result().status_code for answer in answers} == {200}
    eventually(lambda: not left_in(site.temporary))


def with_ballast(megabytes: int) -> bytes:
    """Make a short recording that is large: WAV with a chunk that nobody reads."""
    return silence(1) + b"junk" + (megabytes << 20).to_bytes(4, "little") + bytes(megabytes << 20)


def drafts(site) -> list:
    return list(site.kept.root.glob(".new-*"))


def kept(site) -> set[str]:
    return set(site.kept.expired(datetime.max.replace(tzinfo=UTC)))


def killed_amid_a_write(site, clip: bytes) -> bool:
    """Kill the workers as soon as one writes, and tell whether that came before it had written."""
    before = kept(site)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(Visitor(site.address).api, clip)
        while not (seen := drafts(site)) and not answer.done():
            pass
        kill_workers(site.server)
    return bool(seen and answer.exception() and kept(site) == before)


def test_a_worker_killed_amid_a_write_leaves_nothing_that_opens(site):
    Visitor(site.address).kept()
    large = with_ballast(30)
    assert any(killed_amid_a_write(site, large) for _ in range(10))
    # The workers that follow sweep.
    eventually(lambda: Visitor(site.address).get("/") and not drafts(site))
    eventually(lambda: not left_in(site.temporary))
    assert Visitor(site.address).kept(CLIP)
