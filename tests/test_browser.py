"""The site in a real browser: Debian's Chromium, a fake microphone, the real model."""

import re

import pytest
from cards import copy_bundle, full_card
from clips import VOICE
from playwright.sync_api import expect

import ml
import ml.bundle
from webapp.models import Models

ANSWER = re.compile(r"^(Sounds |Not sure|No voice|Too )")


def expect_answer(page):
    expect(page.locator("h1")).to_have_text(ANSWER)


def expect_sound(page, player):
    """The player has loaded a clip that lasts."""
    page.wait_for_function("audio => audio.duration > 0.5", arg=player.element_handle())


def upload(page):
    page.get_by_label("Choose a file to analyse").set_input_files(VOICE)
    expect(page.locator("#file-chosen")).to_contain_text(VOICE.name)
    page.get_by_role("button", name="Analyse this file").click()
    page.wait_for_url("**/analyses/*")
    expect(page.locator("[data-result] h1")).to_be_visible()
    expect_answer(page)
    expect_sound(page, page.locator("[data-player]"))
    expect(page.locator("table.bars tbody tr")).not_to_have_count(0)


def pick_sample(page):
    card = page.locator("[data-clip]").first
    card.get_by_role("button", name="Play").click()
    expect(card.get_by_role("button", name="Pause")).to_be_visible()
    card.get_by_role("button", name="Analyse this clip").click()
    page.wait_for_url("**/analyses/*")
    expect(page.locator("[data-result] h1")).to_be_visible()
    expect_answer(page)
    expect(page.get_by_text("Heard as")).to_be_visible()


def record(page):
    page.get_by_role("button", name="Record", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="Recording.")).to_be_visible()
    expect(page.get_by_role("timer")).to_have_text(re.compile("0:0[2-9]|0:[1-5]"))
    page.get_by_role("button", name="Stop recording").click()
    expect_sound(page, page.get_by_label("Your recording"))
    page.get_by_role("button", name="Analyse this recording").click()
    page.wait_for_url("**/analyses/*")
    expect(page.locator("[data-result] h1")).to_be_visible()
    expect_answer(page)
    expect(page.locator("main")).to_contain_text("recording.webm")


def test_upload_sample_record_delete(new_page):
    page = new_page(permissions=["microphone"])
    page.goto("/")
    for give in (upload, pick_sample, record):
        give(page)
        address = page.url
        page.get_by_role("link", name="Try another clip").click()
    page.goto(address)
    page.get_by_role("button", name="Delete now").click()
    expect(page.get_by_label("Receipt")).to_contain_text("Nothing of it is left")
    assert page.request.get(address).status == 404


def test_keep_nothing_shows_the_answer_without_an_address(new_page, site):
    page = new_page()
    page.goto("/")
    page.get_by_label("Keep nothing").check()
    page.get_by_label("Choose a file to analyse").set_input_files(VOICE)
    page.get_by_role("button", name="Analyse this file").click()
    expect_answer(page)
    expect(page.locator("h1")).to_be_focused()
    expect(page.get_by_text("Nothing was kept.")).to_be_visible()
    expect(page.get_by_role("button", name="Delete now")).to_have_count(0)
    expect_sound(page, page.locator("[data-player]"))
    assert page.url == f"{site}/#answer"
    page.go_back()
    expect(page.get_by_role("button", name="Record", exact=True)).to_be_visible()


def test_upload_without_javascript(new_page):
    page = new_page(java_script_enabled=False)
    page.goto("/")
    expect(page.locator("noscript p")).to_be_visible()
    expect(page.get_by_role("button", name="Record", exact=True)).to_have_count(0)
    page.get_by_label("Choose a file to analyse").set_input_files(VOICE)
    page.get_by_role("button", name="Analyse this file").click()
    expect_answer(page)
    page.get_by_role("button", name="Delete now").click()
    expect(page.get_by_label("Receipt")).to_be_visible()
    page.get_by_role("button", name="Analyse this clip").first.click()
    expect_answer(page)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ({"name": "a.txt", "mimeType": "text/plain", "buffer": b"x"}, "does not look like"),
        ({"name": "a.wav", "mimeType": "audio/wav", "buffer": b""}, "is empty"),
        ({"name": "a.wav", "mimeType": "audio/wav", "buffer": bytes(2**20 + 1)}, "limit is 1 MB"),
    ],
)
def test_a_file_is_checked_before_it_is_sent(new_page, file, said):
    page = new_page()
    page.goto("/")
    sent = []
    page.on("request", lambda request: sent.append(request.method))
    page.get_by_label("Choose a file to analyse").set_input_files(file)
    expect(page.get_by_role("alert")).to_contain_text(said)
    expect(page.get_by_role("button", name="Analyse this file")).to_be_hidden()
    assert "POST" not in sent


def test_a_file_can_be_dropped_anywhere(new_page):
    page = new_page()
    page.goto("/")
    dropped = page.evaluate_handle(
        "() => { const data = new DataTransfer();"
        "data.items.add(new File(['RIFF'], 'dropped.wav', {type: 'audio/wav'})); return data; }"
    )
    page.dispatch_event("h1", "dragenter", {"dataTransfer": dropped})
    expect(page.locator("#give")).to_have_class(re.compile("dragging"))
    page.dispatch_event("h1", "drop", {"dataTransfer": dropped})
    expect(page.locator("#give")).not_to_have_class(re.compile("dragging"))
    expect(page.locator("#file-chosen")).to_contain_text("dropped.wav")
    expect(page.get_by_role("button", name="Analyse this file")).to_be_focused()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("NotAllowedError", "microphone is blocked"),
        ("NotFoundError", "No microphone was found"),
        ("NotReadableError", "in use by another program"),
    ],
)
def test_a_refused_microphone_is_explained(new_page, error, said):
    page = new_page()
    refuse = f"() => Promise.reject(new DOMException('', '{error}'))"
    page.add_init_script(f"navigator.mediaDevices.getUserMedia = {refuse}")
    page.goto("/")
    page.get_by_role("button", name="Record", exact=True).click()
    expect(page.get_by_text(said)).to_be_visible()
    expect(page.get_by_role("button", name="Record", exact=True)).to_be_visible()


def test_a_page_that_is_not_secure_says_that_it_cannot_record(new_page):
    page = new_page()
    page.add_init_script("Object.defineProperty(window, 'isSecureContext', {value: false})")
    page.goto("/")
    expect(page.get_by_text("only on pages opened over HTTPS")).to_be_visible()
    expect(page.get_by_role("button", name="Record", exact=True)).to_have_count(0)


@pytest.mark.parametrize("width", [360, 1440])
def test_nothing_sticks_out_sideways(new_page, width):
    page = new_page(viewport={"width": width, "height": 800})
    page.goto("/")
    page.get_by_role("button", name="Analyse this clip").last.click()
    page.wait_for_url("**/analyses/*")
    expect(page.locator("[data-result] h1")).to_be_visible()
    models = [f"/models/{name}" for name in ml.bundle_names()]
    paths = ("/", page.url, "/about", "/privacy", "/models", *models)
    for path in paths:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


@pytest.fixture
def several_models(tmp_path, monkeypatch, site_app):
    """Let the site have other models, which it reads anew."""
    folder, card = tmp_path, full_card()
    copy_bundle(folder, ml.DEFAULT_MODEL, **{key: card[key] for key in card if key != "name"})
    copy_bundle(folder, "voting-by-majority", rule="majority", title="One that votes")
    for home in (ml, ml.bundle):
        monkeypatch.setattr(home, "BUNDLES", folder)
    monkeypatch.setattr(site_app.extensions["analyser"], "_models", Models(""))


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.usefixtures("several_models")
def test_the_pages_of_models_fit_and_can_be_read_as_tables(new_page, width):
    page = new_page(viewport={"width": width, "height": 800})
    page.goto("/about")
    page.get_by_role("navigation", name="Site").get_by_role("link", name="Models").click()
    page.get_by_role("link", name="voting-by-majority").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("voting-by-majority")
    for path in ("/", "/about", "/models", f"/models/{ml.DEFAULT_MODEL}"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        inner = page.evaluate(
            "[...document.querySelectorAll('main *')].filter("
            "e => getComputedStyle(e).overflowX === 'auto' && e.scrollWidth > e.clientWidth).length"
        )
        assert inner == 0, path
    page.goto(f"/models/{ml.DEFAULT_MODEL}")
    table = page.get_by_role("table", name="Speakers it had never heard")
    assert table.get_by_role("rowheader").first.inner_text() == "CREMA-D"
    assert table.get_by_role("columnheader").count() == 7
    expect(table.get_by_role("row").nth(1).get_by_role("cell").nth(3)).to_contain_text("64")


@pytest.mark.parametrize("javascript", [True, False])
@pytest.mark.usefixtures("several_models")
def test_the_model_chosen_is_the_one_that_answers(new_page, javascript):
    page = new_page(java_script_enabled=javascript)
    page.goto("/")
    page.get_by_text("More options").click()
    expect(page.get_by_label(ml.DEFAULT_MODEL)).to_be_checked()
    page.get_by_label("voting-by-majority").check()
    page.get_by_role("button", name="Analyse this clip").first.click()
    page.wait_for_url("**/analyses/*")
    expect(page.locator("[data-result] h1")).to_be_visible()
    expect_answer(page)
    link = page.locator("main").get_by_role("link", name="voting-by-majority")
    expect(link).to_have_attribute("href", "/models/voting-by-majority")


def test_keyboard_and_reduced_motion(new_page):
    page = new_page(reduced_motion="reduce")
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.get_by_role("button", name="Analyse this clip").first.press("Enter")
    page.wait_for_url("**/analyses/*")
    expect(page.locator("[data-result] h1")).to_be_visible()
    still = page.locator(".face img").evaluate("image => image.currentSrc")
    assert re.search(r"/faces/\w+\.png$", still)


def test_what_can_be_pressed_is_large_enough(new_page):
    page = new_page(viewport={"width": 360, "height": 800})
    page.goto("/")
    for control in page.locator("button:visible, .site-nav a, .word-mark, input[type=file]").all():
        box = control.bounding_box()
        assert box and box["height"] >= 44, control.inner_text()
