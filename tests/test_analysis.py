"""The door to `ml`: what is kept, for whom, for how long, and what happens when it cannot be."""

import io
import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from clips import VOICE, silence, tone
from werkzeug.datastructures import FileStorage

import ml
from webapp.analysis import Analyser, display_name
from webapp.models import ModelUnavailableError
from webapp.places import BusyError, Places
from webapp.samples import samples
from webapp.settings import Settings
from webapp.storage import (
    AUDIO,
    RECORD,
    UPLOAD,
    AnalysisNotFoundError,
    LocalStorage,
    MemoryStorage,
    StorageError,
)
from webapp.uploads import NoFileError, saved_upload

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def storage():
    return MemoryStorage()


@pytest.fixture
def analyser(storage, clock):
    return Analyser(Settings(storage="memory", retention_days=30), storage, clock=clock)


@pytest.fixture
def kept(analyser):
    return analyser.analyse(VOICE, "C:\\clips\\voice.flac", owner="ada", keep=True)


def test_answers_like_the_library(analyser):
    analysis = analyser.analyse(VOICE, "voice.flac", owner="ada", keep=False)
    assert analysis.prediction == ml.to_dict(ml.recognize(VOICE))
    assert analysis.prediction["probabilities"]


def test_restricts_to_the_labels_that_were_asked_for(analyser):
    labels = ml.parse_labels("4")
    analysis = analyser.analyse(VOICE, "a", owner="ada", keep=False, labels=labels)
    assert tuple(analysis.prediction["probabilities"]) == labels


def test_keeps_upload_wav_and_record(kept, storage, clock):
    assert kept.filename == "voice.flac"
    assert (kept.created, kept.expires) == (START, START + timedelta(days=30))
    assert kept.wav is None and kept.notes == ()
    assert storage.read(kept.id, UPLOAD) == VOICE.read_bytes()
    assert storage.read(kept.id, AUDIO)[:4] == b"RIFF"
    record = json.loads(storage.read(kept.id, RECORD))
    assert record["schema"] == 1
    assert record["prediction"] == kept.prediction
    assert "ada" not in json.dumps(record), "the owner's secret itself is not kept"


def test_gives_back_what_it_answered(kept, analyser):
    assert analyser.archive.get(kept.id, "ada") == kept
    assert ml.decode(analyser.archive.audio(kept.id, "ada")).duration_s == pytest.approx(
        kept.prediction["duration_s"], abs=0.01
    )


def test_ids_cannot_be_guessed(analyser):
    ids = {analyser.analyse(silence(1), "a", owner="ada", keep=True).id for _ in range(3)}
    assert len(ids) == 3 and all(len(id) >= 22 for id in ids)


@pytest.mark.parametrize("stranger", ["", "bob", "ADA"])
def test_a_stranger_finds_nothing(kept, analyser, stranger):
    for ask in (analyser.archive.get, analyser.archive.audio):
        with pytest.raises(AnalysisNotFoundError):
            ask(kept.id, stranger)
    assert analyser.archive.get(kept.id, "ada") == kept


def test_a_token_opens_it_as_well(analyser):
    analysis = analyser.analyse(silence(1), "a", owner="ada", keep=True, token="t0ken")
    for secret in ("t0ken", "ada"):
        assert analyser.archive.get(analysis.id, secret) == analysis


def test_keeps_nothing_where_nothing_is_to_be_kept(analyser, storage):
    analysis = analyser.analyse(VOICE, "voice.flac", owner="ada", keep=False)
    assert analysis.id is None and analysis.expires is None
    assert analysis.wav[:4] == b"RIFF"
    assert storage.expired(START + timedelta(days=1000)) == ()


def test_the_answer_comes_even_if_the_storage_does_not(tmp_path):
    (tmp_path / "file").write_text("no folder")
    storage = LocalStorage(tmp_path / "file" / "analyses")
    analyser = Analyser(Settings(storage_dir=tmp_path), storage)
    analysis = analyser.analyse(VOICE, "voice.flac", owner="ada", keep=True)
    assert analysis.prediction["probabilities"]
    assert analysis.id is None and analysis.wav[:4] == b"RIFF"
    assert [note.code for note in analysis.notes] == ["not_kept"]
    with pytest.raises(StorageError):
        analyser.archive.get("a" * 22, "ada")


def test_is_gone_on_its_day_even_before_the_sweep(kept, analyser, clock):
    clock.now = START + timedelta(days=30, seconds=-1)
    assert analyser.archive.get(kept.id, "ada") == kept
    clock.now = START + timedelta(days=30)
    for ask in (analyser.archive.get, analyser.archive.audio):
        with pytest.raises(AnalysisNotFoundError):
            ask(kept.id, "ada")


def test_a_longer_retention_does_not_lengthen_what_was_promised(kept, storage, clock):
    longer = Analyser(Settings(storage="memory", retention_days=90), storage, clock=clock)
    clock.now = START + timedelta(days=31)
    with pytest.raises(AnalysisNotFoundError):
        longer.archive.get(kept.id, "ada")


@pytest.mark.parametrize("record", [b"{", b"[]", b"{}", b'{"schema": 99}', b"\xff"])
def test_a_damaged_record_is_a_clear_error(analyser, storage, record):
    storage.save("a" * 22, {UPLOAD: b"", AUDIO: b"", RECORD: record}, START + timedelta(days=1))
    with pytest.raises(StorageError):
        analyser.archive.get("a" * 22, "ada")


def test_errors_of_the_recording_come_through_and_leave_nothing(analyser, storage):
    with pytest.raises(ml.EmptyFileError):
        analyser.analyse(b"", "a.wav", owner="ada", keep=True)
    with pytest.raises(ml.UnsupportedFormatError):
        analyser.analyse(b"not a recording" * 100, "a.wav", owner="ada", keep=True)
    with pytest.raises(ml.UnknownModelError):
        analyser.analyse(silence(1), "a.wav", owner="ada", keep=True, model="../../etc")
    assert storage.expired(START + timedelta(days=1000)) == ()


def test_limits_come_from_the_settings(storage):
    analyser = Analyser(Settings(storage="memory", max_upload_mb=1, max_seconds=2), storage)
    with pytest.raises(ml.TooLongError):
        analyser.predict(silence(3))
    with pytest.raises(ml.TooLargeError):
        analyser.predict(bytes(1024 * 1024 + 1))
    assert analyser.predict(silence(1.9))["duration_s"] == pytest.approx(1.9)


def test_waits_for_a_place_but_not_for_ever(storage):
    analyser = Analyser(Settings(storage="memory", concurrency=1), storage, wait_s=0.2)
    entered, leave = threading.Event(), threading.Event()

    def progress(share):
        entered.set()
        assert leave.wait(30)

    first = threading.Thread(
        target=analyser.analyse,
        args=(VOICE, "a"),
        kwargs={"owner": "ada", "keep": False, "progress": progress},
    )
    first.start()
    assert entered.wait(30)
    with pytest.raises(BusyError):
        analyser.predict(silence(1))
    leave.set()
    first.join(30)
    assert analyser.predict(silence(1))["outcome"] == "no_speech"


def test_who_finds_the_queue_full_is_told_at_once(storage):
    analyser = Analyser(Settings(storage="memory", concurrency=1), storage)
    analyser._places = Places(1, wait_s=1000, waiting=1)
    entered, leave, answers = threading.Event(), threading.Event(), []

    def progress(share):
        entered.set()
        assert leave.wait(30)

    def ask(**arguments):
        answers.append(analyser.predict(VOICE, **arguments))

    threads = [threading.Thread(target=ask, kwargs={"progress": progress})]
    threads[0].start()
    assert entered.wait(30)
    threads.append(threading.Thread(target=ask))
    threads[1].start()
    while analyser._places._room._value:
        time.sleep(0.01)
    for _ in range(3):
        with pytest.raises(BusyError):
            analyser.predict(silence(1))
    leave.set()
    for thread in threads:
        thread.join(30)
    assert len(answers) == 2


def test_a_failure_gives_its_place_back(storage):
    analyser = Analyser(Settings(storage="memory", concurrency=1), storage, wait_s=0.5)
    for _ in range(3):
        with pytest.raises(ml.UnsupportedFormatError):
            analyser.predict(b"not a recording" * 100)
    assert analyser.predict(tone(1))["outcome"] != "emotion"


def test_loads_each_model_once_however_many_ask(storage, monkeypatch):
    loaded, load = [], ml.load
    monkeypatch.setattr(ml, "load", lambda name: loaded.append(name) or load(name))
    analyser = Analyser(Settings(storage="memory", concurrency=4), storage)
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(analyser.predict(VOICE))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded == [ml.DEFAULT_MODEL]
    assert len(answers) == 4 and all(answer == answers[0] for answer in answers)


def test_ready_proves_itself_once(analyser):
    model = analyser.ready()
    assert (model["name"], model["version"]) == (
        ml.DEFAULT_MODEL,
        ml.read_bundle(ml.DEFAULT_MODEL).version,
    )
    start = time.perf_counter()
    assert analyser.ready() == model
    assert time.perf_counter() - start < 0.01


def test_not_ready_says_why_and_does_not_try_at_each_call(storage):
    analyser = Analyser(Settings(storage="memory", model="no-such-model"), storage)
    for _ in range(2):
        with pytest.raises(ModelUnavailableError, match="no-such-model"):
            analyser.ready()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("voice.mp3", "voice.mp3"),
        ("C:\\Users\\ada\\voice.mp3", "voice.mp3"),
        ("../../etc/passwd", "passwd"),
        ("", "recording"),
        ("folder/", "recording"),
        ("a\r\nSet-Cookie: b\x00.wav", "aSet-Cookie: b.wav"),
        ("gpj.\u202e3pm", "gpj.3pm"),
        ("Grüße 声.wav", "Grüße 声.wav"),
        ("x" * 500, "x" * 120),
    ],
)
def test_display_name(given, shown):
    assert display_name(given) == shown


def test_saved_upload_gives_the_content_and_goes_away():
    content = bytes(range(256)) * 10_000
    with saved_upload(FileStorage(io.BytesIO(content), "a.wav")) as path:
        assert path.read_bytes() == content
        assert "deleted" in str(path.readlink()), "nothing is left of it, whatever happens"
    assert not path.exists()


@pytest.mark.parametrize("file", [None, FileStorage(io.BytesIO(b""), "")])
def test_saved_upload_without_a_file(file):
    with pytest.raises(NoFileError), saved_upload(file):
        pass


def test_samples_are_clips_that_can_be_heard():
    for sample in samples():
        assert sample.path.stat().st_size > 0
        assert sample.intended is None or sample.intended in ml.LABELS
