"""Answers as the rows of a table: the columns, and the table as Parquet or as lines of JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import pyarrow as pa
from pyarrow import parquet

from ml.errors import SerError
from ml.folders import Listed
from ml.results import ModelInfo, Prediction, Segment

Row: TypeAlias = dict[str, Any]

SCHEMA = 1
"""Changes when a column changes its name or its meaning; columns that are added leave it."""
LAYOUTS = ("segments", "files")
"""A row for each segment of a recording, or one for each recording."""

_FILE = (("file", pa.string()), ("size_bytes", pa.int64()), ("etag", pa.string()))
_SPAN = (("start_s", pa.float64()), ("end_s", pa.float64()))
_ANSWER = (("outcome", pa.string()), ("label", pa.string()), ("confidence", pa.float64()))
_VOTE = (("vote_label", pa.string()), ("vote_dominance", pa.float64()))
_RECORDING = (
    ("reason_code", pa.string()),
    ("intensity", pa.float64()),
    ("duration_s", pa.float64()),
    ("speech_ratio", pa.float64()),
    ("snr_db", pa.float64()),
    ("level_dbfs", pa.float64()),
    ("clipping", pa.float64()),
    ("bandwidth_hz", pa.float64()),
    ("warnings", pa.list_(pa.string())),
)
_ERROR = (
    ("error_code", pa.string()),
    ("error_message", pa.string()),
    ("error_hint", pa.string()),
)
_ORIGIN = (
    ("model", pa.string()),
    ("model_version", pa.string()),
    ("model_sha256", pa.string()),
    ("labels", pa.string()),
    ("schema", pa.int32()),
)


@dataclass(frozen=True)
class Table:
    """What the rows of one archive have in common.

    Attributes
    ----------
    layout : str
        One of `LAYOUTS`.
    model : ModelInfo
        Which model answers.
    labels : tuple of str
        The emotions that it chooses among.
    """

    layout: str
    model: ModelInfo
    labels: tuple[str, ...]

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns, in their order."""
        shares = tuple((f"p_{label}", pa.float64()) for label in self.labels)
        if self.layout == "files":
            middle = (*_ANSWER, *shares, *_VOTE)
        else:
            whole = tuple((f"recording_{name}", kind) for name, kind in _ANSWER)
            middle = (*_SPAN, *_ANSWER, *shares, *whole)
        return pa.schema([*_FILE, *middle, *_RECORDING, *_ERROR, *_ORIGIN])

    def _row(self, file: Listed) -> Row:
        """Begin a row: every column is there, what is not known is None."""
        return dict.fromkeys(self.schema.names) | {
            "file": shown(file.name),
            "size_bytes": file.size_bytes,
            "etag": file.etag,
            "model": self.model.name,
            "model_version": self.model.version,
            "model_sha256": self.model.sha256,
            "labels": ",".join(self.labels),
            "schema": SCHEMA,
        }

    def answered(self, file: Listed, prediction: Prediction) -> list[Row]:
        """Make the rows of a recording's answer, at least one, in the order of time."""
        recording = self._row(file) | _recording(prediction)
        if self.layout == "files":
            vote = prediction.vote
            said = {"vote_label": vote and vote.label, "vote_dominance": vote and vote.dominance}
            return [recording | _answer(prediction) | said]
        whole = {f"recording_{name}": value for name, value in _answer(prediction).items()}
        recording |= {name: value for name, value in whole.items() if name in recording}
        return [
            recording | {"start_s": part.start_s, "end_s": part.end_s} | _answer(part)
            for part in prediction.segments or (_only_segment(prediction),)
        ]

    def failed(self, file: Listed, error: SerError) -> list[Row]:
        """Make the row of a recording that could not be analysed."""
        told = {
            "error_code": error.code,
            "error_message": shown(error.message),
            "error_hint": shown(error.hint),
        }
        return [self._row(file) | told]


def shown(text: str) -> str:
    """Make text that UTF-8 can hold: names of local files may be of any bytes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _answer(said: Prediction | Segment) -> Row:
    shares = {f"p_{label}": share for label, share in said.probabilities.items()}
    return {"outcome": said.outcome, "label": said.label, "confidence": said.confidence, **shares}


def _only_segment(prediction: Prediction) -> Segment:
    """Stand for a recording that is too short to be cut into any."""
    end_s = prediction.quality.duration_s
    return Segment(0.0, end_s, prediction.outcome, prediction.label, prediction.confidence, {})


def _recording(prediction: Prediction) -> Row:
    reason = prediction.reason
    return {
        "reason_code": reason.code if reason else None,
        "intensity": prediction.intensity,
        "warnings": [warning.code for warning in prediction.warnings],
        **asdict(prediction.quality),
    }


@dataclass(frozen=True)
class TableFormat:
    """How a table is written to a file.

    Attributes
    ----------
    suffix : str
        Of the file, with its dot.
    encode : callable
        From rows and their schema to the file's content.
    decode : callable
        Back to rows.
    """

    suffix: str
    encode: Callable[[list[Row], pa.Schema], bytes]
    decode: Callable[[bytes], list[Row]]


def _to_parquet(rows: list[Row], schema: pa.Schema) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows, schema), buffer, compression="zstd")
    return buffer.getvalue()


def _from_parquet(content: bytes) -> list[Row]:
    return parquet.read_table(io.BytesIO(content)).to_pylist()


def _to_lines(rows: list[Row], schema: pa.Schema) -> bytes:
    lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    return "".join(lines).encode()


def _from_lines(content: bytes) -> list[Row]:
    return [json.loads(line) for line in content.splitlines()]


TABLE_FORMATS = {
    "parquet": TableFormat(".parquet", _to_parquet, _from_parquet),
    "jsonl": TableFormat(".jsonl", _to_lines, _from_lines),
}
"""Every format that a table can be written in."""
