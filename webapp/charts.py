"""Charts as SVG text: pure functions from a prediction's JSON object to markup.

Colours come from the style sheet by class (``emotion-angry``), so that a chart follows the theme.
Lengths along the page are percentages: text keeps its size on a phone and on a wide screen alike.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import ceil
from typing import NamedTuple

from flask_babel import gettext as _
from markupsafe import Markup

from webapp.words import adjective, short

ROW_HEIGHT = 46
LABEL_HEIGHT = 18
BAND_HEIGHT = 22
AXIS_HEIGHT = 22
WAVE_HEIGHT = 48
HAIRLINE_BELOW = 0.05
"""Less than this is drawn as the row's middle line alone."""

QUIET_BELOW = 0.15
"""An emotion that never reaches this probability gets no row in the timeline."""

MAX_STEPS = 240
"""More windows than this are averaged in groups, or shown in parts: an hour would not fit the
screen's pixels."""

_WAVE_POINTS = 300

_TICK_STEPS_S = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800)
_TICKS_AT_MOST = 6


def bar(label: str, probability: float) -> Markup:
    """Draw one horizontal bar; the number beside it is the caller's.

    Parameters
    ----------
    label : str
        The emotion, which decides the colour.
    probability : float
        Length of the bar, 0 to 1; values outside are cut.
    """
    width = 100 * min(max(probability, 0.0), 1.0)
    return Markup(
        '<svg class="bar emotion-{}" width="100%" height="12" aria-hidden="true" focusable="false">'
        '<rect class="track" width="100%" height="12" rx="3"/>'
        '<rect class="fill" width="{}%" height="12" rx="3"/></svg>'
    ).format(label, f"{width:.1f}")


def scale(value: float) -> Markup:
    """Draw where a value lies between two ends; the words beside it are the caller's.

    Parameters
    ----------
    value : float
        0 at the left end, 1 at the right; values outside are cut.
    """
    place = 100 * min(max(value, 0.0), 1.0)
    return Markup(
        '<svg class="scale" width="100%" height="16" aria-hidden="true" focusable="false">'
        '<line class="track" x1="0" x2="100%" y1="8" y2="8"/>'
        '<line class="middle" x1="50%" x2="50%" y1="4" y2="12"/>'
        '<circle class="mark" cx="{}%" cy="8" r="7"/></svg>'
    ).format(f"{place:.1f}")


def among(value: float, usual: Sequence[float], low: float, high: float) -> Markup:
    """Draw where a value lies among usual ones; the words beside it are the caller's.

    Parameters
    ----------
    usual : sequence of float
        The 5th, 25th, 50th, 75th and 95th percentile.
    low, high : float
        Ends of the scale; what lies outside is drawn at them.
    """
    places = [100 * min(max((one - low) / (high - low), 0.0), 1.0) for one in (*usual, value)]
    outer, inner, mark = (places[0], places[4]), (places[1], places[3]), places[5]
    bands = Markup("").join(
        Markup('<rect class="{}" x="{}%" width="{}%" y="{}" height="{}" rx="2"/>').format(
            name, f"{left:.1f}", f"{max(right - left, 0.5):.1f}", y, height
        )
        for name, (left, right), y, height in (("outer", outer, 5, 6), ("inner", inner, 4, 8))
    )
    inside = usual[0] <= value <= usual[4]
    return Markup(
        '<svg class="among" width="100%" height="16" aria-hidden="true" focusable="false">'
        '<line class="track" x1="0" x2="100%" y1="8" y2="8"/>{}'
        '<circle class="mark{}" cx="{}%" cy="8" r="6"/></svg>'
    ).format(bands, "" if inside else " outside", f"{mark:.1f}")


def spans(segments: Sequence[Mapping]) -> list[tuple[float, float]]:
    """Cut overlapping windows to spans that touch, each boundary half-way between two centres.

    Returns
    -------
    list of tuple of float
        Start and end in seconds, one for each segment.
    """
    if not segments:
        return []
    centres = [(segment["start_s"] + segment["end_s"]) / 2 for segment in segments]
    middles = [(first + second) / 2 for first, second in pairwise(centres)]
    edges = [segments[0]["start_s"], *middles, segments[-1]["end_s"]]
    return list(pairwise(edges))


def ticks(duration_s: float, start_s: float = 0.0) -> list[float]:
    """Choose round times for an axis from `start_s` on, so long; seven at most."""
    fitting = [step for step in _TICK_STEPS_S if duration_s / step <= _TICKS_AT_MOST - 1]
    step = fitting[0] if fitting else _TICK_STEPS_S[-1]
    first, last = ceil(start_s / step), int((start_s + duration_s) / step)
    return [index * step for index in range(first, last + 1)]


def clock(seconds: float) -> str:
    """Write a time on the axis: seconds up to 90, else minutes and seconds."""
    if seconds <= 90:
        return f"{short(seconds)} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


class View(NamedTuple):
    """A stretch of a recording as it is shown at once.

    Attributes
    ----------
    start_s, end_s : float
        Where it lies.
    steps : list of mapping
        Its windows, or the means of groups of them where there are too many.
    part : int
        Which part of the recording it is, from 1; 0 for the whole.
    parts : list of (float, float)
        Start and end of every part; empty where the whole can be shown.
    """

    start_s: float
    end_s: float
    steps: list[Mapping]
    part: int
    parts: list[tuple[float, float]]


def view(prediction: Mapping, part: int = 0) -> View:
    """Choose what of a recording is shown: the whole, or one of its parts.

    Parameters
    ----------
    prediction : mapping
        The JSON object of a prediction.
    part : int
        From 1; any other number gives the whole.
    """
    segments = prediction["segments"]
    edges = spans(segments)
    starts = range(0, len(segments), MAX_STEPS) if len(segments) > MAX_STEPS else ()
    parts = [
        (edges[first][0], edges[min(first + MAX_STEPS, len(edges)) - 1][1]) for first in starts
    ]
    if 1 <= part <= len(parts):
        chosen = segments[(part - 1) * MAX_STEPS : part * MAX_STEPS]
        return View(*parts[part - 1], list(chosen), part, parts)
    end_s = edges[-1][1] if edges else prediction["duration_s"]
    return View(0.0, end_s, _grouped(segments), 0, parts)


def timeline(shown: View, peaks: Sequence[int] = (), duration_s: float = 0.0) -> Markup:
    """Draw how likely each emotion was over time: one band a row, as thick as it was likely.

    Parameters
    ----------
    shown : View
    peaks : sequence of int
        Loudest sample of each of as many stretches of the whole recording, 0 to 99, which lasts
        `duration_s`: the waveform under the rows.

    Returns
    -------
    Markup
        An SVG image; hidden from screen readers, since the page has the same in a table.
    """
    length_s = shown.end_s - shown.start_s
    inner = [
        (max(0.0, start - shown.start_s), min(length_s, end - shown.start_s))
        for start, end in spans(shown.steps)
    ]
    rows = timeline_labels(shown.steps)
    unnamed = [edge for step, edge in zip(shown.steps, inner, strict=True) if not step["label"]]
    top = ROW_HEIGHT * (len(rows) + bool(unnamed))
    height = top + WAVE_HEIGHT * bool(peaks) + AXIS_HEIGHT
    parts = [_axis(shown.start_s, length_s, height)]
    parts += [_row(label, index, shown.steps, inner) for index, label in enumerate(rows)]
    if unnamed:
        parts.append(_unnamed_row(len(rows), unnamed, length_s))
    if peaks:
        first, last = (
            round(len(peaks) * time_s / duration_s) for time_s in (shown.start_s, shown.end_s)
        )
        parts.append(_waveform(peaks[first:last], top))
    return Markup(
        '<svg class="timeline" width="100%" height="{}" aria-hidden="true" focusable="false" '
        'data-start="{}" data-duration="{}">{}'
        '<line class="playhead" x1="0" x2="0" y1="0" y2="{}"/></svg>'
    ).format(
        height,
        f"{shown.start_s:.3f}",
        f"{length_s:.3f}",
        Markup("").join(parts),
        height - AXIS_HEIGHT,
    )


def _waveform(peaks: Sequence[int], top: int) -> Markup:
    """Draw the loudest samples, up and down from the middle."""
    size = max(1, -(-len(peaks) // _WAVE_POINTS))
    loudest = [max(peaks[first : first + size]) for first in range(0, len(peaks), size)]
    middle, reach = WAVE_HEIGHT / 2, WAVE_HEIGHT / 2 - 3
    places = [1000 * (index + 0.5) / max(1, len(loudest)) for index in range(len(loudest))]
    above = [
        f"{x:.1f} {middle - max(0.5, reach * y / 99):.1f}"
        for x, y in zip(places, loudest, strict=True)
    ]
    below = [
        f"{x:.1f} {middle + max(0.5, reach * y / 99):.1f}"
        for x, y in zip(places, loudest, strict=True)
    ]
    return Markup(
        '<svg class="wave" x="0" y="{}" width="100%" height="{}" viewBox="0 0 1000 {}" '
        'preserveAspectRatio="none"><path d="M{}Z"/></svg>'
    ).format(top, WAVE_HEIGHT, WAVE_HEIGHT, "L".join([*above, *reversed(below)]))


def timeline_labels(segments: Sequence[Mapping]) -> list[str]:
    """Name the emotions worth a row: those that were ever likely, in the model's order."""
    scored = [segment["probabilities"] for segment in segments if segment["probabilities"]]
    if not scored:
        return []
    return [
        label
        for label in scored[0]
        if max(probabilities[label] for probabilities in scored) >= QUIET_BELOW
    ]


def _grouped(segments: Sequence[Mapping]) -> list[Mapping]:
    size = -(-len(segments) // MAX_STEPS)
    if size <= 1:
        return list(segments)
    groups = [segments[start : start + size] for start in range(0, len(segments), size)]
    return [_mean_segment(group) for group in groups]


def _mean_segment(group: Sequence[Mapping]) -> dict:
    scored = [segment["probabilities"] for segment in group if segment["probabilities"]]
    labels = scored[0] if scored else {}
    mean = {label: sum(row[label] for row in scored) / len(scored) for label in labels}
    named = any(segment["label"] for segment in group)
    label = max(mean, key=lambda label: mean[label]) if mean and named else None
    return {
        "start_s": group[0]["start_s"],
        "end_s": group[-1]["end_s"],
        "label": label,
        "confidence": mean[label] if label else None,
        "outcome": "emotion" if label else group[0]["outcome"],
        "probabilities": mean,
    }


def _axis(start_s: float, duration_s: float, height: int) -> Markup:
    bottom = height - AXIS_HEIGHT
    parts = [Markup('<line class="axis" x1="0" x2="100%" y1="{}" y2="{}"/>').format(bottom, bottom)]
    for time_s in ticks(duration_s, start_s):
        x = 100 * (time_s - start_s) / duration_s if duration_s else 0
        parts.append(
            Markup(
                '<line class="tick" x1="{0}%" x2="{0}%" y1="0" y2="{1}"/>'
                '<text class="tick-label" x="{0}%" y="{2}" text-anchor="{3}">{4}</text>'
            ).format(f"{x:.2f}", bottom + 4, bottom + 17, _anchor(x), clock(time_s))
        )
    return Markup("").join(parts)


def _anchor(x: float) -> str:
    """Keep text at either end of the axis inside the page; `x` in percent."""
    return {x <= 3: "start", x >= 97: "end"}.get(True, "middle")


def _row(label: str, index: int, steps: Sequence[Mapping], edges: list) -> Markup:
    """Draw one emotion: its name, a pale band for its probability, full colour where it led."""
    thickness = [step["probabilities"].get(label, 0.0) for step in steps]
    leading = [
        value if step["label"] == label else 0.0
        for step, value in zip(steps, thickness, strict=True)
    ]
    middle = index * ROW_HEIGHT + LABEL_HEIGHT + BAND_HEIGHT / 2
    return Markup(
        '<g class="emotion-{}"><text class="row-label" x="0" y="{}">{}</text>'
        '<svg x="0" y="{}" width="100%" height="{}" viewBox="0 0 1000 {}" '
        'preserveAspectRatio="none"><path class="likely" d="{}"/><path class="leading" d="{}"/>'
        '</svg><line class="hairline" x1="0" x2="100%" y1="{}" y2="{}"/></g>'
    ).format(
        label,
        index * ROW_HEIGHT + LABEL_HEIGHT - 5,
        adjective(label),
        index * ROW_HEIGHT + LABEL_HEIGHT,
        BAND_HEIGHT,
        BAND_HEIGHT,
        _band(thickness, edges),
        _band(leading, edges),
        middle,
        middle,
    )


def _unnamed_row(index: int, unnamed: list, duration_s: float) -> Markup:
    """Draw where no emotion was named: no voice, or no clear answer."""
    top = index * ROW_HEIGHT + LABEL_HEIGHT
    blocks = Markup("").join(
        Markup('<rect class="no-answer" x="{}%" width="{}%" y="{}" height="6"/>').format(
            f"{100 * start / duration_s:.2f}", f"{100 * (end - start) / duration_s:.2f}", top + 8
        )
        for start, end in unnamed
    )
    return Markup('<text class="row-label" x="0" y="{}">{}</text>{}').format(
        top - 5, _("no answer"), blocks
    )


def _band(thickness: Sequence[float], edges: list) -> str:
    """Trace stepped bands around the middle of a row, 1000 units long, as path data."""
    duration_s = edges[-1][1] or 1.0
    pieces = []
    for value, (start, end) in zip(thickness, edges, strict=True):
        if value < HAIRLINE_BELOW:
            continue
        half = BAND_HEIGHT / 2 * min(value, 1.0)
        left, right = 1000 * start / duration_s, 1000 * end / duration_s
        top, bottom = BAND_HEIGHT / 2 - half, BAND_HEIGHT / 2 + half
        pieces.append(f"M{left:.1f} {top:.1f}H{right:.1f}V{bottom:.1f}H{left:.1f}Z")
    return "".join(pieces)
