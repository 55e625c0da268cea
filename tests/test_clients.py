"""The clients of the documentation run, and those of other systems get what they read."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from clips import VOICE

import ml
from webapp import create_app
from webapp.openapi import CLIENTS
from webapp.settings import ROOT, Settings

FOLDER = ROOT / "static" / "clients"
RUN = {"sh": ["sh"], "py": [sys.executable], "mjs": ["node"]}


@pytest.fixture(scope="module")
def client():
    return create_app(Settings(storage="memory", rate_limit="off")).test_client()


def run(name, *arguments):
    command = [*RUN[name.rpartition(".")[2]], FOLDER / name, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_of_the_documentation(site, name):
    done = run(name, site, VOICE)
    assert done.returncode == 0, done.stderr
    expected = ml.recognize(VOICE)
    assert expected.outcome in done.stdout
    assert str(expected.probabilities["happy"])[:8] in done.stdout


@pytest.mark.parametrize("name", CLIENTS)
def test_it_fails_where_the_answer_is_an_error(site, name, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no sound")
    done = run(name, site, tmp_path / "a.wav")
    assert done.returncode != 0
    assert "415" in done.stderr or "unsupported_format" in done.stdout + done.stderr


@pytest.mark.parametrize("name", CLIENTS)
def test_it_has_ten_lines_and_stands_in_the_documentation(client, name):
    text = (FOLDER / name).read_text()
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) - 1 <= 10  # The first says how to call it.
    assert text.strip() in (ROOT / "docs" / "api.md").read_text()
    assert client.get(f"/static/clients/{name}").text == text


def multipart(client, path, name="clip.wav"):
    return client.post(path, data={"file": (io.BytesIO(VOICE.read_bytes()), name)})


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ("?labels=4", {"angry", "happy", "neutral", "sad"}),
        ("?labels=6", set(ml.LABEL_SETS["6"])),
        ("?labels=8", set(ml.LABELS)),
    ],
)
def test_a_client_of_the_cnn_bigru_api(client, query, labels):
    """Its documented answer, and what its phone app reads of it.

    {"emotion": "neutral", "probability": 0.74,
     "all_probs": {"angry": 0.05, "happy": 0.11, "neutral": 0.74, "sad": 0.10}}
    """
    answer = json.loads(multipart(client, f"/predict{query}").data)
    assert isinstance(answer["emotion"], str)
    assert isinstance(answer["probability"], float)
    ranked = sorted(answer["all_probs"].items(), key=lambda item: -item[1])
    assert ranked[0] == (answer["emotion"], answer["probability"])
    assert {label for label, _share in ranked} == labels
    assert sum(share for _label, share in ranked) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", ["03-01-05-01-02-01-12.wav", "voice memo.mp3", "Ünïcode.ogg"])
def test_a_client_of_the_mfcc_cnn_api(client, name):
    """Its server's answer.

    {"emotion": "angry", "confidence": 0.97, "all_emotions": {"angry": 0.97, ...},
     "filename": "clip.wav"}
    """
    answer = json.loads(multipart(client, "/predict", name).data)
    assert set(answer["all_emotions"]) == set(ml.LABELS)
    assert answer["all_emotions"][answer["emotion"]] == answer["confidence"]
    assert answer["confidence"] == max(answer["all_emotions"].values())
    assert answer["filename"] == name


def raw(client, path, content, media_type):
    return client.post(path, data=content, content_type=media_type)


@pytest.mark.parametrize(
    "media_type", ["audio/flac", "application/octet-stream", "video/webm", "audio/x-anything"]
)
def test_a_recording_as_the_body(client, media_type):
    as_body = raw(client, "/predict?labels=4", VOICE.read_bytes(), media_type)
    as_field = multipart(client, "/predict?labels=4")
    assert as_body.status_code == 200
    assert as_body.json | {"filename": ""} == as_field.json | {"filename": ""}
    kept = raw(client, "/api/v1/analyses", VOICE.read_bytes(), media_type)
    assert kept.status_code == 201 and kept.json["filename"] == "recording"


@pytest.mark.parametrize(
    ("content", "media_type", "status", "code"),
    [
        (b"", "audio/wav", 400, "empty_file"),
        (b"{}", "application/json", 415, "unsupported_format"),
        (VOICE.read_bytes(), "application/x-www-form-urlencoded", 400, "no_file"),
        (VOICE.read_bytes(), None, 400, "no_file"),
        (b"url=https://example.org/a.wav", "application/x-www-form-urlencoded", 400, "no_file"),
    ],
)
def test_a_body_that_is_no_recording(client, content, media_type, status, code):
    answer = raw(client, "/predict", content, media_type)
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)


def test_no_recording_is_fetched_from_elsewhere(client, site):
    for query in (f"?url={site}/samples/{VOICE.name}", f"?file={site}/samples/{VOICE.name}"):
        answer = client.post(f"/predict{query}")
        assert (answer.status_code, answer.json["error"]["code"]) == (400, "no_file")


def test_a_body_over_the_limit():
    small = create_app(Settings(storage="memory", max_upload_mb=1)).test_client()
    answer = raw(small, "/predict", bytes(2 * 1024 * 1024), "audio/wav")
    assert (answer.status_code, answer.json["error"]["code"]) == (413, "too_large")


def test_the_folder_holds_only_what_is_shown():
    assert {path.name for path in Path(FOLDER).iterdir()} == set(CLIENTS)
