"""What is done with an analysis on pages: make it, show it, look closer, share, give, delete."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import quote

from flask import (
    Response,
    current_app,
    redirect,
    render_template,
    request,
    send_file,
    session,
    url_for,
)
from flask_babel import gettext as _
from werkzeug.wrappers import Response as BaseResponse

import ml
from webapp import charts, notices, streaming, words
from webapp.analysis import Answer, display_name, owner_of
from webapp.archive import Analysis
from webapp.closer import Closer
from webapp.contributions import Contributions
from webapp.pages import analyser, front_page, pages, sample_of, settings
from webapp.retention import Receipt, Retention
from webapp.running import CancelledError, RunningAnalyses
from webapp.samples import Sample
from webapp.storage import AnalysisNotFoundError, StorageError
from webapp.takeout import takeout
from webapp.uploads import saved_upload

if TYPE_CHECKING:
    from werkzeug.datastructures import FileStorage

REFRESH_S = 3
"""After so long a page about an analysis under way loads itself again."""

RECEIPT_IDS = 20
"""A receipt names so many ids at most: it travels in the cookie."""

INLINE_TEXT_BYTES = 300 * 1024
"""A download of an answer that is not kept travels inside its page up to this size."""

INLINE_AUDIO_BYTES = 10 * 1024 * 1024
"""A clip that is not kept travels inside its page up to this size, some five minutes."""


@pages.post("/analyses")
def create() -> BaseResponse | str | tuple[str, int]:
    """Analyse an upload or a sample: to its page where it is kept, else the page itself."""
    sample = sample_of(request.form["sample"]) if request.form.get("sample") else None
    upload = request.files.get("file")
    if not sample and not (upload and upload.filename):
        return front_page(
            problem=_("No file came. Choose a recording first, or pick a sample below.")
        ), 400
    session["told"] = True  # The form stands below the notice about what is not allowed.
    analyse, address = _followed(sample, upload)
    if streaming.wanted():
        return streaming.streamed(analyse, _told, address)
    analysis = analyse(None)
    if analysis.id:
        return redirect(url_for("pages.result", id=analysis.id), code=303)
    return _result(analysis, _inline(analysis.wav))


@pages.get("/analyses")
def mine() -> str:
    """List what this browser has made."""
    owner = owner_of(session)
    analyses = analyser().archive.mine(owner)
    done = {analysis.id for analysis in analyses}
    return render_template(
        "mine.html",
        analyses=analyses,
        given=_contributions().mine(owner),
        # A note may outlive its analysis for a moment, or longer where it could not be taken away.
        running=[one for one in _running().mine(owner) if one.id not in done],
    )


@pages.get("/analyses/download")
def take_along() -> Response:
    """Send all that is kept of this browser as a ZIP."""
    name = f"undertone-{datetime.now(UTC):%Y-%m-%d}.zip"
    response = Response(takeout(_retention(), owner_of(session)), mimetype="application/zip")
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


@pages.post("/analyses/delete")
def delete_mine() -> BaseResponse:
    """Delete all that this browser has made or given; the front page then shows the receipt."""
    return _receipt(_retention().delete_all(owner_of(session)))


@pages.get("/analyses/<id>")
def result(id: str) -> str | Response:
    """Show a kept analysis to the browser that made it, or to whoever has a link to it."""
    key = request.args.get("key", "")
    try:
        analysis = analyser().archive.get(id, owner_of(session), key)
    except AnalysisNotFoundError:
        return _running_page(id)
    made = session.pop("shared", None)
    link = ""
    if made and made["id"] == id:
        link = url_for("pages.result", id=id, key=made["key"], _external=True)
    shared_until = analyser().archive.shared_until(id)
    return _result(
        analysis,
        url_for("pages.audio", id=id, key=key or None),
        viewer=bool(key and shared_until),
        link=link,
        shared_until=shared_until,
    )


@pages.post("/analyses/<id>/share")
def share(id: str) -> BaseResponse:
    """Make a link for others; the page of the result shows it once."""
    session["shared"] = {"id": id, "key": analyser().archive.share(id, owner_of(session))}
    return redirect(url_for("pages.result", id=id, _anchor="share"), code=303)


@pages.post("/analyses/<id>/unshare")
def unshare(id: str) -> BaseResponse:
    """End a link."""
    analyser().archive.unshare(id, owner_of(session))
    return redirect(url_for("pages.result", id=id, _anchor="share"), code=303)


@pages.get("/analyses/<id>/explanation")
def explanation(id: str) -> str:
    """Show what was heard in a window of a kept analysis, and what decided."""
    analysis = analyser().archive.get(id, owner_of(session))
    closer = analyser().look_closer(analysis, request.args.get("window", type=int))
    return _closer(closer, analysis.filename, analysis.sample, id)


@pages.post("/analyses/explanation")
def explanation_once() -> str:
    """Show the same of a recording that is sent for it; nothing is kept."""
    upload = request.files.get("file")
    with saved_upload(upload) as path:
        closer = analyser().look_closer_once(path, request.form.get("model") or None)
    return _closer(closer, display_name(upload.filename or "") if upload else "", None, None)


@pages.get("/analyses/<id>/compare")
def compare(id: str) -> str:
    """Show what every model says of a kept analysis's clip."""
    analysis = analyser().archive.get(id, owner_of(session))
    answers = analyser().compare(analyser().archive.sound(analysis))
    return _compared(answers, analysis.filename, analysis.sample, id)


@pages.post("/analyses/compare")
def compare_once() -> str:
    """Show the same of a recording that is sent for it; nothing is kept."""
    upload = request.files.get("file")
    with saved_upload(upload) as path:
        answers = analyser().compare(path)
    return _compared(answers, display_name(upload.filename or "") if upload else "", None, None)


@pages.post("/analyses/<id>/feedback")
def feedback(id: str) -> BaseResponse:
    """Keep a clip with what was meant, where whoever made it consents."""
    owner = owner_of(session)
    analysis = analyser().archive.get(id, owner)
    _contributions().give(
        analyser().archive.sound(analysis),
        request.form.get("label", ""),
        analysis.prediction,
        owner=owner,
        consent=request.form.get("consent") == "1",
        challenge=analysis.challenge,
    )
    session["thanks"] = id
    return redirect(url_for("pages.result", id=id, _anchor="right"), code=303)


@pages.post("/contributions/<id>/delete")
def take_back(id: str) -> BaseResponse:
    """Remove a clip that this browser gave."""
    _retention().take_back(id, owner_of(session))
    return redirect(url_for("pages.mine"), code=303)


@pages.get("/analyses/<id>/audio")
def audio(id: str) -> Response:
    """Send the converted clip; players ask for ranges of it."""
    wav = analyser().archive.audio(id, owner_of(session), request.args.get("key", ""))
    sound = io.BytesIO(wav)
    return send_file(
        sound, mimetype="audio/wav", download_name="undertone.wav", conditional=True, etag=id
    )


@pages.post("/analyses/<id>/delete")
def delete(id: str) -> BaseResponse:
    """Delete an analysis now; the front page then shows the receipt."""
    return _receipt(_retention().delete(id, owner_of(session)))


def _receipt(receipt: Receipt) -> BaseResponse:
    """Let the front page show what was deleted, once."""
    session["receipt"] = {
        **asdict(receipt),
        "ids": receipt.ids[:RECEIPT_IDS],
        "count": len(receipt.ids),
        "time": words.moment(datetime.now(UTC)),
    }
    return redirect(url_for("pages.home"), code=303)


class _Followed(NamedTuple):
    """An analysis, and where it can be found while it goes on; None where nothing is kept."""

    analyse: Callable[[streaming.Progress | None], Analysis]
    address: str | None


def _followed(sample: Sample | None, upload: FileStorage | None) -> _Followed:
    """Prepare the analysis that the form asks for; one that is kept can be found, and ended."""
    owner, running, retention = owner_of(session), _running(), _retention()
    analyse = _analysis_of(sample, upload)
    if not _wants_to_keep():
        return _Followed(analyse, None)
    filename = display_name(sample.file if sample else (upload and upload.filename) or "")
    try:
        id = running.start(owner, filename)
    except StorageError:
        return _Followed(analyse, None)

    def followed(progress: streaming.Progress | None) -> Analysis:
        unwanted = False
        try:
            analysis = analyse(running.follow(id, owner, filename, progress), id)
        finally:
            with suppress(StorageError):  # Then the note goes on its day.
                unwanted = running.end(id, owner) is None
        if unwanted and analysis.id:
            # It was ended while it was being kept.
            retention.remove(id)
            raise CancelledError()
        return analysis

    return _Followed(followed, url_for("pages.result", id=id))


def _wants_to_keep() -> bool:
    return request.form.get("keep", "1") != "0"


class _Prepared(Protocol):
    """An analysis that knows nothing of the request any more."""

    def __call__(self, progress: streaming.Progress | None, id: str | None = None) -> Analysis: ...


def _analysis_of(sample: Sample | None, upload: FileStorage | None) -> _Prepared:
    """Prepare the analysis that the form asks for."""
    analyse = partial(
        analyser().analyse,
        owner=owner_of(session),
        keep=_wants_to_keep(),
        model=request.form.get("model") or None,
    )

    if sample:
        chosen = partial(analyse, sample.path, sample.file, sample=sample.id)
        return lambda progress, id=None: chosen(progress=progress, id=id)
    held = ExitStack()
    path, filename = held.enter_context(saved_upload(upload)), (upload and upload.filename) or ""

    def run(progress: streaming.Progress | None, id: str | None = None) -> Analysis:
        with held:
            return analyse(path, filename, progress=progress, id=id)

    return run


def _told(analysis: Analysis) -> dict[str, str]:
    """Say where an answer is, or what it is where nothing was kept."""
    if analysis.id:
        return {"location": url_for("pages.result", id=analysis.id)}
    return {"page": _result(analysis, _inline(analysis.wav))}


def _result(
    analysis: Analysis,
    audio_src: str | None,
    *,
    viewer: bool = False,
    link: str = "",
    shared_until: datetime | None = None,
) -> str:
    model = analysis.prediction["model"]
    bundle = analyser().models.get(model["name"])
    same = bundle and bundle.sha256 == model["sha256"]
    told = [*map(asdict, analysis.notes), *analysis.prediction["warnings"]]
    shown = charts.view(analysis.prediction, request.args.get("part", 0, type=int))
    return render_template(
        "result.html",
        analysis=analysis,
        notices=[notices.notice(one) for one in told],
        sample=sample_of(analysis.sample) if analysis.sample else None,
        audio_src=audio_src,
        advice=words.ADVICE,
        bar=charts.bar,
        bundle=bundle,
        scale=charts.scale,
        among=charts.among,
        downloads=_downloads(analysis),
        usual=bundle.card.get("quality") if bundle and same else None,
        shown=shown,
        viewer=viewer,
        link=link,
        shared_until=shared_until,
        thanked=analysis.id is not None and session.pop("thanks", None) == analysis.id,
        labels=ml.LABELS,
        share_days=settings().share_days,
        on_trial=settings().on_trial,
        timeline=charts.timeline,
        record=words.record(bundle.card, analysis.prediction) if bundle and same else "",
        track_record=words.track_record(bundle.card) if bundle and same else "",
    )


def _closer(closer: Closer, filename: str, sample: str | None, id: str | None) -> str:
    from webapp import pictures  # It needs NumPy, which pages before the first analysis do without.

    return render_template(
        "explanation.html",
        closer=closer,
        filename=filename,
        sample=sample_of(sample) if sample else None,
        id=id,
        pictures=pictures,
        sound=_inline(closer.wav),
        parts_sound=_inline(closer.parts_wav),
    )


def _compared(answers: list[Answer], filename: str, sample: str | None, id: str | None) -> str:
    return render_template(
        "compare.html",
        answers=answers,
        named=[(answer.bundle.name, answer.prediction) for answer in answers],
        bar=charts.bar,
        filename=filename,
        sample=sample_of(sample) if sample else None,
        id=id,
        broken=analyser().models.broken(),
        default_model=analyser().models.default,
    )


class Download(NamedTuple):
    """A file that holds an answer."""

    title: str
    href: str
    filename: str


def _downloads(analysis: Analysis) -> list[Download]:
    """Offer every format; of an answer that was not kept, inside the page where it is small."""
    found = []
    for name, row in ml.FORMATS.items():
        if analysis.id:
            href = url_for("api.download", id=analysis.id, format=name)
        else:
            text = quote(row.render(analysis.prediction))
            if len(text) > INLINE_TEXT_BYTES:
                continue
            href = f"data:{row.mimetype};charset=utf-8,{text}"
        found.append(Download(str(words.FORMATS.get(name, name)), href, f"undertone{row.suffix}"))
    return found


def _inline(wav: bytes | None) -> str | None:
    if not wav or len(wav) > INLINE_AUDIO_BYTES:
        return None
    return f"data:audio/wav;base64,{base64.b64encode(wav).decode()}"


def _running_page(id: str) -> Response:
    """Say how far an analysis is; the page loads itself again until the answer is there."""
    under_way = _running().find(id, owner_of(session))
    response = Response(render_template("running.html", running=under_way))
    if not under_way.lost:
        response.headers["Refresh"] = str(REFRESH_S)
    return response


def _retention() -> Retention:
    return current_app.extensions["retention"]


def _running() -> RunningAnalyses:
    return current_app.extensions["running"]


def _contributions() -> Contributions:
    return current_app.extensions["contributions"]
