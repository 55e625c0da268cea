"""What costs a while to start, for all tests that need one: Debian's Chromium, Azurite."""

import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from azurite import running_azurite
from playwright.sync_api import expect, sync_playwright
from werkzeug.serving import make_server

import ml
from webapp import create_app
from webapp.samples import SAMPLES
from webapp.settings import Settings

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)

# A shell that starts the tests in the background has them ignore Ctrl-C; what they start must not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def azurite():
    with running_azurite() as connection:
        yield connection


@pytest.fixture(scope="module")
def site_app():
    """Make the app that `site` serves."""
    return create_app(Settings(storage="memory", max_upload_mb=1))


@pytest.fixture(scope="module")
def site(site_app):
    server = make_server("127.0.0.1", 0, site_app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture(scope="session")
def microphone(tmp_path_factory):
    """A recording that the fake microphone plays over and over: voices without a pause."""
    path = tmp_path_factory.mktemp("microphone") / "voices.wav"
    files = (SAMPLES / "angry-man.flac", SAMPLES / "angry-woman.flac")
    voices = [ml.decode(file).samples for file in files]
    path.write_bytes(ml.to_wav(ml.Waveform(np.concatenate(voices), 16_000)))
    return path


@pytest.fixture(scope="session")
def chromium(microphone):
    if not CHROMIUM.exists():
        pytest.fail("Chromium is missing. Install it: sudo apt-get install -y chromium")
    arguments = [*ARGUMENTS, f"--use-file-for-fake-audio-capture={microphone}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def new_page(chromium, site):
    """Opens pages that note every complaint and every request to another host."""
    troubles: list[str] = []
    contexts = []

    def opened(**options):
        context = chromium.new_context(base_url=site, **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: note(message.type, message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: note_request(request.url))
        return page

    def note(kind, text):
        if kind in ("error", "warning"):
            troubles.append(text)

    def note_request(url):
        if not url.startswith((site, "data:", "blob:")):
            troubles.append(f"request to {url}")

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []
