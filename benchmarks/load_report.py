"""What `benchmarks.load` found, as figures and as the page docs/load.md."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

LIGHT = ("GET /", "GET /static", "GET /health")
"""Routes that neither analyse nor touch the storage."""

POINTS = 10
"""Rows of a table of memory over time."""

_THOUSAND = 1000


class Asked(NamedTuple):
    """One request: when it began, what it took, its longest silence; status 0: no answer."""

    route: str
    begun_s: float
    taken_s: float
    status: int
    retry_after: bool
    silence_s: float


class Memory(NamedTuple):
    """Memory of all processes of the site after so many requests; PSS counts shared pages once."""

    at_s: float
    requests: int
    pss_mb: float
    rss_mb: float


def allowed(one: Asked) -> bool:
    """Tell whether an answer is one that a site under load may give."""
    if one.status in (429, 503):
        return one.retry_after
    return 200 <= one.status < 400


def summary(asked: Sequence[Asked], memory: Sequence[Memory]) -> dict[str, Any]:
    """Sum a run up by route."""
    seconds = max(one.begun_s + one.taken_s for one in asked)
    by_route: dict[str, list[Asked]] = {}
    for one in asked:
        by_route.setdefault(one.route, []).append(one)
    findings = Counter(f"{one.route} {one.status}" for one in asked if not allowed(one))
    lines = [one.silence_s for one in asked if one.route.endswith("lines")]
    return {
        "seconds": round(seconds, 1),
        "requests": len(asked),
        "per_s": round(len(asked) / seconds, 2),
        "analyses_per_s": round(
            sum(one.route.startswith("POST /") and one.status in (200, 303) for one in asked)
            / seconds,
            2,
        ),
        "routes": {route: _figures(by_route[route], seconds) for route in sorted(by_route)},
        "light": _figures([one for one in asked if one.route in LIGHT], seconds),
        "longest_silence_of_lines_s": round(max(lines, default=0.0), 2),
        "findings": dict(findings),
        "memory": [[round(value, 1) for value in row] for row in memory],
        "pss_mb_first_thousand": _mean_mb(row for row in memory if row.requests <= _THOUSAND),
        "pss_mb_last_thousand": _mean_mb(
            row for row in memory if row.requests > len(asked) - _THOUSAND
        ),
    }


def _figures(asked: Sequence[Asked], seconds: float) -> dict[str, Any]:
    answered = [one.taken_s for one in asked if one.status not in (0, 429, 503)] or [0.0]
    refused = [one.taken_s for one in asked if one.status in (429, 503)]
    return {
        "requests": len(asked),
        "per_s": round(len(asked) / seconds, 2),
        "p50_ms": round(1000 * statistics.median(answered)),
        "p95_ms": round(1000 * quantile(answered, 0.95)),
        "max_ms": round(1000 * max(answered)),
        "refused_after_ms": round(1000 * max(refused)) if refused else None,
        "statuses": {str(key): n for key, n in sorted(Counter(o.status for o in asked).items())},
    }


def quantile(values: Sequence[float], share: float) -> float:
    """Give the smallest value that so many of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _mean_mb(rows: Iterable[Memory]) -> float | None:
    found = [row.pss_mb for row in rows]
    return round(statistics.fmean(found), 1) if found else None


def render(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the page."""
    parts = [_HEAD]
    if "load" in figures:
        parts.append(_load(figures["load"]))
    if "soak" in figures:
        parts.append(_soak(figures["soak"]))
    return "\n".join(parts)


_HEAD = """# Many visitors at once

Written by `python -m benchmarks.load --write docs/load.md`, with the figures in `load.json` beside
it. The site is started by `startup.sh` on loopback with its default settings, and stores in a local
folder. Each visitor goes round: front page, style sheet, `POST /predict`, an analysis that is kept
(by turns as a plain form and with lines of progress), its page, its sound, the list, deletion,
health. The clips are the bundled samples as WAV, MP3 and M4A.

It is a closed loop: a visitor's next request goes out when the answer to the last one is there,
without a pause. So as many requests are under way as there are visitors, and a slow answer holds
back those after it; in an open loop, with arrivals at a fixed rate, waiting would grow faster. The
visitors run on the same machine and take part of its cores. Each visitor has an address of its own
behind a proxy (`SER_PROXY_HOPS=1`), so the rate limit, 60 recordings a minute, counts for each.
Whoever gets 429 or 503 waits as `Retry-After` says.
"""


def _load(found: Mapping[str, Any]) -> str:
    light = found["light"]
    return f"""## {found["visitors"]} visitors

Measured on {found["machine"]}, on {found["date"]}: {found["visitors"]} visitors for
{found["seconds"]:.0f} s, {found["requests"]:,} requests, {found["per_s"]} a second,
{found["analyses_per_s"]} analyses a second.

{_routes(found)}

Pages that neither analyse nor touch the storage (`GET /`, style sheet, `/health`) took
{light["p50_ms"]} ms (p50) and {light["p95_ms"]} ms (p95). In answers that come as lines of progress
the longest silence was {found["longest_silence_of_lines_s"]} s. {_findings(found)}

{_memory(found)}
"""


def _soak(found: Mapping[str, Any]) -> str:
    first, last = found["pss_mb_first_thousand"], found["pss_mb_last_thousand"]
    return f"""## {found["requests"]:,} requests

Measured on {found["machine"]}, on {found["date"]}: {found["visitors"]} visitors,
{found["requests"]:,} requests in {found["seconds"]:.0f} s. {_findings(found)} All processes
together held {first} MB (PSS) during the first thousand requests and {last} MB during the last.

{_routes(found)}

{_memory(found)}
"""


def _findings(found: Mapping[str, Any]) -> str:
    if found["findings"]:
        told = ", ".join(f"{what} ({count} times)" for what, count in found["findings"].items())
        return f"**Answers that should not be: {told}.**"
    return "Every answer was 2xx, 3xx, or 429 or 503 with `Retry-After`."


def _routes(found: Mapping[str, Any]) -> str:
    rows = [
        "| route | requests | a second | p50, ms | p95, ms | longest, ms | statuses |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    for route, one in found["routes"].items():
        statuses = ", ".join(f"{status}: {count}" for status, count in one["statuses"].items())
        rows.append(
            f"| `{route}` | {one['requests']} | {one['per_s']} | {one['p50_ms']} "
            f"| {one['p95_ms']} | {one['max_ms']} | {statuses} |"
        )
    return "\n".join(rows)


def _memory(found: Mapping[str, Any]) -> str:
    rows = ["| after, s | requests | PSS, MB | RSS, MB |", "|--:|--:|--:|--:|"]
    every = max(1, -(-len(found["memory"]) // POINTS))
    for at_s, count, pss_mb, rss_mb in found["memory"][::every]:
        rows.append(f"| {at_s:.0f} | {count:.0f} | {pss_mb:.0f} | {rss_mb:.0f} |")
    return "\n".join(rows)
