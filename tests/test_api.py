"""The JSON API with the real model: answers, ownership, deletion, and every error code."""

import io
import json

import pytest
from clips import VOICE, converted, silence, tone

import ml
from webapp import create_app
from webapp.settings import Settings


@pytest.fixture
def settings(tmp_path):
    return Settings(storage_dir=tmp_path / "data", max_upload_mb=2, max_seconds=60)


@pytest.fixture
def app(settings):
    return create_app(settings)


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def stranger(app):
    return app.test_client()


def send(client, path: str, content: bytes, filename: str = "clip.wav", **form: str):
    return client.post(path, data={"file": (io.BytesIO(content), filename), **form})


def bearer(token: str) -> dict[str, dict[str, str]]:
    return {"headers": {"Authorization": f"Bearer {token}"}}


@pytest.fixture
def created(client):
    return send(client, "/api/v1/analyses", VOICE.read_bytes(), "voice.flac")


def error_code(response) -> str:
    body = json.loads(response.data)
    assert set(body) == {"error"} and response.mimetype == "application/json"
    assert set(body["error"]) == {"code", "message", "hint", "request_id"}
    return body["error"]["code"]


def test_predict_answers_the_whole_prediction(client):
    response = send(client, "/predict", VOICE.read_bytes(), "voice.flac")
    assert response.status_code == 200
    answer = response.json
    expected = ml.to_dict(ml.recognize(VOICE))
    added = {"emotion", "probability", "all_probs", "all_emotions", "filename"}
    assert set(answer) == set(expected) | added
    differing = {key for key in expected if answer[key] != expected[key]}
    assert differing <= {"confidence"}


def test_predict_names_the_top_label_for_clients_of_other_systems(client):
    answer = send(client, "/predict", VOICE.read_bytes(), "voice.flac").json
    probabilities = answer["probabilities"]
    assert answer["emotion"] == max(probabilities, key=probabilities.get)
    assert answer["probability"] == answer["confidence"] == max(probabilities.values())
    assert answer["all_probs"] == answer["all_emotions"] == probabilities
    assert answer["filename"] == "voice.flac"
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("clip", "outcome"), [(silence(2), "no_speech"), (silence(0.2), "too_short")]
)
def test_predict_gives_no_emotion_where_nothing_was_scored(client, clip, outcome):
    answer = send(client, "/predict", clip).json
    assert answer["outcome"] == outcome
    for key in ("label", "confidence", "emotion", "probability"):
        assert answer[key] is None
    assert answer["all_probs"] == {}


def test_predict_keeps_nothing(client, settings):
    send(client, "/predict", VOICE.read_bytes())
    assert not (settings.storage_dir / "analyses").exists()


@pytest.mark.parametrize("where", ["query", "form"])
def test_predict_takes_model_and_labels_from_query_or_form(client, where):
    asked = {"model": ml.DEFAULT_MODEL, "labels": "angry,sad"}
    query = f"?model={ml.DEFAULT_MODEL}&labels=angry,sad" if where == "query" else ""
    form = asked if where == "form" else {}
    answer = send(client, f"/predict{query}", VOICE.read_bytes(), **form).json
    assert set(answer["probabilities"]) == {"angry", "sad"}


@pytest.mark.parametrize("path", ["/predict", "/api/v1/analyses"])
@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "empty_file"),
        (b"%PDF-1.7 not a recording" * 50, 415, "unsupported_format"),
        (silence(1)[:30], 422, "corrupt_audio"),
        (silence(61), 413, "too_long"),
        (bytes(2 * 1024 * 1024 + 1), 413, "too_large"),
        (bytes(3 * 1024 * 1024), 413, "too_large"),
    ],
    ids=["empty", "pdf", "cut", "long", "large", "larger"],
)
def test_a_recording_that_cannot_be_taken(client, path, content, status, code):
    response = send(client, path, content)
    assert error_code(response) == code
    assert response.status_code == status


def test_a_video_without_sound(client, tmp_path):
    options = ("-f", "lavfi", "-i", "color=size=32x32:duration=1", "-map", "1:v")
    video = converted(VOICE, tmp_path / "mute.mp4", *options)
    response = send(client, "/predict", video.read_bytes(), "mute.mp4")
    assert (response.status_code, error_code(response)) == (422, "no_audio_track")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("model=no-such-model", "unknown_model"),
        ("model=../../etc/passwd", "unknown_model"),
        ("labels=happy", "unknown_labels"),
        ("labels=happy,bored", "unknown_labels"),
        ("labels=7", "unknown_labels"),
    ],
)
def test_an_unknown_model_or_label_set(client, query, code):
    response = send(client, f"/predict?{query}", silence(1))
    assert (response.status_code, error_code(response)) == (400, code)


@pytest.mark.parametrize("path", ["/predict", "/api/v1/analyses"])
def test_no_file(client, path):
    for data in ({}, {"file": "just text"}, {"file": (io.BytesIO(b""), "")}):
        response = client.post(path, data=data)
        assert (response.status_code, error_code(response)) == (400, "no_file")


def test_create_answers_with_id_links_and_token(created):
    assert created.status_code == 201
    body = created.json
    assert len(body["id"]) >= 22 and len(body["token"]) >= 32
    assert created.headers["Location"] == body["links"]["self"]
    assert set(body["links"]) == {"self", *ml.FORMATS}
    assert body["filename"] == "voice.flac" and body["notes"] == []
    assert body["label"] or body["outcome"] != "emotion"
    assert created.headers["Cache-Control"] == "no-store"


def test_whoever_has_the_token_reads_and_deletes(created, stranger):
    body = created.json
    path, token = body["links"]["self"], body["token"]
    shown = stranger.get(path, **bearer(token))
    assert shown.json == {key: value for key, value in body.items() if key != "token"}
    assert shown.headers["Cache-Control"] == "no-store"
    assert stranger.delete(path, **bearer(token)).status_code == 204
    gone = stranger.get(path, **bearer(token))
    assert (gone.status_code, error_code(gone)) == (404, "not_found")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer \xff"},
    ],
)
def test_whoever_has_not_finds_nothing(created, stranger, headers):
    links = created.json["links"]
    for path in links.values():
        response = stranger.get(path, headers=headers)
        assert (response.status_code, error_code(response)) == (404, "not_found")
    assert stranger.delete(links["self"], headers=headers).status_code == 404
    assert stranger.get(links["self"], **bearer(created.json["token"])).status_code == 200


def test_the_browser_that_made_it_needs_no_token(client, stranger):
    client.get("/analyses/" + "a" * 22)  # gives the browser its cookie
    links = send(client, "/api/v1/analyses", VOICE.read_bytes()).json["links"]
    assert client.get(links["self"]).status_code == 200
    assert client.get(links["self"].replace("/api/v1", "")).status_code == 200
    assert stranger.get(links["self"]).status_code == 404
    assert client.delete(links["self"]).status_code == 204


def test_every_format_can_be_downloaded(created, stranger):
    body = created.json
    prediction = ml.to_dict(ml.recognize(VOICE))
    for name, format in ml.FORMATS.items():
        response = stranger.get(body["links"][name], **bearer(body["token"]))
        assert response.status_code == 200
        assert response.mimetype == format.mimetype
        assert response.text == format.render(prediction)
        assert response.headers["Content-Disposition"].startswith("attachment")


def test_a_format_that_does_not_exist(created, stranger):
    body = created.json
    response = stranger.get(f"{body['links']['self']}.xlsx", **bearer(body["token"]))
    assert (response.status_code, error_code(response)) == (404, "not_found")


def test_the_answer_comes_even_if_the_storage_does_not(tmp_path):
    (tmp_path / "analyses").write_text("no folder")
    client = create_app(Settings(storage_dir=tmp_path)).test_client()
    response = send(client, "/api/v1/analyses", VOICE.read_bytes())
    assert response.status_code == 200
    body = response.json
    assert body["probabilities"]
    assert body["id"] is None and body["links"] == {} and "token" not in body
    assert [note["code"] for note in body["notes"]] == ["not_kept"]
    unreachable = client.get("/api/v1/analyses/" + "a" * 22)
    assert (unreachable.status_code, error_code(unreachable)) == (503, "storage_unavailable")


def test_models_are_listed_as_their_bundles_say(client):
    body = client.get("/api/v1/models").json
    assert body["default"] == ml.DEFAULT_MODEL
    assert tuple(model["name"] for model in body["models"]) == ml.bundle_names()
    for model in body["models"]:
        bundle = ml.read_bundle(model["name"])
        assert tuple(model["labels"]) == bundle.labels
        assert model["sha256"] == bundle.sha256
        assert model["metrics"] == bundle.card["metrics"]
        assert model["licence"] and model["size_bytes"] > 0
        assert model["title"] and model["rule"] == bundle.rule
        assert model["commercial_use"] == ("NC" not in model["licence"])
        assert client.get(model["page"]).status_code == 200


def test_health(client):
    response = client.get("/health")
    assert response.status_code == 200
    version = ml.read_bundle(ml.DEFAULT_MODEL).version
    assert response.json == {"status": "ok", "model": ml.DEFAULT_MODEL, "version": version}


def test_health_says_why_it_cannot_serve(tmp_path):
    client = create_app(Settings(storage_dir=tmp_path, model="no-such-model")).test_client()
    response = client.get("/health")
    assert response.status_code == 503
    assert response.json["status"] == "unavailable"
    assert "no-such-model" in response.json["reason"]


def test_a_tone_is_no_emotion(client):
    assert send(client, "/predict", tone(2)).json["outcome"] != "emotion"
