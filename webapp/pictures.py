"""Matrices as pictures and rows as curves: pure functions from arrays to what a page shows."""

import base64
import functools
import io
from collections.abc import Iterable

import numpy as np
from markupsafe import Markup

import ml
from webapp.closer import Closer
from webapp.words import short

COLOURS = 64
_DARKEST, _LIGHTEST = 0.18, 0.97
_HUES = (280.0, 85.0)
_CHROMA = 0.11


@functools.cache
def ramp() -> bytes:
    """Make a colour map of `COLOURS` steps that look alike, from indigo to pale yellow.

    Lightness rises evenly in Oklab (Ottosson 2020); hue turns through red, and colours are
    strongest in the middle.

    Returns
    -------
    bytes
        Red, green and blue of each step.
    """
    place = np.linspace(0, 1, COLOURS)
    lightness = _DARKEST + (_LIGHTEST - _DARKEST) * place
    hue = np.radians(_HUES[0] + ((_HUES[1] - _HUES[0]) % 360) * place)
    chroma = _CHROMA * np.sin(np.pi * (0.15 + 0.8 * place))
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)])
    to_cones = np.array(
        [
            [1.0, 0.3963377774, 0.2158037573],
            [1.0, -0.1055613458, -0.0638541728],
            [1.0, -0.0894841775, -1.2914855480],
        ]
    )
    to_red_green_blue = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(to_red_green_blue @ (to_cones @ lab) ** 3, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(255 * encoded).astype(np.uint8).T.tobytes()


def heatmap(values: np.ndarray, low: float, high: float) -> str:
    """Draw a matrix, its first row at the bottom.

    Parameters
    ----------
    values : numpy.ndarray, shape (rows, columns)
    low, high : float
        What is darkest and what is lightest.

    Returns
    -------
    str
        A PNG image of a pixel for each value, as a ``data:`` address.
    """
    from PIL import Image

    share = (values[::-1] - low) / max(high - low, 1e-9)
    steps = np.clip(np.round(share * (COLOURS - 1)), 0, COLOURS - 1).astype(np.uint8)
    image = Image.fromarray(steps, "P")
    image.putpalette(ramp())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def curve(values: Iterable[float], low: float, high: float, height: int = 60) -> Markup:
    """Draw a row of values as a line over the page's width.

    Parameters
    ----------
    values : iterable of float
        At even distances, the first at the left end.
    low, high : float
        What lies at the bottom and at the top; values outside are cut.
    height : int
        Pixels.
    """
    row = np.clip((np.asarray([*values], float) - low) / max(high - low, 1e-9), 0, 1)
    xs = np.linspace(0, 1000, len(row)) if len(row) > 1 else np.zeros(len(row))
    points = " ".join(
        f"{x:.1f},{height - 1 - share * (height - 2):.1f}" for x, share in zip(xs, row, strict=True)
    )
    return Markup(
        '<svg class="curve" width="100%" height="{0}" viewBox="0 0 1000 {0}" '
        'preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        '<polyline points="{1}" vector-effect="non-scaling-stroke"/></svg>'
    ).format(height, points)


def spectrogram(closer: Closer) -> str:
    """Draw the log-Mel spectrogram of a window, as `heatmap` does."""
    log_mel = closer.features.log_mel
    top = float(log_mel.max())
    return heatmap(log_mel, max(top - 70.0, float(log_mel.min())), top)


def cepstrum(closer: Closer) -> str:
    """Draw the MFCC of a window but the first, which is its loudness; as `heatmap` does."""
    mfcc = closer.features.mfcc[1:]
    reach = float(np.quantile(np.abs(mfcc), 0.98))
    return heatmap(mfcc, -reach, reach)


def crossings(closer: Closer) -> Markup:
    """Draw the zero-crossing rate of a window."""
    return curve(closer.features.zcr, 0.0, max(0.3, float(closer.features.zcr.max())))


def loudness(closer: Closer) -> Markup:
    """Draw the RMS of a window in dB, 60 dB under its loudest frame and more."""
    level_db = 20 * np.log10(np.maximum(closer.features.rms, 1e-6))
    return curve(level_db, float(level_db.max()) - 60, float(level_db.max()))


_MARKS_HZ = (200, 500, 1000, 2000, 4000)


def overlay(closer: Closer) -> Markup:
    """Draw axes over a spectrogram, and a frame around each part that carried the answer."""
    duration_s = closer.end_s - closer.start_s
    parts = [
        _level(hz, 1 - float(place))
        for hz, place in zip(_MARKS_HZ, ml.mel_places(_MARKS_HZ, closer.config), strict=True)
    ]
    boxes = [*closer.explanation.boxes()] if closer.explanation else []
    for number, (start_s, end_s, *edges_hz) in enumerate(boxes, 1):
        bottom, top = np.clip(ml.mel_places(edges_hz, closer.config), 0, 1)
        parts.append(
            Markup(
                '<rect class="part" x="{}%" y="{}%" width="{}%" height="{}%"><title>{}</title>'
                "</rect>"
            ).format(
                f"{100 * start_s / duration_s:.2f}",
                f"{100 * (1 - top):.2f}",
                f"{100 * (end_s - start_s) / duration_s:.2f}",
                f"{100 * (top - bottom):.2f}",
                number,
            )
        )
    return Markup('<svg class="overlay" aria-hidden="true" focusable="false">{}</svg>').format(
        Markup("").join(parts)
    )


def _level(hz: int, y: float) -> Markup:
    name = f"{hz // 1000} kHz" if hz >= 1000 else f"{hz} Hz"
    return Markup(
        '<line class="level" x1="0" x2="100%" y1="{0}%" y2="{0}%"/>'
        '<text class="level-label" x="4" y="{0}%" dy="-3">{1}</text>'
    ).format(f"{100 * y:.2f}", name)


def time_axis(closer: Closer) -> Markup:
    """Draw the seconds under a picture, counted in the whole recording."""
    duration_s = closer.end_s - closer.start_s
    step = 0.5 if duration_s <= 4 else 1.0
    first = np.ceil(closer.start_s / step - 1e-6) * step + 0.0
    marks = np.arange(first, closer.end_s + 1e-6, step)
    texts = [
        Markup('<text x="{}%" y="14" text-anchor="{}">{} s</text>').format(
            f"{100 * (mark - closer.start_s) / duration_s:.2f}",
            "start"
            if mark - closer.start_s < 0.05 * duration_s
            else "middle"
            if closer.end_s - mark > 0.05 * duration_s
            else "end",
            short(mark),
        )
        for mark in marks
    ]
    return Markup(
        '<svg class="times" width="100%" height="18" aria-hidden="true" focusable="false">{}</svg>'
    ).format(Markup("").join(texts))
