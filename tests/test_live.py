"""Live answers: the same as for a file of these samples, and clear words for other bodies."""

import numpy as np
import pytest
from clips import VOICE

import ml
from webapp import create_app
from webapp.settings import Settings

LIVE = "/api/v1/live"
TYPE = "audio/L16;rate=16000"


@pytest.fixture(scope="module")
def client():
    return create_app(Settings(storage="memory", model="mfcc-cnn")).test_client()


def pcm(samples: np.ndarray) -> bytes:
    return np.round(np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()


def test_it_answers_as_a_file_of_the_same_samples_would(client):
    body = pcm(ml.decode(VOICE).samples[: 4 * 16_000])
    answer = client.post(LIVE, data=body, content_type=TYPE)
    samples = np.frombuffer(body, "<i2").astype(np.float32) / 32_768
    expected = ml.to_dict(ml.recognize(ml.Waveform(samples, 16_000), "mfcc-cnn"))
    assert answer.status_code == 200 and answer.json == expected
    assert answer.headers["Cache-Control"] == "no-store"


def test_silence_and_a_moment_are_answers_too(client):
    for seconds, outcome in ((3, "no_speech"), (0.2, "too_short")):
        body = bytes(round(32_000 * seconds))
        assert client.post(LIVE, data=body, content_type=TYPE).json["outcome"] == outcome


def test_the_model_can_be_chosen(client):
    answer = client.post(f"{LIVE}?model=cnn-gru", data=bytes(32_000), content_type=TYPE)
    assert answer.json["model"]["name"] == "cnn-gru"


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        (b"", TYPE, "0 bytes"),
        (bytes(3), TYPE, "3 bytes"),
        (bytes(32_000 * 6 + 2), TYPE, "more than 6 s"),
        (bytes(32_000), "audio/wav", "audio/wav"),
        (bytes(32_000), "audio/L16;rate=44100", "rate=44100"),
    ],
)
def test_other_bodies_are_told_what_is_wanted(client, body, content_type, said):
    answer = client.post(LIVE, data=body, content_type=content_type)
    error = answer.json["error"]
    assert answer.status_code == 400 and error["code"] == "bad_live_sound"
    assert said in error["message"] and "16 kHz" in error["hint"]
