"""Charts: geometry with known answers, and colours that can be seen and told apart."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from predictions import prediction, segment

import ml
from webapp import charts
from webapp.sections import SHADES

STATIC = Path(__file__).resolve().parent.parent / "static"


def parsed(markup) -> ET.Element:
    named = str(markup).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return ET.fromstring(named)


def by_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [element for element in root.iter() if name in element.get("class", "").split()]


def drawn_of(segments, part: int = 0, peaks=(), duration_s: float = 0.0):
    return charts.timeline(charts.view({"segments": segments}, part), peaks, duration_s)


@pytest.mark.parametrize(("share", "width"), [(0.713, "71.3%"), (0, "0.0%"), (1.2, "100.0%")])
def test_a_bar_is_as_long_as_its_share(share, width):
    bar = parsed(charts.bar("angry", share))
    assert by_class(bar, "fill")[0].get("width") == width
    assert "emotion-angry" in bar.get("class")


@pytest.mark.parametrize(("value", "place"), [(0.25, "25.0%"), (-1, "0.0%"), (1.2, "100.0%")])
def test_a_scale_marks_the_place(value, place):
    (mark,) = by_class(parsed(charts.scale(value)), "mark")
    assert mark.get("cx") == place


def test_labels_are_escaped():
    assert "<script" not in charts.bar('"><script>', 0.5)
    scores = {"<script>": 0.9, "sad": 0.1}
    segments = [{**segment(t, t + 3), "label": "<script>", "probabilities": scores} for t in (0, 2)]
    drawn = drawn_of(segments)
    assert "<script" not in drawn and "&lt;script&gt;" in drawn


def test_spans_meet_half_way_between_the_centres_of_windows():
    segments = [segment(0, 3), segment(1.5, 4.5), segment(4, 7)]
    assert charts.spans(segments) == [(0, 2.25), (2.25, 4.25), (4.25, 7)]
    assert charts.spans([]) == []


@pytest.mark.parametrize(
    ("duration_s", "times"),
    [(4.2, [0, 1, 2, 3, 4]), (77, [0, 20, 40, 60]), (3600, [0, 900, 1800, 2700, 3600])],
)
def test_ticks_are_round_and_few(duration_s, times):
    assert charts.ticks(duration_s) == times


@pytest.mark.parametrize("duration_s", [0.5, 3, 61, 600, 3600, 86_400])
def test_ticks_stay_on_the_axis(duration_s):
    times = charts.ticks(duration_s)
    assert times[0] == 0 and times[-1] <= duration_s


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.5, "0.5 s"), (60, "60 s"), (120, "2 min"), (150, "2 min 30 s")],
)
def test_times_on_the_axis(seconds, text):
    assert charts.clock(seconds) == text


def test_timeline_is_as_thick_as_likely_and_marks_who_led():
    segments = [segment(0, 3, angry=0.5, sad=0.3), segment(3, 6, angry=0.3, sad=0.7)]
    chart = parsed(drawn_of(segments))
    angry = by_class(chart, "emotion-angry")[0]
    likely, leading = (by_class(angry, name)[0].get("d") for name in ("likely", "leading"))
    # 22 px at probability 1: half of it around the middle, 11, then 0.3 of it.
    assert likely == "M0.0 5.5H500.0V16.5H0.0ZM500.0 7.7H1000.0V14.3H500.0Z"
    assert leading == "M0.0 5.5H500.0V16.5H0.0Z"
    assert [text.text for text in by_class(chart, "row-label")] == ["sad", "angry"]
    assert not by_class(chart, "no-answer")


def test_timeline_shows_where_there_was_no_answer():
    segments = [segment(0, 3, happy=0.9), segment(3, 6, "no_speech"), segment(6, 12, happy=0.8)]
    chart = parsed(drawn_of(segments))
    (gap,) = by_class(chart, "no-answer")
    # Centres 1.5, 4.5, 9: the gap spans 3 to 6.75 of 12 seconds.
    assert (gap.get("x"), gap.get("width")) == ("25.00%", "31.25%")


def test_an_uncertain_window_leads_nowhere():
    segments = [segment(0, 3, "uncertain", calm=0.3), segment(3, 6, "uncertain", calm=0.3)]
    chart = parsed(drawn_of(segments))
    assert {path.get("d") for path in by_class(chart, "leading")} == {""}


def test_timeline_without_any_score_still_has_its_axis():
    chart = parsed(drawn_of([segment(0, 3, "no_speech")] * 2))
    assert by_class(chart, "tick-label") and not by_class(chart, "likely")


def test_an_hour_fits():
    segments = [segment(1.5 * n, 1.5 * n + 3, happy=0.6 + 0.3 * (n % 2)) for n in range(2400)]
    drawn = drawn_of(segments)
    assert len(drawn) < 100_000
    assert parsed(drawn).get("data-duration") == "3601.500"


def test_an_hour_is_shown_in_parts():
    segments = [segment(1.5 * n, 1.5 * n + 3, happy=0.6) for n in range(2400)]
    whole = charts.view({"segments": segments})
    assert len(whole.parts) == 10 and len(whole.steps) == 240 and whole.part == 0
    assert whole.parts[0] == (0, 361.5 - 0.75) and whole.parts[-1][1] == 3601.5
    second = charts.view({"segments": segments}, 2)
    assert (second.start_s, second.end_s) == whole.parts[1] and second.steps == segments[240:480]
    assert charts.view({"segments": segments}, 11).part == 0
    assert charts.view({"segments": segments[:240]}, 1).parts == []
    chart = parsed(charts.timeline(second))
    assert chart.get("data-start") == "360.750" and chart.get("data-duration") == "360.000"
    assert next(text.text for text in by_class(chart, "tick-label")) == "8 min"
    likely = by_class(chart, "likely")[0].get("d")
    assert likely.startswith("M0.0 ") and "H1000.0V" in likely


def test_the_waveform_lies_under_the_rows():
    segments = [segment(0, 3, angry=0.5), segment(3, 6, angry=0.7)]
    plain, waved = (
        parsed(drawn_of(segments, peaks=peaks, duration_s=6.0)) for peaks in ((), (0, 99, 50))
    )
    assert not by_class(plain, "wave")
    (wave,) = by_class(waved, "wave")
    assert int(waved.get("height")) == int(plain.get("height")) + charts.WAVE_HEIGHT
    (path,) = wave
    assert path.get("d").startswith("M166.7 23.5L500.0 3.0L833.3 13.4L833.3 34.6L500.0 45.0")


def test_a_part_has_its_part_of_the_waveform():
    segments = [segment(1.5 * n, 1.5 * n + 3, happy=0.6) for n in range(2400)]
    peaks = [0] * 60 + [99] * 60 + [0] * 480
    chart = parsed(drawn_of(segments, 2, peaks, 3601.5))
    (wave,) = by_class(chart, "wave")
    heights = {point.split()[1] for point in wave[0].get("d")[1:-1].split("L")}
    assert heights == {"3.0", "45.0"}


def test_every_row_of_a_real_prediction_is_drawn():
    segments = tuple(segment(t, t + 3, **{label: 0.6}) for t, label in enumerate(ml.LABELS))
    labels = charts.timeline_labels(prediction(segments=segments, happy=0.5)["segments"])
    assert labels == list(ml.LABELS)


def themes() -> list[dict[str, str]]:
    """Read the custom properties of the light and the dark theme."""
    css = (STATIC / "css/tokens.css").read_text()
    light, dark = css.split("@media (prefers-color-scheme: dark)")
    first = dict(re.findall(r"--([\w-]+): (#\w{6});", light))
    return [first, first | dict(re.findall(r"--([\w-]+): (#\w{6});", dark))]


def contrast(first: str, second: str) -> float:
    darker, lighter = sorted(map(luminance, (first, second)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", themes(), ids=["light", "dark"])
def test_emotion_colours_stand_out_from_the_paper(theme):
    for label in ml.LABELS:
        assert contrast(theme[f"emotion-{label}"], theme["paper"]) >= 3, label
    assert len({theme[f"emotion-{label}"] for label in ml.LABELS}) == len(ml.LABELS)


@pytest.mark.parametrize("theme", themes(), ids=["light", "dark"])
def test_text_can_be_read(theme):
    for text in ("ink", "ink-soft", "accent"):
        for ground in ("paper", "sheet", "wash"):
            assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground)
    for ground in ("accent", "accent-strong"):
        assert contrast(theme["on-accent"], theme[ground]) >= 4.5
    for ground in ("paper", "sheet"):
        assert contrast(theme["rule-strong"], theme[ground]) >= 3


@pytest.mark.parametrize("theme", themes(), ids=["light", "dark"])
def test_numbers_can_be_read_on_every_shade_of_a_confusion_matrix(theme):
    css = (STATIC / "css/models.css").read_text()
    shades = dict(re.findall(r"^\.shade-(\d+) \{ --shade: ([\d.]+)%; \}", css, re.MULTILINE))
    assert set(shades) == {str(step) for step in range(1, SHADES + 1)}
    assert ".shade-7, .shade-8, .shade-9, .shade-10 { color: var(--on-accent); }" in css
    for step, percent in shades.items():
        share = float(percent) / 100
        pairs = zip(channels(theme["accent"]), channels(theme["sheet"]), strict=True)
        mixed = [round(share * accent + (1 - share) * sheet) for accent, sheet in pairs]
        text = theme["on-accent" if int(step) > 6 else "ink"]
        assert contrast(text, "#{:02x}{:02x}{:02x}".format(*mixed)) >= 4.5, step


def channels(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def test_every_emotion_has_a_class_in_the_style_sheet():
    css = (STATIC / "css/tokens.css").read_text()
    for label in ml.LABELS:
        assert f".emotion-{label} {{ --emotion: var(--emotion-{label}); }}" in css
