"""Folders by address: one on this machine, in Azure Blob Storage, S3 or whatever fsspec opens."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.asyn import sync
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from ml.errors import (
    MissingPackageError,
    SerError,
    StorageAccessError,
    UnknownProtocolError,
    UnreadableFileError,
)

_UNFINISHED = "_unfinished"
"""Where files of a local folder are written before they get their name."""


@dataclass(frozen=True)
class Folder:
    """A folder that can be listed, read and written.

    Attributes
    ----------
    url : str
        As it was given; of a local folder the absolute path.
    files : AbstractFileSystem
    root : str
        Its path there.
    """

    url: str
    files: AbstractFileSystem
    root: str

    @property
    def local(self) -> bool:
        """Whether it lies on this machine (or is mounted)."""
        return isinstance(self.files, LocalFileSystem)

    def path(self, name: str) -> str:
        """Path of what is called `name` in it."""
        return f"{self.root.rstrip('/')}/{name}"


@dataclass(frozen=True)
class Listed:
    """A file found in a folder.

    Attributes
    ----------
    name : str
        Path relative to the folder.
    size_bytes : int
    etag : str
        Changes with the content: the storage's ETag, or the time of change of a local file.
    """

    name: str
    size_bytes: int
    etag: str


def open_folder(url: str) -> Folder:
    """Open a folder; credentials come from where its package looks for them.

    Raises
    ------
    MissingPackageError
        If the protocol's package is not installed.
    UnknownProtocolError
        If there is no such protocol.
    StorageAccessError
        If the package refuses the address or finds no credentials.
    """
    with _trouble(url):
        try:
            # Listings are not kept: other processes write into the same folder.
            files, root = url_to_fs(url, use_listings_cache=False)
        except ImportError as error:
            package = _missing_package(error)
            raise MissingPackageError(
                purpose=f"'{url}'", package=package, command=f"pip install {package}"
            ) from error
        except ValueError as error:
            if "rotocol" in str(error):
                raise UnknownProtocolError(url=url, detail=str(error).rstrip(".")) from error
            raise
    local = isinstance(files, LocalFileSystem)
    return Folder(root if local else url.rstrip("/"), files, root)


def _missing_package(error: ImportError) -> str:
    """Name what could not be imported; fsspec raises an error of its own over Python's."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ImportError) and cause.name:
            return cause.name.split(".")[0]
        cause = cause.__cause__ or cause.__context__
    return str(error)


@contextmanager
def _trouble(url: str) -> Iterator[None]:
    """Word what a storage raises; each has error classes of its own."""
    try:
        yield
    except SerError:
        raise
    except Exception as error:
        raise StorageAccessError(url=url, detail=_told(error)) from error


def _told(error: Exception) -> str:
    """Take the first line of what an error says."""
    told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (told.strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def list_files(folder: Folder, without: Folder | None = None) -> Iterator[Listed]:
    """List all files below a folder, sorted by name; hidden files and folders are passed over.

    In memory are at most the names of one folder of each level, or a page of an Azure listing.

    Parameters
    ----------
    folder : Folder
    without : Folder, optional
        A folder that may lie inside and is left out.

    Raises
    ------
    StorageAccessError
        If there is no such folder, or a part of it cannot be listed.
    """
    left_out = without.root if without and type(without.files) is type(folder.files) else None
    with _trouble(folder.url):
        if folder.local:
            yield from _local_below(folder, folder.root, left_out)
        elif "abfs" in folder.files.protocol:
            yield from _blobs(folder, left_out)
        else:
            yield from _remote_below(folder, folder.root, left_out)


def _local_below(folder: Folder, path: str, left_out: str | None) -> Iterator[Listed]:
    # A folder sorts with its slash, so that all paths come in one order.
    for name in sorted(_local_names(path)):
        whole = f"{path.rstrip('/')}/{name}"
        if not name.endswith("/"):
            with suppress(FileNotFoundError):  # gone since
                stat = os.stat(whole)
                info = {"name": whole, "size": stat.st_size, "etag": f"{stat.st_mtime_ns:x}"}
                yield _listed(info, folder.root)
        elif whole != f"{left_out}/":
            yield from _local_below(folder, whole[:-1], left_out)


def _local_names(path: str) -> Iterator[str]:
    """Name files, and folders with a slash; links to folders may lead in a circle, so not those."""
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield entry.name + "/"
            elif entry.is_file():
                yield entry.name


def _remote_below(folder: Folder, path: str, left_out: str | None) -> Iterator[Listed]:
    found: dict[str, Listed | str] = {}
    for info in folder.files.ls(path, detail=True):
        whole = info["name"].rstrip("/")
        name = whole.rpartition("/")[2]
        if name.startswith(".") or whole == path.rstrip("/"):  # a folder may list itself
            continue
        if info["type"] == "directory":
            found[name + "/"] = whole
        else:
            found[name] = _listed(info, folder.root)
    for _key, entry in sorted(found.items()):
        if isinstance(entry, Listed):
            yield entry
        elif entry != left_out:
            yield from _remote_below(folder, entry, left_out)


def _blobs(folder: Folder, left_out: str | None) -> Iterator[Listed]:
    """List a container page by page; adlfs itself would hold 9 kB for each blob of it at once."""
    container, _slash, prefix = folder.root.strip("/").partition("/")
    client = folder.files.service_client.get_container_client(container)
    start = f"{prefix}/" if prefix else ""
    pages = client.list_blobs(name_starts_with=start, include=["metadata"]).by_page()
    while (page := sync(folder.files.loop, _next_page, pages)) is not None:
        for blob in page:
            whole = f"{container}/{blob.name}"
            hidden = any(part.startswith(".") for part in blob.name[len(start) :].split("/"))
            is_folder = (blob.metadata or {}).keys() & {"hdi_isfolder", "Hdi_isfolder"}
            if not (hidden or is_folder or whole.startswith(f"{left_out}/")):
                info = {"name": whole, "size": blob.size, "etag": blob.etag}
                yield _listed(info, folder.root)


async def _next_page(pages: AsyncIterator[AsyncIterator[Any]]) -> list[Any] | None:
    try:
        page = await anext(pages)
    except StopAsyncIteration:
        return None
    return [blob async for blob in page]


def _listed(info: dict, root: str) -> Listed:
    etag = info.get("etag") or info.get("ETag") or info.get("mtime") or ""
    name = str(info["name"])[len(root.rstrip("/")) + 1 :]
    return Listed(name, int(info["size"] or 0), str(etag).strip('"'))


@contextmanager
def fetched(folder: Folder, name: str) -> Iterator[Path]:
    """Give a path under which a file can be read, of a remote one a copy that leaves nothing."""
    if folder.local:
        yield Path(folder.path(name))
        return
    # Nameless: it is gone with the process, however that ends.
    with tempfile.TemporaryFile(prefix="undertone-") as file:
        path = f"/dev/fd/{file.fileno()}"
        try:
            folder.files.get_file(folder.path(name), path)
        except Exception as error:  # each storage has error classes of its own
            raise UnreadableFileError(path=name, detail=_told(error)) from error
        file.seek(0)
        yield Path(path)


def read(folder: Folder, name: str) -> bytes | None:
    """Read a file; None if there is none."""
    with _trouble(folder.url):
        try:
            return folder.files.cat_file(folder.path(name))
        except FileNotFoundError:
            return None


def write(folder: Folder, name: str, content: bytes) -> None:
    """Write a file that is there as a whole or not at all; one of that name is replaced."""
    path = folder.path(name)
    with _trouble(folder.url):
        if folder.local:
            os.replace(_written(folder, path, content), path)
        else:
            folder.files.pipe_file(path, content)


def create(folder: Folder, name: str, content: bytes) -> None:
    """Write a file likewise, if there is none of that name yet.

    Raises
    ------
    FileExistsError
        If there is one; of two processes that try, one gets this.
    """
    with _trouble(folder.url):
        create_there = _create_locally if folder.local else _create_remotely
        created = create_there(folder, folder.path(name), content)
    if not created:
        raise FileExistsError(folder.path(name))


def _create_remotely(folder: Folder, path: str, content: bytes) -> bool:
    try:
        folder.files.pipe_file(path, content, mode="create")
    except FileExistsError:
        return False
    return True


def _create_locally(folder: Folder, path: str, content: bytes) -> bool:
    unfinished = _written(folder, path, content)
    try:
        os.link(unfinished, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if os.path.exists(path):
            return False
        os.replace(unfinished, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(unfinished)
    return True


def _written(folder: Folder, path: str, content: bytes) -> str:
    """Write content under a name that nobody else has, on the disk of `path`."""
    unfinished = folder.path(f"{_UNFINISHED}/{uuid.uuid4().hex}")
    os.makedirs(os.path.dirname(unfinished), exist_ok=True)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(unfinished, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return unfinished


def tidy(folder: Folder) -> None:
    """Remove what killed processes left half written; for when nobody writes any more."""
    if folder.local:
        shutil.rmtree(folder.path(_UNFINISHED), ignore_errors=True)


def make(folder: Folder) -> None:
    """Make the folder, or the container that it lies in, unless it is there."""
    with _trouble(folder.url), suppress(FileExistsError):
        folder.files.mkdir(folder.root, create_parents=True)


def names(folder: Folder, below: str) -> list[str]:
    """Name the files of a folder inside it, sorted; none where there is no such folder."""
    with _trouble(folder.url):
        try:
            found = folder.files.ls(folder.path(below), detail=False)
        except FileNotFoundError:
            return []
    return sorted(path.rstrip("/").rpartition("/")[2] for path in found)


def remove(folder: Folder, name: str) -> None:
    """Remove a file, if it is there."""
    with _trouble(folder.url), suppress(FileNotFoundError):
        folder.files.rm_file(folder.path(name))


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a path, or its last part, is like one of the patterns (``*``, ``?``, ``[abc]``).

    Capital letters count like small ones.
    """
    whole = name.lower()
    last = whole.rpartition("/")[2]
    return any(
        fnmatchcase(whole, pattern.lower()) or fnmatchcase(last, pattern.lower())
        for pattern in patterns
    )
