"""A bundle against clips of speakers that it never heard: numbers, pictures, report, card."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ml.bundle import Bundle, read_bundle
from ml.calibration import Calibration, fit_calibration
from ml.corpora import CORPORA, Clip
from ml.errors import SpeakerOverlapError
from ml.labels import LABELS
from ml.metrics import measure
from ml.predict import Recognizer
from ml.processes import worker_pool

Report = Callable[[str], None]


@dataclass(frozen=True)
class Scored:
    """Clips and what a bundle says of them.

    Attributes
    ----------
    probabilities : numpy.ndarray, shape (clips, 8)
        Over `LABELS`; a row of zeros where the clip was not scored.
    outcomes : tuple of str
    """

    clips: tuple[Clip, ...]
    probabilities: np.ndarray
    outcomes: tuple[str, ...]

    @property
    def truth(self) -> np.ndarray:
        """Index of each clip's label in `LABELS`, shape (clips,)."""
        return np.array([LABELS.index(clip.label) for clip in self.clips])


@functools.lru_cache(maxsize=2)
def _recognizer(folder: Path) -> Recognizer:
    return Recognizer(read_bundle(folder))


def _score(folder: Path, path: Path) -> tuple[str, list[float]]:
    prediction = _recognizer(folder).recognize(path)
    found = prediction.probabilities
    return prediction.outcome, [found.get(label, 0.0) for label in LABELS]


def score_clips(
    bundle: Bundle, clips: Sequence[Clip], jobs: int = 2, report: Report = lambda line: None
) -> Scored:
    """Have every clip recognised the way visitors' recordings are."""
    rows = []
    with worker_pool(jobs) as pool:
        paths = [clip.path for clip in clips]
        found = pool.map(_score, [bundle.path] * len(clips), paths, chunksize=8)
        for number, row in enumerate(found, 1):
            rows.append(row)
            if number % 200 == 0 or number == len(clips):
                report(f"scored {number} of {len(clips)} clips")
    outcomes, probabilities = zip(*rows, strict=True)
    return Scored(tuple(clips), np.array(probabilities), outcomes)


def calibrate_on(scored: Scored) -> Calibration:
    """Fit temperature and threshold to clips that were scored uncalibrated."""
    known = scored.probabilities.any(axis=1)
    log_probabilities = np.log(np.maximum(scored.probabilities[known], 1e-12))
    return fit_calibration(log_probabilities, scored.truth[known])


def check_unheard(bundle: Bundle, clips: Iterable[Clip]) -> None:
    """Make sure that no clip is by a speaker that the bundle was trained on.

    Raises
    ------
    SpeakerOverlapError
        Naming the speakers.
    """
    heard = {clip.speaker for clip in clips} & set(bundle.card["training"]["speakers"])
    if heard:
        raise SpeakerOverlapError(
            speakers=", ".join(sorted(heard)), first="training", second="evaluation"
        )


def measure_by_corpus(scored: Scored, bundle: Bundle) -> dict[str, dict[str, Any]]:
    """Measure each corpus among the labels that it shares with the bundle."""
    truth = np.array([clip.label for clip in scored.clips])
    speakers = np.array([clip.speaker for clip in scored.clips])
    corpora = np.array([clip.corpus for clip in scored.clips])
    results = {}
    for name in dict.fromkeys(corpora.tolist()):
        allowed = [label for label in CORPORA[name].labels if label in bundle.labels]
        rows = (corpora == name) & np.isin(truth, allowed)
        answered = [outcome == "emotion" for outcome in np.array(scored.outcomes)[rows]]
        results[name] = measure(scored.probabilities[rows], truth[rows], speakers[rows], allowed)
        results[name]["given_an_emotion"] = float(np.mean(answered))
    return results


def evaluate_bundle(
    bundle: Bundle,
    clips: Sequence[Clip],
    output: Path,
    jobs: int = 2,
    report: Report = lambda line: None,
) -> dict[str, dict[str, Any]]:
    """Score clips and write what came of it.

    Parameters
    ----------
    bundle : Bundle
    clips : sequence of Clip
        By speakers that the bundle was not trained on.
    output : Path
        Gets ``metrics.json``, ``report.txt``, ``card.md``, ``confusion-<corpus>.png``,
        ``reliability.png`` and ``curves.png``.

    Returns
    -------
    dict
        The measures of each corpus.

    Raises
    ------
    SpeakerOverlapError
        If training has heard one of the speakers.
    """
    from ml import figures

    check_unheard(bundle, clips)
    scored = score_clips(bundle, clips, jobs, report)
    results = measure_by_corpus(scored, bundle)
    output.mkdir(parents=True, exist_ok=True)
    (output / "metrics.json").write_text(json.dumps(results, indent=2) + "\n")
    (output / "report.txt").write_text(as_text(bundle, results))
    (output / "card.md").write_text(as_card(bundle, results))
    for name, result in results.items():
        title = f"{bundle.name} on {CORPORA[name].title}, unseen speakers"
        figures.draw_confusion(result, title, output / f"confusion-{name}.png")
    figures.draw_reliability(scored.probabilities, scored.truth, output / "reliability.png")
    figures.draw_curves(bundle.card["training"]["history"], output / "curves.png")
    return results


def as_text(bundle: Bundle, results: dict[str, dict[str, Any]]) -> str:
    """Lay the measures out for a terminal."""
    lines = [
        f"{bundle.name} {bundle.version}  sha256 {bundle.sha256[:12]}",
        "speakers unseen in training; 95 % intervals over speakers in brackets",
        "",
        f"{'corpus':10}{'classes':>8}{'clips':>7}{'speakers':>9}"
        f"{'WA':>8}{'':17}{'UA':>8}{'':17}{'F1':>7}{'ECE':>7}{'no answer':>11}",
    ]
    for name, row in results.items():
        wa_low, wa_high = row["wa_interval"]
        ua_low, ua_high = row["ua_interval"]
        lines.append(
            f"{name:10}{len(row['labels']):8}{row['clips']:7}{row['speakers']:9}"
            f"{row['wa']:8.1%} [{wa_low:6.1%}, {wa_high:6.1%}]"
            f"{row['ua']:8.1%} [{ua_low:6.1%}, {ua_high:6.1%}]"
            f"{row['macro_f1']:7.3f}{row['ece']:7.3f}{row['unanswered']:11}"
        )
    for name, row in results.items():
        lines += ["", f"{name}: recall, precision, F1 of each emotion"]
        for label, value in row["per_class"].items():
            lines.append(
                f"  {label:10}{value['recall']:8.1%}{value['precision']:8.1%}"
                f"{value['f1']:7.3f}  ({value['clips']} clips)"
            )
    return "\n".join(lines) + "\n"


def as_card(bundle: Bundle, results: dict[str, dict[str, Any]]) -> str:
    """Write a model card in Markdown from the bundle and its measures."""
    corpora = bundle.card["corpora"]
    rows = [
        f"| {CORPORA[name].title} | {len(row['labels'])} | {row['speakers']} | {row['clips']} "
        f"| {row['wa']:.1%} | {row['ua']:.1%} | {row['macro_f1']:.3f} | {row['ece']:.3f} |"
        for name, row in results.items()
    ]
    sources = [
        f"- {row['title']} ({row['language']}, {row['licence']}): {row['clips']} clips of "
        f"{row['speakers']} speakers. {row['citation']}"
        for row in corpora
    ]
    return "\n".join(
        [
            f"# {bundle.name} {bundle.version}",
            "",
            f"Scores {', '.join(bundle.labels)} from the sound of a voice; "
            f"{bundle.card['parameters']:,} parameters, "
            f"{bundle.card['size_bytes'] / 1e6:.1f} MB. Licence of the weights: "
            f"{bundle.card['licence']}.",
            "",
            "## Measured on speakers that training never heard",
            "",
            "| corpus | emotions | speakers | clips | WA | UA | macro F1 | ECE |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            "## Trained on",
            "",
            *sources,
            "",
            "## Limits",
            "",
            "All of this speech was acted; spontaneous speech is harder and was not measured. "
            "It hears how a voice sounds, not what a person feels. Do not use it to decide about "
            "people: not in hiring, schooling, policing, health or credit.",
            "",
        ]
    )


def compare(bundles: Sequence[Bundle]) -> str:
    """Set the numbers that bundles carry side by side, as a Markdown table."""
    names = list(dict.fromkeys(name for one in bundles for name in one.card["metrics"]))
    head = " | ".join(f"{CORPORA[name].title} WA / UA" for name in names)
    lines = [f"| model | parameters | MB | {head} |", "|---" * (3 + len(names)) + "|"]
    for one in bundles:
        metrics = one.card["metrics"]
        cells = [
            f"{metrics[name]['wa']:.1%} / {metrics[name]['ua']:.1%}" if name in metrics else "-"
            for name in names
        ]
        size = one.card["size_bytes"] / 1e6
        cells = [one.name, f"{one.card['parameters']:,}", f"{size:.1f}", *cells]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
