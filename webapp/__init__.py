"""The website and HTTP API; `create_app` puts its parts together."""

from datetime import timedelta
from pathlib import Path

import click
from flask import Flask, Response, current_app, request
from flask.cli import with_appcontext
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp.access import guard, new_api_key
from webapp.analysis import Analyser
from webapp.answers import watch_answers
from webapp.api import api
from webapp.challenger import Challenger, export_challenge
from webapp.clock import PatientClock
from webapp.contributions import Contributions
from webapp.cookies import SessionCookie
from webapp.errors import handle_errors
from webapp.languages import choose_languages
from webapp.limits import limit_requests
from webapp.openapi import described_app, docs
from webapp.results import pages  # With every view on it, those of `webapp.pages` too.
from webapp.retention import Retention, sweep
from webapp.running import RunningAnalyses
from webapp.settings import ROOT, Settings, read_settings, session_key
from webapp.storage import open_storage

SECURITY_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'self'",
            "img-src 'self' data:",
            "media-src 'self' blob: data:",
            # What a page holds itself: a clip that was not kept, to be sent again.
            "connect-src 'self' blob: data:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HSTS = "max-age=31536000"


def create_app(settings: Settings | None = None) -> Flask:
    """Build the site from `settings`, or from those of the environment; loads nothing heavy.

    Raises
    ------
    SettingsError
        If a setting cannot be used.
    """
    settings = settings or read_settings()
    app = described_app(
        __name__,
        settings.contact,
        static_folder=ROOT / "static",
        template_folder=ROOT / "templates",
    )
    app.config.update(
        SECRET_KEY=session_key(settings),
        PERMANENT_SESSION_LIFETIME=timedelta(days=settings.retention_days),
        SESSION_COOKIE_NAME="undertone",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,
    )
    limit_requests(app, settings)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    patient = PatientClock()
    app.session_interface = SessionCookie(patient)
    retention = _retention(settings, patient)
    app.extensions.update(
        settings=settings,
        analyser=retention.analyser,
        challenger=retention.challenger,
        contributions=retention.contributions,
        running=retention.running,
        retention=retention,
    )
    add_commands(app)
    watch_answers(app)
    handle_errors(app)
    choose_languages(app)
    protect = CSRFProtect(app)
    protect.exempt(api)
    protect.exempt("webapp.pages.shared")  # It takes nothing.
    for blueprint in (pages, docs):
        app.register_blueprint(blueprint)
    app.register_api(api)
    guard(app, settings)
    app.after_request(add_headers)
    if settings.proxy_hops:
        hops = settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, hops, hops, hops)  # type: ignore[method-assign]
    return app


def _retention(settings: Settings, patient: PatientClock) -> Retention:
    """Put together all that keeps something, and what ends it by a clock that does not leap."""
    storage = open_storage(settings)
    challenger = Challenger(settings, open_storage(settings, "challenge"), clock=patient)
    return Retention(
        storage,
        Analyser(settings, storage, deletion_clock=patient, challenger=challenger),
        RunningAnalyses(open_storage(settings, "running"), patient),
        Contributions(open_storage(settings, "contributions")),
        challenger,
        patient,
    )


def add_commands(app: Flask) -> None:
    """Add what an operator calls with ``flask --app webapp``."""
    app.cli.add_command(export_contributions)
    app.cli.add_command(export_challenge)
    app.cli.add_command(new_api_key)
    app.cli.add_command(sweep)


@click.command("export-contributions")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@with_appcontext
def export_contributions(folder: Path) -> None:
    """Write the clips that visitors gave as a corpus: FOLDER/clips.csv and the sounds."""
    count = current_app.extensions["contributions"].export(folder)
    click.echo(f"{count} clips in {folder / 'clips.csv'}")


def add_headers(response: Response) -> Response:
    """Keep answers out of caches and frames, and everything foreign out of pages."""
    response.headers.update(SECURITY_HEADERS)
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = HSTS
    if request.endpoint not in ("static", "pages.sample_audio"):
        response.headers["Cache-Control"] = "no-store"
    return response
