"""Whose is what: every address with an id in it is nobody else's, and secrets are kept well."""

import ast
import re
import secrets
from datetime import timedelta
from pathlib import Path

import pytest
from clips import VOICE
from forms import clip, post, token

from webapp import create_app
from webapp.access import hashed
from webapp.settings import Settings
from webapp.storage import digest

ROOT = Path(__file__).resolve().parent.parent
MODEL = "mfcc-cnn"
OPEN_WITH_A_LINK = {"pages.result", "pages.audio"}
"""All that a link opens for others."""


@pytest.fixture(scope="module")
def app():
    return create_app(Settings(storage="memory", model=MODEL, rate_limit="off"))


def with_an_id(app) -> list[tuple[str, str, str]]:
    """Give every route that has an id in its address: endpoint, method, address."""
    return [
        (rule.endpoint, method, rule.rule)
        for rule in app.url_map.iter_rules()
        if "id" in rule.arguments
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"})
    ]


ROUTES = with_an_id(create_app(Settings(storage="memory")))


class Browser:
    """A visitor with one kept analysis, a link to it, and a clip that was given."""

    def __init__(self, app) -> None:
        self.client = app.test_client()
        address = post(self.client, "/analyses", file=clip(VOICE.read_bytes())).location
        self.analysis = address.rpartition("/")[2]
        page = self.client.get(post(self.client, f"{address}/share").location).text
        self.key = re.search(r"\?key=([\w-]+)", page)[1]
        post(self.client, f"{address}/feedback", label="sad", consent="1")
        page = self.client.get("/analyses").text
        self.given = re.search(r'"/contributions/([\w-]+)/', page)[1]

    def id_for(self, endpoint: str) -> str:
        return self.given if endpoint == "pages.take_back" else self.analysis


def ask(client, method: str, route: str, id: str, query: str = ""):
    address = re.sub(r"<(?:\w+:)?id>", id, route).replace("<format>", "json")
    fields = {"label": "happy", "consent": "1"}
    if method == "POST":
        fields["csrf_token"] = token(client)
    return client.open(address + query, method=method, data=fields if method == "POST" else None)


@pytest.fixture
def browser(app):
    return Browser(app)


def test_there_are_such_routes():
    wanted = {"result", "audio", "explanation", "compare", "share", "unshare", "feedback", "delete"}
    assert {f"pages.{name}" for name in wanted} <= {endpoint for endpoint, *_ in ROUTES}
    assert {"pages.take_back", "api.show", "api.delete", "api.download"} <= {
        one[0] for one in ROUTES
    }


@pytest.mark.parametrize(("endpoint", "method", "route"), ROUTES)
def test_what_is_somebody_elses_is_not_found(app, browser, endpoint, method, route):
    id = browser.id_for(endpoint)
    nobody, other = app.test_client(), Browser(app).client
    for stranger in (nobody, other):
        refused = ask(stranger, method, route, id)
        none = secrets.token_urlsafe(16)
        unknown = ask(stranger, method, route, none)
        assert refused.status_code == unknown.status_code == 404
        same = without(unknown, none) == without(refused, id)
        assert same, "it tells whether there is one"
        for key in ("wrong", digest(browser.key), "", "a" * 200):
            assert ask(stranger, method, route, id, f"?key={key}").status_code == 404
        opened = ask(stranger, method, route, id, f"?key={browser.key}").status_code
        assert opened == (200 if endpoint in OPEN_WITH_A_LINK else 404)
    token_ = {"Authorization": "Bearer guessed"}
    if endpoint.startswith("api."):
        address = re.sub(r"<(?:\w+:)?id>", id, route).replace("<format>", "json")
        assert nobody.open(address, method=method, headers=token_).status_code == 404
    assert ask(browser.client, method, route, id).status_code in (200, 204, 303)


def without(answer, id: str) -> str:
    return answer.text.replace(answer.headers["X-Request-ID"], "").replace(id, "")


def test_ids_keys_and_owners_are_random(app):
    browsers = [Browser(app) for _ in range(2)]
    found = []
    for one in browsers:
        with one.client.session_transaction() as session:
            found += [one.analysis, one.given, one.key, session["owner"]]
    assert len(set(found)) == 8 and all(re.fullmatch(r"[\w-]{22}", one) for one in found)
    source = "".join(path.read_text() for path in (ROOT / "webapp").glob("*.py"))
    assert "random.random" not in source and "uuid1" not in source


def test_the_cookie_is_signed_and_for_this_site_alone(app, browser):
    answer = browser.client.get("/analyses", base_url="https://localhost")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("undertone=") and "Domain" not in cookie
    assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    value = cookie.partition("=")[2].partition(";")[0]
    payload, *signature = value.rsplit(".", 2)
    for forged in (payload, ".".join([payload[:-1] + "A", *signature]), value[:-2] + "aa"):
        thief = app.test_client()
        thief.set_cookie("undertone", forged)
        assert thief.get(f"/analyses/{browser.analysis}").status_code == 404
    owner = app.test_client()
    owner.set_cookie("undertone", value)
    assert owner.get(f"/analyses/{browser.analysis}").status_code == 200
    elsewhere = create_app(Settings(storage="memory", model=MODEL, secret_key="another" * 4))
    assert (
        elsewhere.session_interface.get_signing_serializer(elsewhere).loads_unsafe(value)[0]
        is False
    )


def test_the_cookie_lasts_as_long_as_what_it_opens(browser, app):
    answer = browser.client.get("/analyses")
    assert app.permanent_session_lifetime == timedelta(days=30)
    assert "Expires" in answer.headers["Set-Cookie"]


SECRET = re.compile(r"digest\(|hashed\(|\bowner\b|token|\.key\b|secret")
COMPARISONS = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


def test_secrets_are_compared_in_constant_time():
    """Where something secret stands on either side, `hmac.compare_digest` compares."""
    found = []
    for path in sorted((ROOT / "webapp").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], COMPARISONS):
                text = ast.unparse(node)
                if SECRET.search(text):
                    found.append(f"{path.name}: {text}")
    assert found == ["analysis.py: 'owner' not in session"], "which is no secret"
    assert "compare_digest" in (ROOT / "webapp" / "access.py").read_text()


def test_only_hashes_of_secrets_are_kept(app, browser):
    with browser.client.session_transaction() as session:
        owner = session["owner"]
    kept = "".join(str(vars(app.extensions["retention"].storage)))
    assert owner not in kept and browser.key not in kept
    assert digest(owner) in kept and digest(browser.key) in kept
    assert hashed("x") != "x"
