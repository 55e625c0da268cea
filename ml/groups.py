"""For whom a model is better or worse: results by sex, age and race, and the gaps between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ml.corpora import Speaker
from ml.metrics import accuracies, drawn_speakers
from ml.scoring import Scored

AGES = ((30, "under 30"), (45, "30 to 44"), (60, "45 to 59"), (200, "60 and over"))
"""First age that is too high, and the group's name."""
FEWEST_SPEAKERS = 2
"""A group of fewer says more about the speaker than about the group: no gap is stated of it."""


def age_group(speaker: Speaker) -> str | None:
    """Name the age group of a speaker; None where the corpus does not say."""
    if speaker.age is None:
        return None
    return next(name for end, name in AGES if speaker.age < end)


KINDS: dict[str, Callable[[Speaker], str | None]] = {
    "sex": lambda speaker: speaker.sex,
    "age": age_group,
    "race": lambda speaker: speaker.race,
}
"""Kinds of groups: from a speaker to the group's name, None where the corpus does not say."""


def group_results(scored: Scored, speakers: Mapping[str, Speaker]) -> dict[str, dict[str, Any]]:
    """Measure each group of one corpus's speakers.

    Parameters
    ----------
    scored : Scored
        Clips of one corpus whose labels the model knows.
    speakers : mapping of str to Speaker
        By the names that the clips bear.

    Returns
    -------
    dict
        Of each kind of which the corpus tells at least two groups, each group's ``wa``, ``ua``,
        ``clips`` and ``speakers``.
    """
    results = {}
    for kind in KINDS:
        members = _members(scored, speakers, kind)
        found = {
            group: _measured(scored.of(members == group))
            for group in sorted(set(members.tolist()) - {""}, key=_place)
        }
        if len(found) > 1:
            results[kind] = found
    return results


def group_gaps(
    scored: Scored, speakers: Mapping[str, Speaker], results: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """State how far the best and the worst group lie apart, with an interval over speakers.

    Parameters
    ----------
    scored, speakers
        As `group_results` got them.
    results : mapping
        What it made of them.

    Returns
    -------
    dict
        Of each kind with two groups of at least `FEWEST_SPEAKERS`: ``best``, ``worst``, the
        difference of their WA as ``gap``, and its ``interval``: one that holds 0 shows no
        difference.
    """
    gaps = {}
    right = scored.choices == scored.truth
    for kind, found in results.items():
        large = [name for name, one in found.items() if one["speakers"] >= FEWEST_SPEAKERS]
        if len(large) < 2:
            continue
        best, worst = (pick(large, key=lambda name: found[name]["wa"]) for pick in (max, min))
        members = _members(scored, speakers, kind)

        def difference(
            rows: np.ndarray, members: np.ndarray = members, ends: tuple[str, str] = (best, worst)
        ) -> list[float]:
            high, low = (right[rows][members[rows] == name] for name in ends)
            return [float(high.mean() - low.mean()) if len(high) and len(low) else np.nan]

        gaps[kind] = {
            "best": best,
            "worst": worst,
            "gap": found[best]["wa"] - found[worst]["wa"],
            "interval": drawn_speakers(difference, scored.speakers)[0].tolist(),
        }
    return gaps


def _place(group: str) -> tuple[int, str]:
    """Where a group stands in a table: ages rise, others follow the alphabet."""
    ages = [name for _end, name in AGES]
    return ages.index(group) if group in ages else 0, group


def _members(scored: Scored, speakers: Mapping[str, Speaker], kind: str) -> np.ndarray:
    """Name each clip's group, shape (clips,), str; "" where the corpus does not say."""
    unknown = Speaker(None, None, None)
    return np.array([KINDS[kind](speakers.get(name, unknown)) or "" for name in scored.speakers])


def _measured(group: Scored) -> dict[str, Any]:
    return {
        **accuracies(group.truth, group.choices),
        "clips": len(group.clips),
        "speakers": len(np.unique(group.speakers)),
    }
