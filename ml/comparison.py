"""Two models on the same recordings: where they agree, where they part, and which one is right."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

from scipy.stats import binomtest

from ml.errors import LogLineError
from ml.labels import LABELS
from ml.results import OUTCOMES

SCHEMA = 1
BANDS = {
    "snr_db": (5.0, 15.0, 25.0),
    "level_dbfs": (-40.0, -30.0, -20.0),
    "bandwidth_hz": (2000.0, 3400.0, 5000.0),
    "duration_s": (2.0, 5.0, 30.0),
}
"""Where one band of a measure ends and the next begins; 3400 Hz is where telephones end."""
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Side:
    """What one model said of a recording.

    Attributes
    ----------
    model : tuple of str
        Name, version and sha256.
    answer : str
        The label; the outcome where no emotion was named.
    named : bool
        Whether `answer` is a label.
    """

    model: tuple[str, str, str]
    outcome: str
    answer: str
    named: bool


@dataclass(frozen=True)
class Line:
    """One recording that two models heard.

    Attributes
    ----------
    quality : dict of str to float or None
        The measures of `BANDS`.
    right : str or None
        The label that somebody said was meant.
    """

    champion: Side
    challenger: Side
    quality: dict[str, float | None]
    right: str | None

    @property
    def agree(self) -> bool:
        """Whether both said the same."""
        return self.champion.answer == self.challenger.answer


def read_line(text: str, number: int) -> Line:
    """Read a line of the log that ``export-challenge`` writes.

    Raises
    ------
    LogLineError
        Naming the line's `number` and what is wrong with it.
    """
    try:
        row = json.loads(text)
        _one_of(row["schema"], (SCHEMA,), "schema")
        measures = {**row["quality"], "duration_s": row["duration_s"]}
        return Line(
            champion=_side(row["champion"]),
            challenger=_side(row["challenger"]),
            quality={name: _number(measures[name], name) for name in BANDS},
            right=_one_of(row.get("right"), (None, *LABELS), "right"),
        )
    except KeyError as error:
        raise LogLineError(line=number, detail=f"{error} is missing") from None
    except TypeError:
        raise LogLineError(line=number, detail="it is no object as it should be") from None
    except (OverflowError, RecursionError) as error:
        raise LogLineError(line=number, detail=f"it goes beyond all measure ({error})") from None
    except json.JSONDecodeError as error:
        raise LogLineError(line=number, detail=f"it is no JSON ({error})") from None
    except ValueError as error:
        raise LogLineError(line=number, detail=str(error)) from None


def _side(row: dict[str, Any]) -> Side:
    outcome = _one_of(row["outcome"], OUTCOMES, "outcome")
    named = outcome == "emotion"
    label = _one_of(row["label"], LABELS if named else (None,), "label")
    model = (str(row["name"]), str(row["version"]), str(row["sha256"]))
    return Side(model, outcome, label if named else outcome, named)


def _one_of(value: Any, choices: Sequence[Any], name: str) -> Any:
    if value not in choices:
        wanted = ", ".join(map(str, choices))
        raise ValueError(f"{name} is {value!r}; wanted: {wanted}")
    return value


def _number(value: Any, name: str) -> float | None:
    if value is None or (isinstance(value, int | float) and isfinite(value)):
        return value
    raise ValueError(f"{name} is {value!r}; wanted: a number")


def compare_models(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """Compare the models of a log, each pair of them by itself, in the order of appearance.

    Returns
    -------
    list of dict
        ``champion``, ``challenger``: name, version and sha256. ``clips``: how many both heard.
        ``agreement``: on every answer, no emotion being one too. ``agreement_named``: on the
        emotion, where both name one. ``outcomes``, ``confusion``: counts, ``rows`` by the
        champion, columns by the challenger. ``bands``: of each measure of quality, each with
        ``clips``, the ``agreement`` and how many clips either names an emotion for. ``right``:
        see `right_and_wrong`.
    """
    pairs: dict[tuple, list[Line]] = {}
    for line in lines:
        pairs.setdefault((line.champion.model, line.challenger.model), []).append(line)
    return [_compared(one, other, found) for (one, other), found in pairs.items()]


def _compared(champion: tuple, challenger: tuple, lines: list[Line]) -> dict[str, Any]:
    named = [line for line in lines if line.champion.named and line.challenger.named]
    keys = ("name", "version", "sha256")
    return {
        "champion": dict(zip(keys, champion, strict=True)),
        "challenger": dict(zip(keys, challenger, strict=True)),
        "clips": len(lines),
        "agreement": measure_agreement(_matrix(lines, _answer)),
        "agreement_named": measure_agreement(_matrix(named, _answer)),
        "outcomes": _matrix(lines, lambda side: side.outcome),
        "confusion": _matrix(lines, _answer),
        "bands": {name: _banded(lines, name) for name in BANDS},
        "right": right_and_wrong(lines),
    }


def _answer(side: Side) -> str:
    return side.answer


def _matrix(lines: Sequence[Line], said: Callable[[Side], str]) -> dict[str, Any]:
    """Count what the champion said (rows) against what the challenger said (columns)."""
    counts = Counter((said(line.champion), said(line.challenger)) for line in lines)
    met = {name for pair in counts for name in pair}
    names = [name for name in (*LABELS, *OUTCOMES) if name in met]
    return {"names": names, "rows": [[counts[row, column] for column in names] for row in names]}


def measure_agreement(matrix: dict[str, Any]) -> dict[str, Any]:
    """Measure how far two models agree.

    Parameters
    ----------
    matrix : dict
        ``rows``: counts of clips, of one model by row and of the other by column, alike ordered.

    Returns
    -------
    dict
        ``clips``; the ``share`` on which they agree, with its 95 % ``interval`` (Wilson 1927);
        ``kappa`` (Cohen 1960): how far above what chance would give, 1 at most. None where there
        is no clip, and ``kappa`` where both always say one and the same.
    """
    rows = matrix["rows"]
    clips = sum(map(sum, rows))
    if not clips:
        return {"clips": 0, "share": None, "interval": None, "kappa": None}
    alike = sum(row[place] for place, row in enumerate(rows))
    columns = [sum(column) for column in zip(*rows, strict=True)]
    chance = sum(sum(row) * column for row, column in zip(rows, columns, strict=True)) / clips**2
    share = alike / clips
    return {
        "clips": clips,
        "share": share,
        "interval": list(binomtest(alike, clips).proportion_ci(method="wilson")),
        "kappa": (share - chance) / (1 - chance) if chance < 1 else None,
    }


def _banded(lines: Sequence[Line], name: str) -> dict[str, dict[str, Any]]:
    """Measure the bands of one measure in which there are clips, from the lowest on."""
    found: dict[str, list[Line]] = {}
    for line in sorted(lines, key=lambda line: _or_last(line.quality[name])):
        found.setdefault(_band(line.quality[name], BANDS[name]), []).append(line)
    return {band: _of_band(inside) for band, inside in found.items()}


def _or_last(value: float | None) -> float:
    return inf if value is None else value


def _band(value: float | None, edges: Sequence[float]) -> str:
    """Name the band that a value lies in by its ends."""
    if value is None:
        return UNKNOWN
    place = bisect_right(edges, value)
    if place == 0:
        return f"under {edges[0]:g}"
    if place == len(edges):
        return f"{edges[-1]:g} and over"
    return f"{edges[place - 1]:g} to {edges[place]:g}"


def _of_band(lines: Sequence[Line]) -> dict[str, Any]:
    found = right_and_wrong(lines)
    return {
        "clips": len(lines),
        "agreement": sum(line.agree for line in lines) / len(lines),
        "champion_named": sum(line.champion.named for line in lines) / len(lines),
        "challenger_named": sum(line.challenger.named for line in lines) / len(lines),
        "right": found and {name: found[name] for name in ("clips", "champion", "challenger")},
    }


def right_and_wrong(lines: Iterable[Line]) -> dict[str, Any] | None:
    """Set both models beside what people said was right; no emotion named counts as wrong.

    Returns
    -------
    dict or None
        None where nobody said so of any clip. ``clips``: of how many; ``champion``,
        ``challenger``: share that is right; ``only_champion``, ``only_challenger``: clips that
        one alone has right; ``p``: of McNemar's test (1947), exact and two-sided: how likely two
        equally good models would differ at least so much.
    """
    pairs = Counter(
        (line.champion.answer == line.right, line.challenger.answer == line.right)
        for line in lines
        if line.right
    )
    clips = sum(pairs.values())
    if not clips:
        return None
    first, second = pairs[True, False], pairs[False, True]
    return {
        "clips": clips,
        "champion": (pairs[True, True] + first) / clips,
        "challenger": (pairs[True, True] + second) / clips,
        "only_champion": first,
        "only_challenger": second,
        "p": float(binomtest(first, first + second).pvalue) if first + second else 1.0,
    }
