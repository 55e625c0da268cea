"""JSON views: what programs ask and get; the OpenAPI document is made from their types."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from typing import Any

from flask import Response, current_app, jsonify, request, session, url_for
from flask_openapi3 import APIBlueprint, Tag
from werkzeug.exceptions import NotFound

import ml
from webapp import cards, schemas, streaming
from webapp.analysis import LIVE_BYTES, Analyser, LiveSoundError, display_name
from webapp.archive import Analysis
from webapp.uploads import saved_recording

LIVE_TYPE = "audio/L16"

CARD_KEYS = (
    *("title", "description", "licence", "parameters", "size_bytes", "created", "speed"),
    *("metrics", "left_out", "corpora"),
)
"""What `GET /api/v1/models` gives of a bundle's card; null where the card lacks it."""

_BINARY = {"schema": {"type": "string", "format": "binary", "minLength": 1}}
_FILE = {"type": "object", "required": ["file"], "properties": {"file": _BINARY["schema"]}}
RECORDING = {
    "requestBody": {
        "required": True,
        "description": "A recording: the field `file` of a form, or the body itself.",
        "content": {
            "multipart/form-data": {"schema": _FILE},
            "application/octet-stream": _BINARY,
            "audio/*": _BINARY,
            "video/*": _BINARY,
        },
    }
}
LIVE_SOUND = {
    "requestBody": {
        "required": True,
        "description": "At most 6 s of mono 16 kHz samples, signed 16-bit little-endian.",
        "content": {LIVE_TYPE: {"schema": {"type": "string", "format": "pcm", "minLength": 2}}},
    }
}
ERRORS: Any = {400: schemas.Error, 401: schemas.Error}
REFUSALS = ERRORS | dict.fromkeys((413, 415, 422, 429, 503), schemas.Error)
UNFOUND = ERRORS | dict.fromkeys((404, 405, 503), schemas.Error)
TOKEN: Any = [{"token": []}]
FILES: Any = {
    "description": "The file.",
    "content": {
        row.mimetype: {"schema": {"type": "object" if name == "json" else "string"}}
        for name, row in ml.FORMATS.items()
    },
}

api = APIBlueprint(
    "api",
    __name__,
    abp_tags=[Tag(name="api", description="Recordings in, answers out.")],
    abp_security=[{}, {"key": []}],
    operation_id_callback=lambda name, path, method: name,
)


@api.post(
    "/predict",
    responses={200: schemas.CompatiblePrediction, **REFUSALS},
    openapi_extensions=RECORDING,
)
def predict(query: schemas.Choice) -> Response:
    """Answer for a recording and keep nothing.

    With `Accept: application/x-ndjson` lines of progress come before the answer.
    """
    analyser, options = _analyser(), _options(query)
    held = ExitStack()
    path, filename = held.enter_context(saved_recording(request))

    def run(progress: streaming.Progress | None) -> dict[str, Any]:
        with held:
            return analyser.predict(path, progress=progress, **options)

    shown = display_name(filename)
    if streaming.wanted():
        return streaming.streamed(run, lambda prediction: _for_others(prediction, shown))
    return jsonify(_for_others(run(None), shown))


def _for_others(prediction: dict[str, Any], filename: str) -> dict[str, Any]:
    """Add to a prediction the names that clients of other systems look for."""
    probabilities = prediction["probabilities"]
    top = max(probabilities, key=probabilities.__getitem__, default=None)
    probability = probabilities[top] if top else None
    return {
        **prediction,
        "confidence": probability,
        "emotion": top,
        "probability": probability,
        "all_probs": probabilities,
        "all_emotions": probabilities,
        "filename": filename,
    }


@api.post(
    "/api/v1/analyses",
    responses={201: schemas.CreatedAnalysis, 200: schemas.CreatedAnalysis, **REFUSALS},
    openapi_extensions=RECORDING,
)
def create(query: schemas.Choice) -> tuple[Response, int]:
    """Answer for a recording and keep it, for whoever has the token or made it here.

    Who sends a Bearer token along opens all that was made with it by that, too.

    With `Accept: application/x-ndjson` lines of progress come before the answer. The status is
    200 then, and where the storage could not be reached, so that nothing was kept.
    """
    token = secrets.token_urlsafe(32)
    owner = _asker() or token
    analyser, options = _analyser(), _options(query)
    held = ExitStack()
    path, filename = held.enter_context(saved_recording(request))
    analyse = partial(analyser.analyse, path, filename, owner=owner, keep=True, token=token)

    def run(progress: streaming.Progress | None) -> Analysis:
        with held:
            return analyse(progress=progress, **options)

    def told(analysis: Analysis) -> dict[str, Any]:
        return _body(analysis) | ({"token": token} if analysis.id else {})

    if streaming.wanted():
        return streaming.streamed(run, told), 200
    analysis = run(None)
    response = jsonify(told(analysis))
    if not analysis.id:
        return response, 200
    response.headers["Location"] = url_for("api.show", id=analysis.id)
    return response, 201


@api.get(
    "/api/v1/analyses/<id:id>", responses={200: schemas.KeptAnalysis, **UNFOUND}, security=TOKEN
)
def show(path: schemas.AnalysisPath) -> Response:
    """Give a kept analysis to whoever made it."""
    return jsonify(_body(_analyser().archive.get(path.id, _asker())))


@api.delete("/api/v1/analyses/<id:id>", responses={204: None, **UNFOUND}, security=TOKEN)
def delete(path: schemas.AnalysisPath) -> tuple[str, int]:
    """Remove recording and record now."""
    current_app.extensions["retention"].delete(path.id, _asker())
    return "", 204


@api.get("/api/v1/analyses/<id:id>.<format>", responses={200: FILES, **UNFOUND}, security=TOKEN)
def download(path: schemas.DownloadPath) -> Response:
    """Give a kept analysis as a file."""
    row = ml.FORMATS.get(path.format)
    if row is None:
        raise NotFound()
    analysis = _analyser().archive.get(path.id, _asker())
    response = Response(row.render(analysis.prediction), mimetype=row.mimetype)
    response.headers.set("Content-Disposition", "attachment", filename=f"undertone{row.suffix}")
    return response


@api.post(
    "/api/v1/live",
    responses={200: schemas.Prediction, **REFUSALS},
    openapi_extensions=LIVE_SOUND,
)
def live(query: schemas.ModelChoice) -> Response:
    """Answer for the last seconds of a recording that is going on; nothing is kept."""
    rate = request.mimetype_params.get("rate", "16000")
    if request.mimetype != "audio/l16" or rate != "16000":
        wanted = f"{LIVE_TYPE};rate=16000"
        raise LiveSoundError(given=request.content_type or "no media type", wanted=wanted)
    sound = request.stream.read(LIVE_BYTES + 1)
    return jsonify(_analyser().live(sound, query.model or None))


@api.get("/api/v1/models", responses={200: schemas.Models, **ERRORS})
def models() -> Response:
    """List the trained models that can be used, with their labels, sizes, metrics and licences."""
    models = _analyser().models
    return jsonify(default=models.default, models=[_model_body(one) for one in models.usable()])


@api.get("/health", responses={200: schemas.Health, 503: schemas.Health})
def health() -> tuple[Response, int]:
    """Say that this process can answer, which it has proved by analysing a clip."""
    try:
        model = _analyser().ready()
    except ml.SerError as error:
        return jsonify(status="unavailable", reason=str(error)), 503
    except Exception as error:
        current_app.logger.exception("Not ready")
        return jsonify(status="unavailable", reason=f"{type(error).__name__}, see the log"), 503
    return jsonify(status="ok", model=model["name"], version=model["version"]), 200


def _model_body(bundle: ml.Bundle) -> dict[str, Any]:
    return {
        **asdict(bundle.info),
        "rule": bundle.rule,
        **{key: bundle.card.get(key) for key in CARD_KEYS},
        "commercial_use": cards.commercial_use(bundle.card),
        "page": url_for("pages.model", name=bundle.name),
    }


def _body(analysis: Analysis) -> dict[str, Any]:
    return {
        **analysis.prediction,
        "id": analysis.id,
        "created": analysis.created.isoformat(),
        "expires": analysis.expires.isoformat() if analysis.expires else None,
        "filename": analysis.filename,
        "notes": [asdict(note) for note in analysis.notes],
        "links": _links(analysis.id) if analysis.id else {},
    }


def _links(id: str) -> dict[str, str]:
    formats = {name: url_for("api.download", id=id, format=name) for name in ml.FORMATS}
    return {"self": url_for("api.show", id=id), **formats}


def _analyser() -> Analyser:
    return current_app.extensions["analyser"]


def _asker() -> str:
    """Give the secret of whoever asks: the bearer's token, else this browser's id."""
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    # Werkzeug's own reader fails on what is no ASCII.
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return session.get("owner", "")


def _options(query: schemas.Choice) -> dict[str, Any]:
    """Read the options of a request; other systems' clients send them as fields of the form."""
    form = request.form if request.mimetype == "multipart/form-data" else {}
    labels = query.labels or form.get("labels")
    return {
        "model": query.model or form.get("model") or None,
        "labels": ml.parse_labels(labels) if labels else None,
    }
