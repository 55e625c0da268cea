"""Hostile uploads to the site as `startup.sh` serves it: what it answers, keeps and uses.

python -m benchmarks.fuzz [--uploads 10000] [--seed 1] [--only N] [--write docs/fuzzing.md]

Each upload follows from seed and number. What must not be is a finding: a status from 500 on but
503 with Retry-After, an error of another shape, a file or process left over, a worker that ended,
a traceback in the log, memory that grows. Its body is kept, made smaller while it is one.
"""

import argparse
import contextlib
import datetime
import http.client
import json
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.batch import machine
from benchmarks.calls import BOUNDARY, Call, call, form, part
from benchmarks.hostile import MAX_BYTES, Corpus, corpus
from benchmarks.site import command_line, free_port, memory_mb, processes

ROOT = Path(__file__).resolve().parent.parent
MODEL = "cnn-gru"
SETTINGS = {
    "SER_MODEL": MODEL,
    "SER_MAX_UPLOAD_MB": str(MAX_BYTES // 1024**2),
    "SER_MAX_SECONDS": "60",
    "SER_RATE_LIMIT": "off",
    "WEB_CONCURRENCY": "2",
}
CLIENTS = 4
PATIENCE_S = 120
CALM_S = 20
POINTS = 10
GROWTH = 1.05
"""Memory at the end may be so many times that in the middle; until then threads still load."""

SHRINKS = 60


@dataclass
class Server:
    """The site under test: its main process, where it listens, what it may write."""

    process: subprocess.Popen
    port: int
    folder: Path
    lasting: dict[int, str] = field(default_factory=dict)

    @property
    def left_over(self) -> list[str]:
        """List files that nobody needs any more."""
        own = ("secret_key", ".lock", "sweeping.lock")
        written = (path for name in ("tmp", "data") for path in (self.folder / name).rglob("*"))
        found = [path for path in written if path.is_file() and path.name not in own]
        return [str(path.relative_to(self.folder)) for path in found]

    def calm(self) -> list[str]:
        """Wait until it has nothing to do; give what is wrong with it then."""
        deadline = time.monotonic() + CALM_S
        while True:
            family = family_of(self.process.pid)
            wrong = [f"left over: {name}" for name in self.left_over]
            wrong += [f"ended: {self.lasting[pid]}" for pid in self.lasting.keys() - family.keys()]
            wrong += [f"left over: {family[pid]}" for pid in family.keys() - self.lasting.keys()]
            if not wrong or time.monotonic() > deadline:
                return wrong if self.lasting else []
            time.sleep(0.05)

    def troubles(self) -> list[str]:
        """List what the log has of errors that nobody expected."""
        lines = (self.folder / "log").read_text(errors="replace").splitlines()
        return [line for line in lines if re.search(r" ERROR |^Traceback|WORKER TIMEOUT", line)]


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Run `startup.sh` with folders of its own, until it answers and its processes stand."""
    port = free_port()
    (folder / "tmp").mkdir()
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    env = {"PATH": path, "VIRTUAL_ENV": sys.prefix, "HOME": str(folder), "PORT": str(port)}
    env |= {"SER_STORAGE_DIR": str(folder / "data"), "TMPDIR": str(folder / "tmp"), **SETTINGS}
    with (
        open(folder / "log", "wb") as log,
        subprocess.Popen([ROOT / "startup.sh"], env=env, stdout=log, stderr=log) as process,
    ):
        server = Server(process, port, folder)
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not (answers(port) and len(family_of(process.pid)) == 4):
                assert process.poll() is None and time.monotonic() < deadline, log_of(folder)
                time.sleep(0.1)
            server.lasting = family_of(process.pid)
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)


def log_of(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace")


def answers(port: int) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return Client(port, {}).ask("GET", "/health").status == 200
    return False


def family_of(pid: int) -> dict[int, str]:
    """Give a process and all below it with their command lines."""
    below = {one: command_line(one)[:120] for one in processes(pid) if one != pid}
    return {pid: "main"} | {one: command for one, command in below.items() if command}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


def taken(response: http.client.HTTPResponse) -> Answer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


class Client:
    """A visitor with a connection, a cookie and the token of the site's forms."""

    def __init__(self, port: int, corpus: Corpus) -> None:
        self.port, self.corpus = port, corpus
        self.connection = http.client.HTTPConnection("127.0.0.1", port, PATIENCE_S)
        self.cookie = self.token = ""

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict | None = None
    ) -> Answer:
        """Send a request, once more where the server had closed the connection before it."""
        given = {"Cookie": self.cookie, **(headers or {})}
        for last in (False, True):
            try:
                self.connection.request(method, path, body, given)
                response = self.connection.getresponse()
                answer = taken(response)
                if "undertone=" in answer.headers.get("set-cookie", ""):
                    self.cookie = answer.headers["set-cookie"].partition(";")[0]
                return answer
            except (ConnectionError, http.client.RemoteDisconnected):
                self.connection.close()
                if last:
                    raise
        raise AssertionError

    def send(self, call: Call) -> Answer | None:
        """Send a hostile request; None where the server did not find it worth an answer."""
        if call.headers is None:
            return self._raw(call.body, b"")
        if call.endless:
            head = f"POST {call.path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
            head += "".join(f"{name}: {value}\r\n" for name, value in call.headers.items())
            chunk = b"%x\r\n%b\r\n" % (len(call.body), call.body)
            return self._raw(head.encode() + b"\r\n", chunk)
        path, _question, keep = call.path.partition("?keep=")
        return self.ask("POST", path, self._with_token(call, keep), call.headers)

    def _with_token(self, call: Call, keep: str) -> bytes:
        """Add to a form what pages of the site send with theirs."""
        if not call.path.startswith("/analyses"):
            return call.body + (form([]) if BOUNDARY in call.body else b"")
        if not self.token:
            page = self.ask("GET", "/").body.decode()
            found = re.search(r'name="csrf_token" value="([^"]+)"', page)
            assert found
            self.token = found[1]
        fields = [part("csrf_token", self.token.encode()), part("keep", (keep or "1").encode())]
        return call.body + form(fields)

    def _raw(self, start: bytes, chunk: bytes) -> Answer | None:
        """Send bytes, again and again where there is a chunk, until there is an answer."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S) as line:
            with contextlib.suppress(ConnectionError):
                line.sendall(start)
                while chunk and not select.select([line], [], [], 0)[0]:
                    line.sendall(chunk)
                line.shutdown(socket.SHUT_WR)
            response = http.client.HTTPResponse(line)
            try:
                response.begin()
                return taken(response)
            except (ConnectionError, http.client.HTTPException):
                return None

    def follow(self, answer: Answer) -> list[str]:
        """Look at what was kept, and delete it; give what is wrong."""
        made = made_by(answer)
        if "token" in made:
            bearer = {"Authorization": f"Bearer {made['token']}"}
            statuses = [
                self.ask("GET", link, headers=bearer).status for link in made["links"].values()
            ]
            statuses.append(self.ask("DELETE", made["links"]["self"], headers=bearer).status)
            return [] if statuses == [200] * len(made["links"]) + [204] else [f"kept: {statuses}"]
        place = made.get("location", "")
        return self._follow_page(place) if place.startswith("/analyses/") else []

    def _follow_page(self, place: str) -> list[str]:
        page, sound = self.ask("GET", place), self.ask("GET", f"{place}/audio")
        token = {"Content-Type": "application/x-www-form-urlencoded"}
        gone = self.ask("POST", f"{place}/delete", f"csrf_token={self.token}".encode(), token)
        statuses = page.status, sound.status, gone.status
        if statuses != (200, 200, 303) or sound.body[:4] != b"RIFF":
            return [f"its page: {statuses}"]
        return []


def wrong_with(call: Call, answer: Answer | None) -> list[str]:
    """Give what must not be in an answer."""
    if answer is None:
        # Only what is no HTTP may go without an answer.
        return [] if call.headers is None else ["no answer"]
    found = []
    if answer.status >= 500 and not (answer.status == 503 and "retry-after" in answer.headers):
        found.append(f"status {answer.status}")
    if "content-security-policy" not in answer.headers or "x-evil" in answer.headers:
        found.append("headers")
    if "/json" in answer.headers.get("content-type", "") and not well_formed(answer):
        found.append(f"body {answer.body[:200]!r}")
    if answer.headers.get("content-type", "").startswith("application/x-ndjson"):
        last = Answer(200, answer.headers, answer.body.splitlines()[-1])
        found += [] if well_formed(last) else [f"last line {last.body[:200]!r}"]
        found += [] if b"internal_error" not in last.body else ["internal error"]
    if b"not sent from this site" in answer.body and call.kind != "odd form":
        found.append("token")
    api = call.path.startswith(("/api/", "/predict"))
    if api and answer.status >= 400 and "/json" not in answer.headers.get("content-type", ""):
        found.append("an error that is no JSON")
    return found


def well_formed(answer: Answer) -> bool:
    """Tell whether a body is JSON that others can read, and an error has its shape."""
    try:
        body = json.loads(answer.body, parse_constant=lambda name: 1 / 0)
    except (ValueError, ZeroDivisionError):
        return False
    if answer.status < 400 and "error" not in body:
        return True
    return set(body) == {"error"} and set(body["error"]) == {
        "code",
        "message",
        "hint",
        "request_id",
    }


def made_by(answer: Answer) -> dict:
    """Give what an answer says of something that was kept."""
    if answer.status == 303:
        return {"location": answer.headers["location"]}
    if "json" in answer.headers.get("content-type", "") and answer.status < 400:
        with contextlib.suppress(ValueError):
            return json.loads(answer.body.splitlines()[-1])
    return {}


@dataclass
class Report:
    """What a run found.

    Attributes
    ----------
    counts : Counter
        Answers by (what was done, status); status 0 where the connection was just closed.
    findings : list of str
        What must not be.
    memory : list of (int, float)
        Uploads done, and MB of all lasting processes in a quiet moment after them.
    recordings : int
        Files that were mutated.
    """

    counts: Counter = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    memory: list[tuple[int, float]] = field(default_factory=list)
    recordings: int = 0
    seconds: float = 0.0


class Run:
    """Many uploads, by several clients at once."""

    def __init__(self, server: Server, corpus: Corpus, seed: int, kept: Path) -> None:
        self.server, self.corpus, self.seed, self.kept = server, corpus, seed, kept
        self.report, self.own = Report(recordings=len(corpus)), threading.local()

    def upload(self, number: int) -> None:
        """Send one, and look at all that comes of it."""
        if not hasattr(self.own, "client"):
            self.own.client = Client(self.server.port, self.corpus)
        made = call(self.corpus, self.seed, number)
        answer, wrong = self.tried(made)
        self.report.counts[made.kind, answer.status if answer else 0] += 1
        if wrong:
            self.note(number, made, wrong)

    def tried(self, made: Call) -> tuple[Answer | None, list[str]]:
        client = self.own.client
        try:
            answer = client.send(made)
            wrong = wrong_with(made, answer)
            return answer, wrong + (client.follow(answer) if answer else [])
        except (OSError, http.client.HTTPException) as error:
            client.connection.close()
            return None, [f"connection: {type(error).__name__}"]

    def note(self, number: int, made: Call, wrong: list[str]) -> None:
        """Keep the body of a finding, as small as it can be made."""
        tries, step = 0, len(made.body) // 2
        while step and tries < SHRINKS:
            for start in range(0, len(made.body), step):
                smaller = replace(made, body=made.body[:start] + made.body[start + step :])
                tries += 1
                if self.tried(smaller)[1] == wrong:
                    made = smaller
                    break
                if tries >= SHRINKS:
                    break
            else:
                step //= 2
        self.kept.mkdir(parents=True, exist_ok=True)
        place = self.kept / f"{self.seed}-{number}.bin"
        place.write_bytes(made.body)
        said = f"--seed {self.seed} --only {number}: {made.kind} to {made.path}: {', '.join(wrong)}"
        self.report.findings.append(f"{said} ({len(made.body)} bytes in {place})")

    def all(self, numbers: range) -> Report:
        """Send all, with a quiet moment after each tenth."""
        begin, size = time.perf_counter(), max(1, -(-len(numbers) // POINTS))
        with ThreadPoolExecutor(CLIENTS) as pool:
            for start in range(0, len(numbers), size):
                batch = numbers[start : start + size]
                for _done in pool.map(self.upload, batch):
                    pass
                wrong = self.server.calm()
                self.report.findings += [f"after {batch}: {one}" for one in wrong]
                done = start + len(batch)
                self.report.memory.append((done, memory_mb(self.server.lasting)))
                print(f"{done} uploads, {len(self.report.findings)} findings", file=sys.stderr)
        self.report.seconds = time.perf_counter() - begin
        self.report.findings += [f"in the log: {line}" for line in self.server.troubles()]
        return self.report


def growth(memory: list[tuple[int, float]]) -> float:
    """Say how many times the memory in the middle of a run was needed at its end."""
    return memory[-1][1] / memory[(len(memory) - 1) // 2][1]


def fuzz(folder: Path, numbers: range, seed: int, kept: Path) -> Report:
    """Serve, send all, and report."""
    with serving(folder) as server:
        report = Run(server, corpus(), seed, kept).all(numbers)
        if len(numbers) >= 5000 and growth(report.memory) > GROWTH:
            report.findings.append(f"memory grows: {report.memory}")
    return report


def page(report: Report, seed: int) -> str:
    """Write the report as Markdown."""
    total = sum(report.counts.values())
    statuses = sorted({status for _kind, status in report.counts})
    rows = [
        f"# {total:,} hostile uploads",
        "",
        f"`python -m benchmarks.fuzz --uploads {total} --seed {seed}`, {datetime.date.today()}, on",
        f"{machine()}. The site ran as `startup.sh` starts",
        f"it, with two workers, `{MODEL}`, uploads of at most 1 MB and 60 s, and no rate limit;",
        f"{CLIENTS} clients sent to it at once, {total / report.seconds:.0f} uploads a second.",
        "",
        "The recordings are one voice in every format and subtype that libsndfile and ffmpeg write",
        f"here ({report.recordings} files), then mutated; `benchmarks/hostile.py` says how. They",
        "go to `/predict`, `/api/v1/analyses`, `/analyses` (kept and not) and `/api/v1/live`, as",
        "forms and bodies, with and without a stream of progress. What was kept is looked at, then",
        "deleted.",
        "",
        "| what was done | " + " | ".join(str(status or "closed") for status in statuses) + " |",
        "|---" * (1 + len(statuses)) + "|",
    ]
    for kind in sorted({kind for kind, _status in report.counts}):
        cells = [f"{report.counts[kind, status] or ''}" for status in statuses]
        rows.append(f"| {kind} | " + " | ".join(cells) + " |")
    sums = [str(sum(report.counts[k, s] for k, s in report.counts if s == one)) for one in statuses]
    rows += ["| all | " + " | ".join(sums) + " |", ""]
    rows += [
        "200, 201 and 303 are answers, 303 to the page of a kept one. A stream of progress is 200,",
        "even where its last line is an error. `closed`: what came was no HTTP, or half of it.",
        "",
        f"Findings: {len(report.findings)}.",
        *[f"- {one}" for one in report.findings],
        "",
        "A finding would be a status from 500 on but 503 with `Retry-After`, an error of another",
        "shape, an answer without the security headers, a file or process left over, a worker that",
        "ended, a traceback in the log, or memory that grows by more than a twentieth in the",
        "second half, when all threads have loaded what they need.",
        "",
        "| uploads | MB of main process, workers and decoder (PSS) |",
        "|---|---|",
        *[f"| {done:,} | {mb:.0f} |" for done, mb in report.memory],
        "",
    ]
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--uploads", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="send the upload of this number alone")
    parser.add_argument("--kept", type=Path, default=ROOT / ".fuzz", help="where findings go")
    parser.add_argument("--write", type=Path)
    args = parser.parse_args()
    numbers = range(args.uploads) if args.only is None else range(args.only, args.only + 1)
    with tempfile.TemporaryDirectory() as folder:
        report = fuzz(Path(folder), numbers, args.seed, args.kept)
    text = page(report, args.seed)
    print(text)
    if args.write:
        args.write.write_text(text)
    sys.exit(bool(report.findings))


if __name__ == "__main__":
    main()
