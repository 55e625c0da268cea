"""What is left of a bundle's accuracy through codecs, rooms, noise, other levels and clipping."""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ml.audio import decode
from ml.bundle import Bundle, read_bundle
from ml.corpora import CORPORA, Clip
from ml.degrade import CONDITIONS
from ml.metrics import UNANSWERED, accuracies
from ml.predict import Recognizer
from ml.processes import worker_pool
from ml.scoring import Report, check_unheard, choose, common_labels

CLEAN = "clean"

Results = dict[str, dict[str, dict[str, Any]]]
"""Condition to corpus to measures."""

Answer = tuple[str, str]
"""What was chosen, and the outcome."""


@dataclass(frozen=True)
class Worst:
    """The condition that costs most.

    Attributes
    ----------
    condition, corpus : str
    drop : float
        Percentage points of WA under the clean clips.
    """

    condition: str
    corpus: str
    drop: float


def draw_evenly(clips: Sequence[Clip], n: int) -> tuple[Clip, ...]:
    """Draw at most n clips of each corpus, spread over its labels and speakers."""
    drawn: list[Clip] = []
    for name in dict.fromkeys(clip.corpus for clip in clips):
        rows = [clip for clip in clips if clip.corpus == name]
        rows.sort(key=lambda clip: (clip.label, clip.speaker, clip.path.name))
        places = np.linspace(0, len(rows), min(n, len(rows)), endpoint=False).astype(int)
        drawn += [rows[place] for place in places]
    return tuple(drawn)


def measure_robustness(
    bundle: Bundle,
    clips: Sequence[Clip],
    conditions: Collection[str] = tuple(CONDITIONS),
    jobs: int = 2,
    report: Report = lambda line: None,
) -> Results:
    """Have every clip recognised as it is and under every condition.

    Clips whose label the bundle does not know are left out. A clip that a condition makes the
    bundle take for silence or noise counts as wrong.

    Parameters
    ----------
    bundle : Bundle
    clips : sequence of Clip
        By speakers that the bundle was not trained on.
    conditions : collection of str
        Rows of `ml.degrade.CONDITIONS`; the clean one is always measured.

    Returns
    -------
    dict
        For each condition and corpus ``wa``, ``ua``, ``clips``, ``unanswered`` (share that was
        not scored), ``given_an_emotion`` (share that a visitor would have got an emotion for) and
        ``drop`` (percentage points of WA under the clean clips).

    Raises
    ------
    SpeakerOverlapError
        If training has heard one of the speakers.
    """
    check_unheard(bundle, clips)
    allowed = {name: common_labels(bundle, name) for name in {clip.corpus for clip in clips}}
    known = [clip for clip in clips if clip.label in allowed[clip.corpus]]
    wanted = tuple(name for name in CONDITIONS if name == CLEAN or name in conditions)
    found = []
    with worker_pool(jobs) as pool:
        labels = [allowed[clip.corpus] for clip in known]
        shared = ([value] * len(known) for value in (bundle.path, wanted))
        for number, row in enumerate(pool.map(_answers, known, labels, *shared, chunksize=4), 1):
            found.append(row)
            if number % 50 == 0 or number == len(known):
                report(f"heard {number} of {len(known)} clips under {len(wanted)} conditions")
    return summarise(known, wanted, found)


@functools.lru_cache(maxsize=1)
def _recognizer(folder: Path) -> Recognizer:
    return Recognizer(read_bundle(folder))


def _answers(
    clip: Clip, allowed: tuple[str, ...], folder: Path, conditions: tuple[str, ...]
) -> list[Answer]:
    recognizer = _recognizer(folder)
    waveform = decode(clip.path)
    answers = []
    for name in conditions:
        seed = zlib.crc32(f"{clip.corpus}/{clip.path.stem}/{name}".encode())
        heard = CONDITIONS[name].apply(waveform, np.random.default_rng(seed))
        found = recognizer.recognize(heard)
        answers.append((choose(found, allowed, recognizer.bundle.rule), found.outcome))
    return answers


def summarise(
    clips: Sequence[Clip], conditions: Sequence[str], found: Sequence[Sequence[Answer]]
) -> Results:
    """Count what was answered; `found` has a row for each clip, with one answer a condition.

    Returns
    -------
    dict
        As `measure_robustness`.
    """
    truth = np.array([clip.label for clip in clips])
    corpora = np.array([clip.corpus for clip in clips])
    results: Results = {}
    for column, condition in enumerate(conditions):
        guess, outcome = (
            np.array(part) for part in zip(*(row[column] for row in found), strict=True)
        )
        results[condition] = {}
        for name in dict.fromkeys(corpora.tolist()):
            rows = corpora == name
            measures = accuracies(truth[rows], guess[rows])
            clean = results[CLEAN].get(name, measures)
            results[condition][name] = {
                **measures,
                "clips": int(rows.sum()),
                "unanswered": float(np.mean(guess[rows] == UNANSWERED)),
                "given_an_emotion": float(np.mean(outcome[rows] == "emotion")),
                "drop": 100 * (clean["wa"] - measures["wa"]),
            }
    return results


def worst_case(results: Results) -> Worst:
    """Find the condition and corpus that lose most; noise under 10 dB SNR does not count."""
    rows = [
        Worst(condition, corpus, measures["drop"])
        for condition, corpora in results.items()
        if condition != CLEAN and CONDITIONS[condition].moderate
        for corpus, measures in corpora.items()
    ]
    return max(rows, key=lambda row: row.drop)


def as_shares(results: Results) -> dict[str, dict[str, float]]:
    """Keep WA only, condition to corpus, as ``bundle.json`` has it."""
    return {
        condition: {corpus: measures["wa"] for corpus, measures in corpora.items()}
        for condition, corpora in results.items()
    }


def clips_of(results: Results) -> dict[str, int]:
    """Return how many clips of each corpus were heard under every condition."""
    return {name: measures["clips"] for name, measures in results[CLEAN].items()}


def robustness_table(results: Results) -> str:
    """Lay the measures out in Markdown: WA, its loss in points, and what was not scored."""
    corpora = list(results[CLEAN])
    heads = [f"{CORPORA[name].title}: WA | points | not scored" for name in corpora]
    lines = [
        f"| condition | {' | '.join(heads)} |",
        "|---|" + "--:|--:|--:|" * len(corpora),
    ]
    for condition, row in results.items():
        cells = [_cells(row[name]) for name in corpora]
        lines.append(f"| {CONDITIONS[condition].title} | {' | '.join(cells)} |")
    counts = ", ".join(f"{n} of {CORPORA[name].title}" for name, n in clips_of(results).items())
    lines += ["", f"Clips: {counts}. {_worst_sentence(results)}", ""]
    return "\n".join(lines)


def write_robustness(results: Results, output: Path) -> None:
    """Leave ``robustness.json`` and ``robustness.md`` in a folder."""
    output.mkdir(parents=True, exist_ok=True)
    (output / "robustness.json").write_text(json.dumps(results, indent=2) + "\n")
    (output / "robustness.md").write_text(robustness_table(results))


def _cells(measures: Mapping[str, float]) -> str:
    return f"{measures['wa']:.1%} | {-measures['drop']:+z.1f} | {measures['unanswered']:.1%}"


def _worst_sentence(results: Results) -> str:
    if len(results) == 1:
        return "No condition was measured."
    worst = worst_case(results)
    under = f"{worst.drop:.1f} points under" if worst.drop >= 0 else "above"
    return (
        f"The worst, noise under 10 dB SNR aside: {CONDITIONS[worst.condition].title} on "
        f"{CORPORA[worst.corpus].title}, {under} the clean clips."
    )
