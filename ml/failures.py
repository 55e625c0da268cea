"""Where a model fails, as tables and pictures: whose voices, which recordings, which answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ml.audio import decode
from ml.bundle import Bundle
from ml.config import FeatureConfig
from ml.corpora import Speaker
from ml.explain import Explanation, explain_window
from ml.features import Features, extract_samples, mel_places
from ml.labels import LABELS, restrict
from ml.listeners import acted_share
from ml.markdown import percent, table
from ml.metrics import among, drawn_speakers
from ml.palette import ACCENT, EMOTIONS, RULE, SEXES, SOFT, blank, sheet
from ml.predict import Recognizer
from ml.scoring import Scored, learnt_labels

_BINS = 4
_BAR = "#cfc8b8"
_TICKS_HZ = (100, 500, 1000, 2000, 4000)


def right(scored: Scored) -> np.ndarray:
    """Say which clips got the acted emotion, shape (clips,), bool."""
    return scored.choices == scored.truth


def surest_mistakes(scored: Scored, count: int) -> np.ndarray:
    """Number the clips with wrong answers, the surest first; at most so many."""
    wrong = np.flatnonzero(scored.known & ~right(scored))
    order = np.argsort(-scored.answer_confidence[wrong], kind="stable")
    return wrong[order][:count]


def answers_table(scored: Scored, rows: Sequence[int] | np.ndarray) -> str:
    """Lay out in Markdown what was acted in some clips, what was answered, and what may explain it.

    A clip that few listeners understood, that was played calmly or recorded badly is hard for
    anybody.
    """
    heads = ("clip", "speaker", "acted", "answered", "sure", "listeners agree", "played", "SNR")
    lines = []
    for row in rows:
        clip, quality = scored.clips[row], scored.qualities[row]
        lines.append(
            (
                clip.path.stem,
                clip.speaker,
                clip.label,
                str(scored.choices[row]),
                percent(scored.answer_confidence[row]),
                percent(acted_share(clip)) if clip.votes else "not told",
                "not told" if clip.intensity is None else f"{clip.intensity:g}",
                "none" if quality.snr_db is None else f"{quality.snr_db:.0f} dB",
            )
        )
    return "\n".join(table(heads, lines))


def show_answers(scored: Scored, rows: Sequence[int] | np.ndarray) -> Figure:
    """Draw the model's probabilities of some clips, and the listeners' votes where there are."""
    figure, axes = sheet(max(1, len(rows)), height_in=1.5, sharex=True)
    if not len(rows):
        blank(axes[0, 0], "no answer is wrong")
        return figure
    labels = [label for label in LABELS if scored.probabilities[:, LABELS.index(label)].any()]
    places = np.arange(len(labels))
    for one, row in zip(axes[:, 0], rows, strict=True):
        clip = scored.clips[row]
        shares = among(scored.probabilities[[row]], labels)[0]
        one.bar(places - 0.2, shares, 0.38, color=[EMOTIONS[label] for label in labels])
        if clip.votes:
            votes = [clip.votes.get(label, 0.0) for label in labels]
            one.bar(places + 0.2, votes, 0.38, color="none", edgecolor=SOFT)
        one.set_title(f"{clip.path.stem}: acted {clip.label}", loc="left", fontsize=9)
        one.set_ylim(0, 1)
        one.yaxis.set_major_formatter("{x:.0%}")
    axes[-1, 0].set_xticks(places, labels)
    figure.supylabel("filled: the model; outlined: listeners", fontsize=9)
    return figure


def show_speakers(scored: Scored, speakers: Mapping[str, Speaker]) -> Figure:
    """Draw the share of right answers for each speaker, the worst first."""
    found = right(scored)
    names = np.unique(scored.speakers)
    shares = np.array([found[scored.speakers == name].mean() for name in names])
    order = np.argsort(shares)
    figure, ((axes,),) = sheet(height_in=3)
    axes.axhline(found.mean(), color=RULE, zorder=0)
    sexes = np.array([speakers.get(name, Speaker()).sex or "not told" for name in names])
    for sex, colour in SEXES.items():
        own = np.flatnonzero(sexes[order] == sex)
        if len(own):
            axes.plot(own, shares[order][own], "o", color=colour, label=sex)
    short = [str(name).partition(":")[2] for name in names[order]]
    axes.set_xticks(range(len(names)), short, rotation=0 if len(names) < 12 else 60, fontsize=8)
    axes.set(ylabel="share of clips that are right", ylim=(0, 1.02))
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_title(f"All {len(found)} clips: {found.mean():.0%} (line)", loc="left", fontsize=10)
    figure.legend(loc="outside lower right", fontsize=8, ncols=3)
    return figure


REASONS: dict[str, Callable[[Scored], list[float | None]]] = {
    "listeners who heard the acted emotion": lambda scored: [
        acted_share(clip) if clip.votes else None for clip in scored.clips
    ],
    "played: 0 calmly, 1 strongly": lambda scored: [clip.intensity for clip in scored.clips],
    "voice over noise, dB": lambda scored: [one.snr_db for one in scored.qualities],
    "length, s": lambda scored: [one.duration_s for one in scored.qualities],
    "level, dBFS": lambda scored: [one.level_dbfs for one in scored.qualities],
    "how sure the model is": lambda scored: [
        float(value) if known else None
        for value, known in zip(scored.answer_confidence, scored.known, strict=True)
    ],
}
"""What may decide whether an answer is right: title -> a number of each clip, where known."""


def success_by(
    scored: Scored, values: Sequence[float | None]
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Say how the share of right answers goes with some number of the clips.

    Returns
    -------
    tuple or None
        None where fewer than two different values are known. Otherwise of each of up to four
        groups of clips, from the lowest values to the highest: the mean value, shape (groups,);
        the share of right answers, shape (groups,); its 95 % interval over speakers, shape
        (groups, 2).
    """
    given = np.array([np.nan if value is None else value for value in values], float)
    known = np.isfinite(given)
    if len(np.unique(given[known])) < 2:
        return None
    given, found = given[known], right(scored)[known]
    group = _groups(given)
    numbers = np.unique(group)

    def shares(rows: np.ndarray) -> list[float]:
        return [_mean(found[rows][group[rows] == number]) for number in numbers]

    means = np.array([given[group == number].mean() for number in numbers])
    intervals = drawn_speakers(shares, scored.speakers[known])
    return means, np.array(shares(np.arange(len(given)))), intervals


def _groups(values: np.ndarray) -> np.ndarray:
    """Number the group of each value: the value itself where there are few, or else its quarter."""
    different = np.unique(values)
    if len(different) <= _BINS:
        return np.searchsorted(different, values)
    return np.searchsorted(np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1]), values)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def show_reasons(scored: Scored) -> Figure:
    """Draw how the share of right answers goes with each of `REASONS` that is known.

    Bars are 95 % intervals over speakers.
    """
    made = {title: success_by(scored, read(scored)) for title, read in REASONS.items()}
    kept = {title: found for title, found in made.items() if found is not None}
    rows = -(-len(kept) // 3)
    figure, axes = sheet(rows, 3, height_in=2.4, sharey=True)
    for one in axes.flat[len(kept) :]:
        one.set_axis_off()
    for one, (title, (means, shares, ends)) in zip(axes.flat, kept.items(), strict=False):
        one.vlines(means, ends[:, 0], ends[:, 1], color=_BAR, linewidth=4)
        one.plot(means, shares, marker="o", color=ACCENT)
        one.set(xlabel=title, ylim=(0, 1.02))
        one.yaxis.set_major_formatter("{x:.0%}")
    for one in axes[:, 0]:
        one.set_ylabel("right")
    return figure


def show_explanations(bundle: Bundle, scored: Scored, rows: Sequence[int] | np.ndarray) -> Figure:
    """Draw the first window of some clips with the parts framed that carried the answer to each.

    The title says whether they cost the answer more than as many parts drawn by chance do.
    """
    figure, axes = sheet(max(1, len(rows)), height_in=2.8)
    recognizer = Recognizer(bundle)
    if not len(rows):
        blank(axes[0, 0], "no answer is wrong")
    for one, row in zip(axes[:, 0], rows, strict=False):
        clip, label = scored.clips[row], str(scored.choices[row])
        length = round(bundle.windows.window_s * bundle.features.sample_rate_hz)
        samples = np.array(decode(clip.path).samples[:length])
        found = explain_window(samples, partial(_probability, recognizer, label))
        _draw_explanation(one, extract_samples(samples, bundle.features), bundle.features, found)
        holds = "more than by chance" if found.reliable else "no more than by chance may"
        one.set_title(
            f"{clip.path.stem}, acted {clip.label}: '{label}' {found.probability:.0%}, without "
            f"the framed parts {found.probability - found.drop:.0%} ({holds})",
            loc="left",
            fontsize=9,
        )
    axes[-1, 0].set_xlabel("time, s")
    return figure


def _probability(recognizer: Recognizer, label: str, samples: np.ndarray) -> float:
    return restrict(recognizer.score(samples), learnt_labels(recognizer.bundle))[label]


def _draw_explanation(
    axes: Any, features: Features, config: FeatureConfig, found: Explanation
) -> None:
    end_s, top = found.edges_s[-1], features.log_mel.max()
    picture = {"origin": "lower", "aspect": "auto", "cmap": "magma"}
    axes.imshow(features.log_mel, extent=(0, end_s, 0, 1), vmin=top - 60, vmax=top, **picture)
    for start_s, stop_s, low_hz, high_hz in found.boxes():
        low, high = mel_places([low_hz, min(high_hz, config.fmax_hz)], config)
        _frame(axes, (start_s, stop_s), (max(0.0, low), min(1.0, high)))
    axes.set_yticks(mel_places(_TICKS_HZ, config), [str(hz) for hz in _TICKS_HZ])
    axes.set(ylabel="Hz", xlim=(0, end_s), ylim=(0, 1))


def _frame(axes: Any, across: tuple[float, float], up: tuple[float, float]) -> None:
    (left, end), (low, high) = across, up
    axes.plot([left, end, end, left, left], [low, low, high, high, low], color="#7ff0ff")
