"""The report's figures, drawn from the bundles' cards."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ml.bundle import Bundle
from ml.figures import plot_confusion, plot_risk_coverage
from ml.markdown import Card, condition_title, corpus_title
from ml.tables import held_back

WIDTH = 6.4
"""Inches; what a page has."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's, which eyes of all kinds tell apart."""
MARKERS = "osD^v"

STYLE: dict[Any, Any] = {
    "axes.prop_cycle": cycler(color=COLOURS),
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "axes.titlesize": 8,
    "legend.fontsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "svg.hashsalt": "undertone",
}


def draw_all(bundles: Sequence[Bundle]) -> dict[str, bytes]:
    """Draw every figure as SVG, by name."""
    cards = [bundle.card for bundle in bundles]
    with mpl.rc_context(STYLE):
        return {name: _svg(draw(cards)) for name, draw in FIGURES.items()}


def _svg(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()


def draw_accuracies(cards: Sequence[Card]) -> Figure:
    """Draw WA of every model with its interval over speakers, a panel for each corpus."""
    names = list(dict.fromkeys(name for card in cards for name in card["metrics"]))
    figure = Figure(figsize=(WIDTH, 3.1), layout="constrained")
    panels = figure.subplots(1, len(names), sharey=True, sharex=True, squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        for place, card in enumerate(cards):
            if name in card["metrics"]:
                _plot_accuracy(axes, place, card["metrics"][name], "C0", "o")
            if name in _outside(card):
                _plot_accuracy(axes, place + 0.3, card["left_out"][name], "C1", "s")
        axes.set(title=corpus_title(name), xlim=(0, 1), ylim=(len(cards) - 0.4, -0.6))
        axes.grid(axis="x", color="0.9")
        axes.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    panels[0].set_yticks(range(len(cards)), [card["name"] for card in cards])
    figure.supxlabel("WA; beside it, among how many emotions", fontsize=7.5)
    return figure


def _plot_accuracy(
    axes: Axes, place: float, found: Mapping[str, Any], colour: str, marker: str
) -> None:
    axes.plot(found["wa_interval"], [place, place], color=colour)
    axes.plot(found["wa"], place, marker, color=colour)
    edge = max(found["wa_interval"])
    inside = edge > 0.85
    axes.text(
        min(found["wa_interval"]) - 0.04 if inside else edge + 0.04,
        place,
        str(len(found["labels"])),
        ha="right" if inside else "left",
        va="center",
        color="0.4",
        fontsize=6,
    )


def draw_confusions(cards: Sequence[Card]) -> Figure:
    """Draw what the default takes for what, on the two corpora with most test clips."""
    metrics = cards[0]["metrics"]
    names = sorted(metrics, key=lambda name: -metrics[name]["clips"])[:2]
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(panels, sorted(names, key=list(metrics).index), strict=True):
        plot_confusion(axes, metrics[name])
        axes.set_title(corpus_title(name))
        axes.spines[:].set_visible(True)
    return figure


def draw_reliabilities(cards: Sequence[Card]) -> Figure:
    """Draw how often answers of each confidence are right: default and small model."""
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    for axes, (title, found) in zip(figure.subplots(1, 3, sharey=True), _sides(cards), strict=True):
        axes.plot([0, 1], [0, 1], color="0.8", linewidth=1)
        for name, row in found.items():
            confidence, right, _clips = np.array(row["reliability"]).T
            colour = _colour(cards, name)
            axes.plot(confidence, right, "o-", ms=2.5, color=colour, label=corpus_title(name))
        axes.set(title=title, xlim=(0, 1), ylim=(0, 1), xlabel="calibrated confidence")
        axes.legend(loc="upper left", frameon=False)
    figure.axes[0].set_ylabel("share of clips that were right")
    return figure


def _colour(cards: Sequence[Card], corpus: str) -> str:
    """Give a corpus its colour, the same in every figure."""
    names = dict.fromkeys(name for card in cards for name in (*card["metrics"], *_outside(card)))
    return COLOURS[list(names).index(corpus) % len(COLOURS)]


def _outside(card: Card) -> Mapping[str, Any]:
    found: Mapping[str, Any] = card.get("left_out", {})
    return found


def _sides(cards: Sequence[Card]) -> list[tuple[str, Mapping[str, Any]]]:
    default, small = cards[0], _small(cards)
    return [
        (f"{default['name']}", default["metrics"]),
        ("the same, never heard", _outside(default)),
        (f"{small['name']}", small["metrics"]),
    ]


def _small(cards: Sequence[Card]) -> Card:
    """Choose the model without an encoder that was measured through most conditions."""
    plain = [card for card in cards if not card.get("encoder")] or cards
    return max(plain, key=lambda card: len(card.get("robustness", {})))


def draw_risks(cards: Sequence[Card]) -> Figure:
    """Draw the curves of risk and coverage of the default and the small model."""
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    shown = (cards[0], _small(cards))
    for axes, card in zip(figure.subplots(1, 2, sharey=True), shown, strict=True):
        inside = {corpus_title(name): row for name, row in card["risk_coverage"].items()}
        apart = held_back({"left_out": _outside(card)})
        outside = {f"{corpus_title(name)}, never heard": row for name, row in apart.items()}
        axes.set_prop_cycle(
            color=[_colour(cards, name) for name in (*card["risk_coverage"], *apart)],
            linestyle=["-"] * len(inside) + ["--"] * len(outside),
        )
        plot_risk_coverage(axes, inside | outside)
        axes.set(title=card["name"], ylim=(0, 0.75))
        axes.legend(frameon=False, loc="upper left")
    figure.axes[1].set_ylabel("")
    return figure


def draw_robustness(cards: Sequence[Card]) -> Figure:
    """Draw how many points of WA each condition costs, for each model that was measured so."""
    known = [card for card in cards if card.get("robustness")]
    conditions = [name for name in known[0]["robustness"] if name != "clean"]
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    panels = figure.subplots(1, len(known), sharey=True, sharex=True, squeeze=False)[0]
    for axes, card in zip(panels, known, strict=True):
        axes.axvline(0, color="0.7", linewidth=1)
        for place, (name, clean) in enumerate(card["robustness"]["clean"].items()):
            marker = MARKERS[place % len(MARKERS)]
            lost = [card["robustness"][condition][name] - clean for condition in conditions]
            places = range(len(conditions))
            colour = _colour(cards, name)
            axes.plot(np.array(lost) * 100, places, marker, color=colour, label=corpus_title(name))
        axes.set(title=card["name"], xlabel="points of WA, against the clips as recorded")
        axes.grid(axis="y", color="0.93")
    panels[0].set_yticks(range(len(conditions)), list(map(condition_title, conditions)))
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside upper center", ncols=len(labels))
    return figure


def draw_costs(cards: Sequence[Card]) -> Figure:
    """Draw what a network's time buys, on the corpus that most of them learnt from."""
    names = [name for card in cards for name in card["metrics"]]
    corpus = max(dict.fromkeys(names), key=names.count)
    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    axes = figure.subplots()
    for card in cards:
        if corpus not in card["metrics"] or "speed" not in card:
            continue
        found, time = card["metrics"][corpus], card["speed"]["window_ms"]
        axes.plot([time, time], found["wa_interval"], color="C0", alpha=0.5)
        axes.plot(time, found["wa"], "o", color="C0")
        axes.annotate(
            f"{card['name']}, {len(found['labels'])}",
            (time, found["wa"]),
            textcoords="offset points",
            xytext=(5, -2),
        )
    axes.set(xscale="log", xlabel="ms for three seconds of sound", ylabel="WA", xlim=(0.5, 40))
    axes.set_title(f"{corpus_title(corpus)}; beside the name, among how many emotions")
    axes.set_xticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.grid(color="0.93")
    return figure


FIGURES: dict[str, Callable[[Sequence[Card]], Figure]] = {
    "accuracies": draw_accuracies,
    "confusions": draw_confusions,
    "reliabilities": draw_reliabilities,
    "risks": draw_risks,
    "robustness": draw_robustness,
    "costs": draw_costs,
}
