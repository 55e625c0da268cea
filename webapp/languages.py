"""The languages of the pages: a visitor's own choice, else what the browser asks for."""

from __future__ import annotations

from flask import Flask, request, session
from flask_babel import Babel, get_locale

from webapp.errors import wants_json
from webapp.scripts import script_words

LANGUAGES = {"en": "English", "de": "Deutsch", "pl": "Polski"}
"""Each by its own name; the texts of all but the first lie in ``translations``."""

_LOCALES = {"en": "en_GB"}
"""Dates and lists are written as there."""


def choose_languages(app: Flask) -> None:
    """Make pages speak the visitor's language; what programs get stays English."""
    Babel(app, default_locale=_LOCALES["en"], locale_selector=_chosen)
    app.jinja_env.policies["ext.i18n.trimmed"] = True
    app.jinja_env.globals.update(
        language=lambda: str(get_locale().language),
        languages=LANGUAGES,
        script_words=script_words,
    )


def remember(language: str) -> None:
    """Keep to a language in this browser."""
    session.permanent = True
    session["language"] = language


def _chosen() -> str:
    if wants_json():
        return _LOCALES["en"]
    language = session.get("language")
    if language not in LANGUAGES:
        language = request.accept_languages.best_match(LANGUAGES, default="en")
    return _LOCALES.get(language, language)
