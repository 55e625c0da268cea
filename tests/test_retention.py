"""What ends: every copy goes, with a receipt; what is due is swept, whoever visits or not."""

import json
import re
import threading
from datetime import timedelta

import pytest
from clips import VOICE, silence
from forms import clip, post
from keepers import MODEL, Clock, keepers, remains, settings_on, with_scores

from webapp import create_app
from webapp.archive import DamagedRecordError
from webapp.retention import Receipt, Retention, keep_sweeping
from webapp.settings import Settings
from webapp.storage import (
    RECORD,
    STORAGES,
    AnalysisNotFoundError,
    LocalStorage,
    MemoryStorage,
    StorageError,
)

WAV = silence(1)


@pytest.fixture(params=STORAGES)
def settings(request, tmp_path):
    return settings_on(request.param, tmp_path, request)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def kept(settings, clock):
    return keepers(settings, clock)


def make(kept: Retention, owner: str = "ada", name: str = "diary.wav", **options) -> str:
    analysis = kept.analyser.analyse(WAV, name, owner=owner, keep=True, **options)
    return analysis.id


def gone(kept: Retention, id: str) -> bool:
    try:
        kept.storage.read(id, RECORD)
    except AnalysisNotFoundError:
        return True
    return False


def test_deleting_removes_every_copy(kept, settings):
    id = kept.running.start("ada", "diary.wav")
    assert make(kept, id=id) == id
    challenge = with_scores(kept, id)
    kept.analyser.archive.share(id, "ada")
    other = make(kept)
    before = remains(kept, settings)
    parts = 4 if settings.storage == "memory" else 6  # upload, audio, record, share; mark, note
    assert before.count(id) >= parts
    assert challenge in before and "diary.wav" in before
    with pytest.raises(AnalysisNotFoundError):
        kept.delete(id, "bob")
    assert remains(kept, settings).count(id) == before.count(id)
    receipt = kept.delete(id, "ada")
    assert receipt == Receipt((id,), "diary.wav", kept=1, ended=1, shared=True, scores=True)
    after = remains(kept, settings)
    assert id not in after and challenge not in after
    assert kept.analyser.archive.get(other, "ada") and other in after
    with pytest.raises(AnalysisNotFoundError):
        kept.delete(id, "ada")


def test_what_is_only_under_way_is_ended(kept, settings):
    id = kept.running.start("ada", "diary.wav")
    report = kept.running.follow(id, "ada", "diary.wav", None)
    with pytest.raises(AnalysisNotFoundError):
        kept.delete(id, "bob")
    report(1.0)
    assert kept.delete(id, "ada") == Receipt((id,), "diary.wav", ended=1)
    with pytest.raises(Exception, match="cancelled"):
        report(1.0)
    assert id not in remains(kept, settings)


def test_scores_stay_beside_a_clip_that_was_given_until_it_is_taken_back(kept, settings):
    id = make(kept)
    challenge = with_scores(kept, id)
    analysis = kept.analyser.archive.get(id, "ada")
    given = kept.contributions.give(
        WAV, "sad", analysis.prediction, owner="ada", consent=True, challenge=challenge
    )
    assert not kept.delete(id, "ada").scores
    assert kept.challenger.line(challenge)
    kept.take_back(given.id, "ada")
    assert kept.challenger.line(challenge) is None
    assert given.id not in remains(kept, settings)


def test_everything_of_an_owner_goes_and_nothing_else(kept, settings):
    made = [make(kept), make(kept)]
    damaged = make(kept)
    kept.storage.put(damaged, RECORD, b"{")
    with pytest.raises(DamagedRecordError):
        kept.analyser.archive.get(damaged, "ada")
    scores = with_scores(kept, made[0])
    under_way = kept.running.start("ada", "next.wav")
    answer = kept.analyser.archive.get(made[0], "ada").prediction
    given = kept.contributions.give(WAV, "sad", answer, owner="ada", consent=True)
    theirs, their_note = make(kept, "bob"), kept.running.start("bob", "a.wav")
    receipt = kept.delete_all("ada")
    assert set(receipt.ids) == {*made, damaged, under_way}
    assert (receipt.kept, receipt.ended, receipt.given) == (3, 1, 1)
    after = remains(kept, settings)
    for id in (*made, damaged, under_way, given.id, scores):
        assert id not in after
    assert kept.analyser.archive.get(theirs, "bob") and kept.running.find(their_note, "bob")
    assert kept.delete_all("ada") == Receipt(())


def test_what_is_due_is_swept_and_counted(kept, settings, clock):
    early = make(kept)
    scores = with_scores(kept, early)
    note = kept.running.start("ada", "a.wav")
    answer = kept.analyser.archive.get(early, "ada").prediction
    given = kept.contributions.give(WAV, "sad", answer, owner="ada", consent=True)
    clock.now += timedelta(days=29)
    late = make(kept)
    clock.now += timedelta(days=1)
    with pytest.raises(AnalysisNotFoundError):
        kept.analyser.archive.get(early, "ada")
    assert kept.sweep() == {
        "analyses": 1,
        "notes of analyses under way": 1,
        "notes of a model on trial": 1,
    }
    after = remains(kept, settings)
    for id in (early, scores):
        assert id not in after
    with pytest.raises(AnalysisNotFoundError):
        kept.running.find(note, "ada")
    assert kept.analyser.archive.get(late, "ada") and kept.contributions.mine("ada") == [given]
    assert set(kept.sweep().values()) == {0}


class Stubborn(LocalStorage):
    """Does not let go of one analysis."""

    held = ""

    def delete(self, id):
        if id == self.held:
            raise StorageError(detail="held")
        super().delete(id)


def test_what_cannot_be_deleted_keeps_nothing_else(tmp_path, clock, caplog):
    kept = keepers(Settings(storage_dir=tmp_path, model=MODEL), clock)
    storage = Stubborn(tmp_path / "analyses")
    kept.analyser.archive._storage = storage
    kept = Retention(
        storage, kept.analyser, kept.running, kept.contributions, kept.challenger, clock
    )
    ids = sorted(make(kept) for _ in range(3))
    kept.running.start("ada", "a.wav")
    storage.held = ids[0]
    clock.now += timedelta(days=30)
    with pytest.raises(StorageError, match="held"):
        kept.sweep()
    assert [gone(kept, id) for id in ids] == [False, True, True]
    assert kept.running.mine("ada") == []
    storage.held = ""
    assert kept.sweep()["analyses"] == 1


@pytest.fixture
def turns(tmp_path, monkeypatch):
    """Sweeping in the background, told by semaphores and ended after the test."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    begun = []

    def begin(kept: Retention, every_s: float = 0.05):
        swept, ended = threading.Semaphore(0), threading.Event()
        usual = kept.storage.sweep
        kept.storage.sweep = lambda: (usual(), swept.release())
        thread = keep_sweeping(kept, every_s=every_s, take_over_after_s=0.05, ended=ended)
        begun.append((thread, ended))
        return swept, lambda: (ended.set(), thread.join(30))

    yield begin
    for thread, ended in begun:
        ended.set()
        thread.join(30)
        assert not thread.is_alive()


def in_memory(clock: Clock) -> Retention:
    return keepers(Settings(storage="memory", model=MODEL), clock)


def test_one_of_several_sweeps_and_another_takes_over(turns, clock):
    first, end_first = turns(in_memory(clock))
    assert first.acquire(timeout=30)
    second, _ = turns(in_memory(clock))
    assert not second.acquire(timeout=0.3), "it is the first one's turn"
    assert first.acquire(timeout=30) and first.acquire(timeout=30), "again and again"
    end_first()
    assert second.acquire(timeout=30)


def test_sweeping_goes_on_whatever_the_clock_says(turns, clock):
    kept = in_memory(clock)
    id = make(kept)
    clock.now -= timedelta(days=3650)
    swept, _ = turns(kept)
    for _ in range(3):
        assert swept.acquire(timeout=30)
    assert not gone(kept, id)
    clock.now += timedelta(days=3650 + 30)
    for _ in range(2):  # One may have been under way.
        assert swept.acquire(timeout=30)
    assert gone(kept, id)


def test_a_sweep_that_fails_is_logged_and_tried_again(turns, clock, caplog):
    kept = in_memory(clock)
    usual, errors = kept.storage.expired, [StorageError(detail="away"), ValueError("unforeseen")]

    def expired(now):
        if errors:
            raise errors.pop(0)
        return usual(now)

    kept.storage.expired = expired
    swept, _ = turns(kept)
    assert swept.acquire(timeout=30)
    assert "Sweep postponed: The storage cannot be reached at the moment (away)" in caplog.text
    assert "unforeseen" in caplog.text


def test_an_operator_sweeps_by_a_command(tmp_path):
    settings, clock = Settings(storage_dir=tmp_path, model=MODEL), Clock()
    old = keepers(settings, clock)
    id = make(old)
    app = create_app(settings)
    ran = app.test_cli_runner().invoke(args=["sweep"])
    assert ran.exit_code == 0, ran.output
    assert ran.output == (
        "Deleted analyses: 1, notes of analyses under way: 0, notes of a model on trial: 0\n"
    )
    assert gone(old, id)
    (tmp_path / "analyses").rename(tmp_path / "moved")
    (tmp_path / "analyses").write_text("no folder")
    ran = app.test_cli_runner().invoke(args=["sweep"])
    assert ran.exit_code == 1 and "The storage cannot be reached" in ran.output


@pytest.fixture
def app():
    return create_app(Settings(storage="memory", model=MODEL))


def test_what_is_ended_while_it_is_being_kept_is_not_kept(app):
    """The owner's wish comes between the last look at the note and the end of the write."""
    client, retention = app.test_client(), app.extensions["retention"]
    usual, receipts = retention.storage.save, []

    def save(id, parts, expires):
        usual(id, parts, expires)
        with client.session_transaction() as session:
            owner = session["owner"]
        if not receipts:
            retention.running.end(id, owner)
            receipts.append(id)

    client.get("/analyses")
    retention.storage.save = save
    answer = post(client, "/analyses", file=clip(VOICE.read_bytes()))
    assert answer.status_code == 409 and "cancelled" in answer.text
    assert retention.storage._kept == {} and retention.storage._marks == {}
    assert post(client, "/analyses", file=clip(VOICE.read_bytes())).status_code == 303


def test_a_receipt_names_what_went(app):
    client = app.test_client()
    address = post(client, "/analyses", file=clip(VOICE.read_bytes(), "diary.flac")).location
    post(client, f"{address}/share")
    post(client, f"{address}/delete")
    page, id = client.get("/").text, address.rpartition("/")[2]
    for said in ("diary.flac", "removed on", id, "The link to it opens nothing"):
        assert said in page
    assert "diary.flac" not in client.get("/").text, "it is shown once"


def test_a_receipt_of_everything_fits_into_the_cookie(app):
    client = app.test_client()
    client.get("/analyses")
    with client.session_transaction() as session:
        owner = session["owner"]
    retention = app.extensions["retention"]
    for _ in range(25):
        retention.running.start(owner, "a" * 120)
    answer = post(client, "/analyses/delete")
    assert len(answer.headers["Set-Cookie"]) < 4000
    page = client.get("/").text
    assert "25 analyses under way, which were ended" in page and "and 5 more" in page
    assert len(re.findall(r"[\w-]{22}(?=[,< ])", page.split("and 5 more")[0])) >= 20


def test_nothing_to_delete_is_said(app):
    client = app.test_client()
    post(client, "/analyses/delete")
    assert "There was nothing to remove." in client.get("/").text


def test_memory_holds_no_marks_of_what_is_gone(clock):
    kept = in_memory(clock)
    assert isinstance(kept.storage, MemoryStorage)
    id = make(kept)
    kept.delete(id, "ada")
    assert kept.storage._marks == {} and json.dumps(kept.storage._kept) == "{}"


def test_a_storage_that_fails_midway_leaves_something_to_delete_again(clock):
    kept = in_memory(clock)
    id = make(kept)
    scores = with_scores(kept, id)
    usual = kept.challenger._storage.delete

    def away(id):
        raise StorageError(detail="away")

    kept.challenger._storage.delete = away
    for delete in (lambda: kept.delete(id, "ada"), lambda: kept.delete_all("ada")):
        with pytest.raises(StorageError):
            delete()
        assert kept.analyser.archive.get(id, "ada")
    kept.challenger._storage.delete = usual
    assert kept.delete(id, "ada").scores and kept.challenger.line(scores) is None
