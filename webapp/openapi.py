"""The description of the JSON API (OpenAPI 3.1), and the page that shows it."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, render_template, send_from_directory
from flask_openapi3 import Info, OpenAPI
from flask_openapi3.models import Contact, License
from werkzeug.routing import BaseConverter

import ml
from webapp.schemas import Error
from webapp.settings import ROOT

INFO = Info(
    title="Undertone",
    summary="Which emotion a voice carries, how sure that is, and when it cannot tell.",
    description=(
        "Send a recording in any usual format, as the multipart field `file` or as the body with "
        "its media type. It is trained on acted speech; spontaneous speech is harder. Do not "
        "decide anything about a person by its answer.\n\n"
        "It infers emotions. In the European Union the AI Act (Regulation 2024/1689) prohibits "
        "that of people at work and in education, except for medical or safety reasons (Article "
        "5(1)(f)). Tell the people who speak before you have their voices analysed (Article "
        "50(3)).\n\n"
        "Every error has the same shape, and a code that never changes its meaning."
    ),
    version="1",
    license=License(name="MIT"),
)
SECURITY_SCHEMES: dict[str, Any] = {
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "Where the operator asks for one.",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "The `token` that came with a kept analysis.",
    },
}
CLIENTS = ("predict.sh", "predict.py", "predict.mjs")
"""Examples in ``static/clients``, which the tests run."""

docs = Blueprint("docs", __name__)


class IdConverter(BaseConverter):
    """The id of an analysis within an address: what `secrets.token_urlsafe` makes."""

    regex = "[A-Za-z0-9_-]+"


def described_app(name: str, contact: str, **options: Any) -> OpenAPI:
    """Make a Flask app that describes the API which is registered with it."""
    info = INFO.model_copy(update={"contact": Contact(name=contact)} if contact else {})
    app = OpenAPI(
        name,
        info=info,
        security_schemes=SECURITY_SCHEMES,
        doc_ui=False,  # Its page would need scripts within the page.
        validation_error_status=400,
        validation_error_model=Error,
        **options,
    )
    app.url_map.converters["id"] = IdConverter
    return app


def _document(app: Any) -> dict[str, Any]:
    """Make the document: on the first request, since it names the models."""
    made: dict[str, Any] = app.api_doc
    for methods in made["paths"].values():
        for operation in methods.values():
            # The library joins a docstring's lines with tags.
            text = operation.get("description", "").replace("<br/>", "\n").strip()
            operation["description"] = text or operation["summary"]
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "model":
                    parameter["schema"]["enum"] = ["", *ml.bundle_names()]
    return made


@docs.get("/openapi.json")
def document() -> Response:
    """Give the OpenAPI document."""
    made = current_app.extensions
    if "openapi" not in made:
        made["openapi"] = _document(current_app)
    return jsonify(made["openapi"])


@docs.get("/docs")
def reference() -> str:
    """Show the API: examples to copy, and every route to try."""
    notice = current_app.extensions["settings"].notice
    return render_template("docs.html", clients=_clients(), notice=notice)


@docs.get("/docs/assets/<path:filename>")
def asset(filename: str) -> Response:
    """Give a file of Swagger UI, from its package."""
    return send_from_directory(_swagger_ui(), filename)


@cache
def _clients() -> dict[str, str]:
    folder = ROOT / "static" / "clients"
    return {name: (folder / name).read_text(encoding="utf-8") for name in CLIENTS}


@cache
def _swagger_ui() -> Path:
    package = import_module("flask_openapi3_swagger")
    return Path(str(package.__file__)).parent / "templates" / "swagger"
