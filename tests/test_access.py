"""Keys, rate limits and other sites' scripts: who may use the API, and what others are told."""

import io
import re

import pytest
from clips import silence

from webapp import create_app
from webapp.access import hashed
from webapp.settings import Settings, SettingsError

KEY, OTHER = "k" * 43, "o" * 43
KEYS = f"app:{hashed(KEY)}, cli:{hashed(OTHER)}"
CLIP = silence(0.2)
LIVE = {"data": bytes(3200), "content_type": "audio/L16;rate=16000"}


def client(**settings):
    return create_app(Settings(storage="memory", **settings)).test_client()


def predict(asker, key=None, **headers):
    given = headers | ({"X-API-Key": key} if key else {})
    return asker.post("/predict", data={"file": (io.BytesIO(CLIP), "a.wav")}, headers=given)


def test_without_the_setting_anybody_may():
    assert predict(client()).status_code == 200


@pytest.mark.parametrize("key", [KEY, OTHER])
def test_a_known_key_opens_the_api(key):
    assert predict(client(api_keys=KEYS), key).status_code == 200


@pytest.mark.parametrize("key", [None, "wrong", hashed(KEY)])
def test_any_other_does_not(key):
    asker = client(api_keys=KEYS)
    for answer in (
        predict(asker, key),
        asker.get("/api/v1/models", headers={"X-API-Key": key or ""}),
        asker.post("/api/v1/live", **LIVE),
    ):
        assert answer.status_code == 401
        assert answer.json["error"]["code"] == "api_key"
        assert answer.json["error"]["request_id"] == answer.headers["X-Request-ID"]
        assert answer.headers["Cache-Control"] == "no-store"


def test_health_document_and_pages_need_none():
    asker = client(api_keys=KEYS)
    for path in ("/health", "/openapi.json", "/docs", "/"):
        assert asker.get(path).status_code == 200


def test_the_front_page_goes_on_following_a_voice():
    asker = client(api_keys=KEYS)
    page = asker.get("/").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    headers = {"X-CSRFToken": token}
    assert asker.post("/api/v1/live", headers=headers, **LIVE).status_code == 200
    stranger = asker.application.test_client()
    assert stranger.post("/api/v1/live", headers=headers, **LIVE).status_code == 401


def test_the_command_makes_a_key_that_works():
    app = create_app(Settings(storage="memory"))
    told = app.test_cli_runner().invoke(args=["new-api-key", "app"]).output
    key = re.search(r"once: (\S+)", told)[1]
    row = re.search(r"(app:[0-9a-f]{64})", told)[1]
    assert len(key) >= 32 and key not in row
    assert predict(client(api_keys=row), key).status_code == 200


def test_too_many_recordings_are_told_when_to_come_again():
    asker = client(rate_limit="2 per minute")
    assert [predict(asker).status_code for _ in range(3)] == [200, 200, 429]
    refused = predict(asker)
    assert refused.json["error"]["code"] == "rate_limited"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    page = asker.get("/").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    for path in ("/analyses", "/analyses/compare", "/analyses/explanation"):
        form = asker.post(path, data={"csrf_token": token, "sample": "none"})
        assert form.status_code == 429 and form.mimetype == "text/html"
        assert int(form.headers["Retry-After"]) >= 1


def test_reading_is_not_limited_and_live_answers_less():
    asker = client(rate_limit="1 per minute")
    assert {asker.get("/api/v1/models").status_code for _ in range(9)} == {200}
    assert [asker.post("/api/v1/live", **LIVE).status_code for _ in range(5)] == [200] * 4 + [429]


def test_each_key_and_each_address_is_counted_for_itself():
    asker = client(rate_limit="1 per minute", api_keys=KEYS, proxy_hops=1)
    assert predict(asker, KEY).status_code == 200
    assert predict(asker, KEY, **{"X-Forwarded-For": "192.0.2.7"}).status_code == 429
    assert predict(asker, OTHER).status_code == 200
    asker = client(rate_limit="1 per minute", proxy_hops=1)
    for address, status in (("192.0.2.1", 200), ("192.0.2.1", 429), ("192.0.2.2", 200)):
        assert predict(asker, **{"X-Forwarded-For": address}).status_code == status


def test_a_store_that_does_not_answer_stops_nobody():
    asker = client(rate_limit="1 per minute", rate_store="redis://127.0.0.1:1")
    assert [predict(asker).status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("store", ["nosuch://127.0.0.1", "memcached://127.0.0.1"])
def test_a_store_that_cannot_be_used_is_a_wrong_setting(store):
    with pytest.raises(SettingsError, match="SER_RATE_STORE"):
        client(rate_store=store)


ORIGIN = "https://app.example.org"


def test_other_sites_may_not_unless_they_are_named():
    for asker, origin, allowed in (
        (client(), ORIGIN, None),
        (client(cors_origins=ORIGIN), ORIGIN, ORIGIN),
        (client(cors_origins=ORIGIN), "https://evil.example", None),
        (
            client(cors_origins=f"{ORIGIN}, https://b.example"),
            "https://b.example",
            "https://b.example",
        ),
    ):
        answer = predict(asker, Origin=origin)
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert (
            asker.get("/", headers={"Origin": origin}).headers.get("Access-Control-Allow-Origin")
            is None
        )


def test_a_browser_may_ask_before_with_a_key_still_needed():
    asker = client(cors_origins=ORIGIN, api_keys=KEYS)
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "X-API-Key, Content-Type"
    before = asker.options("/predict", headers=asked)
    assert before.status_code == 200
    assert "x-api-key" in before.headers["Access-Control-Allow-Headers"].lower()
    refused = predict(asker, Origin=ORIGIN)
    assert refused.status_code == 401
    assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "X-Request-ID" in refused.headers["Access-Control-Expose-Headers"]
