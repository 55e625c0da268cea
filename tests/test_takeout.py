"""All that is kept of a browser, as a ZIP: whole, nobody else's, and never in one piece."""

import io
import json
import tracemalloc
import zipfile

import pytest
from clips import VOICE, silence
from forms import clip, post
from keepers import Clock, keepers, settings_on, with_scores

import ml
from webapp import create_app
from webapp.storage import AUDIO, STORAGES, UPLOAD, StorageError
from webapp.takeout import takeout

WAV = silence(2)


@pytest.fixture(params=STORAGES)
def settings(request, tmp_path):
    return settings_on(request.param, tmp_path, request)


@pytest.fixture
def kept(settings):
    return keepers(settings, Clock())


def make(kept, name: str = "diary.wav", owner: str = "ada", data: bytes = WAV) -> str:
    return kept.analyser.analyse(data, name, owner=owner, keep=True).id


def opened(pieces) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_everything_is_in_it_and_nothing_of_others(kept):
    voice, evil = make(kept, "voice.FLAC", data=VOICE.read_bytes()), make(kept, "../../etc/evil.")
    theirs = make(kept, owner="bob")
    with_scores(kept, evil)
    kept.analyser.archive.share(voice, "ada")
    answer = kept.analyser.archive.get(voice, "ada")
    given = kept.contributions.give(WAV, "sad", answer.prediction, owner="ada", consent=True)
    files = opened(takeout(kept, "ada"))
    first, second, third = (
        f"analyses/2026-03-01-{voice}",
        f"analyses/2026-03-01-{evil}",
        f"given/{given.created:%Y-%m-%d}-{given.id}",
    )
    assert set(files) == {
        *(f"{first}/{name}" for name in ("recording.FLAC", "converted.wav", "record.json")),
        *(f"{second}/{name}" for name in ("recording", "converted.wav", "record.json")),
        f"{second}/model-on-trial.json",
        *(f"{third}/{name}" for name in ("clip.wav", "record.json")),
    }
    assert files[f"{first}/recording.FLAC"] == VOICE.read_bytes()
    assert files[f"{first}/converted.wav"] == kept.storage.read(voice, AUDIO)
    assert files[f"{second}/recording"] == kept.storage.read(evil, UPLOAD) == WAV
    assert files[f"{third}/clip.wav"] == WAV
    record = json.loads(files[f"{first}/record.json"])
    assert record["prediction"] == answer.prediction and record["filename"] == "voice.FLAC"
    assert record["id"] == voice and record["shared_until"] == "2026-03-08T12:00:00+00:00"
    assert "owners" not in record
    assert json.loads(files[f"{third}/record.json"])["label"] == "sad"
    assert theirs not in str(files) and set(opened(takeout(kept, "bob"))) != set()


def test_of_nobody_it_is_empty(kept):
    make(kept)
    assert opened(takeout(kept, "nobody")) == {}


def test_what_is_deleted_meanwhile_is_left_out(kept):
    first, second = sorted(make(kept) for _ in range(2))
    pieces = takeout(kept, "ada")
    begun = [next(pieces)]
    rest = second if first in str(begun) else first
    kept.delete(rest, "ada")
    files = opened([*begun, *pieces])
    assert len(files) == 3 and rest not in str(files)


def test_it_comes_in_pieces_and_is_never_whole_in_memory(tmp_path):
    kept = keepers(settings_on("local", tmp_path, None), Clock())
    id = make(kept)
    with (tmp_path / "analyses" / id / UPLOAD).open("wb") as file:
        file.truncate(200 << 20)
    tracemalloc.start()
    total = sum(len(piece) for piece in takeout(kept, "ada"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total > 200 << 20 and peak < 16 << 20


def test_the_page_offers_it(tmp_path):
    app = create_app(settings_on("local", tmp_path, None))
    client, stranger = app.test_client(), app.test_client()
    assert "/analyses/download" not in client.get("/analyses").text
    address = post(client, "/analyses", file=clip(VOICE.read_bytes())).location
    assert 'href="/analyses/download"' in client.get("/analyses").text
    answer = client.get("/analyses/download")
    assert answer.mimetype == "application/zip" and answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=undertone-20")
    files = opened(answer.iter_encoded())
    assert len(files) == 3 and address.rpartition("/")[2] in str(files)
    assert ml.decode(next(data for name, data in files.items() if name.endswith("wav")))
    assert opened(stranger.get("/analyses/download").iter_encoded()) == {}


def test_a_storage_out_of_reach_is_said_before_anything_is_sent(tmp_path):
    app = create_app(settings_on("local", tmp_path, None))
    client = app.test_client()
    client.get("/analyses")
    (tmp_path / "analyses").write_text("no folder")
    assert client.get("/analyses/download").status_code == 503
    with pytest.raises(StorageError):
        takeout(app.extensions["retention"], "ada")
