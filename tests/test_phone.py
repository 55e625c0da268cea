"""On a phone: installed, without a connection and back, and with a voice memo shared into it."""

import json
import re
from pathlib import Path

import pytest
from clips import VOICE
from PIL import Image
from playwright.sync_api import expect

from webapp import create_app
from webapp.settings import Settings

STATIC = Path(__file__).resolve().parent.parent / "static"


@pytest.fixture(scope="module")
def client():
    return create_app(Settings(storage="memory")).test_client()


@pytest.fixture
def phone(chromium, site):
    """A page that its service worker controls; what fails without a connection is no trouble."""
    context = chromium.new_context(
        base_url=site, permissions=["microphone"], viewport={"width": 390, "height": 844}
    )
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto("/")
    page.evaluate("() => navigator.serviceWorker.ready.then(() => null)")
    page.reload()
    page.wait_for_function("() => navigator.serviceWorker.controller !== null")
    yield page
    context.close()


def test_the_manifest_fits(client):
    answer = client.get("/manifest.webmanifest")
    assert answer.mimetype == "application/manifest+json"
    manifest = json.loads(answer.text)
    assert manifest["start_url"] == manifest["scope"] == "/" and manifest["display"] == "standalone"
    purposes = set()
    for icon in manifest["icons"]:
        image = Image.open(STATIC / icon["src"].removeprefix("/static/"))
        assert "x".join(map(str, image.size)) == icon["sizes"]
        purposes.add(icon["purpose"])
    assert purposes == {"any", "maskable"}
    target = manifest["share_target"]
    assert (target["action"], target["method"]) == ("/share", "POST")
    assert client.post(target["action"]).location == "/"
    assert 'rel="manifest"' in client.get("/").text


def test_the_worker_keeps_all_that_the_front_page_needs(client):
    worker = client.get("/worker.js").text
    kept = set(re.findall(r'^  "?(/[\w./-]*)"?,$', worker, re.MULTILINE))
    for address in kept:
        assert client.get(address).status_code == 200, address
    page = client.get("/").text
    used = set(re.findall(r'(?:href|src)="(/static/[^"]+\.(?:css|js))"', page))
    scripts = STATIC / "js"
    for name in [path.removeprefix("/static/js/") for path in used if path.endswith(".js")]:
        used |= imported(scripts / name)
    assert used <= kept


def imported(script: Path) -> set[str]:
    found = {f"/static/js/{script.name}"}
    for name in re.findall(r'from "\./([\w.]+)"|new URL\("([\w.]+)"', script.read_text()):
        found |= imported(script.with_name("".join(name)))
    return found


def test_a_recording_made_without_a_connection_is_sent_later(phone):
    phone.context.set_offline(True)
    phone.goto("/about")
    expect(phone.get_by_role("heading", name="No connection")).to_be_visible()
    phone.get_by_role("link", name="Record").click()
    expect(phone.locator("[data-offline]")).to_be_visible()
    phone.get_by_role("button", name="Record", exact=True).click()
    expect(phone.get_by_role("timer")).to_have_text(re.compile("0:0[4-9]"))
    phone.get_by_role("button", name="Stop recording").click()
    phone.get_by_role("button", name="Analyse this recording").click()
    expect(phone.get_by_role("alert")).to_contain_text("could not be reached")
    waiting = phone.get_by_label("A recording that waits")
    expect(waiting.get_by_role("button", name="Analyse it now")).to_be_disabled()
    phone.reload()
    expect(waiting).to_be_visible()
    phone.context.set_offline(False)
    expect(phone.locator("[data-offline]")).to_be_hidden()
    waiting.get_by_role("button", name="Analyse it now").click()
    phone.wait_for_url("**/analyses/*")
    expect(phone.locator("[data-result] h1")).to_be_visible()
    phone.goto("/")
    expect(phone.get_by_role("button", name="Record", exact=True)).to_be_visible()
    expect(waiting).to_be_hidden()


def test_a_voice_memo_is_shared_into_the_site(phone):
    phone.evaluate(
        """() => {
          const form = document.createElement("form");
          form.action = "/share"; form.method = "post"; form.enctype = "multipart/form-data";
          form.innerHTML = '<input type="file" name="file" id="memo">';
          document.body.append(form);
        }"""
    )
    phone.locator("#memo").set_input_files(VOICE)
    phone.evaluate("() => document.getElementById('memo').form.submit()")
    expect(phone.locator("#file-chosen")).to_contain_text(VOICE.name)
    phone.get_by_role("button", name="Analyse this file").click()
    phone.wait_for_url("**/analyses/*")
    expect(phone.locator("[data-result] h1")).to_be_visible()
    expect(phone.locator("main")).to_contain_text(VOICE.name)
    names = phone.evaluate("() => caches.keys()")
    assert "undertone-shared" not in names
