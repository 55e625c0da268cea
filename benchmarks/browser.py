"""What a visitor's browser gets: first paint, shifts of the layout, weight; and pictures of it.

``python -m benchmarks.browser`` opens every page in Chromium, from a server on this machine, and
prints a Markdown table: time to the first contentful paint (median of three visits, nothing
cached), cumulative layout shift, and the kilobytes that travel, without sound and pictures.
``--pictures FOLDER`` writes each page at the widths of a phone, a tablet and a desktop, as WebP.
"""

import argparse
import io
import logging
import statistics
import sys
import threading
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from webapp import create_app
from webapp.samples import SAMPLES
from webapp.settings import Settings

CHROMIUM = "/usr/bin/chromium"
CLIPS = ("angry-woman.flac", "story.mp3")
WIDTHS = (390, 768, 1440)
VISITS = 3
LOOKED_AT = ("image", "media", "font")
LONGEST_PICTURE = 1800
"""Pixels; what is further down a page is left out."""

SHIFTS = """
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.shifted = (window.shifted ?? 0) + entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
PAINT = """() => performance.getEntriesByName("first-contentful-paint")[0].startTime"""


def serve() -> str:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, create_app(Settings(storage="memory")), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def answer(browser: Browser, site: str) -> tuple[list[str], dict]:
    """Analyse clips; give their pages, and the state of the browser that may open them."""
    context = browser.new_context(base_url=site)
    page, found = context.new_page(), []
    for clip in CLIPS:
        page.goto("/")
        page.get_by_label("Choose a file to analyse").set_input_files(SAMPLES / clip)
        page.get_by_role("button", name="Analyse this file").click()
        page.locator("[data-result] h1").wait_for()
        found.append(page.url.removeprefix(site))
    state = context.storage_state()
    context.close()
    return found, state


def visit(browser: Browser, site: str, path: str, state: dict) -> tuple[float, float, float]:
    """Give milliseconds to the first paint, the layout's shift, and kilobytes of text."""
    context = browser.new_context(base_url=site, storage_state=state, service_workers="block")
    page, sizes = context.new_page(), []
    page.on("requestfinished", lambda one: sizes.append((one.resource_type, one.sizes())))
    page.add_init_script(SHIFTS)
    page.goto(path, wait_until="networkidle")
    shifted = page.evaluate("() => window.shifted ?? 0")
    paint = page.evaluate(PAINT)
    context.close()
    weight = sum(
        size["responseBodySize"] + size["responseHeadersSize"]
        for kind, size in sizes
        if kind not in LOOKED_AT
    )
    return paint, shifted, weight / 1024


def measure(browser: Browser, site: str, pages: dict[str, str], state: dict) -> None:
    print("| page | first paint, ms | layout shift | text, kB |")
    print("|---|--:|--:|--:|")
    for name, path in pages.items():
        visits = [visit(browser, site, path, state) for _ in range(VISITS)]
        paint, shifted, weight = (statistics.median(values) for values in zip(*visits, strict=True))
        print(f"| {name} | {paint:.0f} | {shifted:.3f} | {weight:.0f} |", flush=True)


def portray(browser: Browser, site: str, pages: dict[str, str], state: dict, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for width in WIDTHS:
        context = browser.new_context(
            base_url=site,
            storage_state=state,
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
        )
        page = context.new_page()
        for name, path in pages.items():
            page.goto(path, wait_until="networkidle")
            save(page, folder / f"{name}-{width}.webp")
        context.close()


def save(page: Page, path: Path) -> None:
    image = Image.open(io.BytesIO(page.screenshot(full_page=True)))
    image.crop((0, 0, image.width, min(image.height, LONGEST_PICTURE))).save(
        path, quality=25, method=6
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="write pictures there")
    folder = parser.parse_args().pictures
    site = serve()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        (result, long), state = answer(browser, site)
        pages = {
            "front": "/",
            "answer": result,
            "long-answer": long,
            "closer-look": f"{result}/explanation",
            "compare": f"{result}/compare",
            "my-analyses": "/analyses",
            "how-it-works": "/about",
            "models": "/models",
            "model": "/models/encoder-cnn-gru",
            "what-is-kept": "/privacy",
        }
        if folder:
            portray(browser, site, pages, state, folder)
        else:
            measure(browser, site, pages, state)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
