"""JSON views: what programs ask and get."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request, session, url_for
from werkzeug.exceptions import NotFound

import ml
from webapp import cards, streaming
from webapp.analysis import Analyser, Analysis, LiveSoundError, display_name, saved_upload

api = Blueprint("api", __name__)

LIVE_TYPE = "audio/L16;rate=16000"

CARD_KEYS = (
    *("title", "description", "licence", "parameters", "size_bytes", "created", "speed"),
    *("metrics", "left_out", "corpora"),
)
"""What `GET /api/v1/models` gives of a bundle's card; null where the card lacks it."""


@api.post("/predict")
def predict() -> Response:
    """Answer for one recording and keep nothing."""
    file = request.files.get("file")
    model, labels, analyser = _model(), _labels(), _analyser()

    held = ExitStack()
    path = held.enter_context(saved_upload(file))

    def run(progress: streaming.Progress | None) -> dict[str, Any]:
        with held:
            return analyser.predict(path, model=model, labels=labels, progress=progress)

    filename = display_name((file and file.filename) or "")
    if streaming.wanted():
        return streaming.streamed(run, lambda prediction: _for_others(prediction, filename))
    return jsonify(_for_others(run(None), filename))


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


@api.post("/api/v1/analyses")
def create() -> tuple[Response, int]:
    """Answer for one recording and keep it for whoever has the token or made it here."""
    token = secrets.token_urlsafe(32)
    file = request.files.get("file")
    analyse = partial(
        _analyser().analyse,
        filename=(file and file.filename) or "",
        owner=session.get("owner", token),
        keep=True,
        model=_model(),
        labels=_labels(),
        token=token,
    )

    held = ExitStack()
    path = held.enter_context(saved_upload(file))

    def run(progress: streaming.Progress | None) -> Analysis:
        with held:
            return analyse(path, progress=progress)

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


@api.get("/api/v1/analyses/<id>")
def show(id: str) -> Response:
    """Give a kept analysis to whoever made it."""
    return jsonify(_body(_analyser().get(id, _asker())))


@api.delete("/api/v1/analyses/<id>")
def delete(id: str) -> tuple[str, int]:
    """Remove recording and record now."""
    _analyser().delete(id, _asker())
    return "", 204


@api.get("/api/v1/analyses/<id>.<format>")
def download(id: str, format: str) -> Response:
    """Give a kept analysis in one of the formats of `ml.FORMATS`."""
    if format not in ml.FORMATS:
        raise NotFound()
    analysis = _analyser().get(id, _asker())
    row = ml.FORMATS[format]
    response = Response(row.render(analysis.prediction), mimetype=row.mimetype)
    response.headers.set("Content-Disposition", "attachment", filename=f"undertone{row.suffix}")
    return response


@api.post("/api/v1/live")
def live() -> Response:
    """Answer for the last seconds of a recording that is going on; nothing is kept."""
    given = request.mimetype
    rate = request.mimetype_params.get("rate", "16000")
    if given != "audio/l16" or rate != "16000":
        raise LiveSoundError(given=request.content_type or "no media type", wanted=LIVE_TYPE)
    return jsonify(_analyser().live(request.get_data(), _model()))


@api.get("/api/v1/models")
def models() -> Response:
    """List the trained models with their labels, sizes, metrics and licences."""
    bundles = [ml.read_bundle(name) for name in ml.bundle_names()]
    return jsonify(default=_analyser().default_model, models=[_model_body(one) for one in bundles])


@api.get("/health")
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
    authorization = request.authorization
    if authorization and authorization.type == "bearer" and authorization.token:
        return authorization.token
    return session.get("owner", "")


def _model() -> str | None:
    return request.values.get("model") or None


def _labels() -> tuple[str, ...] | None:
    spec = request.values.get("labels")
    return ml.parse_labels(spec) if spec else None
