"""Analyses as blobs in Azure Blob Storage."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from webapp.settings import Settings
from webapp.storage.protocol import (
    ID,
    LEFT_OVER_AFTER,
    OWNERS,
    PARTS,
    RECORD,
    AnalysisNotFoundError,
    StorageError,
    as_storage_error,
    check_id,
    day,
    not_deleted,
)

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient, StorageStreamDownloader


class AzureStorage:
    """Keeps each analysis as blobs ``<id>/<part>``; the record is written and deleted last.

    Blobs without a record do not count: they are being written, or left over from a failure. A
    deletion that fails half-way leaves the record, so that it can be asked for again.

    Parameters
    ----------
    settings : Settings
        Names the account (connection string, or its address with a managed identity) and the
        container, which is made when it is missing.
    left_over_after : timedelta
        Age from which blobs without a record, and marks of them, are taken for left-overs.
    """

    TIMEOUTS: ClassVar[dict[str, float]] = {"connection_timeout": 3, "read_timeout": 10}
    """Seconds without a word after which the storage counts as silent; no call waits longer."""

    def __init__(self, settings: Settings, left_over_after: timedelta = LEFT_OVER_AFTER) -> None:
        self._settings = settings
        self._left_over_after = left_over_after
        self._reach = _Reach()

    @cached_property
    def _container(self) -> "ContainerClient":
        """The connection; azure's libraries load here, on first use."""
        from azure.storage.blob import BlobServiceClient, LinearRetry

        # What stayed silent is not asked again: somebody waits, and holds a thread meanwhile.
        retry = LinearRetry(backoff=1, retry_total=1, random_jitter_range=0, retry_read=0)
        options: dict[str, Any] = {"retry_policy": retry, **self.TIMEOUTS}
        if self._settings.azure_connection_string:
            service = BlobServiceClient.from_connection_string(
                self._settings.azure_connection_string, **options
            )
        else:
            from azure.identity import DefaultAzureCredential

            credential = DefaultAzureCredential(
                exclude_developer_cli_credential=True,
                exclude_powershell_credential=True,
                exclude_visual_studio_code_credential=True,
                exclude_shared_token_cache_credential=True,
                process_timeout=5,
            )
            service = BlobServiceClient(self._settings.azure_account_url, credential, **options)
        return service.get_container_client(self._settings.container)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn azure's errors into this module's; a malformed address shows as ValueError."""
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        with as_storage_error(AzureError, OSError, ValueError):
            try:
                with self._reach.calling():
                    yield
            except ResourceNotFoundError:
                raise AnalysisNotFoundError() from None

    def save(self, id: str, parts: Mapping[str, bytes | Path], expires: datetime) -> None:
        """See `Storage`."""
        check_id(id)
        self._into_container(lambda: self._write(id, parts, expires))

    def _into_container(self, write: Callable[[], object]) -> None:
        """Write, and make the container first where it is missing."""
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

        with self._errors():
            try:
                write()
            except ResourceNotFoundError:
                with contextlib.suppress(ResourceExistsError):
                    self._container.create_container()
                write()

    def _write(self, id: str, parts: Mapping[str, bytes | Path], expires: datetime) -> None:
        """Write all parts; the first one claims the id, and any other failure takes all back."""
        from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

        first, *others = sorted(parts, key=PARTS.index)
        try:
            self._upload(f"{id}/{first}", parts[first], expires, overwrite=False)
            for part in others:
                self._upload(f"{id}/{part}", parts[part], expires, overwrite=True)
        except (ResourceExistsError, ResourceNotFoundError):
            raise  # The id is another's, or the container is still to be made: nothing is written.
        except BaseException:
            with contextlib.suppress(StorageError):
                self.delete(id)
            raise

    def _upload(
        self, name: str, content: bytes | Path, expires: datetime, *, overwrite: bool
    ) -> None:
        """Write one blob; it appears whole."""
        with contextlib.ExitStack() as stack:
            data: Any = content
            if isinstance(content, Path):
                data = stack.enter_context(open(content, "rb"))
            metadata = {"expires": expires.isoformat()}
            self._container.upload_blob(name, data, metadata=metadata, overwrite=overwrite)

    def read(self, id: str, part: str) -> bytes:
        """See `Storage`."""
        with self._errors():
            return bytes(self._download(id, part).readall())

    def chunks(self, id: str, part: str) -> Iterator[bytes]:
        """See `Storage`."""
        with self._errors():
            yield from self._download(id, part).chunks()

    def _download(self, id: str, part: str) -> "StorageStreamDownloader[bytes]":
        check_id(id)
        if part != RECORD and not self._container.get_blob_client(f"{id}/{RECORD}").exists():
            raise AnalysisNotFoundError()
        return self._container.download_blob(f"{id}/{part}")

    def put(self, id: str, part: str, content: bytes) -> None:
        """See `Storage`."""
        check_id(id)
        with self._errors():
            record = self._container.get_blob_client(f"{id}/{RECORD}").get_blob_properties()
            expires = datetime.fromisoformat(record.metadata["expires"])
            self._upload(f"{id}/{part}", content, expires, overwrite=True)

    def drop(self, id: str, part: str) -> None:
        """See `Storage`."""
        self._remove(f"{check_id(id)}/{part}")

    def _remove(self, name: str) -> None:
        with contextlib.suppress(AnalysisNotFoundError), self._errors():
            self._container.delete_blob(name)

    def mark(self, owner: str, id: str) -> None:
        """See `Storage`."""
        name = self._mark(owner, id)
        self._into_container(lambda: self._container.upload_blob(name, b"", overwrite=True))

    def unmark(self, owner: str, id: str) -> None:
        """See `Storage`."""
        self._remove(self._mark(owner, id))

    def _mark(self, owner: str, id: str) -> str:
        return f"{OWNERS}/{check_id(owner)}/{check_id(id)}"

    def marked(self, owner: str) -> tuple[str, ...]:
        """See `Storage`."""
        prefix = f"{OWNERS}/{check_id(owner)}/"
        found: list[str] = []
        with contextlib.suppress(AnalysisNotFoundError), self._errors():
            blobs = self._container.list_blobs(name_starts_with=prefix)
            found += [blob.name.removeprefix(prefix) for blob in blobs]
        return tuple(sorted(found))

    def delete(self, id: str) -> None:
        """See `Storage`."""
        from azure.core.exceptions import ResourceNotFoundError

        check_id(id)
        with not_deleted(), self._errors():
            for part in sorted(PARTS, key=RECORD.__eq__):
                with contextlib.suppress(ResourceNotFoundError):
                    self._container.delete_blob(f"{id}/{part}")

    def _blobs(self) -> dict[str, dict[str, Any]]:
        """List the blobs of each id: part -> properties."""
        found: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(AnalysisNotFoundError), self._errors():
            for blob in self._container.list_blobs(include=["metadata"]):
                id, _, part = blob.name.partition("/")
                if ID.fullmatch(id) and part in PARTS:
                    found.setdefault(id, {})[part] = blob
        return found

    def expired(self, now: datetime) -> tuple[str, ...]:
        """See `Storage`."""
        return tuple(
            id
            for id, blobs in self._blobs().items()
            if RECORD in blobs and day((blobs[RECORD].metadata or {}).get("expires", "")) <= now
        )

    def sweep(self) -> None:
        """See `Storage`."""
        before = datetime.now(UTC) - self._left_over_after
        kept = self._blobs()
        for id, blobs in kept.items():
            if RECORD not in blobs and all(blob.last_modified < before for blob in blobs.values()):
                self.delete(id)
        for name in self._marks(before):
            if name.rpartition("/")[2] not in kept:
                self._remove(name)

    def _marks(self, before: datetime) -> list[str]:
        """Name the marks of all owners that were written before a moment."""
        found: list[str] = []
        with contextlib.suppress(AnalysisNotFoundError), self._errors():
            blobs = self._container.list_blobs(name_starts_with=f"{OWNERS}/")
            found += [blob.name for blob in blobs if blob.last_modified < before]
        return found


class _Reach:
    """Knows whether the storage answers, so that few threads wait for one that does not.

    Once it was silent, one call at a time finds out whether it is back, and the others fail at
    once.
    """

    def __init__(self) -> None:
        self._silent = False
        self._finding_out = threading.RLock()

    @contextlib.contextmanager
    def calling(self) -> Iterator[None]:
        """Call the storage, unless it is silent and another thread is finding out."""
        from azure.core.exceptions import ServiceRequestError, ServiceResponseError

        with contextlib.ExitStack() as held:
            if self._silent:
                if not self._finding_out.acquire(blocking=False):
                    raise StorageError(detail="no answer so far")
                held.callback(self._finding_out.release)
            try:
                yield
            except (ServiceRequestError, ServiceResponseError):
                self._silent = True
                raise
            except Exception:
                self._silent = False  # Even a refusal is an answer.
                raise
            self._silent = False
