"""Everything that keeps something, over any of the storages, with a clock that tests turn."""

import json
import secrets
from datetime import UTC, datetime
from pathlib import Path

from azure.storage.blob import BlobServiceClient

from webapp.analysis import Analyser
from webapp.challenger import Challenger
from webapp.contributions import Contributions
from webapp.retention import Retention
from webapp.running import RunningAnalyses
from webapp.settings import Settings
from webapp.storage import RECORD, open_storage

MODEL = "mfcc-cnn"


class Clock:
    """Tells the time that it is set to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def settings_on(kind: str, folder: Path, request) -> Settings:
    """Choose a storage; that of Azure is Azurite, in a container of its own."""
    options = {"storage": kind, "storage_dir": folder, "model": MODEL, "rate_limit": "off"}
    if kind == "azure":
        options |= {
            "secret_key": "k" * 32,
            "azure_connection_string": request.getfixturevalue("azurite"),
            "container": f"t-{secrets.token_hex(8)}",
        }
    return Settings(**options)


def keepers(settings: Settings, clock: Clock) -> Retention:
    """Put together what `create_app` does, with the clock."""
    storage = open_storage(settings)
    challenger = Challenger(settings, open_storage(settings, "challenge"), clock=clock)
    return Retention(
        storage,
        Analyser(settings, storage, clock=clock, challenger=challenger),
        RunningAnalyses(open_storage(settings, "running"), clock),
        Contributions(open_storage(settings, "contributions"), clock),
        challenger,
        clock,
    )


def with_scores(kept: Retention, id: str) -> str:
    """Let an analysis bear scores of a model on trial; gives their id."""
    challenge = secrets.token_urlsafe(16)
    record = json.loads(kept.storage.read(id, RECORD)) | {"challenge": challenge}
    kept.storage.put(id, RECORD, json.dumps(record).encode())
    line = {"id": challenge, "time": "2026-03-01T12:00Z"}
    expires = datetime(2026, 3, 31, 12, tzinfo=UTC)
    kept.challenger._storage.save(challenge, {RECORD: json.dumps(line).encode()}, expires)
    return challenge


def remains(kept: Retention, settings: Settings) -> str:
    """Give everything that lies in the storages, names and contents, as one text."""
    if settings.storage == "azure":
        return str([*_blobs(settings)])
    if settings.storage == "local":
        paths = [path for path in settings.storage_dir.rglob("*")]
        return str([(str(path), path.is_file() and path.read_bytes()) for path in paths])
    storages = (kept.storage, kept.running, kept.contributions, kept.challenger)
    found = [getattr(one, "_storage", one) for one in storages]
    return str([(storage._kept, storage._marks) for storage in found])


def _blobs(settings: Settings):
    service = BlobServiceClient.from_connection_string(settings.azure_connection_string)
    for container in service.list_containers(name_starts_with=settings.container):
        client = service.get_container_client(container.name)
        for blob in client.list_blobs():
            yield container.name, blob.name, client.download_blob(blob.name).readall()
