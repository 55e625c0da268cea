"""One clip, one answer: command line, API, page and library agree to a millionth."""

import io
import json

import pytest

import ml
from ml.__main__ import main
from tests.clips import VOICE
from webapp import create_app
from webapp.settings import Settings
from webapp.words import percent


@pytest.fixture(scope="module")
def client():
    app = create_app(Settings(storage="memory"))
    app.config["WTF_CSRF_ENABLED"] = False
    return app.test_client()


def upload() -> dict:
    return {"file": (io.BytesIO(VOICE.read_bytes()), VOICE.name)}


def test_command_line_api_and_page_give_the_answer_of_the_library(client, capsys):
    expected = ml.recognize(VOICE).probabilities

    assert main(["predict", str(VOICE), "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["probabilities"] == pytest.approx(expected, abs=1e-6)

    answered = client.post("/predict", data=upload()).json
    assert answered["probabilities"] == pytest.approx(expected, abs=1e-6)
    assert answered["all_probs"] == answered["all_emotions"] == answered["probabilities"]

    address = client.post("/analyses", data=upload()).location
    kept = client.get(f"/api/v1{address}.json").json
    assert kept["probabilities"] == pytest.approx(expected, abs=1e-6)
    page = client.get(address).text
    assert all(percent(value) in page for value in expected.values())
