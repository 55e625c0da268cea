"""The site's pages: each view reads the request, asks the analyser, and fills a template."""

from __future__ import annotations

import re

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    redirect,
    render_template,
    request,
    send_file,
    session,
    url_for,
)
from werkzeug.wrappers import Response as BaseResponse

import ml
from webapp import cards, notices, recording, words
from webapp.analysis import Analyser
from webapp.languages import LANGUAGES, remember
from webapp.running import KEPT_FOR
from webapp.samples import Sample, samples
from webapp.sections import comparisons, reproduction, sections
from webapp.settings import ROOT, Settings

pages = Blueprint("pages", __name__)

for _filter in (
    recording.beside_usual,
    recording.quality_rows,
    cards.commercial_use,
    cards.corpus_title,
    cards.emotions,
    cards.in_short,
    cards.licence,
    cards.megabytes,
    cards.or_unmeasured,
    cards.parameters,
    cards.speed,
    cards.summary,
    notices.reason,
    words.adjective,
    words.agreement,
    words.certainty,
    words.checked,
    words.day,
    words.decimal,
    words.duration,
    words.face,
    words.heading,
    words.intensity,
    words.listed,
    words.moment,
    words.parts_rows,
    words.percent,
    words.ranking,
    words.runner_up,
    words.segment_words,
    words.timeline_summary,
    words.translated,
    words.vote,
    words.vote_ranking,
):
    pages.add_app_template_filter(_filter)

STATIC = ROOT / "static"


@pages.get("/")
def home() -> str:
    """Show the ways to give a voice, and the receipt of a deletion just made."""
    return front_page(receipt=session.pop("receipt", None))


@pages.get("/samples/<file>")
def sample_audio(file: str) -> Response:
    """Send a sample's sound."""
    sample = next((sample for sample in samples() if sample.file == file), None)
    if not sample:
        abort(404)
    return send_file(sample.path, conditional=True, max_age=86_400)


@pages.get("/about")
def about() -> str:
    """Explain how the system works, from the model's own card."""
    bundle = _bundle()
    models = analyser().models
    titles = {corpus["name"]: corpus["title"] for corpus in bundle.card["corpora"]}
    return render_template(
        "about.html",
        bundle=bundle,
        unused=[corpus for name, corpus in ml.CORPORA.items() if name not in titles],
        titles=titles,
        track_record=words.track_record(bundle.card),
        windows=bundle.windows,
        broken=models.broken(),
        default_model=models.default,
    )


@pages.get("/models")
def models() -> str:
    """Set all models side by side."""
    return _models()


@pages.get("/models/<name>")
def model(name: str) -> str | tuple[str, int]:
    """Show a model's card as a page; where there is none, those that exist."""
    if name not in analyser().models.names:
        return _models(unknown=name), 404
    bundle = analyser().models.check(name)
    return render_template(
        "model.html",
        bundle=bundle,
        sections=sections(bundle.card),
        reproduction=reproduction(bundle.card),
    )


@pages.get("/offline")
def offline() -> str:
    """Say kindly that there is no connection; the service worker keeps this page."""
    return render_template("offline.html")


@pages.get("/manifest.webmanifest")
def manifest() -> Response:
    """Describe the site for phones that install it."""
    return send_file(STATIC / "manifest.webmanifest", mimetype="application/manifest+json")


@pages.get("/worker.js")
def worker() -> Response:
    """Send the service worker; its address at the root lets it serve all pages."""
    return send_file(STATIC / "js" / "worker.js", mimetype="text/javascript")


@pages.post("/share")
def shared() -> BaseResponse:
    """Meet a share that no service worker took: without its form's token nothing is analysed."""
    return redirect(url_for("pages.home"), code=303)


@pages.get("/language/<code>")
def language(code: str) -> BaseResponse:
    """Show this site in another language from now on, and go back to where that was chosen."""
    if code not in LANGUAGES:
        abort(404)
    remember(code)
    place = request.args.get("to", "")
    # An address of this site only, without the tabs and backslashes that browsers read otherwise.
    inside = re.fullmatch(r"/(?!/)[!-\[\]-~]*", place)
    return redirect(place if inside else url_for("pages.home"), code=303)


@pages.get("/privacy")
def privacy() -> str:
    """Say what is kept, where, how long and by whom."""
    return render_template(
        "privacy.html",
        settings=settings(),
        cookie=current_app.config["SESSION_COOKIE_NAME"],
        running_hours=round(KEPT_FOR.total_seconds() / 3600),
    )


def front_page(**message: object) -> str:
    """Fill the front page, with what there is to tell first."""
    chosen, models = settings(), analyser().models
    usable = models.usable()
    return render_template(
        "home.html",
        label_count=words.number(len(usable[0].labels if usable else ml.LABELS)),
        names={label: words.adjective(label) for label in ml.LABELS},
        models=usable,
        broken=models.broken(),
        default_model=models.default,
        samples=samples(),
        max_mb=chosen.max_upload_mb,
        max_seconds=chosen.max_seconds,
        retention_days=chosen.retention_days,
        on_trial=chosen.on_trial,
        notice=chosen.notice,
        **message,
    )


def _models(unknown: str | None = None) -> str:
    models = analyser().models
    bundles = models.usable() or [models.check()]
    return render_template(
        "models.html",
        bundles=bundles,
        comparisons=comparisons([bundle.card for bundle in bundles]),
        default_model=models.default,
        broken=models.broken(),
        unknown=unknown,
    )


def sample_of(id: str) -> Sample:
    """Find a bundled clip; where there is none the request ends."""
    sample = next((sample for sample in samples() if sample.id == id), None)
    if not sample:
        abort(404)
    return sample


def _bundle() -> ml.Bundle:
    """Give the model that answers by default, or else another one that can be used."""
    models = analyser().models
    return next(iter(models.usable()), None) or models.check()


def analyser() -> Analyser:
    """Give the door to `ml`."""
    return current_app.extensions["analyser"]


def settings() -> Settings:
    """Give what the operator chose."""
    return current_app.extensions["settings"]
