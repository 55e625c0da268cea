"""In a real browser: a page that is loaded again finds its analysis; another language is chosen."""

import re
import threading

import pytest
from clips import wav
from playwright.sync_api import expect

import ml


@pytest.fixture
def held(monkeypatch):
    """Recognition waits at every report until this event is set."""
    go = threading.Event()
    usual = ml.Recognizer.recognize

    def recognize(self, *given, progress=None, **options):
        def waiting(share):
            progress(share)
            assert go.wait(60)

        return usual(self, *given, progress=waiting if progress else None, **options)

    monkeypatch.setattr(ml.Recognizer, "recognize", recognize)
    yield go
    go.set()


def begin(page):
    """Send half a minute of silence, and wait until its analysis has an address."""
    page.goto("/")
    silence = {"name": "hall.wav", "mimeType": "audio/wav", "buffer": wav([0.0] * 16_000 * 30)}
    page.get_by_label("Choose a file to analyse").set_input_files(silence)
    page.get_by_role("button", name="Analyse this file").click()
    page.wait_for_url(re.compile("/analyses/."))


def test_a_page_loaded_again_finds_its_analysis(new_page, held):
    page = new_page()
    begin(page)
    page.reload()
    expect(page.get_by_role("heading", name="Listening")).to_be_visible()
    expect(page.get_by_role("progressbar", name="Done so far")).to_be_visible()
    held.set()
    expect(page.get_by_role("heading", name="No voice found")).to_be_visible()


def test_an_analysis_under_way_is_cancelled(new_page, held):
    page = new_page()
    begin(page)
    with page.expect_response(re.compile("/delete$")):
        page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_label("Choose a file to analyse")).to_be_visible()
    held.set()
    expect(page).to_have_url(re.compile("/$"))
    page.goto("/analyses")
    expect(page.get_by_text("Nothing is kept of this browser.")).to_be_visible()


@pytest.mark.parametrize(
    ("locale", "name", "heading", "record"),
    [
        ("en-GB", "Deutsch", "Der Ton unter den Worten", "Aufnehmen"),
        ("de-DE", "Polski", "Ton pod słowami", "Nagraj"),
    ],
)
def test_another_language_is_chosen_and_stays(new_page, locale, name, heading, record):
    page = new_page(locale=locale)
    page.goto("/")
    page.get_by_role("contentinfo").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()
    expect(page.get_by_role("button", name=record, exact=True)).to_be_visible()
    page.get_by_role("link", name="Undertone").click()
    expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()
