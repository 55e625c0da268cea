"""The pages over HTTP, answered by the real model, kept in memory."""

import importlib
import io
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from clips import VOICE, silence
from forms import clip, post, token
from predictions import prediction, segment

import ml
from webapp import create_app
from webapp.archive import Analysis
from webapp.samples import samples
from webapp.settings import Settings

# By its name: in the package, "pages" is the blueprint.
pages = importlib.import_module("webapp.results")


MODELS = [f"/models/{name}" for name in ml.bundle_names()]


@pytest.fixture(scope="module")
def app():
    return create_app(Settings(storage="memory", retention_days=7, max_upload_mb=5))


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def kept(app):
    """What the storage holds at present."""
    return app.extensions["analyser"].archive._storage._kept


def send(client, data: bytes | None = None, name: str = "voice.wav", **fields: str):
    file = {} if data is None else {"file": clip(data, name)}
    return post(client, "/analyses", **file, **fields)


@pytest.fixture
def address(client):
    """The page of a kept analysis of a voice, in the browser that made it."""
    return send(client, VOICE.read_bytes(), "voice.flac").location


def test_an_answer_can_be_taken_along_in_every_format(client, address):
    page = client.get(address).text
    for name, row in ml.FORMATS.items():
        href = re.search(rf'href="([^"]+\.{name})" download="undertone{row.suffix}"', page)[1]
        assert client.get(href).mimetype == row.mimetype


def test_an_answer_that_is_not_kept_carries_its_files(client):
    page = send(client, VOICE.read_bytes(), keep="0").text
    found = dict(re.findall(r'href="data:([^;]+);charset=utf-8,([^"]+)" download', page))
    assert set(found) == {row.mimetype for row in ml.FORMATS.values()}
    answer = json.loads(unquote(found["application/json"]))
    assert answer["schema"] == 1 and answer["segments"]


def test_home_says_what_it_does_and_what_is_kept(client):
    page = client.get("/").text
    assert "It cannot know what anybody feels" in page
    assert "kept for 7 days" in page
    assert 'data-max-mb="5"' in page
    for sample in samples():
        assert f'value="{sample.id}"' in page and f"/samples/{sample.file}" in page


def test_upload_is_kept_and_redirected_to_its_page(client, kept):
    answer = send(client, VOICE.read_bytes(), "voice.flac")
    assert answer.status_code == 303
    assert re.fullmatch(r"/analyses/[\w-]{16,}", answer.location)
    assert answer.location.rsplit("/", 1)[1] in kept
    page = client.get(answer.location)
    assert page.status_code == 200
    assert "voice.flac" in page.text
    assert re.search(r"<h1[^>]*>(Sounds \w+|Not sure: between [\w, ]+ and \w+)</h1>", page.text)
    assert page.text.partition('id="time"')[0].count('<svg class="bar') == len(
        ml.read_bundle(ml.DEFAULT_MODEL).labels
    )


def test_page_says_what_the_model_said(client, address, app):
    with client.session_transaction() as session:
        analysis = app.extensions["analyser"].archive.get(
            address.rsplit("/", 1)[1], session["owner"]
        )
    page = client.get(address).text
    for label, share in analysis.prediction["probabilities"].items():
        assert f'emotion-{label}" width="100%"' in page
        assert f'width="{100 * share:.1f}%" height="12"' in page


def test_keeping_nothing_answers_at_once_and_leaves_nothing(client, kept):
    before = set(kept)
    answer = send(client, VOICE.read_bytes(), "voice.flac", keep="0")
    assert answer.status_code == 200
    assert "Nothing was kept" in answer.text
    assert 'src="data:audio/wav;base64,UklGR' in answer.text
    assert "Delete now" not in answer.text
    assert set(kept) == before


def test_a_long_clip_that_is_not_kept_does_not_travel_in_its_page(client, monkeypatch):
    monkeypatch.setattr(pages, "INLINE_AUDIO_BYTES", 1000)
    answer = send(client, VOICE.read_bytes(), "voice.flac", keep="0")
    assert "data:audio" not in answer.text and "data-no-player" in answer.text


def test_a_sample_shows_what_was_meant_and_what_was_heard(client):
    sample = next(sample for sample in samples() if sample.intended == "angry")
    page = client.get(send(client, sample=sample.id).location).text
    assert sample.title in page and sample.description in page
    assert re.search(r"<strong>Heard as (\w+|no one emotion)\.</strong>", page)


def test_silence_gets_no_emotion_and_advice(client):
    page = client.get(send(client, silence(2)).location).text
    assert ">No voice found</h1>" in page
    assert "faces/unsure.gif" in page and '<svg class="bar' not in page
    assert "one person speaks" in page


def test_nothing_chosen_is_said_on_the_form(client):
    answer = send(client)
    assert answer.status_code == 400
    assert "No file came" in answer.text and 'id="give"' in answer.text


def test_unknown_sample_is_not_found(client):
    assert send(client, sample="../../etc/passwd").status_code == 404
    assert client.get("/samples/index.json").status_code == 404


def test_what_is_no_recording_is_an_error_page_with_a_way_back(client):
    answer = send(client, b"<html>no sound</html>" * 50, "voice.mp3")
    assert answer.status_code == 415
    assert '<header class="site-header">' in answer.text
    assert re.search(r'<a class="button primary" href="/">', answer.text)
    assert "Traceback" not in answer.text


def test_missing_csrf_token_is_refused(client, kept):
    before = set(kept)
    file = (io.BytesIO(VOICE.read_bytes()), "voice.flac")
    answer = client.post("/analyses", data={"file": file}, content_type="multipart/form-data")
    assert answer.status_code == 400
    assert "Back to the start" in answer.text
    assert set(kept) == before


def test_a_page_opens_only_where_it_was_made(app, client, address):
    stranger = app.test_client()
    assert client.get(address).status_code == 200
    for path in (address, f"{address}/audio"):
        assert stranger.get(path).status_code == 404
    refused = stranger.post(f"{address}/delete", data={"csrf_token": token(stranger)})
    assert refused.status_code == 404
    assert client.get(address).status_code == 200


def test_the_clip_is_sent_in_ranges(client, address):
    whole = client.get(f"{address}/audio")
    assert whole.mimetype == "audio/wav" and whole.data[:4] == b"RIFF"
    part = client.get(f"{address}/audio", headers={"Range": "bytes=4-11"})
    assert part.status_code == 206
    assert part.data == whole.data[4:12]
    assert part.headers["Content-Range"] == f"bytes 4-11/{len(whole.data)}"


def test_a_sample_is_sent_in_ranges(client):
    part = client.get(f"/samples/{samples()[0].file}", headers={"Range": "bytes=0-3"})
    assert part.status_code == 206
    assert part.data == samples()[0].path.read_bytes()[:4]


def test_delete_removes_it_and_gives_one_receipt(client, kept, address):
    id = address.rsplit("/", 1)[1]
    assert id in kept
    answer = client.post(f"{address}/delete", data={"csrf_token": token(client)})
    assert answer.status_code == 303 and answer.location == "/"
    assert id not in kept
    receipt = client.get("/").text
    assert "Deleted" in receipt and id in receipt and "voice.flac" in receipt
    assert id not in client.get("/").text
    assert client.get(address).status_code == 404


def test_deleting_needs_the_token(client, address):
    assert client.post(f"{address}/delete").status_code == 400
    assert client.get(address).status_code == 200


def test_about_takes_its_numbers_from_the_bundle(client):
    card = ml.read_bundle(ml.DEFAULT_MODEL).card
    page = client.get("/about").text.replace("\N{NO-BREAK SPACE}", " ")
    for metrics in card["metrics"].values():
        assert f'<td class="number">{round(100 * metrics["wa"])} %</td>' in page
    for corpus in card["corpora"]:
        assert corpus["title"] in page and corpus["licence"] in page
    for author in ("Cao", "Livingstone", "Burkhardt", "Christop", "Busso"):
        assert author in page
    assert "trained on acted speech; spontaneous speech is harder" in page


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(storage="memory"), "s memory and are gone"),
        (
            Settings(storage="azure", secret_key="x" * 20, azure_account_url="https://a.test"),
            "Azure Blob Storage",
        ),
        (Settings(storage="memory", retention_days=1), "deleted after 1 day,"),
        (Settings(storage="memory", contact="Ada, ada@example.org"), "operated by Ada, ada@"),
    ],
)
def test_privacy_says_what_the_settings_say(settings, said):
    assert said in create_app(settings).test_client().get("/privacy").text


def test_privacy_of_a_folder(tmp_path):
    page = create_app(Settings(storage_dir=tmp_path)).test_client().get("/privacy").text
    assert "in a folder on the server itself" in page


class Links(HTMLParser):
    """Collects every address that a page names, and what its content policy would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.refused: list[str] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.found |= {given[name] for name in ("href", "src", "srcset") if name in given}
        inline = tag == "style" or (tag == "script" and given.keys().isdisjoint({"src", "type"}))
        if inline or "style" in given or any(name.startswith("on") for name in given):
            self.refused.append(self.get_starttag_text())


@pytest.mark.parametrize(
    "path", ["/", "/about", "/privacy", "/models", "/models/none", *MODELS, "/nowhere", "result"]
)
def test_no_dead_links_nothing_foreign_nothing_inline(client, address, path):
    links = Links()
    links.feed(client.get(address if path == "result" else path).text)
    assert links.refused == []
    for link in links.found:
        assert link.startswith(("/", "#")), link
        if link.startswith("/"):
            wanted = 303 if link.startswith("/language/") else 200
            assert client.get(link.partition("#")[0]).status_code == wanted, link


def test_every_template_takes_every_outcome(app, client):
    """Result pages of made-up predictions, through the real templates."""
    unscored = (segment(0, 3, "no_speech"), segment(1.5, 4.5, "no_speech"))
    scored = (segment(0, 3, angry=0.8), segment(1.5, 4.5, "uncertain", calm=0.3))
    given = [prediction(segments=scored, angry=0.7), prediction("uncertain", scored, calm=0.3)]
    given += [prediction(outcome, unscored) for outcome in ("no_speech", "too_short", "too_noisy")]
    for answer in given:
        now = datetime(2026, 3, 1, tzinfo=UTC)
        analysis = Analysis("a" * 22, now, "<b>x</b>.wav", None, answer, (), None, now)
        with app.test_request_context("/"):
            page = pages._result(analysis, "/")
        assert "<b>x" not in page and "&lt;b&gt;x" in page
        assert ('<svg class="timeline' in page) == bool(answer["probabilities"])
        assert ('<svg class="bar' in page) == bool(answer["probabilities"])
