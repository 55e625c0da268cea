"""What the JSON API takes and gives, as types: the OpenAPI document is made from these."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

import ml

_NAME = f"({'|'.join(ml.LABELS)})"
_LABELS = f"^({'|'.join(ml.LABEL_SETS)}|{_NAME}(,{_NAME})+)?$"
PROBABILITIES = {"neutral": 0.06, "happy": 0.1, "sad": 0.03, "angry": 0.81}
_MODEL = {"name": "cnn-gru", "version": "2026.11.21", "sha256": "9f2c", "labels": ["angry", "sad"]}
_SEGMENT = {
    "start_s": 0.0,
    "end_s": 3.0,
    "outcome": "emotion",
    "label": "angry",
    "confidence": 0.81,
    "probabilities": PROBABILITIES,
}
_QUALITY = {
    "speech_ratio": 0.83,
    "snr_db": 21.4,
    "level_dbfs": -19.0,
    "clipping": 0.0,
    "bandwidth_hz": 7800.0,
}
_VOTE = {"label": "angry", "dominance": 1.0, "distribution": {"angry": 1.0}}
_NOTICE = {
    "code": "noisy",
    "message": "There is noise behind the voice (8 dB above it).",
    "params": {"snr_db": 8.0},
}
PREDICTION = {
    "schema": 1,
    "outcome": "emotion",
    "reason": None,
    "reason_code": None,
    "reason_params": {},
    "label": "angry",
    "confidence": 0.81,
    "probabilities": PROBABILITIES,
    "intensity": 0.62,
    "duration_s": 4.2,
    "quality": _QUALITY,
    "vote": _VOTE,
    "segments": [_SEGMENT],
    "model": _MODEL,
    "warnings": [_NOTICE],
}
_ERROR = {
    "code": "unsupported_format",
    "message": "This file is not audio in a format that can be read here (PDF).",
    "hint": "Send a WAV, MP3, M4A, OGG, WebM or FLAC recording.",
    "request_id": "4f9c1a2b7d3e5f60",
}
_ID = "V1StGXR8Z5jdHi6BmyTabc"
_LINKS = {"self": f"/api/v1/analyses/{_ID}"}
_KEPT = PREDICTION | {
    "id": _ID,
    "created": "2026-11-21T15:06:03+00:00",
    "expires": "2026-12-21T15:06:03+00:00",
    "filename": "call.m4a",
    "notes": [],
    "links": _LINKS,
}


def _example(value: Any, *, lines: bool = False) -> ConfigDict:
    """Describe a type by an example; `lines`: where accepted, lines of progress come before it."""
    config: Any = {"json_schema_extra": {"example": value}, "protected_namespaces": ()}
    if lines:
        streamed = {"application/x-ndjson": {"schema": {"type": "string"}}}
        config["openapi_extra"] = {"content": streamed}
    return config


def _of(kind: type, example: dict[str, Any], *without: str) -> type[BaseModel]:
    """Make the type of the JSON object that a dataclass of `ml` becomes."""
    hints = get_type_hints(kind)
    chosen: dict[str, Any] = {
        one.name: (hints[one.name], ...) for one in fields(kind) if one.name not in without
    }
    return create_model(kind.__name__, __config__=_example(example), **chosen)


# Types for the checker; what they hold is read from the dataclasses.
Notice: Any = _of(ml.Notice, _NOTICE)
Quality: Any = _of(ml.Quality, _QUALITY, "duration_s")
Segment: Any = _of(ml.Segment, _SEGMENT)
Vote: Any = _of(ml.Vote, _VOTE)
Model: Any = _of(ml.ModelInfo, _MODEL)


class Prediction(BaseModel):
    """What a recording sounds like, or why there is no emotion to give."""

    model_config = _example(PREDICTION)

    schema_: int = Field(alias="schema", description="Version of this object; 1.")
    outcome: str = Field(
        description="Whether there is an answer.", json_schema_extra={"enum": [*ml.OUTCOMES]}
    )
    reason: str | None = Field(description="What was measured, where the outcome is no emotion.")
    reason_code: str | None = Field(description="A name for the reason that stays.")
    reason_params: dict[str, str | float] = Field(description="The numbers in the reason.")
    label: str | None = Field(description="The emotion; null unless the outcome is `emotion`.")
    confidence: float | None = Field(description="Its calibrated probability.")
    probabilities: dict[str, float] = Field(
        description="A share for every emotion, which sum to 1; empty where nothing was scored."
    )
    intensity: float | None = Field(
        description="How strong the voice sounds, 0 (calm) to 1; null where it was not measured."
    )
    duration_s: float = Field(description="Length in seconds.")
    quality: Quality = Field(description="How good the recording is.")
    vote: Vote | None = Field(description="Majority over the segments.")
    segments: list[Segment] = Field(description="Windows of the recording, in order of time.")
    model: Model = Field(description="Which trained model answered.")
    warnings: list[Notice] = Field(description="What to know before trusting the answer.")


class CompatiblePrediction(Prediction):
    """A prediction, and the names under which other systems give the same."""

    model_config = _example(
        PREDICTION
        | {
            "emotion": "angry",
            "probability": 0.81,
            "all_probs": PROBABILITIES,
            "all_emotions": PROBABILITIES,
            "filename": "call.m4a",
        },
        lines=True,
    )

    confidence: float | None = Field(
        description="The largest probability whenever there are some; `outcome` says whether to "
        "trust it."
    )
    emotion: str | None = Field(description="The likeliest emotion whenever one was scored.")
    probability: float | None = Field(description="The same as `confidence`.")
    all_probs: dict[str, float] = Field(description="The same as `probabilities`.")
    all_emotions: dict[str, float] = Field(description="The same as `probabilities`.")
    filename: str = Field(description="As it was sent, without folders.")


class KeptAnalysis(Prediction):
    """A prediction that is kept, with its recording, until it expires or is deleted."""

    model_config = _example(_KEPT)

    id: str | None = Field(description="Its name; null where the storage could not be reached.")
    created: datetime = Field(description="UTC.")
    expires: datetime | None = Field(description="When it is deleted, UTC.")
    filename: str = Field(description="As it was sent, without folders.")
    notes: list[Notice] = Field(description="What the site has to add.")
    links: dict[str, str] = Field(description="Where to read it, and in which formats.")


class CreatedAnalysis(KeptAnalysis):
    """A kept analysis and, this once, the token that opens it."""

    model_config = _example(_KEPT | {"token": "k3J9...43 characters"}, lines=True)

    token: str | None = Field(
        default=None, description="Send it as `Authorization: Bearer`; given only here."
    )


class ModelCard(BaseModel):
    """A trained model: what it tells apart, how often it is right, what its licence allows."""

    model_config = _example(
        _MODEL
        | {
            "rule": "mean",
            "title": "CNN and GRU on all features",
            "description": "Convolutions over log-Mel, MFCC, ZCR and RMS, a GRU over time.",
            "licence": "CC BY-NC-SA 4.0",
            "parameters": 412000,
            "size_bytes": 1700000,
            "created": "2026-11-21T15:06:03Z",
            "speed": {"milliseconds": 7.5},
            "metrics": {"cremad": {"wa": 0.649, "clips": 976, "speakers": 12}},
            "left_out": None,
            "corpora": [{"name": "cremad", "title": "CREMA-D"}],
            "commercial_use": False,
            "page": "/models/cnn-gru",
        }
    )

    name: str
    version: str
    sha256: str
    labels: list[str]
    rule: str = Field(description="How windows make the answer: `mean` or `majority`.")
    title: str | None
    description: str | None
    licence: str | None
    parameters: int | None
    size_bytes: int | None
    created: str | None
    speed: dict[str, Any] | None
    metrics: dict[str, dict[str, Any]] | None = Field(
        description="Per corpus, measured on speakers that the model never heard."
    )
    left_out: dict[str, Any] | None = Field(
        description="The same, of models trained alike without that corpus."
    )
    corpora: list[dict[str, Any]] | None
    commercial_use: bool
    page: str


class Models(BaseModel):
    """All trained models."""

    model_config = _example({"default": "cnn-gru", "models": []})

    default: str = Field(description="Which one answers unless a request names another.")
    models: list[ModelCard]


class Health(BaseModel):
    """Whether this server can answer."""

    model_config = _example({"status": "ok", "model": "cnn-gru", "version": "2026.11.21"})

    status: str
    model: str | None = None
    version: str | None = None
    reason: str | None = Field(default=None, description="Why it cannot.")


class ErrorBody(BaseModel):
    """What went wrong."""

    model_config = _example(_ERROR)

    code: str = Field(description="A name that never changes its meaning.")
    message: str = Field(description="What came, and what was wanted.")
    hint: str = Field(description="What to do.")
    request_id: str = Field(description="As in the header `X-Request-ID`; the log has it, too.")


class Error(BaseModel):
    """The one shape of every error."""

    model_config = _example({"error": _ERROR})

    error: ErrorBody


class ModelChoice(BaseModel):
    """Which model answers."""

    model: str = Field(
        default="",
        description="A name of `GET /api/v1/models`; the site's default unless given.",
    )


class Choice(ModelChoice):
    """Which model answers, and among which emotions it chooses."""

    labels: str = Field(
        default="",
        description="Choose among fewer emotions: `8`, `6` or `4`, or names with commas between.",
        json_schema_extra={"pattern": _LABELS, "format": "labels", "example": "happy,sad"},
    )


class AnalysisPath(BaseModel):
    """Which kept analysis."""

    id: str = Field(
        description="The `id` of a kept analysis.",
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$", "example": _ID},
    )


class DownloadPath(AnalysisPath):
    """Which kept analysis, and how it is written."""

    format: str = Field(json_schema_extra={"enum": [*ml.FORMATS]})
