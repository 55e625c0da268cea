"""A bundle against clips of speakers that it never heard: numbers, pictures, report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ml.abstention import points, risk_coverage
from ml.agreement import intensity_correlation, vote_agreement
from ml.bundle import Bundle, update_card
from ml.calibration import expected_calibration_error
from ml.card import model_card
from ml.corpora import CORPORA, Clip, Speaker
from ml.groups import group_gaps, group_results
from ml.labels import LABEL_SETS
from ml.metrics import (
    accuracies,
    best_labels,
    choice_confidence,
    measure,
    reliability_measures,
)
from ml.scoring import Report, Scored, check_unheard, common_labels, score_clips
from ml.tables import Results, as_text, held_back, measured

SIX = LABEL_SETS["6"]


def evaluate_bundle(
    bundle: Bundle,
    clips: Sequence[Clip],
    output: Path,
    jobs: int = 2,
    report: Report = lambda line: None,
    speakers: Mapping[str, Speaker] | None = None,
) -> Results:
    """Score clips and write what came of it.

    Parameters
    ----------
    bundle : Bundle
    clips : sequence of Clip
        By speakers that the bundle was not trained on.
    output : Path
        Gets ``metrics.json``, ``report.txt``, ``card.md``, ``confusion-<corpus>.png``,
        ``reliability.png``, ``risk-coverage.png`` and ``curves.png``.
    speakers : mapping of str to Speaker, optional
        Who speaks; results by sex, age and race are made for corpora that say it.

    Returns
    -------
    dict
        As `measure_all`.

    Raises
    ------
    SpeakerOverlapError
        If training has heard one of the speakers.
    """
    check_unheard(bundle, clips)
    return write_evaluation(score_clips(bundle, clips, jobs, report), bundle, output, speakers)


def write_evaluation(
    scored: Scored, bundle: Bundle, output: Path, speakers: Mapping[str, Speaker] | None = None
) -> Results:
    """Write what `evaluate_bundle` writes, of clips that are scored already."""
    results = measure_all(scored, bundle, speakers or {})
    output.mkdir(parents=True, exist_ok=True)
    (output / "metrics.json").write_text(json.dumps(results, indent=2) + "\n")
    (output / "report.txt").write_text(as_text(bundle, results))
    described = replace(bundle, card=bundle.card | _merged(bundle, results))
    (output / "card.md").write_text(model_card([described]))
    _draw(bundle, scored, results, output)
    return results


def measure_all(scored: Scored, bundle: Bundle, speakers: Mapping[str, Speaker]) -> Results:
    """Measure each corpus among the labels that it has in common with the bundle.

    Returns
    -------
    dict
        ``metrics`` of the corpora that the bundle was trained on (other speakers of them),
        ``left_out`` of those it was not; ``risk_coverage``, ``groups``, ``gaps``, ``votes`` and
        ``intensity`` of the first, and ``overall``: their calibration together. What a corpus
        does not tell has no entry.
    """
    trained_on = [row["name"] for row in bundle.card["corpora"]]
    results: Results = {}
    inside: list[Scored] = []
    for name in dict.fromkeys(scored.corpora.tolist()):
        allowed = common_labels(bundle, name)
        part = scored.of((scored.corpora == name) & np.isin(scored.truth, allowed))
        if not part.clips:
            continue
        found = measure_corpus(part, allowed)
        withheld = measure_abstention(part)
        if name not in trained_on:
            found |= {"trained_on": trained_on, "risk_coverage": withheld}
            results.setdefault("left_out", {})[name] = found
            continue
        inside.append(part)
        groups = group_results(part, speakers)
        everything = {
            "metrics": found,
            "risk_coverage": withheld,
            "groups": groups,
            "gaps": group_gaps(part, speakers, groups),
            "votes": vote_agreement(part, allowed),
            "intensity": intensity_correlation(part),
        }
        for key, value in everything.items():
            if value:
                results.setdefault(key, {})[name] = value
    if inside:
        results["overall"] = calibration_overall(bundle, inside)
    return results


def calibration_overall(bundle: Bundle, parts: Sequence[Scored]) -> dict[str, Any]:
    """Say how far confidence lies from accuracy over the clips of several corpora together.

    One corpus has few clips for ten bins; see ``ece_by_chance``.

    Returns
    -------
    dict
        What `ml.metrics.reliability_measures` says; ``corpora``, ``clips``; ``record``: for each
        tenth of the confidence, the choice being among all labels as a visitor's is, ``from``,
        ``to``, ``right`` (share) and ``clips``.
    """
    confidence, right = [], []
    for part in parts:
        known = part.of(part.known)
        allowed = common_labels(bundle, part.clips[0].corpus)
        confidence.append(choice_confidence(known.probabilities, known.choices, allowed))
        right.append(known.choices == known.truth)
    found = reliability_measures(np.concatenate(confidence), np.concatenate(right))
    return found | {
        "record": _record(parts),
        "corpora": [part.clips[0].corpus for part in parts],
        "clips": sum(len(part.clips) for part in parts),
    }


def _record(parts: Sequence[Scored]) -> list[dict[str, float]]:
    known = [part.of(part.known) for part in parts]
    confidence = np.concatenate([part.answer_confidence for part in known])
    right = np.concatenate([part.answers == part.truth for part in known])
    tenth = np.minimum((confidence * 10).astype(int), 9)
    return [
        {
            "from": number / 10,
            "to": (number + 1) / 10,
            "right": float(right[tenth == number].mean()),
            "clips": int(np.count_nonzero(tenth == number)),
        }
        for number in np.unique(tenth).tolist()
    ]


def measure_corpus(part: Scored, allowed: Sequence[str]) -> dict[str, Any]:
    """Measure the clips of one corpus.

    Returns
    -------
    dict
        What `ml.metrics.measure` says among `allowed`; ``wa_of_eight`` and ``ece_of_eight`` for
        the choice among all labels of the bundle, as a visitor gets it; ``given_an_emotion``: the
        share that got an answer; ``six``: WA and UA among the six common emotions, where the
        corpus has more than these.
    """
    found = measure(part.probabilities, part.truth, part.speakers, allowed, part.choices)
    right = part.answers == part.truth
    known = part.known
    found["wa_of_eight"] = float(np.mean(right))
    found["ece_of_eight"] = (
        expected_calibration_error(part.answer_confidence[known], right[known])
        if known.any()
        else None
    )
    found["given_an_emotion"] = float(np.mean(_answered(part)))
    if set(SIX) < set(allowed):
        six = part.of(np.isin(part.truth, SIX))
        found["six"] = accuracies(six.truth, best_labels(six.probabilities, SIX))
    return found


def measure_abstention(part: Scored) -> dict[str, Any]:
    """Say what holding answers back buys, for the clips of one corpus as a visitor's.

    Returns
    -------
    dict
        ``answered``: share of the clips that got an answer; ``right``: share of these that are
        right, the choice being among all labels of the bundle; ``points``: coverage and risk of
        all clips that were scored, and ``aurc``, the area under them.
    """
    right = part.answers == part.truth
    answered, known = _answered(part), part.known
    found: dict[str, Any] = {
        "answered": float(answered.mean()),
        "right": float(right[answered].mean()) if answered.any() else None,
    }
    if known.any():
        curve = risk_coverage(part.answer_confidence[known], right[known])
        found |= {"aurc": curve.area, "points": points(curve)}
    return found


def _answered(part: Scored) -> np.ndarray:
    return np.array([outcome == "emotion" for outcome in part.outcomes])


def merge_results(bundle: Bundle, results: Results) -> Bundle:
    """Write results into ``bundle.json`` beside those of other corpora that stand there."""
    return update_card(bundle, **_merged(bundle, results))


def _merged(bundle: Bundle, results: Results) -> Results:
    return {key: bundle.card.get(key, {}) | results[key] for key in results}


def left_out_results(bundles: Sequence[Bundle]) -> Results:
    """Collect from bundles that were each trained without a corpus what they reach on it."""
    found: dict[str, Any] = {}
    for bundle in bundles:
        found |= bundle.card.get("left_out", {})
    return {"left_out": found} if found else {}


def _draw(bundle: Bundle, scored: Scored, results: Results, output: Path) -> None:
    from ml import figures

    for name, result in measured(results).items():
        title = f"{bundle.name} on {CORPORA[name].title}, unseen speakers"
        figures.draw_confusion(result, title, output / f"confusion-{name}.png")
    known = scored.of(scored.known)
    if known.clips:
        right = known.answers == known.truth
        figures.draw_reliability(known.answer_confidence, right, output / "reliability.png")
    figures.draw_risk_coverage(held_back(results), output / "risk-coverage.png")
    figures.draw_curves(bundle.card["training"]["history"], output / "curves.png")
