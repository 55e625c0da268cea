"""What pages say about a recording: each measure in words, and beside what is usual."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from webapp.words import NBSP, duration, percent, step


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


_SCALES = {
    "speech_ratio": _Scale(
        "Voice", 0, 1, "Much of it is silence or other sound; a tighter cut helps.", ""
    ),
    "snr_db": _Scale("Background", -5, 45, "Record in a quieter place, or closer.", ""),
    "level_dbfs": _Scale(
        "Loudness",
        -60,
        0,
        "Too quiet: move closer to the microphone.",
        "Very loud: turn the recording level down.",
    ),
    "clipping": _Scale("Distortion", 0, 0.02, "", "Overdriven: turn the recording level down."),
    "bandwidth_hz": _Scale(
        "Sound range", 0, 8000, "High tones are missing, as after a telephone line.", ""
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
    for measure, scale in _SCALES.items():
        value, spread = prediction["quality"][measure], (usual or {}).get(measure)
        if value is None or not spread:
            continue
        least, most = spread[0], spread[-1]
        verdict, advice = "as usual", ""
        if value < least:
            verdict, advice = "lower than 95 of 100 it learned from", scale.too_low
        elif value > most:
            verdict, advice = "higher than 95 of 100 it learned from", scale.too_high
        found[scale.name] = Beside(value, spread, scale.low, scale.high, verdict, advice)
    return found


def quality_rows(prediction: Mapping) -> list[QualityRow]:
    """Describe the recording, one row for each measure."""
    quality = prediction["quality"]
    voiced_s = quality["speech_ratio"] * prediction["duration_s"]
    voice = step(quality["speech_ratio"], (0.6, "most of the clip"), (0.2, "with long pauses"))
    loudness = step(
        quality["level_dbfs"], (-9, "very loud"), (-35, "good"), (-50, "quiet"), (-90, "very quiet")
    )
    level = f"{quality['level_dbfs']:.0f}{NBSP}dBFS".replace("-", "\N{MINUS SIGN}")
    clipping = step(quality["clipping"], (0.01, "clipped"), (0.001, "slightly clipped"))
    clipped = f"{percent(quality['clipping'])} of samples at full scale"
    length = f"{duration(voiced_s)} of {duration(prediction['duration_s'])}"
    return [
        QualityRow("Voice", voice or "hardly any", length),
        _background_row(quality["snr_db"]),
        QualityRow("Loudness", loudness or "silent", level),
        QualityRow("Distortion", clipping or "none heard", clipped),
        _range_row(prediction),
    ]


def _range_row(prediction: Mapping) -> QualityRow:
    """Describe the bandwidth; how narrow is too narrow is judged where a voice is scored."""
    if prediction["quality"]["bandwidth_hz"] <= 0:
        return QualityRow("Sound range", "not judged", "no sound to measure")
    highest = f"nearly all of it up to {prediction['quality']['bandwidth_hz'] / 1000:.1f}{NBSP}kHz"
    if not prediction["probabilities"]:
        return QualityRow("Sound range", "not judged", highest)
    narrow = any(warning["code"] == "narrow_band" for warning in prediction["warnings"])
    return QualityRow("Sound range", "narrow, as on a telephone" if narrow else "full", highest)


def _background_row(snr_db: float | None) -> QualityRow:
    if snr_db is None:
        return QualityRow("Background", "not measured", "no pause beside speech to measure it in")
    verdict = step(snr_db, (20, "quiet"), (10, "some noise")) or "noisy"
    if snr_db < 0:
        return QualityRow("Background", verdict, f"{-snr_db:.0f}{NBSP}dB above the voice")
    return QualityRow("Background", verdict, f"{snr_db:.0f}{NBSP}dB below the voice")
