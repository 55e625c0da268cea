"""Charts as SVG text: pure functions from a prediction's JSON object to markup.

Colours come from the style sheet by class (``emotion-angry``), so that a chart follows the theme.
Lengths along the page are percentages: text keeps its size on a phone and on a wide screen alike.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from markupsafe import Markup

ROW_HEIGHT = 46
LABEL_HEIGHT = 18
BAND_HEIGHT = 22
AXIS_HEIGHT = 22
HAIRLINE_BELOW = 0.05
"""Less than this is drawn as the row's middle line alone."""

QUIET_BELOW = 0.15
"""An emotion that never reaches this probability gets no row in the timeline."""

MAX_STEPS = 240
"""More windows than this are averaged in groups: an hour would not fit the screen's pixels."""

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


def ticks(duration_s: float) -> list[float]:
    """Choose round times for the axis, from 0 to at most `duration_s`, six or fewer."""
    fitting = [step for step in _TICK_STEPS_S if duration_s / step <= _TICKS_AT_MOST - 1]
    step = fitting[0] if fitting else _TICK_STEPS_S[-1]
    return [index * step for index in range(int(duration_s / step) + 1)]


def clock(seconds: float) -> str:
    """Write a time on the axis: seconds up to 90, else minutes and seconds."""
    if seconds <= 90:
        return f"{seconds:g} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def timeline(prediction: Mapping) -> Markup:
    """Draw how likely each emotion was over time: one band a row, as thick as it was likely.

    Parameters
    ----------
    prediction : mapping
        The JSON object of a prediction with at least two segments.

    Returns
    -------
    Markup
        An SVG image; hidden from screen readers, since the page has the same in a table.
    """
    steps = _grouped(prediction["segments"])
    edges = spans(steps)
    duration_s = edges[-1][1]
    rows = timeline_labels(steps)
    unnamed = [edge for step, edge in zip(steps, edges, strict=True) if not step["label"]]
    height = ROW_HEIGHT * (len(rows) + bool(unnamed)) + AXIS_HEIGHT
    parts = [_axis(duration_s, height)]
    parts += [_row(label, index, steps, edges) for index, label in enumerate(rows)]
    if unnamed:
        parts.append(_unnamed_row(len(rows), unnamed, duration_s))
    return Markup(
        '<svg class="timeline" width="100%" height="{}" aria-hidden="true" focusable="false" '
        'data-duration="{}">{}<line class="playhead" x1="0" x2="0" y1="0" y2="{}"/></svg>'
    ).format(height, f"{duration_s:.3f}", Markup("").join(parts), height - AXIS_HEIGHT)


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


def _grouped(segments: Sequence[Mapping]) -> list[dict]:
    size = -(-len(segments) // MAX_STEPS)
    groups = [segments[start : start + size] for start in range(0, len(segments), size)]
    return [_mean_segment(group) for group in groups]


def _mean_segment(group: Sequence[Mapping]) -> dict:
    scored = [segment["probabilities"] for segment in group if segment["probabilities"]]
    labels = scored[0] if scored else {}
    mean = {label: sum(row[label] for row in scored) / len(scored) for label in labels}
    named = any(segment["label"] for segment in group)
    return {
        "start_s": group[0]["start_s"],
        "end_s": group[-1]["end_s"],
        "label": max(mean, key=lambda label: mean[label]) if mean and named else None,
        "probabilities": mean,
    }


def _axis(duration_s: float, height: int) -> Markup:
    bottom = height - AXIS_HEIGHT
    parts = [Markup('<line class="axis" x1="0" x2="100%" y1="{}" y2="{}"/>').format(bottom, bottom)]
    for time_s in ticks(duration_s):
        x = 100 * time_s / duration_s if duration_s else 0
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
        label,
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
    return Markup('<text class="row-label" x="0" y="{}">no answer</text>{}').format(top - 5, blocks)


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
