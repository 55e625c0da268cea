"""The paper and the colours of figures: each emotion has the colour that it has on the website."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

EMOTIONS = {
    "neutral": "#736e67",
    "calm": "#0591b3",
    "happy": "#b0820a",
    "sad": "#2064b4",
    "angry": "#c24a08",
    "fearful": "#7241a0",
    "disgust": "#358b62",
    "surprised": "#bf5490",
}
"""Those of ``static/css/tokens.css`` on light paper."""

SIDES = {"train": "#b9b3a6", "validation": "#b0820a", "test": "#33408f"}
SEXES = {"female": "#7241a0", "male": "#358b62", "not told": "#b9b3a6"}
INK, SOFT, RULE, ACCENT = "#1f1d24", "#5b5662", "#e3ddd1", "#33408f"

_WIDTH_IN = 9.0
_DPI = 110


def sheet(
    rows: int = 1, columns: int = 1, height_in: float = 3.2, **options: Any
) -> tuple[Figure, Any]:
    """Make a figure of the usual width.

    Parameters
    ----------
    rows, columns : int
    height_in : float
        Of a row, inches.
    **options
        As `matplotlib.figure.Figure.subplots` has them.

    Returns
    -------
    figure : Figure
    axes : numpy.ndarray of Axes, shape (rows, columns)
    """
    figure = Figure(figsize=(_WIDTH_IN, rows * height_in), dpi=_DPI, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for one in axes.flat:
        one.spines[["top", "right"]].set_visible(False)
        one.spines[["left", "bottom"]].set_color(SOFT)
        one.tick_params(colors=SOFT, labelcolor=INK, labelsize=9)
    return figure, axes


def blank(axes: Any, words: str) -> None:
    """Say in the place of a picture why there is none."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, words, ha="center", color=SOFT, transform=axes.transAxes)
