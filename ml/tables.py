"""Results laid out for people: the report for a terminal, the matrix of corpora."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ml.bundle import Bundle
from ml.corpora import CORPORA

Results = dict[str, dict[str, Any]]
"""Keys of ``bundle.json``; under each, what was measured on each corpus."""


def as_text(bundle: Bundle, results: Results) -> str:
    """Lay the measures out for a terminal."""
    rows = measured(results)
    unseen = "speakers unseen in training"
    heard = "SPEAKERS HEARD in training (random split)" if bundle.leaks else unseen
    lines = [
        f"{bundle.name} {bundle.version}  sha256 {bundle.sha256[:12]}",
        f"{heard}; 95 % intervals over speakers in brackets",
        "",
        f"{'corpus':10}{'classes':>8}{'clips':>7}{'speakers':>9}"
        f"{'WA':>8}{'':17}{'UA':>8}{'':17}{'F1':>7}{'ECE':>7}{'Brier':>7}{'no answer':>11}",
    ]
    for name, row in rows.items():
        wa_low, wa_high = row["wa_interval"]
        ua_low, ua_high = row["ua_interval"]
        lines.append(
            f"{name:10}{len(row['labels']):8}{row['clips']:7}{row['speakers']:9}"
            f"{row['wa']:8.1%} [{wa_low:6.1%}, {wa_high:6.1%}]"
            f"{row['ua']:8.1%} [{ua_low:6.1%}, {ua_high:6.1%}]"
            f"{row['macro_f1']:7.3f}{_number(row['ece'])}{_number(row['brier'])}"
            f"{row['unanswered']:11}"
        )
    for name, row in rows.items():
        note = (
            ", a corpus that training did not have" if name in results.get("left_out", {}) else ""
        )
        lines += ["", f"{name}{note}: recall, precision, F1 of each emotion"]
        for label, value in row["per_class"].items():
            lines.append(
                f"  {label:10}{value['recall']:8.1%}{value['precision']:8.1%}"
                f"{value['f1']:7.3f}  ({value['clips']} clips)"
            )
    return "\n".join([*lines, *_other_measures(results)]) + "\n"


def _number(value: float | None) -> str:
    return f"{'-':>7}" if value is None else f"{value:7.3f}"


def _other_measures(results: Results) -> list[str]:
    lines = [""]
    for name, found in held_back(results).items():
        right = "-" if found["right"] is None else f"{found['right']:.1%}"
        lines.append(f"{name}: answers {found['answered']:.1%} of clips, {right} of these right")
    for name, found in results.get("votes", {}).items():
        lines.append(
            f"{name}: the listeners' favourite is named by the model in "
            f"{found['model_favourite']:.1%} of clips, by one listener in "
            f"{found['listener_favourite']:.1%}, by the acted label in "
            f"{found['acted_favourite']:.1%}"
        )
    for name, found in results.get("intensity", {}).items():
        low, high = found["interval"]
        lines.append(
            f"{name}: intensity, rank correlation {found['rho']:.2f} [{low:.2f}, {high:.2f}]"
        )
    for name, kinds in results.get("gaps", {}).items():
        for kind, gap in kinds.items():
            low, high = gap["interval"]
            lines.append(
                f"{name}: {gap['best']} over {gap['worst']} by {gap['gap']:.1%} "
                f"[{low:.1%}, {high:.1%}] ({kind})"
            )
    return lines


def measured(results: Mapping[str, Any]) -> dict[str, Any]:
    """Measures of all corpora, those trained on and those left out."""
    return {**results.get("metrics", {}), **results.get("left_out", {})}


def held_back(results: Mapping[str, Any]) -> dict[str, Any]:
    """What `measure_abstention` says of all corpora, those trained on and those left out."""
    outside = results.get("left_out", {}).items()
    return {
        **results.get("risk_coverage", {}),
        **{name: found["risk_coverage"] for name, found in outside if "risk_coverage" in found},
    }


def as_matrix(bundles: Sequence[Bundle]) -> str:
    """Set bundles (rows: trained on) against corpora (columns: tested on), WA and UA, in Markdown.

    The numbers are those that their cards hold; a corpus that training did not have is marked.
    """
    names = list(dict.fromkeys(name for one in bundles for name in measured(one.card)))
    lines = [
        f"| model | trained on | {' | '.join(CORPORA[name].title for name in names)} |",
        "|---" * (2 + len(names)) + "|",
    ]
    for one in bundles:
        trained_on = ", ".join(row["title"] for row in one.card["corpora"])
        cells = [_matrix_cell(one.card, name) for name in names]
        lines.append(f"| {' | '.join([one.name, trained_on, *cells])} |")
    return "\n".join(lines) + "\n\nWA / UA in per cent; *: trained without that corpus.\n"


def _matrix_cell(card: Mapping[str, Any], name: str) -> str:
    found, mark = card["metrics"].get(name), ""
    if found is None:
        found, mark = card.get("left_out", {}).get(name), " *"
    if found is None:
        return "-"
    return f"{100 * found['wa']:.1f} / {100 * found['ua']:.1f} of {len(found['labels'])}{mark}"
