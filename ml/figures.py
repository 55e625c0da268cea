"""Pictures of an evaluation: confusion, reliability, risk and coverage, training curves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ml.calibration import reliability

mpl.rcParams["font.family"] = "sans-serif"


def draw_confusion(result: dict[str, Any], title: str, path: Path) -> None:
    """Draw a confusion matrix in per cent of each true emotion's clips."""
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    axes = figure.subplots()
    plot_confusion(axes, result)
    axes.set_title(f"{title}\nWA {result['wa']:.1%}")
    figure.savefig(path, dpi=110)


def plot_confusion(axes: Axes, result: Mapping[str, Any]) -> None:
    """Plot what `measure` says of one corpus; a last column where some clips got no answer."""
    counts = np.array(result["confusion"], float)
    if not counts[:, -1].any():
        counts = counts[:, :-1]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    labels = result["labels"]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(counts.shape[1]), [*labels, "no answer"][: counts.shape[1]], rotation=45)
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="heard as", ylabel="acted as")
    for (row, column), share in np.ndenumerate(shares):
        colour = "white" if share > 0.5 else "black"
        axes.text(column, row, f"{share:.0%}", ha="center", va="center", color=colour)


def draw_reliability(confidence: np.ndarray, right: np.ndarray, path: Path) -> None:
    """Draw how often answers of each confidence were right, in ten equally filled bins."""
    means, accuracy, count = reliability(confidence, right)
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.plot(means, accuracy, marker="o")
    axes.set(
        xlabel="calibrated confidence",
        ylabel="share of clips that were right",
        xlim=(0, 1),
        ylim=(0, 1),
        title=f"Reliability, {count.sum():.0f} clips of unseen speakers",
    )
    figure.savefig(path, dpi=110)


def draw_risk_coverage(found: Mapping[str, Any], path: Path) -> None:
    """Draw how many of the answers are wrong when only the surest are given; a dot: as set.

    Parameters
    ----------
    found : mapping
        Of each corpus, what ``ml.evaluate.measure_abstention`` says.
    """
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    plot_risk_coverage(axes, found)
    axes.set_title("Holding the least sure answers back")
    figure.savefig(path, dpi=110)


def plot_risk_coverage(axes: Axes, found: Mapping[str, Any]) -> None:
    """Plot a curve and a dot for each corpus of `draw_risk_coverage`."""
    for name, row in found.items():
        if "points" in row:
            coverage, risk = np.array(row["points"]).T
            (line,) = axes.plot(coverage, risk, label=f"{name}, area {row['aurc']:.2f}")
            if row["right"] is not None:
                axes.plot(row["answered"], 1 - row["right"], "o", color=line.get_color())
    axes.set(
        xlabel="share of clips that are answered",
        ylabel="share of these that are wrong",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    if axes.lines:
        axes.legend()


def draw_curves(history: list[dict[str, Any]], path: Path) -> None:
    """Draw training loss and the accuracies on validation speakers over the epochs."""
    epochs = [row["epoch"] for row in history]
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(epochs, [row["loss"] for row in history])
    left.set(xlabel="epoch", ylabel="cross-entropy", title="Training loss")
    for name in history[0]["validation"]:
        values = [row["validation"][name]["ua"] for row in history]
        right.plot(epochs, values)
        right.annotate(name, (epochs[-1], values[-1]), textcoords="offset points", xytext=(4, 0))
    right.set(xlabel="epoch", ylabel="UA", title="Validation speakers", ylim=(0, 1))
    figure.savefig(path, dpi=110)
