"""A real server whose disk is full: where analyses are kept, and where temporary files go."""

import shutil
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from clips import silence
from test_serving import serving
from visitors import NDJSON, Visitor, last_line, left_in

from webapp.storage import LocalStorage


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("disks")
    disks = [small_disk(folder / name) for name in ("kept", "temporary")]
    try:
        kept, temporary = (next(disk) for disk in disks)
        settings = {"SER_STORAGE_DIR": kept / "data", "TMPDIR": temporary}
        settings |= {"SER_MODEL": "mfcc-cnn", "SER_RATE_LIMIT": "off", "WEB_CONCURRENCY": 2}
        with serving(folder, **settings) as (address, _):
            yield SimpleNamespace(
                address=address,
                disk=kept,
                storage=LocalStorage(kept / "data" / "analyses"),
                temporary=temporary,
                log=folder / "log",
            )
    finally:
        for disk in disks:
            disk.close()


def small_disk(folder: Path):
    """Mount a file system of 4 MB, until this is closed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def full(disk: Path, but_kb: int = 0):
    """Fill a disk but for so much."""
    filler = disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(disk).free - (but_kb << 10)))
    try:
        yield
    finally:
        filler.unlink()


def inside(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.name != "filler"}


@pytest.mark.parametrize("but_kb", [0, 150])
def test_a_full_storage_answers_and_keeps_nothing(site, but_kb):
    ada, bob = Visitor(site.address), Visitor(site.address)
    page, before = ada.kept(), inside(site.storage.root)
    with full(site.disk, but_kb):
        form, lines, api = bob.send(), bob.send(headers=NDJSON), bob.api()
        assert form.status_code == lines.status_code == api.status_code == 200
        told = "so nothing was kept of this analysis"
        assert told in form.text and told in last_line(lines)["page"]
        assert [note["code"] for note in api.json()["notes"]] == ["not_kept"]
        assert inside(site.storage.root) - before <= {site.storage.root / "owners"}
        assert ada.get(page).status_code == ada.get("/").status_code == 200
        if not but_kb:
            shared = ada.post(f"{page}/share")
            assert shared.status_code == 503 and "No space left on device" in shared.text
        assert ada.post(f"{page}/delete").status_code == 303, "deleting needs no room"
        assert "removed on" in ada.get("/").text
    assert ada.get(page).status_code == 404
    assert ada.get(bob.kept()).status_code == 404
    assert "Traceback" not in site.log.read_text()


def assert_no_room(answer) -> None:
    assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
    assert "There is no room left on the disk" in answer.text


@pytest.mark.parametrize("but_kb", [0, 150])
@pytest.mark.parametrize("clip", [silence(5), silence(25)], ids=["small", "large"])
def test_no_room_for_temporary_files_is_said_and_leaves_nothing(site, clip, but_kb):
    ada = Visitor(site.address)
    before = site.storage.expired(datetime.max.replace(tzinfo=UTC))
    ada.get("/")
    with full(site.temporary, but_kb):
        predicted = ada.predict(clip)
        assert_no_room(predicted)
        assert predicted.json()["error"]["code"] == "no_room"
        page = ada.send(clip)
        assert_no_room(page)
        assert "<main" in page.text
        assert "no room left" in ada.send(clip, headers=NDJSON).text
        assert ada.get("/").status_code == ada.get("/health").status_code == 200
    assert set(before) == set(site.storage.expired(datetime.max.replace(tzinfo=UTC)))
    assert not left_in(site.temporary)
    assert ada.predict(clip).status_code == 200
    assert "Traceback" not in site.log.read_text()
