"""A real Azurite (Azure Blob Storage on this machine) for tests."""

import contextlib
import re
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
    assert PROGRAM.exists(), f"{PROGRAM} is missing: run 'npm ci' (make test does)"
    command = [
        str(PROGRAM),
        *("--blobPort", "0", "--inMemoryPersistence", "--skipApiVersionCheck"),
        *("--silent", "--disableTelemetry"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield connection_string(_address(server))
        finally:
            server.terminate()


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
