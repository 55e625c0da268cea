"""A visitor of a real server: sends clips with the site's forms, and counts what is left behind."""

import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import requests
from clips import VOICE
from test_serving import PATIENCE_S

CLIP = VOICE.read_bytes()
NDJSON = {"Accept": "application/x-ndjson"}


class Visitor:
    """One browser."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.session = requests.Session()
        # A server that refuses a body without reading it ends the connection.
        self.session.headers["Connection"] = "close"

    def get(self, path: str, **options) -> requests.Response:
        return self.session.get(f"{self.address}{path}", timeout=PATIENCE_S, **options)

    def post(self, path: str, files=None, headers=None, **fields) -> requests.Response:
        """Send a form; a redirection is not followed."""
        form = self.get("/privacy") if "csrf_token" in fields else self.get("/")
        found = re.search(r'name="csrf_token" value="([^"]+)"', form.text)
        return self.session.post(
            f"{self.address}{path}",
            data={"csrf_token": found[1]} | fields,
            files=files,
            headers=headers,
            allow_redirects=False,
            timeout=PATIENCE_S,
        )

    def send(self, clip: bytes = CLIP, headers=None, **fields) -> requests.Response:
        """Give a clip on the front page."""
        return self.post("/analyses", {"file": ("voice.flac", clip)}, headers, **fields)

    def kept(self, clip: bytes = CLIP) -> str:
        """Give a clip that is kept; gives the path of its page."""
        answer = self.send(clip)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    def predict(self, clip: bytes = CLIP, **query: str) -> requests.Response:
        return self.session.post(
            f"{self.address}/predict",
            params=query,
            files={"file": ("voice.flac", clip)},
            timeout=PATIENCE_S,
        )

    def api(self, clip: bytes = CLIP) -> requests.Response:
        return self.session.post(
            f"{self.address}/api/v1/analyses",
            files={"file": ("voice.flac", clip)},
            timeout=PATIENCE_S,
        )


def last_line(answer: requests.Response) -> dict:
    return json.loads(answer.text.splitlines()[-1])


def children(pid: int) -> dict[int, str]:
    """Give the command lines of a process's children."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(one): Path(f"/proc/{one}/cmdline").read_text() for one in found}


def workers(server: int) -> list[int]:
    return [pid for pid, command in children(server).items() if "decoder.serve" not in command]


def decoder(server: int) -> int:
    (found,) = [pid for pid, command in children(server).items() if "decoder.serve" in command]
    return found


def kill_workers(server: int) -> None:
    """Kill every worker; the server starts others."""
    killed = workers(server)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(workers(server)) == len(killed) and not {*killed} & {*workers(server)})


def eventually(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    for _ in range(PATIENCE_S * 50):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"{condition} never came true")


def left_in(folder: Path) -> list[Path]:
    """List what holds anything in a folder of temporary files, a server's own lock apart."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
    decoders = [path for path in folder.rglob("undertone-????????") if path.is_dir()]
    return files + decoders
