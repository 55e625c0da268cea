"""The OpenAPI document tells of every route, and every answer is as it says."""

import io
import re

import pytest
from clips import VOICE, silence
from playwright.sync_api import expect
from pydantic import BaseModel

import ml
from webapp import create_app, schemas
from webapp.settings import Settings

MODELS = [
    one
    for one in vars(schemas).values()
    if isinstance(one, type) and issubclass(one, BaseModel) and one is not BaseModel
]
PARAMETERS = (schemas.Choice, schemas.ModelChoice, schemas.AnalysisPath, schemas.DownloadPath)


@pytest.fixture(scope="module")
def app():
    return create_app(Settings(storage="memory", rate_limit="off"))


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture(scope="module")
def document(app):
    return app.test_client().get("/openapi.json").json


def send(client, path):
    return client.post(path, data={"file": (io.BytesIO(VOICE.read_bytes()), "voice.flac")})


def test_every_route_of_the_api_is_described(app, document):
    assert document["openapi"].startswith("3.1")
    described = {
        (path, method.upper()) for path, methods in document["paths"].items() for method in methods
    }
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.endpoint.startswith("api.")
    }
    assert described == routes


def test_every_reference_leads_somewhere_and_every_schema_has_an_example(document):
    named = set(re.findall(r"#/components/schemas/([\w.-]+)", str(document)))
    known = document["components"]["schemas"]
    assert named <= set(known)
    assert all("example" in schema for schema in known.values())


@pytest.mark.parametrize("model", set(MODELS) - set(PARAMETERS), ids=lambda one: one.__name__)
def test_examples_are_what_they_are_examples_of(model):
    example = model.model_config["json_schema_extra"]["example"]
    check(model, example)
    assert set(example) == {one.alias or name for name, one in model.model_fields.items()} or (
        model is schemas.Health
    )


def check(model, answer):
    """Validate, and allow nothing that the type does not know."""
    model.model_validate(answer, strict=False)
    known = {one.alias or name for name, one in model.model_fields.items()}
    assert set(answer) <= known


def test_answers_are_as_described(client):
    check(schemas.CompatiblePrediction, send(client, "/predict").json)
    created = send(client, "/api/v1/analyses").json
    check(schemas.CreatedAnalysis, created)
    token = {"Authorization": f"Bearer {created['token']}"}
    check(schemas.KeptAnalysis, client.get(created["links"]["self"], headers=token).json)
    check(schemas.Models, client.get("/api/v1/models").json)
    check(schemas.Health, client.get("/health").json)
    live = client.post("/api/v1/live", data=bytes(64_000), content_type="audio/L16;rate=16000")
    check(schemas.Prediction, live.json)
    check(schemas.Error, client.get("/api/v1/analyses/none").json)


def test_an_answer_without_an_emotion_is_as_described(client):
    answer = client.post("/predict", data=silence(2), content_type="audio/wav").json
    assert answer["outcome"] == "no_speech"
    check(schemas.CompatiblePrediction, answer)


def test_outcomes_and_formats_are_named(document):
    prediction = document["components"]["schemas"]["Prediction"]
    assert tuple(prediction["properties"]["outcome"]["enum"]) == ml.OUTCOMES
    (name, *_rest) = [
        one
        for one in document["paths"]["/api/v1/analyses/{id}.{format}"]["get"]["parameters"]
        if one["name"] == "format"
    ]
    assert name["schema"]["enum"] == [*ml.FORMATS]


def test_the_page_shows_every_route_with_assets_of_its_own(new_page, document):
    page = new_page()
    page.goto("/docs")
    count = sum(len(methods) for methods in document["paths"].values())
    expect(page.locator(".opblock")).to_have_count(count)
    page.locator(".opblock-summary-control").filter(has_text="/api/v1/models").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table tbody .response-col_status")).to_contain_text("200")
