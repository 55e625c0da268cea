"""What a browser has made: its list, deleting one or all, and links for others."""

import re
from datetime import timedelta

import pytest
from clips import VOICE, silence
from forms import clip, post

from webapp import create_app
from webapp.settings import Settings
from webapp.storage import RECORD, AnalysisNotFoundError

MODEL = "mfcc-cnn"


@pytest.fixture(scope="module")
def app():
    return create_app(Settings(storage="memory", model=MODEL, share_days=3))


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def analyser(app):
    return app.extensions["analyser"]


def send(client, name: str = "voice.flac", data: bytes | None = None) -> str:
    return post(client, "/analyses", file=clip(data or VOICE.read_bytes(), name)).location


def test_a_browser_lists_what_it_made_newest_first(app, client):
    assert "Nothing is kept of this browser" in client.get("/analyses").text
    first, second = send(client, "first.flac"), send(client, "second.wav", silence(1.0))
    page = client.get("/analyses").text
    assert page.index(second) < page.index(first)
    assert "first.flac" in page and "No voice found" in page and "Delete everything" in page
    assert first not in app.test_client().get("/analyses").text


def test_what_is_deleted_leaves_the_list(client, analyser):
    first, second = send(client), send(client)
    post(client, f"{first}/delete")
    page = client.get("/analyses").text
    assert first not in page and second in page
    marks = analyser.archive._storage._marks
    assert not any(first.rsplit("/", 1)[1] in ids for ids in marks.values())


def test_all_is_deleted_with_a_receipt(app, client):
    mine = [send(client), send(client)]
    other = app.test_client()
    theirs = send(other)
    answer = post(client, "/analyses/delete")
    assert answer.status_code == 303
    receipt = client.get(answer.location).text
    assert "2 analyses, each with its recording, converted copy and answer" in receipt
    assert all(address.rsplit("/", 1)[1] in receipt for address in mine)
    assert {client.get(address).status_code for address in mine} == {404}
    assert "Nothing is kept of this browser" in client.get("/analyses").text
    assert other.get(theirs).status_code == 200


def test_a_note_of_something_gone_is_forgotten(client, analyser):
    address = send(client)
    id = address.rsplit("/", 1)[1]
    analyser.archive._storage.delete(id)
    assert address not in client.get("/analyses").text
    assert not any(id in ids for ids in analyser.archive._storage._marks.values())


def shared(client, address: str) -> str:
    answer = post(client, f"{address}/share")
    assert answer.status_code == 303
    page = client.get(answer.location).text
    link = re.search(r'readonly value="http://localhost([^"]+)"', page)[1]
    assert link not in client.get(address).text, "the link is shown once"
    return link


def test_a_link_opens_the_answer_and_its_clip_for_others(app, client):
    address = send(client)
    link, stranger = shared(client, address), app.test_client()
    page = stranger.get(link)
    assert page.status_code == 200 and "Somebody showed you this" in page.text
    sound = re.search(r'src="([^"]+/audio[^"]*)"', page.text)[1].replace("&amp;", "&")
    assert stranger.get(sound).data[:4] == b"RIFF"
    assert "Delete now" not in page.text and "Look closer" not in page.text
    for address_of in (address, f"{address}/audio", f"{address}/explanation", f"{link}x"):
        assert stranger.get(address_of).status_code == 404
    assert post(stranger, f"{address}/delete").status_code == 404
    assert post(stranger, f"{address}/share").status_code == 404


def test_a_link_ends_when_its_maker_ends_it_or_makes_another(app, client):
    address, stranger = send(client), app.test_client()
    first = shared(client, address)
    second = shared(client, address)
    assert stranger.get(first).status_code == 404 and stranger.get(second).status_code == 200
    assert "End the link" in client.get(address).text
    post(client, f"{address}/unshare")
    assert stranger.get(second).status_code == 404
    assert "End the link" not in client.get(address).text


def test_a_link_expires(app, client, analyser, monkeypatch):
    address, stranger = send(client), app.test_client()
    link = shared(client, address)
    now = analyser._clock()
    for days, status in ((2.9, 200), (3.1, 404)):
        monkeypatch.setattr(
            analyser.archive, "_deletion_clock", lambda days=days: now + timedelta(days=days)
        )
        assert stranger.get(link).status_code == status
    assert client.get(address).status_code == 200


def test_a_damaged_record_hides_nothing_else_and_goes_with_everything(client, analyser):
    damaged, fine = send(client).rsplit("/", 1)[1], send(client)
    analyser.archive._storage.put(damaged, RECORD, b"{")
    assert fine in client.get("/analyses").text
    post(client, "/analyses/delete")
    assert "2 analyses, each" in client.get("/").text
    with pytest.raises(AnalysisNotFoundError):
        analyser.archive._storage.read(damaged, RECORD)


def test_a_wrong_key_does_not_keep_its_maker_out(client):
    address = send(client)
    page = client.get(f"{address}?key=wrong")
    assert page.status_code == 200 and "Delete now" in page.text
