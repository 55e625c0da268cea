"""A closer look at one window of a recording: what the network heard in it, and what decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import ml


class NoWindowError(ml.SerError):
    """A window was asked for that the recording does not have."""

    code: ClassVar[str] = "no_window"
    message_template: ClassVar[str] = "There is no window {window}; the recording has {count}."
    hint_template: ClassVar[str] = "Give a whole number from 1 to {count}, or none."


class ModelChangedError(ml.SerError):
    """The model that answered has been replaced since."""

    code: ClassVar[str] = "model_changed"
    message_template: ClassVar[str] = (
        "This answer came from {name}, version {version}, which has been replaced since."
    )
    hint_template: ClassVar[str] = "Analyse the recording again to look closer at it."


@dataclass(frozen=True)
class Closer:
    """One window, taken apart.

    Attributes
    ----------
    window, count : int
        Which window it is, from 1, and how many there are.
    start_s, end_s : float
        Where it lies in the recording.
    label : str or None
        The answer that is explained: the recording's, or the likeliest where none was given; None
        where the network did not score the window.
    features : ml.Features
        Of this window.
    config : ml.FeatureConfig
        How these were made.
    explanation : ml.Explanation or None
        Which parts carried the answer.
    wav, parts_wav : bytes
        The window's sound, and the chosen parts of it alone; the latter empty without any.
    """

    window: int
    count: int
    start_s: float
    end_s: float
    label: str | None
    features: ml.Features
    config: ml.FeatureConfig
    explanation: ml.Explanation | None
    wav: bytes
    parts_wav: bytes


def look_closer(
    recognizer: ml.Recognizer,
    waveform: ml.Waveform,
    prediction: Mapping[str, Any],
    window: int | None = None,
) -> Closer:
    """Take one window of a recording apart.

    Parameters
    ----------
    prediction : mapping
        The JSON object of the recording's answer.
    window : int, optional
        From 1; the one that bears the answer most clearly unless given.

    Raises
    ------
    NoWindowError
        If the recording has no such window.
    ModelChangedError
        If another model answered than the one that is loaded.
    """
    bundle, segments = recognizer.bundle, prediction["segments"]
    answered = prediction["model"]
    if answered["sha256"] != bundle.sha256:
        raise ModelChangedError(name=answered["name"], version=answered["version"])
    label = _explained(prediction)
    number = window if window is not None else _clearest(segments, label)
    if not 1 <= number <= len(segments):
        raise NoWindowError(window=number, count=len(segments))
    segment = segments[number - 1]
    rate = waveform.sample_rate_hz
    cut = waveform.samples[round(segment["start_s"] * rate) : round(segment["end_s"] * rate)]
    stretch = ml.Waveform(cut, rate)
    explanation = None
    if label and segment["probabilities"]:
        explanation = ml.explain_window(cut, lambda sound: recognizer.score(sound)[label])
    parts = explanation.chosen if explanation else ()
    alone = ml.Waveform(ml.only_parts(cut, parts), rate) if parts else None
    return Closer(
        window=number,
        count=len(segments),
        start_s=segment["start_s"],
        end_s=segment["end_s"],
        label=label if explanation else None,
        features=ml.extract(stretch, bundle.features),
        config=bundle.features,
        explanation=explanation,
        wav=ml.to_wav(stretch),
        parts_wav=ml.to_wav(alone) if alone else b"",
    )


def _explained(prediction: Mapping[str, Any]) -> str | None:
    found = prediction["probabilities"]
    return prediction["label"] or max(found, key=found.__getitem__, default=None)


def _clearest(segments: list[Mapping[str, Any]], label: str | None) -> int:
    """Number the window in which an answer is likeliest."""
    shares = [segment["probabilities"].get(label, -1.0) for segment in segments]
    return 1 + max(range(len(shares)), key=shares.__getitem__, default=0)
