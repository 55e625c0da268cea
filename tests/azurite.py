"""A real Azurite (Azure Blob Storage on this machine) for tests."""

import contextlib
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "node_modules/.bin/azurite-blob"
ACCOUNT = "devstoreaccount1"
# The key that Azurite's documentation gives to everybody.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@contextlib.contextmanager
def running_azurite() -> Iterator[str]:
    """Start Azurite on a free port; gives its connection string, and stops it afterwards."""
    with started("--blobPort", "0", "--inMemoryPersistence") as server:
        yield connection_string(_address(server))


@contextlib.contextmanager
def azurite_at(port: int, folder: Path) -> Iterator[subprocess.Popen]:
    """Start Azurite on a port, with what it keeps in a folder, so that it can be started again."""
    with started("--blobPort", str(port), "--location", str(folder)) as server:
        _address(server)
        yield server


@contextlib.contextmanager
def started(*options: str) -> Iterator[subprocess.Popen]:
    assert PROGRAM.exists(), f"{PROGRAM} is missing: run 'npm ci' (make test does)"
    command = [str(PROGRAM), *options, "--skipApiVersionCheck", "--silent", "--disableTelemetry"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server
        finally:
            server.send_signal(signal.SIGCONT)
            server.terminate()
            server.communicate()  # It says goodbye, and breaks where nobody listens.


def _address(server: subprocess.Popen) -> str:
    for line in server.stdout:
        if found := re.search(r"listens on (http://\S+)", line):
            return found[1]
    raise AssertionError(f"Azurite ended with {server.wait()}")


def connection_string(address: str) -> str:
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
        f"BlobEndpoint={address}/{ACCOUNT};"
    )
