"""Hostile requests: what is asked, with which body; the same for the same seed and number."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.hostile import MAX_BYTES, MUTATIONS, Corpus, pick

BOUNDARY = b"undertone-boundary"
FORM = f"multipart/form-data; boundary={BOUNDARY.decode()}"
LIVE = "audio/L16;rate=16000"
NDJSON = "application/x-ndjson"

ODD_NAMES = (
    *("../../../etc/passwd", "a\0b.wav", "a\r\nX-Evil: 1", "\u202egnp.exe", "a" * 10_000, '";--'),
    *("CON", ".", "", " ", "%00", "%2e%2e%2f", "{{7*7}}", "<script>", "\U0001f399.wav", "C:\\a"),
)
ODD_FIELDS = (
    *(
        ("labels", "8"),
        ("labels", "0"),
        ("labels", "happy,happy"),
        ("labels", "\0"),
        ("labels", "," * 999),
    ),
    *(("model", "../cnn-gru"), ("model", "nothing"), ("model", "a" * 9999), ("sample", "nothing")),
    *(
        ("keep", "maybe"),
        ("csrf_token", "wrong"),
        ("file", "a text, no file"),
        ("", ""),
        ("a" * 9999, ""),
    ),
)
END = b"\r\nConnection: close\r\n\r\n"
ODD_TARGETS = (
    *(b"a/" * 5000, b"%ff%00%0d%0aX-Evil:%201", b"language/de?to=%0d%0aX-Evil:%201"),
    *(b"language/de?to=/%5c%09/evil%E2%80%AE", b"analyses/..%2f..%2fetc%2fpasswd/audio"),
    *(b"static/..%2f..%2fpyproject.toml", b"api/v1/analyses/%00", b"models/..%2f..%2f", b"?" * 999),
    *(b"samples/..%2findex.json", b"analyses?key=%00", b"openapi.json", b"docs/assets/..%2f..%2f"),
)
CHUNKED = b"Transfer-Encoding: chunked"
ODD_LINES = (
    *(b"\r\n".join([b"A: b"] * 500), b"SCRIPT_NAME: /x\r\nX-Forwarded-Proto: https", b"Host: b"),
    *(b"Accept-Language: " + b"de;q=9," * 500, b"X-Request-ID: \xff\xfe", b"Range: bytes=-9-"),
    *(b"Content-Length: 99999999999999999999", b"Content-Length: +1", b"Content-Length: 5, 5"),
    *(b"Content-Encoding: gzip\r\nContent-Length: 0", b"Authorization: Bearer \xff", b"Expect: a"),
    *(CHUNKED + b"\r\nContent-Length: 4", CHUNKED + b", gzip", CHUNKED + b"\r\n" + CHUNKED),
    *(CHUNKED + b"\r\n\r\nfffffffff\r\n\r\n0\r\n", CHUNKED + b"\r\n\r\n-1\r\n0\r\n"),
    *(b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", b"Accept: " + b"*/*;q=a," * 500),
)
OTHER_KINDS = ("odd form", "endless stream", "odd head", "live sound")
"""What is done to requests, beside what is done to recordings."""


@dataclass(frozen=True)
class Call:
    """A request.

    Attributes
    ----------
    kind : str
        What was done to recording or request.
    path : str
    body : bytes
    headers : dict of str to str
        Media type and what is accepted; None where the request stands in `body` as it is.
    endless : bool
        The body goes on in chunks until the server has enough.
    """

    kind: str
    path: str
    body: bytes
    headers: dict[str, str] | None
    endless: bool = False


def call(corpus: Corpus, seed: int, number: int) -> Call:
    """Make one request of a run."""
    dice = random.Random(f"{seed}/{number}")
    kind = dice.choice([*MUTATIONS, *OTHER_KINDS])
    if kind == "odd form":
        return _odd_form(corpus, dice)
    if kind == "endless stream":
        start = pick(corpus, dice)
        return Call(kind, dice.choice(("/predict", "/api/v1/analyses")), start, _raw(dice), True)
    if kind == "odd head":
        return Call(kind, "", dice.choice(list(_odd_heads(dice))), None)
    if kind == "live sound":
        size = dice.choice((0, 1, 2, 3, 640, 32_000, 192_000, 192_001, 192_002, MAX_BYTES))
        body = bytes(size) if dice.random() < 0.2 else dice.randbytes(size)
        media = dice.choice((LIVE, LIVE, LIVE, "audio/L16;rate=0", "audio/L16", "audio/wav", ""))
        return Call(kind, "/api/v1/live", body, {"Content-Type": media})
    return _upload(kind, MUTATIONS[kind](corpus, dice), dice)


def _upload(kind: str, data: bytes, dice: random.Random) -> Call:
    path = dice.choice(
        ("/predict", "/predict", "/api/v1/analyses", "/analyses?keep=0", "/analyses")
    )
    if not path.startswith("/analyses") and dice.random() < 0.4:
        return Call(kind, path, data, _raw(dice))
    name = dice.choice(ODD_NAMES) if dice.random() < 0.3 else "voice.wav"
    return Call(kind, path, form([part("file", data, name)], close=False), _accepting(dice, FORM))


def _raw(dice: random.Random) -> dict[str, str]:
    kinds = ("audio/wav", "audio/mpeg", "application/octet-stream", "video/mp4", "text/html", "a/b")
    return _accepting(dice, dice.choice(kinds))


def _accepting(dice: random.Random, media: str) -> dict[str, str]:
    accepted = {"Accept": NDJSON} if dice.random() < 0.2 else {}
    return {"Content-Type": media, **accepted}


def part(name: str, data: bytes, filename: str | None = None) -> bytes:
    """Write a part of a form as it comes, with nothing escaped."""
    shown = f'; filename="{filename}"' if filename is not None else ""
    head = f'Content-Disposition: form-data; name="{name}"{shown}'.encode("utf-8", "replace")
    return b"--" + BOUNDARY + b"\r\n" + head + b"\r\n\r\n" + data + b"\r\n"


def form(parts: list[bytes], *, close: bool = True) -> bytes:
    """Put parts together; one that is not closed can get more of them."""
    return b"".join(parts) + (b"--" + BOUNDARY + b"--\r\n" if close else b"")


def _odd_form(corpus: Corpus, dice: random.Random) -> Call:
    parts = [part("file", pick(corpus, dice), dice.choice(ODD_NAMES))]
    for _ in range(dice.choice((0, 1, 2, 3, 30))):
        name, text = dice.choice(ODD_FIELDS)
        parts.append(part(name, text.encode(), dice.choice((None, None, "a.txt"))))
    if dice.random() < 0.2:
        parts.append(part("long", b"a" * dice.choice((70_000, 300_000))))
    if dice.random() < 0.2:
        parts.append(
            b"--" + BOUNDARY + dice.choice((b"", b"\r\n", b"\r\n\r\n", b"\n\n--", b"--\0"))
        )
    dice.shuffle(parts)
    path = dice.choice(("/predict", "/api/v1/analyses", "/analyses"))
    odd = ("multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=a")
    media = FORM if dice.random() < 0.8 else dice.choice((*odd, f"{FORM}; charset=utf-7"))
    return Call("odd form", path, form(parts, close=dice.random() < 0.3), _accepting(dice, media))


def _odd_heads(dice: random.Random) -> Iterator[bytes]:
    """Give whole requests that are none, or hardly."""
    noise = dice.randbytes(dice.choice((1, 30, 3000))).replace(b"\r", b"").replace(b"\n", b"")
    yield noise + b"\r\n\r\n"
    yield b"GET / HTTP/9.9\r\n\r\n"
    for target in (noise, *ODD_TARGETS):
        yield b"GET /" + target + b" HTTP/1.1\r\nHost: a" + END
    for lines in (b"X: " + noise, b"Cookie: undertone=" + noise.hex().encode(), *ODD_LINES):
        yield b"GET /health HTTP/1.1\r\nHost: a\r\n" + lines + END
        yield b"POST /predict HTTP/1.1\r\nHost: a\r\n" + lines + END
