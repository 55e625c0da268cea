"""The documents are complete and true: settings, routes, models, corpora, formats, figures."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest
from test_requirements import ASKED_FOR, SERVING, TESTING, TRAINING, pins

import ml
from webapp import create_app
from webapp.errors import HTTP_WORDS, INTERNAL, STATUS
from webapp.settings import Settings, read_settings

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
API = (ROOT / "docs" / "api.md").read_text()
EXAMPLE = ROOT / ".env.example"
WEIGHTS_LICENCE = (ROOT / "LICENSE-WEIGHTS.md").read_text()

IN_README = ("encoder-cnn-gru", "cnn-gru", "encoder-cnn-gru-open")
"""Models whose accuracy the README gives; that of all is generated into ``docs/models.md``."""


def percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def with_interval(metrics: Mapping, name: str) -> str:
    low, high = metrics[f"{name}_interval"]
    return f"{percent(metrics[name])} ({low * 100:.0f} to {high * 100:.0f})"


def accuracy_row(model: str, corpus: str, metrics: Mapping) -> str:
    cells = [
        f"`{model}`",
        ml.CORPORA[corpus].title,
        str(len(metrics["labels"])),
        *(with_interval(metrics, name) for name in ("wa", "ua")),
        percent(metrics["macro_f1"]),
        *(str(metrics[name]) for name in ("clips", "speakers")),
    ]
    return f"| {' | '.join(cells)} |"


def table_row(cell: str) -> bool:
    return bool(re.search(rf"^\| {re.escape(cell)} \|", README, re.MULTILINE))


@pytest.mark.parametrize("env", [field.metadata["env"] for field in fields(Settings)])
def test_every_setting_is_documented(env):
    assert table_row(f"`{env}`")
    assert re.search(rf"^#{env}=", EXAMPLE.read_text(), re.MULTILINE)


def test_the_readme_gives_the_defaults_of_the_settings():
    for field in fields(Settings):
        if isinstance(field.default, int) or (isinstance(field.default, str) and field.default):
            assert f"| `{field.metadata['env']}` | `{field.default}` |" in README, field.name


def test_the_example_of_settings_changes_nothing_until_it_is_edited(tmp_path):
    assert read_settings({}, EXAMPLE) == Settings()
    rows = re.findall(r"^#(\w+=.+)$", EXAMPLE.read_text(), re.MULTILINE)
    (tmp_path / ".env").write_text("\n".join(row for row in rows if "STORAGE_DIR" not in row))
    assert read_settings({}, tmp_path / ".env") == Settings()


def test_every_route_is_documented(tmp_path):
    app = create_app(Settings(storage_dir=tmp_path))
    for rule in app.url_map.iter_rules():
        address = re.sub(r"<\w+:", "<", rule.rule)
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            assert table_row(f"`{method} {address}`"), f"{method} {address}"


@pytest.mark.parametrize("name", ml.bundle_names())
def test_every_model_is_documented(name):
    assert table_row(f"`{name}`") and f"`{name}`" in (ROOT / "docs" / "models.md").read_text()


@pytest.mark.parametrize("name", IN_README)
def test_models_of_our_own_are_documented_with_their_true_figures(name):
    card = ml.read_bundle(name).card
    assert card["metrics"]
    for corpus, metrics in card["metrics"].items():
        row = accuracy_row(name, corpus, metrics)
        assert row in README, f"README.md should say: {row}"


def test_there_is_a_model_and_no_figure_of_another():
    assert ml.DEFAULT_MODEL in ml.bundle_names()
    rows = re.findall(r"^\| `([\w-]+)` \| [\w-]+ \| \d \| [\d.]+ %", README, re.MULTILINE)
    assert set(rows) == set(IN_README)


@pytest.mark.parametrize("name", ml.CORPORA)
def test_every_corpus_is_documented_with_its_licence_and_options(name):
    corpus = ml.CORPORA[name]
    for option, values in corpus.options.items():
        assert any(f"`{option}={value}`" in README for value in values), option
    rows = re.findall(rf"^\| `{name}` \|.*$", README, re.MULTILINE)
    told = (corpus.title, corpus.licence, corpus.url)
    assert any(all(text in row for text in told) for row in rows)


def test_the_licence_of_the_weights_names_what_they_were_learnt_from():
    for name in ml.bundle_names():
        for corpus in ml.read_bundle(name).card["corpora"]:
            assert f"| {corpus['title']} | {corpus['licence']} |" in WEIGHTS_LICENCE


@pytest.mark.parametrize("name", ml.FORMATS)
def test_every_format_is_documented(name):
    assert table_row(f"`{name}`")


@pytest.mark.parametrize("outcome", ml.OUTCOMES)
def test_every_outcome_is_documented(outcome):
    assert f"`{outcome}`" in README


def test_every_error_of_a_recording_is_documented():
    for error in ml.AudioError.__subclasses__():
        assert f"`{error.code}`" in README, error.code


def test_every_code_of_the_api_is_documented_with_its_status():
    rows = dict(re.findall(r"^\| (\d{3}) \| (.*) \|$", API, re.MULTILINE))
    known = [(status, error.code) for error, status in STATUS.items()]
    known += [(status, code) for status, (code, *_words) in HTTP_WORDS.items()]
    for status, code in [*known, (500, INTERNAL[0])]:
        assert f"`{code}`" in rows[str(status)], code


@pytest.mark.parametrize("name", ASKED_FOR)
def test_the_packages_asked_for_stand_beside_the_file_that_pins_them(name):
    row = next(
        line
        for line in README.splitlines()
        if re.match(r"\| `requirements", line) and re.search(rf"\b{re.escape(name)}\b", line)
    )
    file = re.search(r"`(requirements[\w-]*\.txt)`", row)[1]
    assert file in (SERVING, TRAINING, TESTING)
    assert name in pins(file)


def test_the_make_targets_in_the_readme_exist():
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    named = set(re.findall(r"^make (\w+)|`make (\w+)", README, re.MULTILINE))
    assert {first or second for first, second in named} <= targets


def test_local_links_of_the_documents_lead_somewhere():
    for document in ROOT.glob("*.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text()):
            assert (ROOT / target).exists(), f"{document.name}: {target}"


def test_the_newest_version_in_the_change_log_is_this_one():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    newest = re.search(r"^## (\d\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1]
    assert newest == version
