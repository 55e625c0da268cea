"""The three storages behave alike; each one against the real thing."""

import os
import resource
import secrets
import signal
import socket
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from azurite import connection_string

from webapp.settings import Settings
from webapp.storage import (
    AUDIO,
    PARTS,
    RECORD,
    SHARE,
    STORAGES,
    UPLOAD,
    AnalysisNotFoundError,
    AzureStorage,
    LocalStorage,
    MemoryStorage,
    StorageError,
    open_storage,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
CONTENT = {UPLOAD: b"as it came", AUDIO: b"RIFF as converted", RECORD: b'{"schema": 1}'}


def azure_settings(connection: str, container: str = "") -> Settings:
    return Settings(
        storage="azure",
        secret_key="k" * 32,
        azure_connection_string=connection,
        container=container or f"t-{secrets.token_hex(8)}",
    )


@pytest.fixture(params=STORAGES)
def settings(request, tmp_path):
    if request.param == "azure":
        return azure_settings(request.getfixturevalue("azurite"))
    return Settings(storage=request.param, storage_dir=tmp_path)


@pytest.fixture
def storage(settings):
    return open_storage(settings)


def new_id() -> str:
    return secrets.token_urlsafe(16)


def assert_nothing(storage, id: str) -> None:
    for part in PARTS:
        with pytest.raises(AnalysisNotFoundError):
            storage.read(id, part)


def test_gives_back_what_it_keeps(storage, tmp_path):
    id = new_id()
    (tmp_path / "clip").write_bytes(CONTENT[UPLOAD])
    storage.save(id, {**CONTENT, UPLOAD: tmp_path / "clip"}, LATER)
    assert {part: storage.read(id, part) for part in CONTENT} == CONTENT


def test_gives_back_many_megabytes(storage, tmp_path):
    id, clip = new_id(), secrets.token_bytes(9 * 1024 * 1024 + 1)
    (tmp_path / "clip").write_bytes(clip)
    storage.save(id, {**CONTENT, UPLOAD: tmp_path / "clip", AUDIO: clip}, LATER)
    assert storage.read(id, UPLOAD) == storage.read(id, AUDIO) == clip


def test_gives_the_same_piece_by_piece(storage):
    id, clip = new_id(), secrets.token_bytes(9 * 1024 * 1024 + 1)
    storage.save(id, {**CONTENT, AUDIO: clip}, LATER)
    pieces = list(storage.chunks(id, AUDIO))
    assert b"".join(pieces) == clip
    assert len(pieces) > 1 or isinstance(storage, MemoryStorage)
    assert b"".join(storage.chunks(id, RECORD)) == CONTENT[RECORD]
    for name, part in ((id, SHARE), (new_id(), AUDIO), (new_id(), RECORD), ("../x", RECORD)):
        with pytest.raises(AnalysisNotFoundError):
            next(storage.chunks(name, part))


def test_deletes_every_part_and_only_that_analysis(storage):
    gone, stays = new_id(), new_id()
    storage.save(gone, CONTENT, LATER)
    storage.save(stays, CONTENT, LATER)
    storage.delete(gone)
    storage.delete(gone)
    assert_nothing(storage, gone)
    assert storage.read(stays, RECORD) == CONTENT[RECORD]


def test_knows_nothing_before_the_first_write(storage):
    id = new_id()
    assert_nothing(storage, id)
    storage.delete(id)
    storage.sweep()
    assert storage.expired(LATER) == ()


def test_names_the_analyses_whose_day_has_come(storage):
    early, late = new_id(), new_id()
    storage.save(early, CONTENT, NOW)
    storage.save(late, CONTENT, LATER)
    assert storage.expired(NOW - timedelta(seconds=1)) == ()
    assert storage.expired(NOW) == (early,)
    assert set(storage.expired(LATER)) == {early, late}


def test_a_part_is_put_replaced_and_dropped(storage):
    id, other = new_id(), new_id()
    storage.save(id, CONTENT, LATER)
    storage.put(id, SHARE, b"1")
    storage.put(id, SHARE, b"2")
    assert storage.read(id, SHARE) == b"2" and storage.read(id, RECORD) == CONTENT[RECORD]
    assert storage.expired(LATER) == (id,) and storage.expired(NOW) == ()
    storage.drop(id, SHARE)
    storage.drop(id, SHARE)
    storage.drop(other, SHARE)
    with pytest.raises(AnalysisNotFoundError):
        storage.read(id, SHARE)
    storage.put(id, SHARE, b"3")
    storage.delete(id)
    assert_nothing(storage, id)
    with pytest.raises(AnalysisNotFoundError):
        storage.put(id, SHARE, b"4")
    assert_nothing(storage, id)


def test_an_owners_analyses_are_noted(storage):
    mine, yours = secrets.token_hex(32), secrets.token_hex(32)
    first, second = sorted((new_id(), new_id()))
    storage.save(first, CONTENT, LATER)
    assert storage.marked(mine) == ()
    for owner, id in ((mine, second), (mine, first), (mine, first), (yours, second)):
        storage.mark(owner, id)
    assert storage.marked(mine) == (first, second) and storage.marked(yours) == (second,)
    storage.unmark(mine, second)
    storage.unmark(mine, second)
    assert storage.marked(mine) == (first,) and storage.marked(yours) == (second,)
    storage.sweep()
    assert storage.marked(mine) == (first,) and storage.expired(LATER) == (first,)


def aged(storage):
    """Make a storage that takes everything for old at once."""
    if isinstance(storage, AzureStorage):
        time.sleep(1.1)  # blobs bear whole seconds
        return AzureStorage(storage._settings, left_over_after=timedelta(0))
    if isinstance(storage, LocalStorage):
        return LocalStorage(storage.root, left_over_after=timedelta(0))
    storage._left_over_after_s = 0
    return storage


def test_marks_of_what_is_gone_are_swept_once_they_are_old(storage):
    owner, other = secrets.token_hex(32), secrets.token_hex(32)
    kept, gone = new_id(), new_id()
    storage.save(kept, CONTENT, LATER)
    for name, id in ((owner, kept), (owner, gone), (other, gone)):
        storage.mark(name, id)
    storage.sweep()
    assert storage.marked(other) == (gone,), "it may be written just now"
    aged(storage).sweep()
    assert storage.marked(owner) == (kept,) and storage.marked(other) == ()


@pytest.mark.parametrize("day", ["", "soon", "2026-03-01T12:00:00", "\xff"])
def test_a_damaged_day_has_come(day, tmp_path, azurite):
    id, local, azure = new_id(), LocalStorage(tmp_path), AzureStorage(azure_settings(azurite))
    for storage in (local, azure):
        storage.save(id, CONTENT, LATER)
    (tmp_path / id / "expires").write_bytes(day.encode("latin-1"))
    metadata = {"expires": day} if day.isascii() and day else None
    azure._container.get_blob_client(f"{id}/{RECORD}").set_blob_metadata(metadata)
    for storage in (local, azure):
        assert storage.expired(NOW - timedelta(days=1000)) == (id,)


def test_never_writes_over_another_analysis(storage):
    id = new_id()
    storage.save(id, CONTENT, LATER)
    with pytest.raises(StorageError):
        storage.save(id, {part: b"other" for part in PARTS}, LATER)
    assert {part: storage.read(id, part) for part in CONTENT} == CONTENT


@pytest.mark.parametrize(
    "id",
    [
        *("", ".", "..", "../../etc/passwd", "a" * 15, "a" * 65, "a/b" * 8, "a" * 20 + "\n"),
        *("é" * 20, "." * 20, "..%2f..%2f..%2f..%2f", "a\\..\\" * 5, "\0" * 20),
    ],
)
def test_no_id_leads_elsewhere(storage, id):
    with pytest.raises(AnalysisNotFoundError):
        storage.save(id, CONTENT, LATER)
    for part in PARTS:
        with pytest.raises(AnalysisNotFoundError):
            storage.read(id, part)
    with pytest.raises(AnalysisNotFoundError):
        storage.delete(id)


def test_a_file_that_cannot_be_read_leaves_nothing(storage, tmp_path):
    id = new_id()
    with pytest.raises(StorageError):
        storage.save(id, {**CONTENT, AUDIO: tmp_path / "missing"}, LATER)
    assert_nothing(storage, id)
    storage.save(id, CONTENT, LATER)
    assert storage.read(id, RECORD) == CONTENT[RECORD]


def test_writes_side_by_side(storage):
    ids, taken, kept = [new_id() for _ in range(12)], new_id(), []

    def keep(id: str) -> None:
        storage.save(id, {**CONTENT, RECORD: id.encode()}, LATER)
        try:
            storage.save(taken, {part: id.encode() for part in PARTS}, LATER)
            kept.append(id)
        except StorageError:
            pass

    threads = [threading.Thread(target=keep, args=(id,)) for id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [storage.read(id, RECORD).decode() for id in ids] == ids
    assert len(kept) == 1
    assert {storage.read(taken, part).decode() for part in PARTS} == set(kept)


def test_reading_while_deleting_gives_all_or_not_found(storage):
    for _ in range(5):
        id, seen = new_id(), []
        storage.save(id, CONTENT, LATER)

        def read(id=id, seen=seen):
            try:
                while True:
                    seen.append(storage.read(id, RECORD))
            except AnalysisNotFoundError:
                pass

        reader = threading.Thread(target=read)
        reader.start()
        storage.delete(id)
        reader.join(10)
        assert not reader.is_alive()
        assert set(seen) <= {CONTENT[RECORD]}


class FailingLocal(LocalStorage):
    def _write(self, path, content):
        if path.name == AUDIO:
            raise MemoryError
        super()._write(path, content)


class FailingAzure(AzureStorage):
    def _upload(self, name, *arguments, **options):
        if name.endswith(RECORD):
            raise MemoryError
        super()._upload(name, *arguments, **options)


def azure_blobs(storage: AzureStorage) -> list[str]:
    return [blob.name for blob in storage._container.list_blobs()]


def test_local_leaves_nothing_after_an_error_half_way(tmp_path):
    with pytest.raises(MemoryError):
        FailingLocal(tmp_path).save(new_id(), CONTENT, LATER)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_azure_leaves_nothing_after_an_error_half_way(azurite):
    storage = FailingAzure(azure_settings(azurite))
    with pytest.raises(MemoryError):
        storage.save(new_id(), CONTENT, LATER)
    assert azure_blobs(storage) == []


def dying(storage, method: str, part: str):
    """Make a storage whose process is killed when it comes to `part`."""
    original = getattr(storage, method)

    def die_at_part(name, *arguments, **options):
        if str(name).endswith(part):
            os.kill(os.getpid(), signal.SIGKILL)
        return original(name, *arguments, **options)

    setattr(storage, method, die_at_part)
    return storage


def in_child(action) -> int:
    """Run `action` in a process of its own; gives its exit code or minus its signal."""
    child = os.fork()
    if not child:
        code = 1
        try:
            action()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_local_after_a_crash_half_way(tmp_path):
    id = new_id()
    storage = LocalStorage(tmp_path)
    assert (
        in_child(lambda: dying(LocalStorage(tmp_path), "_write", AUDIO).save(id, CONTENT, LATER))
        == -signal.SIGKILL
    )
    assert any(path.name.startswith(".new-") for path in tmp_path.iterdir()), "it did crash"
    assert_nothing(storage, id)
    assert storage.expired(LATER) == ()
    storage.sweep()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_azure_after_a_crash_half_way(azurite):
    settings, id = azure_settings(azurite), new_id()
    assert (
        in_child(lambda: dying(AzureStorage(settings), "_upload", RECORD).save(id, CONTENT, LATER))
        == -signal.SIGKILL
    )
    storage = AzureStorage(settings, left_over_after=timedelta(0))
    assert azure_blobs(storage) == [f"{id}/{AUDIO}", f"{id}/{UPLOAD}"], "it did crash"
    assert_nothing(storage, id)
    assert storage.expired(LATER) == ()
    AzureStorage(settings).sweep()
    assert len(azure_blobs(storage)) == 2, "young left-overs may be a write under way"
    time.sleep(1.1)  # blobs bear whole seconds
    storage.sweep()
    assert azure_blobs(storage) == []


def test_local_sweep_leaves_a_write_under_way_alone(tmp_path):
    id, reached, go_on = new_id(), threading.Event(), threading.Event()

    class Slow(LocalStorage):
        def _write(self, path, content):
            reached.set()
            assert go_on.wait(10)
            super()._write(path, content)

    writer = threading.Thread(target=Slow(tmp_path).save, args=(id, CONTENT, LATER))
    writer.start()
    assert reached.wait(10)
    LocalStorage(tmp_path).sweep()
    go_on.set()
    writer.join(10)
    assert LocalStorage(tmp_path).read(id, RECORD) == CONTENT[RECORD]


def test_local_with_no_room_left(tmp_path):
    """A limit on the size of files stands in for a full disk: write() fails the same way."""
    storage, id = LocalStorage(tmp_path), new_id()

    def save_with_little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        with pytest.raises(StorageError):
            storage.save(id, {**CONTENT, AUDIO: bytes(100_000)}, LATER)

    assert in_child(save_with_little_room) == 0
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_local_folder_is_for_the_server_alone(tmp_path):
    LocalStorage(tmp_path / "analyses").save(new_id(), CONTENT, LATER)
    assert (tmp_path / "analyses").stat().st_mode & 0o077 == 0


def unreachable_local(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    return LocalStorage(tmp_path / "file" / "analyses")


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def unreachable_azure(tmp_path):
    address = f"http://127.0.0.1:{closed_port()}"
    return AzureStorage(azure_settings(connection_string(address)))


def unreachable_with_identity(tmp_path):
    return AzureStorage(
        Settings(
            storage="azure",
            secret_key="k" * 32,
            azure_account_url=f"https://127.0.0.1:{closed_port()}",
        )
    )


@pytest.mark.parametrize(
    "broken", [unreachable_local, unreachable_azure, unreachable_with_identity]
)
@pytest.mark.parametrize(
    "use",
    [
        lambda storage: storage.save(new_id(), CONTENT, LATER),
        lambda storage: storage.read(new_id(), RECORD),
        lambda storage: storage.expired(NOW),
    ],
    ids=["save", "read", "expired"],
)
def test_out_of_reach_is_one_error_and_quick(broken, use, tmp_path):
    storage = broken(tmp_path)
    start = time.monotonic()
    with pytest.raises(StorageError) as caught:
        use(storage)
    assert time.monotonic() - start < 10
    assert "127.0.0.1" not in str(caught.value) and str(tmp_path) not in str(caught.value)


def test_azure_with_a_wrong_key(azurite):
    connection = azurite.replace("AccountKey=Eby8", "AccountKey=AAAA")
    with pytest.raises(StorageError):
        AzureStorage(azure_settings(connection)).save(new_id(), CONTENT, LATER)


def test_azure_with_a_container_that_is_there(azurite):
    settings = azure_settings(azurite)
    first, second = AzureStorage(settings), AzureStorage(settings)
    one, two = new_id(), new_id()
    first.save(one, CONTENT, LATER)
    second.save(two, CONTENT, LATER)
    assert first.read(two, RECORD) == second.read(one, RECORD)


def test_memory_is_each_ones_own():
    id = new_id()
    MemoryStorage().save(id, CONTENT, LATER)
    assert_nothing(MemoryStorage(), id)
