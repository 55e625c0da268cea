"""Every page under axe-core, light and dark: no violation that it calls serious or critical."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from clips import VOICE
from playwright.sync_api import expect

import ml

STILL = (
    *(
        "/",
        "/about",
        "/privacy",
        "/offline",
        "/docs",
        "/models",
        f"/models/{ml.DEFAULT_MODEL}",
        "/x",
    ),
)
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page) -> list[str]:
    found = Axe().run(page, options={"runOnly": TAGS}).response["violations"]
    return [
        f"{page.url}: {one['id']}: {one['nodes'][0]['html'][:150]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_on_any_page(chromium, site, scheme):
    context = chromium.new_context(base_url=site, color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    found = []
    for path in STILL:
        page.goto(path)
        found += violations(page)
    page.goto("/")
    page.get_by_label("Choose a file to analyse").set_input_files(VOICE)
    page.get_by_role("button", name="Analyse this file").click()
    expect(page.locator("[data-result] h1")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Make a link").click()
    expect(page.get_by_label("The link, shown this once")).to_be_visible()
    for details in page.locator("details > summary").all():
        details.click()
    found += violations(page)
    for path in (
        f"{page.url.partition('#')[0]}/explanation",
        f"{page.url.partition('#')[0]}/compare",
        "/analyses",
    ):
        page.goto(path)
        found += violations(page)
    context.close()
    assert found == []


def test_a_fault_is_found(chromium, site):
    context = chromium.new_context(base_url=site)
    page = context.new_page()
    page.goto("/offline")
    page.evaluate("() => document.querySelector('h1').style.color = '#e3ddd1'")
    assert any("color-contrast" in one for one in violations(page))
    context.close()
