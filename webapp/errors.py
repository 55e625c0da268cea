"""Error class -> HTTP status; one JSON body for programs, one template for pages."""

import errno
import logging
import re
import secrets
import time

from flask import Flask, Response, abort, g, jsonify, render_template, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, InternalServerError

import ml
from webapp.access import ApiKeyError
from webapp.analysis import LiveSoundError
from webapp.closer import ModelChangedError, NoWindowError
from webapp.contributions import NoConsentError, NoSuchLabelError
from webapp.limits import REFUSED, FormTooLargeError
from webapp.models import ModelUnavailableError
from webapp.places import BusyError
from webapp.running import CancelledError
from webapp.storage import AnalysisNotFoundError, NotDeletedError, StorageError
from webapp.uploads import NoFileError

log = logging.getLogger(__name__)

STATUS: dict[type[ml.SerError], int] = {
    NoFileError: 400,
    LiveSoundError: 400,
    NoConsentError: 400,
    NoSuchLabelError: 400,
    ml.EmptyFileError: 400,
    ml.UnknownLabelsError: 400,
    ml.UnknownModelError: 400,
    ApiKeyError: 401,
    AnalysisNotFoundError: 404,
    NoWindowError: 404,
    CancelledError: 409,
    ModelChangedError: 409,
    ml.TooLargeError: 413,
    ml.TooLongError: 413,
    FormTooLargeError: 413,
    ml.UnsupportedFormatError: 415,
    ml.CorruptAudioError: 422,
    ml.NoAudioTrackError: 422,
    ml.DecoderTimeoutError: 422,
    ml.NoRoomError: 503,
    BusyError: 503,
    NotDeletedError: 503,
    StorageError: 503,
    ModelUnavailableError: 503,
}
"""Every error that a request can meet; others count as 500."""

TITLES = {
    400: lazy_gettext("That was not understood"),
    401: lazy_gettext("Not without a key"),
    404: lazy_gettext("Not found"),
    405: lazy_gettext("Not possible here"),
    408: lazy_gettext("Too slow"),
    409: lazy_gettext("No longer possible"),
    413: lazy_gettext("Too much at once"),
    414: lazy_gettext("Too much at once"),
    415: lazy_gettext("Not a recording that can be read"),
    422: lazy_gettext("The recording cannot be read"),
    429: lazy_gettext("Too much at once"),
    431: lazy_gettext("Too much at once"),
    503: lazy_gettext("Not possible at the moment"),
}

HTTP_WORDS = {
    404: (
        "not_found",
        lazy_gettext("There is nothing at this address."),
        lazy_gettext("Go back to the start."),
    ),
    405: (
        "method_not_allowed",
        lazy_gettext("This address does not take {method}."),
        lazy_gettext("Go back to the start."),
    ),
    408: (
        "too_slow",
        lazy_gettext("The request came too slowly, and was given up."),
        lazy_gettext("Try again, with a better connection or a shorter recording."),
    ),
    414: (
        "address_too_long",
        lazy_gettext("The address is longer than any of this site."),
        lazy_gettext("Go back to the start."),
    ),
    431: (
        "header_too_large",
        lazy_gettext("The request's header has more or longer lines than are taken."),
        lazy_gettext("Delete this site's cookies, or send fewer headers."),
    ),
    429: (
        "rate_limited",
        lazy_gettext("More recordings came from here than are taken in such a time."),
        lazy_gettext("Wait a minute, or as long as Retry-After says, then try again."),
    ),
}
_OTHER_HTTP_WORDS = (
    "bad_request",
    lazy_gettext("The request was not understood."),
    lazy_gettext("Check it and try again."),
)

INTERNAL = (
    "internal_error",
    lazy_gettext("Something went wrong on this server."),
    lazy_gettext("Try again; if it stays, tell the operator the reference."),
)

_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")


def handle_errors(app: Flask) -> None:
    """Give every request an id, every answer its header, and every error its form."""
    app.before_request(_name_request)
    app.before_request(_refuse)
    app.after_request(_finish)
    app.register_error_handler(ml.SerError, _known)
    app.register_error_handler(OSError, _system)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(413, _too_large)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unknown)


def wants_json() -> bool:
    """Tell whether a program asks: by the address, not by what it says it accepts."""
    return request.path.startswith("/api/") or request.path in (
        *("/predict", "/health", "/openapi.json"),
    )


def _name_request() -> None:
    g.start = time.perf_counter()
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def _refuse() -> None:
    """Answer for the server that refuses a request, such as one that it could not understand."""
    if status := request.environ.get(REFUSED):
        abort(status)


def _finish(response: Response) -> Response:
    """Log the route, never the address: ids and names of files stay out of the logs."""
    response.headers["X-Request-ID"] = g.request_id
    line = {
        "method": request.method,
        "route": request.url_rule.rule if request.url_rule else "-",
        "status": response.status_code,
        "ms": round((time.perf_counter() - g.start) * 1000),
        "request_id": g.request_id,
    }
    log.info(
        "%(method)s %(route)s %(status)d %(ms)d ms request_id=%(request_id)s", line, extra=line
    )
    return response


def described(error: Exception) -> dict[str, str]:
    """Give the JSON object of an error, and log what nobody expected."""
    if _is_full(error):
        error = ml.NoRoomError()
    if isinstance(error, ml.SerError) and any(isinstance(error, kind) for kind in STATUS):
        return _body(error.code, *_told(error))
    log.error("Unexpected error request_id=%s", g.request_id, exc_info=error)
    return _body(*INTERNAL)


def _told(error: ml.SerError) -> tuple[str, str]:
    """Say what an error says, and what to do, in the page's language."""
    message, hint = _(error.message_template), _(error.hint_template)
    return message.format(**error.params), hint.format(**error.params)


def _body(code: str, message: object, hint: object) -> dict[str, str]:
    return {"code": code, "message": str(message), "hint": str(hint), "request_id": g.request_id}


def _answer(status: int, code: str, message: object, hint: object) -> Response:
    if wants_json():
        response = jsonify(error=_body(code, message, hint))
    else:
        page = render_template(
            "error.html",
            status=status,
            title=TITLES.get(status, _("Something went wrong")),
            message=message,
            hint=hint,
            request_id=g.request_id,
        )
        response = Response(page, mimetype="text/html")
    response.status_code = status
    if status == 503:
        response.headers["Retry-After"] = "30"
    return response


def _known(error: ml.SerError) -> Response:
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), None)
    if status is None:
        return _unknown(error)
    if status == 503:
        log.warning("%s request_id=%s", error, g.request_id)
    return _answer(status, error.code, *_told(error))


def _is_full(error: Exception) -> bool:
    """Tell whether the disk had no room for what came, such as an upload."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _system(error: OSError) -> Response:
    return _known(ml.NoRoomError()) if _is_full(error) else _unknown(error)


def _csrf(error: CSRFError) -> Response:
    return _answer(
        400,
        "csrf",
        _("The form was too old, or was not sent from this site."),
        _("Go back, load the page again and send the form once more; cookies must be allowed."),
    )


def _too_large(error: HTTPException) -> Response:
    limit, size = request.max_content_length or 0, request.content_length
    limit_mb = limit // 1024**2
    if size is None:
        text = _("More came than the %(limit)s MB that a file may have.", limit=limit_mb)
        return _answer(413, ml.TooLargeError.code, text, _(ml.TooLargeError.hint_template))
    if size <= limit:
        return _known(FormTooLargeError())
    too_large = ml.TooLargeError(size_mb=size / 1024**2, limit_mb=limit_mb)
    return _answer(413, too_large.code, *_told(too_large))


def _http(error: HTTPException) -> Response | HTTPException:
    if not error.code or error.code >= 500:
        return _unknown(error)
    if error.code < 400:
        return error
    code, message, hint = HTTP_WORDS.get(error.code, _OTHER_HTTP_WORDS)
    response = _answer(error.code, code, str(message).format(method=request.method), hint)
    if "Allow" in error.get_response().headers:
        response.headers["Allow"] = error.get_response().headers["Allow"]
    return response


def _unknown(error: Exception) -> Response:
    """Answer without a trace of the inside; the log has it, under the same request id."""
    original = error.original_exception if isinstance(error, InternalServerError) else error
    log.error("Unexpected error request_id=%s", g.request_id, exc_info=original)
    return _answer(500, *INTERNAL)
