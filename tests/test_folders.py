"""Folders by address: what is listed, fetched and written, on this machine and in Azurite."""

import os
import shutil

import fsspec
import pytest

import ml
from ml.folders import (
    Listed,
    create,
    fetched,
    list_files,
    make,
    matches,
    names,
    open_folder,
    read,
    remove,
    tidy,
    write,
)

FILES = ("2.wav", "a.wav", "b b#1?.wav", "d%20.wav", "sub/[x].wav", "sub/ü.wav", "sub2/x.wav")
"""In the order in which they are listed: that of their names, a folder with its slash."""


@pytest.fixture(params=["local", "azure", "memory"])
def folder(request, tmp_path, monkeypatch):
    """An empty folder on this machine, in Azure Blob Storage, and of the generic kind."""
    if request.param == "azure":
        connection = request.getfixturevalue("azurite")
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)
        url = f"az://folders/{tmp_path.name}/calls"
    elif request.param == "memory":
        url = f"memory://{tmp_path.name}/calls"
    else:
        url = str(tmp_path / "calls")
    folder = open_folder(url)
    make(folder)
    make(folder)
    return folder


def put(folder, name: str, content: bytes = b"sound") -> None:
    """Write as others would, not by our own means."""
    if folder.local:
        os.makedirs(os.path.dirname(folder.path(name)), exist_ok=True)
    folder.files.pipe_file(folder.path(name), content)


def test_everything_is_listed_in_order_but_what_is_hidden(folder):
    for name in (*reversed(FILES), ".hidden.wav", ".git/x.wav", "sub/.hidden.wav"):
        put(folder, name, name.encode())
    listed = list(list_files(folder))
    assert tuple(file.name for file in listed) == FILES
    assert [file.size_bytes for file in listed] == [len(name.encode()) for name in FILES]
    for name in FILES:
        with fetched(folder, name) as path:
            assert path.read_bytes() == name.encode()


@pytest.mark.parametrize("folder", ["local", "azure"], indirect=True)
def test_the_mark_of_a_file_changes_with_it(folder):
    put(folder, "a.wav", b"one")
    (before,) = list_files(folder)
    assert list(list_files(folder)) == [before]
    put(folder, "a.wav", b"two")
    (after,) = list_files(folder)
    assert before.etag and after.etag != before.etag
    assert after == Listed("a.wav", 3, after.etag)


def test_a_folder_inside_can_be_left_out(folder):
    for name in ("a.wav", "out/b.wav", "out2/c.wav"):
        put(folder, name)
    inside = open_folder(f"{folder.url}/out")
    found = [file.name for file in list_files(folder, without=inside)]
    assert found == ["a.wav", "out2/c.wav"]


def test_what_is_written_is_read_replaced_and_removed(folder):
    assert read(folder, "x/part.jsonl") is None
    assert names(folder, "x") == []
    write(folder, "x/part.jsonl", b"one")
    write(folder, "x/part.jsonl", b"two")
    assert read(folder, "x/part.jsonl") == b"two"
    assert names(folder, "x") == ["part.jsonl"]
    remove(folder, "x/part.jsonl")
    remove(folder, "x/part.jsonl")
    assert read(folder, "x/part.jsonl") is None
    tidy(folder)


@pytest.mark.parametrize("folder", ["local", "azure"], indirect=True)
def test_a_file_is_created_once(folder):
    create(folder, "plan.jsonl", b"first")
    with pytest.raises(FileExistsError):
        create(folder, "plan.jsonl", b"second")
    assert read(folder, "plan.jsonl") == b"first"
    if folder.local:
        assert not os.listdir(folder.path("_unfinished"))


def test_a_file_is_created_once_without_hard_links(tmp_path, monkeypatch):
    def unsupported(source, target):
        raise PermissionError("this file system has no links")

    monkeypatch.setattr(os, "link", unsupported)
    folder = open_folder(str(tmp_path))
    create(folder, "plan.jsonl", b"first")
    with pytest.raises(FileExistsError):
        create(folder, "plan.jsonl", b"second")
    assert read(folder, "plan.jsonl") == b"first"


def test_half_a_file_never_bears_its_name(tmp_path, monkeypatch):
    """A process that is killed while it writes leaves what was there."""
    folder = open_folder(str(tmp_path))
    write(folder, "part", b"whole")

    def killed(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        write(folder, "part", b"other")
    assert read(folder, "part") == b"whole"
    tidy(folder)
    assert os.listdir(tmp_path) == ["part"]


def test_a_file_that_is_gone_is_an_error_of_that_file(folder):
    if folder.local:
        with pytest.raises(FileNotFoundError), fetched(folder, "gone.wav") as path:
            path.read_bytes()
    else:
        with pytest.raises(ml.UnreadableFileError, match=r"gone\.wav"), fetched(folder, "gone.wav"):
            pass


def test_a_fetched_copy_is_gone_afterwards(azurite, monkeypatch, tmp_path):
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = open_folder("az://folders/gone")
    make(folder)
    put(folder, "a.wav")
    with fetched(folder, "a.wav") as path:
        assert path.read_bytes() == b"sound"
        assert not os.listdir(tmp_path)
    assert not path.exists()


def test_links_that_lead_in_a_circle_are_not_followed(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    (tmp_path / "b.wav").symlink_to(tmp_path / "a.wav")
    (tmp_path / "circle").symlink_to(tmp_path)
    (tmp_path / "broken.wav").symlink_to(tmp_path / "nothing")
    found = [file.name for file in list_files(open_folder(str(tmp_path)))]
    assert found == ["a.wav", "b.wav"]


def test_a_container_of_many_pages_is_listed_whole(azurite, monkeypatch):
    """More blobs than fit on one page of Azure's listing."""
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite)
    folder = open_folder("az://folders/pages")
    make(folder)
    expected = [f"{number:02d}.wav" for number in range(12)]
    for name in expected:
        put(folder, name)
    client = type(folder.files.service_client.get_container_client("folders"))
    whole = client.list_blobs

    def in_small_pages(self, *arguments, **options):
        return whole(self, *arguments, **options, results_per_page=5)

    monkeypatch.setattr(client, "list_blobs", in_small_pages)
    assert [file.name for file in list_files(folder)] == expected


@pytest.mark.parametrize("url", ["az://nowhere/calls", "az://folders/calls"])
def test_a_storage_without_credentials_says_so(url, monkeypatch):
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING", raising=False)
    fsspec.get_filesystem_class("az").clear_instance_cache()
    with pytest.raises(ml.StorageAccessError, match="connection_string or account_name"):
        open_folder(url)


def test_a_container_that_is_not_there_says_so(azurite, monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite)
    fsspec.get_filesystem_class("az").clear_instance_cache()
    with pytest.raises(ml.StorageAccessError, match="container does not exist"):
        list(list_files(open_folder("az://nowhere/calls")))


def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    shutil.rmtree(tmp_path)
    tmp_path.write_text("a file")
    with pytest.raises(ml.StorageAccessError, match="Not a directory"):
        write(open_folder(str(tmp_path)), "part", b"")


def test_the_kind_of_an_address_decides(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert open_folder("calls").url == str(tmp_path / "calls")
    assert open_folder("file:///calls/").url == "/calls"
    with pytest.raises(ml.MissingPackageError, match="pip install s3fs"):
        open_folder("s3://calls/2026")
    with pytest.raises(ml.UnknownProtocolError, match="carrier"):
        open_folder("carrier://pigeon")


def test_patterns():
    assert matches("2026/a.wav", ("*.wav",))
    assert matches("2026/A.WAV", ("*.wav",)) and matches("a.wav", ("*.WAV",))
    assert matches("2026/11/a.wav", ("2026/*",))
    assert matches("2026/a.wav", ("x", "a.*"))
    assert not matches("2026/a.wav", ("*.mp3", "2025/*"))
