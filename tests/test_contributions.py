"""Clips that visitors give: never without consent, apart from analyses, and a corpus in the end."""

import re
import wave
from datetime import UTC, datetime

import pytest
from clips import VOICE
from forms import clip, post

import ml
from ml.corpora import read_clips
from webapp import create_app
from webapp.contributions import Contributions, NoConsentError, NoSuchLabelError
from webapp.settings import Settings
from webapp.storage import STORAGES, AnalysisNotFoundError, open_storage

MODEL = "mfcc-cnn"
ANSWER = {"label": "sad", "model": {"name": "net", "version": "1"}}
WAV = ml.to_wav(ml.decode(VOICE))


@pytest.fixture(params=STORAGES)
def contributions(request, tmp_path):
    settings = (
        Settings(storage=request.param, storage_dir=tmp_path)
        if request.param != "azure"
        else Settings(
            storage="azure",
            secret_key="k" * 32,
            azure_connection_string=request.getfixturevalue("azurite"),
        )
    )
    return Contributions(open_storage(settings, "contributions"))


def test_without_consent_nothing_is_kept(contributions):
    with pytest.raises(NoConsentError):
        contributions.give(WAV, "angry", ANSWER, owner="mine", consent=False)
    with pytest.raises(NoSuchLabelError, match="bored"):
        contributions.give(WAV, "bored", ANSWER, owner="mine", consent=True)
    assert contributions.mine("mine") == []


def test_what_was_given_can_be_taken_back_by_whoever_gave_it(contributions):
    first, second = (
        contributions.give(WAV, label, ANSWER, owner="mine", consent=True)
        for label in ("angry", "calm")
    )
    assert contributions.mine("mine") == [second, first] and contributions.mine("yours") == []
    assert first.said == "sad" and first.model == "net 1" and first.speaker == second.speaker
    with pytest.raises(AnalysisNotFoundError):
        contributions.take_back(first.id, "yours")
    contributions.take_back(first.id, "mine")
    assert contributions.mine("mine") == [second]
    contributions.take_back(second.id, "mine")
    assert contributions.mine("mine") == []


def test_the_clips_become_a_corpus(contributions, tmp_path):
    made = [
        contributions.give(WAV, label, ANSWER, owner=owner, consent=True)
        for label, owner in (("angry", "a"), ("calm", "a"), ("sad", "b"))
    ]
    assert contributions.export(tmp_path / "out") == 3
    clips = read_clips("csv", tmp_path / "out" / "clips.csv")
    assert sorted(clip.label for clip in clips) == ["angry", "calm", "sad"]
    assert len({clip.speaker for clip in clips}) == 2
    with wave.open(str(clips[0].path)) as sound:
        assert sound.getframerate() == 16_000
    for one, owner in zip(made, "aab", strict=True):
        contributions.take_back(one.id, owner)
    assert contributions.export(tmp_path / "empty") == 0


def test_time_is_told_by_the_clock(tmp_path):
    now = datetime(2026, 3, 1, tzinfo=UTC)
    settings = Settings(storage="local", storage_dir=tmp_path)
    kept = Contributions(open_storage(settings, "contributions"), clock=lambda: now)
    assert kept.give(WAV, "sad", ANSWER, owner="a", consent=True).created == now
    assert {path.name for path in tmp_path.iterdir()} == {"contributions"}


@pytest.fixture
def app():
    return create_app(Settings(storage="memory", model=MODEL))


def test_the_question_is_asked_and_answered_on_the_page(app, tmp_path):
    client, stranger = app.test_client(), app.test_client()
    address = post(client, "/analyses", file=clip(VOICE.read_bytes())).location
    assert "Was this right?" in client.get(address).text
    assert post(client, f"{address}/feedback", label="happy").status_code == 400
    assert post(client, f"{address}/feedback", label="x", consent="1").status_code == 400
    assert post(stranger, f"{address}/feedback", label="sad", consent="1").status_code == 404
    assert "Clips that you gave" not in client.get("/analyses").text
    answer = post(client, f"{address}/feedback", label="happy", consent="1")
    assert answer.status_code == 303 and "Thank you" in client.get(answer.location).text
    assert "Thank you" not in client.get(address).text
    post(client, f"{address}/delete")
    page = client.get("/analyses").text
    assert "Meant happy" in page
    ran = app.test_cli_runner().invoke(args=["export-contributions", str(tmp_path / "out")])
    assert ran.exit_code == 0 and ran.output.startswith("1 clips in ")
    back = re.search(r'action="(/contributions/[^"]+)"', page)[1]
    assert post(stranger, back).status_code == 404
    assert post(client, back).status_code == 303
    assert "Meant happy" not in client.get("/analyses").text
