"""Reasons and warnings of an answer, told in the page's language: by code and parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask_babel import gettext as _

from webapp.words import NBSP, adjective, decimal, percent

Params = Mapping[str, float | str]


def reason(prediction: Mapping) -> str:
    """Say what was measured where no emotion is named."""
    return _told(prediction["reason_code"], prediction["reason_params"], prediction["reason"])


def notice(warning: Mapping) -> str:
    """Say what an answer should be read with.

    Parameters
    ----------
    warning : mapping
        With ``code``, ``params`` and ``message``, as in the JSON object of a prediction.
    """
    return _told(warning["code"], warning["params"], warning["message"])


def _told(code: str, params: Params, english: str) -> str:
    """Word a notice; one that is not known here, or lacks numbers, stays as it came."""
    try:
        return TOLD[code](params)
    except KeyError:
        return english


def _seconds(value: float | str) -> str:
    return f"{decimal(float(value))}{NBSP}s"


def _decibels(value: float | str, unit: str = "dB") -> str:
    return f"{float(value):.0f}{NBSP}{unit}".replace("-", "\N{MINUS SIGN}")


def _too_short(params: Params) -> str:
    return _(
        "The recording lasts %(duration)s; at least %(minimum)s are needed.",
        duration=f"{decimal(float(params['duration_s']), 2)}{NBSP}s",
        minimum=_seconds(params["minimum_s"]),
    )


def _no_speech(params: Params) -> str:
    found = _(
        "No voice was found: %(speech)s of speech in %(duration)s of sound at a level of "
        "%(level)s.",
        speech=_seconds(params["speech_s"]),
        duration=_seconds(params["duration_s"]),
        level=_decibels(params["level_dbfs"], "dBFS"),
    )
    if "likeness" not in params:
        return found
    likeness = percent(float(params["likeness"]))
    resembles = _(
        "What resembles one holds its pitch and changes as music, an animal or a machine does: "
        "%(likeness)s like a voice at most.",
        likeness=likeness,
    )
    return f"{found} {resembles}"


def _too_noisy(params: Params) -> str:
    return _(
        "The voice is buried in noise: it stands %(snr)s over it; at least %(minimum)s are needed.",
        snr=_fine_decibels(params["snr_db"]),
        minimum=_fine_decibels(params["minimum_db"]),
    )


def _fine_decibels(value: float | str) -> str:
    return f"{decimal(float(value))}{NBSP}dB".replace("-", "\N{MINUS SIGN}")


def _uncertain(params: Params) -> str:
    return _(
        "The likeliest, %(emotion)s, reaches %(share)s; answers under %(threshold)s are held back.",
        emotion=adjective(str(params["label"])),
        share=percent(float(params["probability"])),
        threshold=percent(float(params["threshold"])),
    )


def _little_speech(params: Params) -> str:
    return _(
        "The answer rests on %(speech)s of speech in %(duration)s of sound.",
        speech=_seconds(params["speech_s"]),
        duration=_seconds(params["duration_s"]),
    )


def _noisy(params: Params) -> str:
    return _("The voice stands only %(snr)s over the noise.", snr=_decibels(params["snr_db"]))


def _quiet(params: Params) -> str:
    return _(
        "The recording is very quiet (level %(level)s).",
        level=_decibels(params["level_dbfs"], "dBFS"),
    )


def _clipped(params: Params) -> str:
    return _(
        "%(share)s of the recording is cut off at full scale; that makes a voice sound harsher "
        "than it was.",
        share=f"{decimal(100 * float(params['clipping']))}{NBSP}%",
    )


def _narrow_band(_params: Params) -> str:
    return _(
        "Nothing is left above %(highest)s, as after a telephone line; the model learned from "
        "fuller sound.",
        highest=f"{decimal(3.4)}{NBSP}kHz",
    )


def _vote_differs(params: Params) -> str:
    return _(
        "Most parts sound %(vote)s (%(share)s of them); over the whole recording %(emotion)s is "
        "likeliest.",
        vote=adjective(str(params["vote"])),
        share=percent(float(params["dominance"])),
        emotion=adjective(str(params["label"])),
    )


def _not_kept(_params: Params) -> str:
    return _("The storage could not be reached, so nothing was kept of this analysis.")


TOLD: dict[str, Callable[[Params], str]] = {
    "too_short": _too_short,
    "no_speech": _no_speech,
    "too_noisy": _too_noisy,
    "uncertain": _uncertain,
    "little_speech": _little_speech,
    "noisy": _noisy,
    "quiet": _quiet,
    "clipped": _clipped,
    "narrow_band": _narrow_band,
    "vote_differs": _vote_differs,
    "not_kept": _not_kept,
}
"""Every code of a reason or a warning."""
