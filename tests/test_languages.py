"""English, German and Polish: chosen as a visitor wants, and no text is missing in any."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from io import BytesIO

import flask_babel
import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from clips import VOICE, silence
from forms import clip, post

import ml
from webapp import create_app
from webapp.languages import LANGUAGES
from webapp.notices import TOLD
from webapp.samples import samples
from webapp.scripts import script_words
from webapp.settings import ROOT, Settings

TRANSLATED = [code for code in LANGUAGES if code != "en"]
CATALOGUES = {
    code: ROOT / "webapp" / "translations" / code / "LC_MESSAGES" / "messages.po"
    for code in TRANSLATED
}
VALUE = re.compile(r"%\(\w+\)[a-z]|%%|\{\w+(?::[^}]*)?\}|<[^>]+>")
PAGES = (
    "/",
    "/about",
    "/models",
    "/models/none",
    "/privacy",
    "/analyses",
    "/offline",
    "/docs",
    "/nowhere",
)


@pytest.fixture(scope="module")
def app():
    return create_app(Settings(storage="memory", contact="A. Person"))


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Every text of the source that is to be translated, with its context if it has one."""
    path = tmp_path_factory.mktemp("texts") / "messages.pot"
    # In a process of its own: other tests may have read a corpus of their own into the registry.
    command = ["-m", "babel.messages.frontend", "-q", "extract", "-F", "babel.cfg"]
    options = ["-k", "lazy_gettext", "-o", path, "."]
    subprocess.run([sys.executable, *command, *options], cwd=ROOT, check=True)
    with path.open("rb") as file:
        return {_named(message) for message in read_po(file) if message.id}


def _named(message):
    return message.id if isinstance(message.id, str) else message.id[0], message.context


@pytest.fixture(params=TRANSLATED)
def catalogue(request):
    with CATALOGUES[request.param].open("rb") as file:
        return read_po(file, locale=request.param)


def test_no_text_is_missing(catalogue, texts):
    for text, context in texts:
        message = catalogue.get(text, context)
        assert message, f"{catalogue.locale} lacks: {text}"
        forms = message.string if message.pluralizable else (message.string,)
        assert all(forms), f"{catalogue.locale} has no words for: {text}"
        assert not message.fuzzy, f"{catalogue.locale} guesses: {text}"
    assert {_named(message) for message in catalogue if message.id} == texts


def test_translations_hold_the_same_values_and_marks(catalogue):
    for message in catalogue:
        if not message.id:
            continue
        ids = message.id if message.pluralizable else (message.id,)
        forms = message.string if message.pluralizable else (message.string,)
        wanted = sorted(VALUE.findall(ids[-1]))
        for form in forms:
            assert sorted(VALUE.findall(form)) == wanted, form


def test_the_compiled_texts_are_those_of_the_source(catalogue):
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    path = CATALOGUES[str(catalogue.locale)].with_suffix(".mo")
    assert compiled.getvalue() == path.read_bytes(), "run make translations"


class Texts(HTMLParser):
    """Collects what a person reads or hears on a page: text, names of controls, descriptions."""

    SPOKEN = ("alt", "aria-label", "aria-valuetext", "title", "placeholder")
    SILENT = ("script", "style", "code", "pre", "option")

    def __init__(self):
        super().__init__()
        self.found, self._inside = [], []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.found += [attributes[name] for name in self.SPOKEN if attributes.get(name)]
        if tag == "meta" and attributes.get("name") == "description":
            self.found.append(attributes["content"])
        if tag in self.SILENT:
            self._inside.append(tag)

    def handle_endtag(self, tag):
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data):
        if not self._inside and data.strip():
            self.found.append(data.strip())


class Marked(flask_babel.support.NullTranslations):
    """Turns every letter that goes through translation to x; values stay as they are."""

    def gettext(self, message):
        return self._hidden(message)

    def ngettext(self, singular, plural, num):
        return self._hidden(singular if num == 1 else plural)

    def pgettext(self, context, message):
        return self._hidden(message)

    ugettext, ungettext, upgettext = gettext, ngettext, pgettext

    @staticmethod
    def _hidden(message):
        parts = re.split(f"({VALUE.pattern})", message)
        return "".join(
            part if place % 2 else re.sub(r"\w", "x", part) for place, part in enumerate(parts)
        )


NAMES = re.compile(
    r"Undertone|“none”|A\. Person|voice\.flac|\bx+\b|\b[0-9a-f]{16,}\b|"
    r"\b(dB|dBFS|kHz|Hz|ms|s|min|MB|UTC|und)\b|\d+\. \w+ \d{4}"
)


@pytest.mark.parametrize("path", [*PAGES, *(f"/models/{name}" for name in ml.bundle_names())])
def test_every_word_of_a_page_goes_through_translation(client, monkeypatch, path):
    assert _untranslated(client, monkeypatch, path) == []


@pytest.mark.parametrize("sound", [VOICE.read_bytes(), silence(3)], ids=["voice", "silence"])
def test_every_word_of_an_answer_goes_through_translation(client, monkeypatch, sound):
    address = post(client, "/analyses", file=clip(sound)).location
    for path in (address, f"{address}/explanation", f"{address}/compare", "/analyses"):
        assert _untranslated(client, monkeypatch, path) == []


def _untranslated(client, monkeypatch, path):
    """Give what a page says that no translation would change, but names."""
    names = _names()
    with monkeypatch.context() as patched:
        patched.setattr(flask_babel.Domain, "get_translations", lambda self: Marked())
        page = client.get(path, headers={"Accept-Language": "de"}).text
    texts = Texts()
    texts.feed(page)
    left = [(text, NAMES.sub("", names.sub("", text))) for text in texts.found]
    return [text for text, rest in left if re.search(r"[^\W\d_]{2}", rest)]


def _names():
    """What stays as it is in every language: corpora, models, licences, citations, languages."""
    cards = [ml.read_bundle(name).card for name in ml.bundle_names()]
    corpora = [corpus for card in cards for corpus in card["corpora"]]
    corpora += [vars(corpus) for corpus in ml.CORPORA.values()]
    kept = {"WA", "UA", "ECE", "MFCC", "SHA-256", *LANGUAGES.values()}
    kept |= {name for card in cards for name in card.get("provenance", {}).get("packages", {})}
    kept |= {sample.title for sample in samples()}
    kept |= {card[key] for card in cards for key in ("name", "licence", "version")}
    kept |= {card["licence"].partition(" (")[0] for card in cards}
    for corpus in corpora:
        kept |= {corpus[key] for key in ("title", "licence", "citation")}
    return re.compile("|".join(re.escape(name) for name in sorted(kept, key=len, reverse=True)))


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("de-AT,de;q=0.9,en;q=0.5", "de"), ("pl", "pl"), ("fr,es", "en"), ("", "en"), ("en-US", "en")],
)
def test_the_browser_chooses(client, accepted, language):
    page = client.get("/", headers={"Accept-Language": accepted}).text
    assert f'<html lang="{language}">' in page


def test_a_visitors_own_choice_stays(client):
    german = {"Accept-Language": "de"}
    back = client.get("/language/pl?to=/about?x=1", headers=german)
    assert (back.status_code, back.location) == (303, "/about?x=1")
    assert '<html lang="pl">' in client.get("/privacy", headers=german).text
    client.get("/language/de")
    assert '<html lang="de">' in client.get("/privacy").text


@pytest.mark.parametrize(
    "to", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere", ""]
)
def test_choosing_a_language_leads_nowhere_else(client, to):
    assert client.get("/language/de", query_string={"to": to}).location == "/"


def test_a_language_that_is_not_there_is_not_found(client):
    assert client.get("/language/xx").status_code == 404


def test_programs_get_english_whatever_they_accept(client):
    german = {"Accept-Language": "de"}
    answer = client.post("/api/v1/analyses", headers=german)
    assert answer.json["error"]["message"] == "No recording came with the request."
    assert "Keine" in post(client, "/analyses", headers=german).text


def test_errors_speak_the_pages_language(client):
    page = client.get("/nowhere", headers={"Accept-Language": "pl"}).text
    with client.application.test_request_context("/", headers={"Accept-Language": "pl"}):
        assert flask_babel.gettext("There is nothing at this address.") in page
    assert "There is nothing" not in page


def test_every_reason_and_warning_has_its_words(app):
    source = (ROOT / "ml" / "gates.py").read_text(encoding="utf-8")
    assert {*re.findall(r'Notice\(\s*"(\w+)"', source), "not_kept"} == set(TOLD)


def test_scripts_say_what_the_page_holds(app):
    scripts = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "static/js").glob("*.js")
    )
    with app.test_request_context("/"):
        words = script_words()
    used = set(re.findall(r'"((?:file|record|live|send|play|seek)\.[\w-]+)"', scripts))
    refusals = {key for key in words if re.fullmatch(r"record\.\w+Error", key)}
    assert used | refusals == set(words)
