"""Numbers of a card as words and Markdown tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ml.corpora import CORPORA
from ml.degrade import CONDITIONS

Card = Mapping[str, Any]
Lines = list[str]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Lines:
    """Lay rows out as a Markdown table."""
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def corpus_title(name: str) -> str:
    """Name a corpus as people do."""
    return CORPORA[name].title if name in CORPORA else name


def condition_title(name: str) -> str:
    """Name a condition of the robustness table as people do."""
    return CONDITIONS[name].title if name in CONDITIONS else name


def percent(share: float) -> str:
    """Write a share."""
    return f"{100 * share:.1f} %"


def maybe_percent(share: float | None) -> str:
    """Write a share, or that there is none."""
    return or_unmeasured(share, percent)


def or_unmeasured(value: Any, write: Callable[[Any], str]) -> str:
    """Write a value, or that there is none."""
    return "not measured" if value is None else write(value)


def with_interval(share: float, interval: Sequence[float]) -> str:
    """Write a share with its interval, in whole per cent."""
    low, high = interval
    return f"{percent(share)} ({100 * low:.0f} to {100 * high:.0f})"


def measure_cell(found: Card, key: str) -> str:
    """Write a measure of a corpus with its interval, as far as they were measured."""
    if found.get(key) is None or found.get(f"{key}_interval") is None:
        return maybe_percent(found.get(key))
    return with_interval(found[key], found[f"{key}_interval"])


def with_ends(value: float, interval: Sequence[float]) -> str:
    """Write a number with its interval."""
    low, high = interval
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def both_sides(inside: Card, outside: Card) -> list[tuple[str, Any]]:
    """Rows of corpora that training had and of those it had not, each with its title."""
    return [
        *((corpus_title(name), row) for name, row in inside.items()),
        *((f"{corpus_title(name)}, never heard", row) for name, row in outside.items()),
    ]
