"""A `Prediction` as the JSON object, and the formats made from it."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from ml.results import Notice, Prediction

SCHEMA = 1


def to_dict(prediction: Prediction) -> dict:
    """Make the JSON object of a prediction; plain dicts, lists, strings and numbers.

    Examples
    --------
    >>> import ml
    >>> found = ml.to_dict(ml.recognize("samples/silence.flac"))
    >>> found["outcome"], found["label"], found["duration_s"]
    ('no_speech', None, 5.0)
    >>> ml.FORMATS["audacity"].render(found).splitlines()[0].split("\\t")
    ['0.000000', '3.000000', 'no speech']
    """
    quality = asdict(prediction.quality)
    reason = prediction.reason
    return {
        "schema": SCHEMA,
        "outcome": prediction.outcome,
        "reason": reason.message if reason else None,
        "reason_code": reason.code if reason else None,
        "reason_params": dict(reason.params) if reason else {},
        "label": prediction.label,
        "confidence": prediction.confidence,
        "probabilities": dict(prediction.probabilities),
        "intensity": prediction.intensity,
        "duration_s": quality.pop("duration_s"),
        "quality": quality,
        "vote": asdict(prediction.vote) if prediction.vote else None,
        "segments": [asdict(segment) for segment in prediction.segments],
        "model": asdict(prediction.model) | {"labels": list(prediction.model.labels)},
        "warnings": [_notice(warning) for warning in prediction.warnings],
    }


def _notice(notice: Notice) -> dict:
    return {"code": notice.code, "message": notice.message, "params": dict(notice.params)}


@dataclass(frozen=True)
class Format:
    """One row of `FORMATS`.

    Attributes
    ----------
    name : str
        Key in `FORMATS`, choice on the command line, ending in an address.
    suffix : str
        Of files, with its dot.
    mimetype : str
    render : callable
        From the object that `to_dict` makes (or a kept copy of it) to the file's text.
    """

    name: str
    suffix: str
    mimetype: str
    render: Callable[[dict], str]


def _json(prediction: dict) -> str:
    return json.dumps(prediction, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _csv(prediction: dict) -> str:
    """One row a segment; the columns of labels are the model's and empty where not scored."""
    labels = prediction["model"]["labels"]
    columns = ["start_s", "end_s", "outcome", "label", "confidence", *labels]
    if "file" in prediction:
        columns.insert(0, "file")
    text = io.StringIO()
    # Before Python 3.13 a carriage return alone is not quoted, and would end the row.
    broken = "\r" in (prediction.get("file") or "")
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if broken else csv.QUOTE_MINIMAL
    table = csv.DictWriter(
        text, columns, extrasaction="ignore", lineterminator="\n", quoting=quoting
    )
    table.writeheader()
    for segment in prediction["segments"]:
        table.writerow(segment | segment["probabilities"] | {"file": prediction.get("file")})
    return text.getvalue()


def _shown(segment: dict) -> str:
    """Word a segment: its label, or why it has none."""
    return segment["label"] or segment["outcome"].replace("_", " ")


def _audacity(prediction: dict) -> str:
    """Audacity's label track: start and end in seconds and the label, tab-separated."""
    return "".join(
        f"{segment['start_s']:.6f}\t{segment['end_s']:.6f}\t{_shown(segment)}\n"
        for segment in prediction["segments"]
    )


def _vtt(prediction: dict) -> str:
    """WebVTT captions; each lasts until the next window begins, so that one shows at a time."""
    segments = prediction["segments"]
    starts = [segment["start_s"] for segment in segments[1:]] + [float("inf")]
    cues = ["WEBVTT\n"]
    for segment, next_s in zip(segments, starts, strict=False):
        sure = f" ({segment['confidence']:.0%})" if segment["label"] else ""
        end_s = min(segment["end_s"], next_s)
        times = f"{_timestamp(segment['start_s'])} --> {_timestamp(end_s)}"
        cues.append(f"{times}\n{_shown(segment)}{sure}\n")
    return "\n".join(cues)


def _timestamp(seconds: float) -> str:
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"


FORMATS = {
    row.name: row
    for row in (
        Format("json", ".json", "application/json", _json),
        Format("csv", ".csv", "text/csv", _csv),
        Format("audacity", ".txt", "text/plain", _audacity),
        Format("vtt", ".vtt", "text/vtt", _vtt),
    )
}
"""Every format that a prediction can be had in."""
