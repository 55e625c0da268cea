"""Where analyses are kept: one protocol; a local folder, Azure Blob Storage, memory."""

from collections.abc import Callable
from dataclasses import replace

from webapp.settings import Settings
from webapp.storage.azure import AzureStorage
from webapp.storage.local import LocalStorage
from webapp.storage.memory import MemoryStorage
from webapp.storage.protocol import (
    AUDIO,
    PARTS,
    RECORD,
    SHARE,
    UPLOAD,
    AnalysisNotFoundError,
    NotDeletedError,
    Storage,
    StorageError,
    check_id,
    digest,
    still_there,
)

__all__ = [
    "AUDIO",
    "PARTS",
    "RECORD",
    "SHARE",
    "STORAGES",
    "UPLOAD",
    "AnalysisNotFoundError",
    "AzureStorage",
    "LocalStorage",
    "MemoryStorage",
    "NotDeletedError",
    "Storage",
    "StorageError",
    "check_id",
    "digest",
    "open_storage",
    "still_there",
]


def open_storage(settings: Settings, kind: str = "analyses") -> Storage:
    """Give the storage that the settings name, for one kind of thing; it is not touched yet."""
    return STORAGES[settings.storage](settings, kind)


def _azure(settings: Settings, kind: str) -> Storage:
    """Give each kind a container of its own; that of analyses bears the settings' name."""
    if kind != "analyses":
        settings = replace(settings, container=f"{settings.container}-{kind}"[:63])
    return AzureStorage(settings)


STORAGES: dict[str, Callable[[Settings, str], Storage]] = {
    "local": lambda settings, kind: LocalStorage(settings.storage_dir / kind),
    "azure": _azure,
    "memory": lambda settings, kind: MemoryStorage(),
}
