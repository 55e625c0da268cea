"""What is known of a recording before the network hears it; what forbids an answer or warns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ml.audio import Waveform
from ml.config import SpeechConfig
from ml.quality import is_narrow_band
from ml.results import Notice, Quality, Vote


@dataclass(frozen=True)
class Evidence:
    """What is known of a recording before the network hears it.

    Attributes
    ----------
    spans : tuple of (int, int)
        First sample of each window and the one past its last.
    speech_s : tuple of float
        Seconds of speech in each window.
    min_duration_s : float
        What the model wants at least.
    likeness : float or None
        How likely a voice is what comes nearest to one, from ``ml.judge``; None if nothing does.
    """

    waveform: Waveform
    quality: Quality
    spans: tuple[tuple[int, int], ...]
    speech_s: tuple[float, ...]
    min_duration_s: float
    config: SpeechConfig
    likeness: float | None = None

    @property
    def speaks(self) -> tuple[bool, ...]:
        """Which windows hold enough speech to be scored."""
        return tuple(seconds >= self.config.min_speech_s for seconds in self.speech_s)

    @property
    def total_speech_s(self) -> float:
        """Seconds of speech in the whole recording."""
        return self.quality.speech_ratio * self.quality.duration_s


Gate = Callable[[Evidence], Notice | None]


def _too_short(evidence: Evidence) -> Notice | None:
    duration_s, minimum_s = evidence.quality.duration_s, evidence.min_duration_s
    if duration_s >= minimum_s:
        return None
    return Notice(
        "too_short",
        f"The recording lasts {duration_s:.2f} s; at least {minimum_s:g} s are needed.",
        {"duration_s": duration_s, "minimum_s": minimum_s},
    )


def _no_speech(evidence: Evidence) -> Notice | None:
    if any(evidence.speaks):
        return None
    heard_s, found = evidence.total_speech_s, evidence.quality
    params: dict[str, str | float] = {
        "speech_s": heard_s,
        "duration_s": found.duration_s,
        "level_dbfs": found.level_dbfs,
    }
    message = (
        f"No voice was found: {heard_s:.1f} s of speech in {found.duration_s:.1f} s of sound "
        f"at a level of {found.level_dbfs:.0f} dBFS."
    )
    if evidence.likeness is not None and not heard_s:
        params["likeness"] = evidence.likeness
        message += (
            " What resembles one holds its pitch and changes as music, an animal or a machine "
            f"does: {evidence.likeness:.0%} like a voice at most."
        )
    return Notice("no_speech", message, params)


def _too_noisy(evidence: Evidence) -> Notice | None:
    snr_db, minimum_db = evidence.quality.snr_db, evidence.config.min_snr_db
    if snr_db is None or snr_db >= minimum_db:
        return None
    return Notice(
        "too_noisy",
        f"The voice is buried in noise: it stands {snr_db:.1f} dB over it; at least "
        f"{minimum_db:g} dB are needed.",
        {"snr_db": snr_db, "minimum_db": minimum_db},
    )


GATES: tuple[Gate, ...] = (_too_short, _no_speech, _too_noisy)
"""Asked in this order; the first that closes gives outcome and reason, and nothing is scored."""


def first_reason(evidence: Evidence) -> Notice | None:
    """Return what the first closed gate of `GATES` says; None if all are open."""
    return next(filter(None, (gate(evidence) for gate in GATES)), None)


def uncertain(probabilities: Mapping[str, float], label: str, threshold: float) -> Notice | None:
    """Return the reason of an answer that is held back after scoring; None if it is likely enough.

    Parameters
    ----------
    probabilities : mapping of str to float
        Calibrated, over the labels that were to choose from.
    label : str
        The one that would be given.
    threshold : float
        What the model's calibration asks of its probability.
    """
    probability = probabilities[label]
    if probability >= threshold:
        return None
    names = candidates(probabilities, label)
    return Notice(
        "uncertain",
        f"No emotion stands out: it lies between {', '.join(names[:-1])} and {names[-1]}. "
        f"The first, {label}, reaches {probability:.0%}; answers under {threshold:.0%} are held "
        "back.",
        {
            "label": label,
            "probability": probability,
            "threshold": threshold,
            "candidates": ", ".join(names),
        },
    )


def candidates(probabilities: Mapping[str, float], label: str) -> tuple[str, ...]:
    """Name the emotions that an answer hesitates between.

    Returns
    -------
    tuple of str
        `label`, then the likeliest other, and the one after that if it is at least half as likely
        as `label`.
    """
    others = sorted(set(probabilities) - {label}, key=lambda other: -probabilities[other])
    third = [other for other in others[1:2] if probabilities[other] >= probabilities[label] / 2]
    return (label, *others[:1], *third)


def _little_speech(evidence: Evidence) -> Notice | None:
    speech_s, duration_s = evidence.total_speech_s, evidence.quality.duration_s
    config = evidence.config
    if speech_s >= config.little_speech_s and (
        evidence.quality.speech_ratio >= config.little_speech_ratio
    ):
        return None
    return Notice(
        "little_speech",
        f"The answer rests on {speech_s:.1f} s of speech in {duration_s:.1f} s of sound.",
        {"speech_s": speech_s, "duration_s": duration_s},
    )


def _noisy(evidence: Evidence) -> Notice | None:
    snr_db = evidence.quality.snr_db
    if snr_db is None or snr_db >= evidence.config.noisy_snr_db:
        return None
    return Notice(
        "noisy", f"The voice stands only {snr_db:.0f} dB over the noise.", {"snr_db": snr_db}
    )


def _quiet(evidence: Evidence) -> Notice | None:
    level_dbfs = evidence.quality.level_dbfs
    if level_dbfs >= evidence.config.quiet_dbfs:
        return None
    return Notice(
        "quiet",
        f"The recording is very quiet (level {level_dbfs:.0f} dBFS).",
        {"level_dbfs": level_dbfs},
    )


def _clipped(evidence: Evidence) -> Notice | None:
    clipping = evidence.quality.clipping
    if clipping < evidence.config.clipped_share:
        return None
    return Notice(
        "clipped",
        f"{clipping:.1%} of the recording is cut off at full scale; that makes a voice sound "
        "harsher than it was.",
        {"clipping": clipping},
    )


def _narrow_band(evidence: Evidence) -> Notice | None:
    if not is_narrow_band(evidence.waveform.samples, evidence.waveform.sample_rate_hz):
        return None
    return Notice(
        "narrow_band",
        "Nothing is left above 3.4 kHz, as after a telephone line; the model learned from fuller "
        "sound.",
    )


_WARNINGS: tuple[Gate, ...] = (_little_speech, _noisy, _quiet, _clipped, _narrow_band)


def recording_warnings(evidence: Evidence) -> tuple[Notice, ...]:
    """Say what in the recording an answer should be read with."""
    return tuple(filter(None, (warning(evidence) for warning in _WARNINGS)))


def vote_differs(vote: Vote, largest: str) -> tuple[Notice, ...]:
    """Warn where most windows bear another label than the likeliest of the whole recording."""
    if vote.label == largest:
        return ()
    return (
        Notice(
            "vote_differs",
            f"Most parts sound {vote.label} ({vote.dominance:.0%} of them); over the whole "
            f"recording {largest} is likeliest.",
            {"vote": vote.label, "dominance": vote.dominance, "label": largest},
        ),
    )
