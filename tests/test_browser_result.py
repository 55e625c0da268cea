"""What can be done with an answer, in a real browser: see, hear, understand, keep, share."""

import re

import pytest
from clips import VOICE
from playwright.sync_api import expect


def analyse(page, keep: bool = True):
    page.goto("/")
    if not keep:
        page.get_by_label("Keep nothing").check()
    page.get_by_label("Choose a file to analyse").set_input_files(VOICE)
    page.get_by_role("button", name="Analyse this file").click()
    expect(page.locator("[data-result] h1")).to_be_visible()
    page.wait_for_function("() => document.querySelector('[data-player]').readyState >= 2")


def place(page) -> float:
    return page.locator("[data-player]").evaluate("player => player.currentTime")


def test_the_timeline_follows_the_keyboard_and_the_player(new_page):
    page = new_page()
    analyse(page)
    timeline = page.get_by_role("slider", name="Place in the clip")
    timeline.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(timeline).to_have_attribute("aria-valuenow", "1.0")
    expect(timeline).to_have_attribute("aria-valuetext", re.compile(r"^1\.0 seconds, \w+"))
    page.wait_for_function("() => document.querySelector('[data-player]').currentTime === 1")
    x = page.locator(".timeline .playhead").get_attribute("x1")
    assert 0 < float(x.rstrip("%")) < 100
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelector('[data-player]').currentTime > 1.2")
    page.keyboard.press("Space")
    moved = page.locator(".timeline .playhead").get_attribute("x1")
    assert float(moved.rstrip("%")) > float(x.rstrip("%"))


def test_a_press_on_the_timeline_seeks(new_page):
    page = new_page()
    analyse(page)
    box = page.locator(".timeline").bounding_box()
    page.locator(".timeline").click(position={"x": box["width"] / 2, "y": 10})
    length = page.locator("[data-player]").evaluate("player => player.duration")
    page.wait_for_function("() => document.querySelector('[data-player]').currentTime > 1")
    assert length / 2 - 0.1 <= place(page) <= length / 2 + 3


def test_one_stretch_plays_alone(new_page):
    page = new_page()
    analyse(page)
    page.get_by_text("The same as a table").click()
    row = page.locator("tr[data-from]").first
    start, end = (float(row.get_attribute(name)) for name in ("data-from", "data-to"))
    row.get_by_role("button", name=re.compile("^Play .* seconds only$")).click()
    page.wait_for_function("() => !document.querySelector('[data-player]').paused")
    page.wait_for_function("() => document.querySelector('[data-player]').paused")
    assert start < end - 0.1 <= place(page) <= end + 0.6
    assert place(page) < page.locator("[data-player]").evaluate("player => player.duration")


@pytest.mark.parametrize("keep", [True, False])
def test_a_closer_look_plays_with_its_pictures(new_page, keep):
    page = new_page()
    analyse(page, keep)
    if keep:
        page.get_by_role("link", name="Look closer").click()
        closer = page
    else:
        with page.context.expect_page() as opened:
            page.get_by_role("button", name="Look closer").click()
        closer = opened.value
    expect(closer.get_by_role("heading", name="What else it heard")).to_be_visible()
    parts = closer.locator("audio[data-parts]")
    if parts.count():
        parts.evaluate("player => player.play()")
    else:
        closer.locator("[data-player]").evaluate("player => player.play()")
    closer.wait_for_function(
        "() => document.querySelector('[data-explanation]').style.getPropertyValue('--played') > 0"
    )
    assert closer.locator(".picture img").first.evaluate("image => image.naturalWidth") > 100


def test_models_are_compared_for_a_clip_that_was_not_kept(new_page):
    page = new_page()
    analyse(page, keep=False)
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Compare models").click()
    expect(opened.value.get_by_role("heading", name="What each model hears")).to_be_visible()
    assert opened.value.locator(".answers li").count() >= 4


def test_a_link_opens_for_somebody_else_until_it_is_ended(new_page):
    page, other = new_page(), new_page()
    analyse(page)
    page.get_by_role("button", name="Make a link").click()
    link = page.get_by_label(re.compile("^The link")).input_value()
    other.goto(link)
    expect(other.get_by_text("Somebody showed you this.")).to_be_visible()
    other.wait_for_function("() => document.querySelector('[data-player]').duration > 0.5")
    page.get_by_role("button", name="End the link").click()
    expect(page.get_by_role("button", name="Make a link")).to_be_visible()
    assert other.request.get(link).status == 404


def test_a_clip_is_given_and_taken_back(new_page):
    page = new_page()
    analyse(page)
    give = page.get_by_role("button", name="Give this clip")
    page.get_by_label("surprised").check()
    give.click()
    expect(give).to_be_visible()  # The consent is not ticked, so the browser holds the form back.
    page.get_by_label("Keep this clip and my answer").check()
    give.click()
    expect(page.get_by_text("Thank you.")).to_be_visible()
    page.get_by_role("navigation", name="Site").get_by_role("link", name="Mine").click()
    expect(page.get_by_role("heading", name="Meant surprised")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Take back")).click()
    expect(page.get_by_role("heading", name="Meant surprised")).to_have_count(0)


def test_the_answer_so_far_appears_while_recording(new_page):
    page = new_page(permissions=["microphone"])
    page.goto("/")
    page.get_by_role("button", name="Record", exact=True).click()
    expect(page.locator("[data-says]")).to_have_text(re.compile("^(So far it sounds|Cannot tell)"))
    assert page.locator("[data-steps] li").count() >= 1
    page.get_by_role("button", name="Stop recording").click()
    expect(page.locator("[data-says]")).to_be_hidden()
    expect(page.get_by_role("button", name="Analyse this recording")).to_be_visible()


def test_a_recording_goes_on_without_the_server(new_page):
    page = new_page(permissions=["microphone"])
    page.goto("/")
    page.route("**/api/v1/live*", lambda route: route.fulfill(body="a proxy's page"))
    page.get_by_role("button", name="Record", exact=True).click()
    expect(page.locator("[data-says]")).to_have_text(
        re.compile("^The connection is lost. The recording goes on")
    )
    page.get_by_role("button", name="Stop recording").click()
    page.get_by_role("button", name="Analyse this recording").click()
    page.wait_for_url("**/analyses/*")
    expect(page.locator("[data-result] h1")).to_be_visible()


def test_nothing_is_sent_while_recording_unless_wanted(new_page):
    page = new_page(permissions=["microphone"])
    sent = []
    page.on("request", lambda request: sent.append(request.url))
    page.goto("/")
    page.get_by_label("Answer while I speak").uncheck()
    page.get_by_role("button", name="Record", exact=True).click()
    expect(page.get_by_role("timer")).to_have_text(re.compile("0:0[3-9]"))
    page.get_by_role("button", name="Stop recording").click()
    assert not any("live?" in url for url in sent)


@pytest.mark.parametrize("width", [360, 1440])
def test_the_new_pages_fit(new_page, width):
    page = new_page(viewport={"width": width, "height": 800})
    analyse(page)
    for path in (page.url, f"{page.url}/explanation", f"{page.url}/compare", "/analyses"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
