"""Who may ask the JSON API, how often, and from which sites: keys, rate limits and CORS."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import Any, ClassVar

import click
from flask import Flask, current_app, g, request
from flask_cors import CORS
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf.csrf import validate_csrf
from limits.errors import ConfigurationError
from limits.storage import MemoryStorage
from wtforms.validators import ValidationError

import ml
from webapp.settings import Settings, SettingsError

KEY_HEADER = "X-API-Key"
EXPOSED = ("X-Request-ID", "Retry-After", "Location")
LIMITED = (
    *("api.predict", "api.create", "pages.create", "pages.compare", "pages.compare_once"),
    *("pages.explanation", "pages.explanation_once"),
)
"""Endpoints that analyse a whole recording; they count together."""

LIVE_PER_LIMIT = 4
"""A live recording asks once a second: it may ask so many times as often as others."""


class ApiKeyError(ml.SerError):
    """A request of the API without a key that this site knows."""

    code: ClassVar[str] = "api_key"
    message_template: ClassVar[str] = "This needs a key, and {given}."
    hint_template: ClassVar[str] = (
        "Send the key that the operator gave you in the header X-API-Key."
    )


class SteadyMemoryStorage(MemoryStorage):
    """The counts of one worker, which begin anew when the clock is set back.

    Otherwise what was counted in the time that is to come again would count until then. It takes
    the place of the usual storage for ``memory://``.
    """

    STORAGE_SCHEME = ["memory"]  # noqa: RUF012 - as in its base
    _latest_s = 0.0

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """See `limits`."""
        now_s = time.time()
        if now_s < self._latest_s - 1:
            self.reset()
        self._latest_s = now_s
        return super().acquire_entry(key, limit, expiry, amount)


def guard(app: Flask, settings: Settings) -> None:
    """Ask requests of the API for a key, and limit and open it, as the settings say.

    Raises
    ------
    SettingsError
        If the store of the rate limits cannot be used.
    """
    if settings.api_keys:
        app.before_request(_check_key)
    if settings.rate_limit != "off":
        limiter = _limiter(app, settings.rate_store)
        together = limiter.shared_limit(settings.rate_limit, scope="recordings")
        for endpoint in LIMITED:
            _limit(app, endpoint, together)
        _limit(app, "api.live", limiter.limit(_times(settings.rate_limit, LIVE_PER_LIMIT)))
    if settings.cors_origins:
        CORS(
            app,
            resources=[r"/api/.*", "/predict", "/health", "/openapi.json"],
            origins=listed(settings.cors_origins),
            allow_headers=["Authorization", "Content-Type", KEY_HEADER, "X-Request-ID"],
            expose_headers=list(EXPOSED),
        )


def _limiter(app: Flask, store: str) -> Limiter:
    try:
        return Limiter(
            _asker,
            app=app,
            storage_uri=store,
            strategy="moving-window",
            headers_enabled=True,
            # A store that does not answer is no reason not to: each worker counts for itself then.
            in_memory_fallback_enabled=True,
        )
    except ConfigurationError as error:
        raise SettingsError(
            env="SER_RATE_STORE", given=f"'{store}'", wanted=f"a store that can be used ({error})"
        ) from None


def _limit(app: Flask, endpoint: str, limit: Any) -> None:
    app.view_functions[endpoint] = limit(app.view_functions[endpoint])


def _times(limit: str, factor: int) -> str:
    amount, rest = limit.split(" ", 1)
    return f"{int(amount) * factor} {rest}"


def _asker() -> str:
    """Name whoever asks, for counting: by key, else by address."""
    name = g.get("api_key_name")
    return f"key:{name}" if name else get_remote_address()


def _check_key() -> None:
    if request.blueprint != "api" or request.endpoint == "api.health" or _from_a_page():
        return
    if request.method == "OPTIONS":
        return
    given = request.headers.get(KEY_HEADER, "")
    found = hashed(given)
    for row in listed(current_app.extensions["settings"].api_keys):
        name, _colon, known = row.partition(":")
        if hmac.compare_digest(found, known):
            g.api_key_name = name
            return
    raise ApiKeyError(given="the one that came is unknown" if given else "none came")


def _from_a_page() -> bool:
    """Tell whether a page of this site asks, for a visitor: it knows the browser's own token."""
    try:
        validate_csrf(request.headers.get("X-CSRFToken"))
    except ValidationError:
        return False
    return True


def listed(text: str) -> list[str]:
    """Take a setting apart that holds several things."""
    return [one.strip() for one in text.split(",")]


def hashed(key: str) -> str:
    """Give what is kept of a key; it is random and long, so a plain hash cannot be undone."""
    return hashlib.sha256(key.encode()).hexdigest()


@click.command("new-api-key")
@click.argument("name")
def new_api_key(name: str) -> None:
    """Make a key for whoever NAME is: shows it once, and what to add to SER_API_KEYS."""
    key = secrets.token_urlsafe(32)
    click.echo(f"Key, shown this once: {key}")
    click.echo(f"Add to SER_API_KEYS:  {name}:{hashed(key)}")
