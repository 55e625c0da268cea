"""Every model on one clip: whose it is, that all answer, and that nothing is kept."""

import re

import pytest
from clips import VOICE, silence
from forms import clip, post

import ml
from webapp import create_app
from webapp.settings import Settings


@pytest.fixture(scope="module")
def app():
    return create_app(Settings(storage="memory"))


@pytest.fixture
def client(app):
    return app.test_client()


def test_every_model_answers_and_the_default_one_first(client):
    address = post(client, "/analyses", file=clip(VOICE.read_bytes())).location
    assert f'href="{address}/compare"' in client.get(address).text
    page = client.get(f"{address}/compare").text
    named = re.findall(r'<h2><a href="/models/([^"]+)">', page)
    assert named[0] == ml.DEFAULT_MODEL and set(named) == set(ml.bundle_names())
    assert re.search(r"models hear|No two models agree|No model names", page)


def test_it_opens_for_its_owner_only(app, client):
    address = post(client, "/analyses", file=clip(VOICE.read_bytes())).location
    assert app.test_client().get(f"{address}/compare").status_code == 404


def test_a_clip_that_was_not_kept_is_compared_and_not_kept(app, client):
    kept = app.extensions["analyser"].archive._storage._kept
    before = len(kept)
    page = post(client, "/analyses/compare", file=clip(silence(2.0)))
    assert page.status_code == 200 and "No model names an emotion." in page.text
    assert page.text.count("No voice found") == len(ml.bundle_names())
    assert "Back to the answer" not in page.text and len(kept) == before
    assert client.post("/analyses/compare").status_code == 400
