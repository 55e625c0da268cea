"""Many visitors at once on a site of its own: what it answers, how soon, and with what memory.

python -m benchmarks.load [--visitors 50] [--seconds 300] [--write docs/load.md]
python -m benchmarks.load --soak 10000 [--write docs/load.md]

Each visitor goes round: front page, style sheet, `POST /predict`, an analysis that is kept, its
page, its sound, the list, deletion, health. It is a closed loop: the next request goes out when
the answer to the last one is there, without a pause, so as many requests are under way as there
are visitors. Who gets 429 or 503 waits as Retry-After says. Each visitor has an address of its own
behind a proxy (``SER_PROXY_HOPS=1``); the rate limit and all else is as it is by default.
"""

import argparse
import json
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import imageio_ffmpeg
import requests

from benchmarks.batch import machine
from benchmarks.load_report import Asked, Memory, render, summary
from benchmarks.site import ROOT, memory_mb, processes, running_site

PATIENCE_S = 300
MEMORY_EVERY_S = 5.0
FORMATS = {"wav": [], "mp3": ["-q:a", "4"], "m4a": ["-c:a", "aac"]}
RATE_LIMIT = "60 per minute"
"""The site's own default, which `running_site` would turn off."""

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Run:
    """What all visitors of a run share.

    Attributes
    ----------
    asked : list of Asked
        Every request, in the order in which they were answered.
    """

    def __init__(self, address: str, clips: list[Path], seconds: float, requests: int) -> None:
        self.address, self.clips = address, [(clip.name, clip.read_bytes()) for clip in clips]
        self.start_s = time.perf_counter()
        self.asked: list[Asked] = []
        self.memory: list[Memory] = []
        self._seconds, self._requests = seconds, requests
        self.over = threading.Event()

    @property
    def now_s(self) -> float:
        return time.perf_counter() - self.start_s

    @property
    def ended(self) -> bool:
        return self.left_s <= 0 or 0 < self._requests <= len(self.asked)

    @property
    def left_s(self) -> float:
        """Seconds until the run is over; a minute where it has no end in time."""
        return self._seconds - self.now_s if self._seconds else 60.0

    def watch(self, pid: int) -> None:
        """Note the memory of a site's processes until the run is over."""
        while not self.over.wait(MEMORY_EVERY_S if self.memory else 0):
            pids = processes(pid)
            self.memory.append(Memory(self.now_s, len(self.asked), memory_mb(pids), rss_mb(pids)))


class Visitor:
    """One of them: goes round until the run is over."""

    def __init__(self, run: Run, number: int) -> None:
        self._run, self._number = run, number
        self._session = requests.Session()
        self._session.headers["X-Forwarded-For"] = f"10.1.{number // 250}.{number % 250 + 1}"

    def stay(self) -> None:
        turn = 0
        while not self._run.ended:
            name, clip = self._run.clips[(self._number * 7 + turn) % len(self._run.clips)]
            for _ in self._round({"file": (name, clip)}, streamed=bool(turn % 2)):
                if self._run.ended:
                    return
            turn += 1

    def _round(self, files: dict, *, streamed: bool) -> Iterator[None]:
        front = self._ask("GET /", "GET", "/")
        yield
        self._ask("GET /static", "GET", "/static/css/base.css")
        yield
        self._ask("POST /predict", "POST", "/predict", files=files)
        yield
        form = {"csrf_token": _TOKEN.search(front.text)[1]} if front and front.ok else {}
        page = self._analysed(form, files, streamed) if form else None
        yield
        if page:
            yield from self._looked_at(page, form)
        self._ask("GET /health", "GET", "/health")
        yield

    def _analysed(self, form: dict, files: dict, streamed: bool) -> str | None:
        """Send a clip to be kept; gives the address of its page."""
        if not streamed:
            answer = self._ask("POST /analyses", "POST", "/analyses", data=form, files=files)
            return answer.headers.get("Location") if answer is not None else None
        headers = {"Accept": "application/x-ndjson"}
        route = "POST /analyses, lines"
        answer = self._ask(route, "POST", "/analyses", data=form, files=files, headers=headers)
        if answer is None or answer.status_code != 200:
            return None
        return json.loads(answer.text.splitlines()[-1]).get("location")

    def _looked_at(self, page: str, form: dict) -> Iterator[None]:
        for route, path in (("GET /analyses/<id>", page), ("GET .../audio", f"{page}/audio")):
            self._ask(route, "GET", path)
            yield
        self._ask("GET /analyses", "GET", "/analyses")
        yield
        self._ask("POST .../delete", "POST", f"{page}/delete", data=form)
        yield

    def _ask(self, route: str, method: str, path: str, **given) -> requests.Response | None:
        """Ask, and note what came; who is told to wait, waits."""
        begun_s, silence_s, answer, status, wait = self._run.now_s, 0.0, None, 0, None
        try:
            answer = self._session.request(
                method,
                self._run.address + path,
                timeout=PATIENCE_S,
                allow_redirects=False,
                stream=True,
                **given,
            )
            status, wait = answer.status_code, answer.headers.get("Retry-After")
            silence_s = _read(answer)
            if status == 200 and route.endswith("lines") and '{"error"' in answer.text:
                status, wait = _status_of(answer.text)
        except requests.RequestException:
            status = 0
        taken_s = self._run.now_s - begun_s
        self._run.asked.append(Asked(route, begun_s, taken_s, status, bool(wait), silence_s))
        if wait and status in (429, 503):
            self._run.over.wait(max(0.0, min(float(wait), self._run.left_s)))
        return answer


def _read(answer: requests.Response) -> float:
    """Read an answer to its end; gives the longest silence in it, seconds."""
    parts, longest_s, heard_s = [], 0.0, time.perf_counter()
    for part in answer.iter_content(None):
        parts.append(part)
        now_s = time.perf_counter()
        longest_s, heard_s = max(longest_s, now_s - heard_s), now_s
    answer._content = b"".join(parts)
    return longest_s


def _status_of(lines: str) -> tuple[int, str | None]:
    """Count an error that came as a last line like the status that it would have had."""
    code = json.loads(lines.splitlines()[-1])["error"]["code"]
    return (503, "30") if code == "busy" else (500, None)


def rss_mb(pids: list[int]) -> float:
    """Add up the memory of processes, what they share as often as they share it (RSS)."""
    return sum(_resident(pid) for pid in pids) / 1024


def _resident(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0  # It has ended meanwhile.
    found = re.search(r"VmRSS:\s*(\d+)", status)
    return int(found[1]) if found else 0


def clips(folder: Path, samples: int | None = None) -> list[Path]:
    """Write the bundled samples, or the first few, in the formats that visitors have."""
    found = []
    for source in sorted((ROOT / "samples").glob("*.flac"))[:samples]:
        for suffix, options in FORMATS.items():
            target = folder / f"{source.stem}.{suffix}"
            command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", "-i", source]
            subprocess.run([*command, *options, target], check=True)
            found.append(target)
    return found


def load(visitors: int, seconds: float = 0.0, requests: int = 0, samples: int | None = None) -> Run:
    """Let so many visitors come, for so long or for so many requests in all."""
    settings = {"SER_PROXY_HOPS": "1", "SER_RATE_LIMIT": RATE_LIMIT}
    with tempfile.TemporaryDirectory() as folder, running_site(**settings) as site:
        run = Run(site.address, clips(Path(folder), samples), seconds, requests)
        watching = threading.Thread(target=run.watch, args=(site.pid,))
        threads = [threading.Thread(target=Visitor(run, n).stay) for n in range(visitors)]
        for thread in (watching, *threads):
            thread.start()
        for thread in threads:
            thread.join()
        run.over.set()
        watching.join()
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--visitors", type=int, help="50, or 4 with --soak")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--soak", type=int, default=0, help="so many requests, however long")
    parser.add_argument("--write", type=Path, help="a Markdown file; its JSON lies beside it")
    args = parser.parse_args()
    kind = "soak" if args.soak else "load"
    visitors = args.visitors or (4 if args.soak else 50)
    run = load(visitors, 0.0 if args.soak else args.seconds, args.soak)
    found = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine(),
        "visitors": visitors,
        **summary(run.asked, run.memory),
    }
    figures = args.write.with_suffix(".json") if args.write else None
    before = json.loads(figures.read_text()) if figures and figures.exists() else {}
    text = render(before | {kind: found})
    print(text, end="")
    if args.write and figures:
        figures.write_text(json.dumps(before | {kind: found}, indent=1) + "\n")
        args.write.write_text(text)
    if found["findings"]:
        raise SystemExit(f"Answers that should not be: {found['findings']}")


if __name__ == "__main__":
    main()
