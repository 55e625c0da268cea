"""What pages say about a recording: each measure in words, and beside what is usual."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flask_babel import gettext as _
from flask_babel import pgettext

from webapp.words import NBSP, decimal, duration, percent, step


class QualityRow(NamedTuple):
    """One line about the recording: what was measured, in words, and the figure."""

    name: str
    verdict: str
    figure: str


class Beside(NamedTuple):
    """One measure beside the recordings that the model learned from.

    Attributes
    ----------
    value : float
    usual : sequence of float
        The 5th, 25th, 50th, 75th and 95th percentile of those.
    low, high : float
        Ends of the scale.
    verdict : str
        In words.
    advice : str
        What to do about it; empty where nothing is amiss.
    """

    value: float
    usual: Sequence[float]
    low: float
    high: float
    verdict: str
    advice: str


class _Scale(NamedTuple):
    name: str
    low: float
    high: float
    too_low: str
    too_high: str


def _scales() -> dict[str, _Scale]:
    """Make each measure's scale; its name is that of the row in `quality_rows`."""
    return {
        "speech_ratio": _Scale(
            _("Voice"), 0, 1, _("Much of it is silence or other sound; a tighter cut helps."), ""
        ),
        "snr_db": _Scale(_("Background"), -5, 45, _("Record in a quieter place, or closer."), ""),
        "level_dbfs": _Scale(
            _("Loudness"),
            -60,
            0,
            _("Too quiet: move closer to the microphone."),
            _("Louder than most that it learned from."),
        ),
        "clipping": _Scale(
            _("Distortion"), 0, 0.02, "", _("Overdriven: turn the recording level down.")
        ),
        "bandwidth_hz": _Scale(
            _("Sound range"), 0, 8000, _("High tones are missing, as after a telephone line."), ""
        ),
    }


def beside_usual(prediction: Mapping, usual: Mapping | None) -> dict[str, Beside]:
    """Set each measure of a recording beside the recordings that the model learned from.

    Parameters
    ----------
    usual : mapping of str to sequence of float, or None
        The card's ``quality``.

    Returns
    -------
    dict of str to Beside
        By the name of the row in `quality_rows`; what is not known on both sides has none.
    """
    found = {}
    for measure, scale in _scales().items():
        value, spread = prediction["quality"][measure], (usual or {}).get(measure)
        if value is None or not spread:
            continue
        least, most = spread[0], spread[-1]
        verdict, advice = _("as usual"), ""
        if value < least:
            verdict, advice = _("lower than 95 of 100 it learned from"), scale.too_low
        elif value > most:
            verdict, advice = _("higher than 95 of 100 it learned from"), scale.too_high
        found[scale.name] = Beside(value, spread, scale.low, scale.high, verdict, advice)
    return found


def quality_rows(prediction: Mapping) -> list[QualityRow]:
    """Describe the recording, one row for each measure."""
    quality = prediction["quality"]
    voiced_s = quality["speech_ratio"] * prediction["duration_s"]
    voice = step(
        quality["speech_ratio"], (0.6, _("most of the clip")), (0.2, _("with long pauses"))
    )
    loudness = step(
        quality["level_dbfs"],
        (-9, pgettext("loudness", "very loud")),
        (-35, pgettext("loudness", "good")),
        (-50, pgettext("loudness", "quiet")),
        (-90, pgettext("loudness", "very quiet")),
    )
    level = f"{quality['level_dbfs']:.0f}{NBSP}dBFS".replace("-", "\N{MINUS SIGN}")
    clipping = step(quality["clipping"], (0.01, _("clipped")), (0.001, _("slightly clipped")))
    clipped = _("%(share)s of samples at full scale", share=percent(quality["clipping"]))
    length = _(
        "%(voiced)s of %(whole)s",
        voiced=duration(voiced_s),
        whole=duration(prediction["duration_s"]),
    )
    return [
        QualityRow(_("Voice"), voice or _("hardly any"), length),
        _background_row(quality["snr_db"]),
        QualityRow(_("Loudness"), loudness or pgettext("loudness", "silent"), level),
        QualityRow(_("Distortion"), clipping or _("none heard"), clipped),
        _range_row(prediction),
    ]


def _range_row(prediction: Mapping) -> QualityRow:
    """Describe the bandwidth; how narrow is too narrow is judged where a voice is scored."""
    if prediction["quality"]["bandwidth_hz"] <= 0:
        return QualityRow(_("Sound range"), _("not judged"), _("no sound to measure"))
    highest = _(
        "nearly all of it up to %(pitch)s",
        pitch=f"{decimal(prediction['quality']['bandwidth_hz'] / 1000)}{NBSP}kHz",
    )
    if not prediction["probabilities"]:
        return QualityRow(_("Sound range"), _("not judged"), highest)
    narrow = any(warning["code"] == "narrow_band" for warning in prediction["warnings"])
    verdict = _("narrow, as on a telephone") if narrow else pgettext("sound range", "full")
    return QualityRow(_("Sound range"), verdict, highest)


def _background_row(snr_db: float | None) -> QualityRow:
    if snr_db is None:
        return QualityRow(
            _("Background"), _("not measured"), _("no pause beside speech to measure it in")
        )
    verdict = step(
        snr_db, (20, pgettext("background", "quiet")), (10, pgettext("background", "some noise"))
    ) or pgettext("background", "noisy")
    if snr_db < 0:
        figure = _("%(level)s above the voice", level=f"{-snr_db:.0f}{NBSP}dB")
    else:
        figure = _("%(level)s below the voice", level=f"{snr_db:.0f}{NBSP}dB")
    return QualityRow(_("Background"), verdict, figure)
