"""The documentation's website: built strictly, every link holds, nothing comes from elsewhere."""

import functools
import subprocess
import sys
import threading
from dataclasses import fields
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from test_accessibility import TAGS

import ml
from documentation.build import build
from documentation.pages import (
    PAGES,
    ROOT,
    BrokenLinkError,
    navigation,
    notebook_pages,
    outside_code,
    toctrees,
    with_links_of_the_site,
)
from webapp import create_app
from webapp.settings import Settings

NOTEBOOK = """# A step in words

![A plot](01_step_files/plot.svg)

<audio controls aria-label="A voice" preload="none" src="01_step_files/sound-1.wav"></audio>

[How it is measured](../docs/evaluation.md#calibration), [all](../README.md), [how to run
it](README.md), and an output:

    0.75
"""
PLOT = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="4"/></svg>'
WIDTHS = (390, 1440)


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory):
    """One notebook as it is rendered: Markdown, and a folder of pictures."""
    folder = tmp_path_factory.mktemp("notebooks")
    (folder / "01_step_files").mkdir()
    (folder / "01_step_files" / "plot.svg").write_text(PLOT)
    (folder / "01_step_files" / "sound-1.wav").write_bytes(b"RIFF")
    (folder / "01_step.md").write_text(NOTEBOOK)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory, notebooks):
    """The site, as `make site` builds it, with a notebook."""
    folder = tmp_path_factory.mktemp("documentation")
    options = ("--output", folder / "site", "--sources", folder / "sources")
    command = [sys.executable, "-m", "documentation.build", *options, "--notebooks", notebooks]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


class Page(HTMLParser):
    """What a page of HTML has and points to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        self.ids |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") not in ("canonical",):
            self.loads.append(found["href"])
        elif found.get("src"):
            self.loads.append(found["src"])


@pytest.fixture(scope="module")
def pages(built):
    return {path: Page(path) for path in sorted(built.rglob("*.html"))}


def broken(pages: dict[Path, Page]) -> list[str]:
    """Name every link within the site that leads nowhere."""
    found = []
    for path, page in pages.items():
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme or link.startswith("data:"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = pages[target].ids if target in pages else ()
            if not target.is_file() or (parts.fragment and unquote(parts.fragment) not in anchors):
                found.append(f"{path.name}: {link}")
    return found


def test_every_link_and_anchor_within_the_site_holds(pages):
    assert len(pages) > len(PAGES)
    assert broken(pages) == []


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "a.html").write_text("<a href='b.html'>b</a><a href='#c'>c</a><img src='d.png'>")
    found = broken({tmp_path / "a.html": Page(tmp_path / "a.html")})
    assert found == ["a.html: b.html", "a.html: #c", "a.html: d.png"]


def test_links_that_leave_the_site_are_well_formed_and_go_over_https(built, pages):
    # Corpora and packages name their own addresses.
    plain = {corpus.url for corpus in ml.CORPORA.values()}
    plain |= set(pages[built / "licences.html"].links)
    left = {link for page in pages.values() for link in page.links if urlsplit(link).scheme}
    assert left - plain
    for link in left - plain:
        parts = urlsplit(link)
        assert parts.scheme in ("https", "mailto"), link
        assert parts.scheme == "mailto" or "." in parts.netloc, link


def test_pages_load_only_what_is_theirs(pages):
    for path, page in pages.items():
        assert [one for one in page.loads if urlsplit(one).netloc] == [], path.name


def test_every_document_is_a_page_and_in_the_navigation(built, pages):
    front = {urlsplit(link).path for link in pages[built / "index.html"].links}
    for page in PAGES.values():
        html = page.replace(".md", ".html")
        assert html in pages_by_name(pages) and (html in front or html == "index.html"), html


def pages_by_name(pages):
    return {path.name for path in pages}


def test_a_notebook_is_a_page_with_its_pictures_and_links(built, pages):
    path = built / "notebooks" / "01_step.html"
    assert any(one.endswith("plot.svg") for one in pages[path].loads)
    assert "01_step_files/sound-1.wav" in pages[path].loads
    assert {
        "../evaluation.html#calibration",
        "../readme.html",
        "../notebooks-overview.html",
    } <= set(pages[path].links)
    assert "notebooks/01_step.html" in pages[built / "index.html"].links
    assert ">Notebooks<" in (built / "index.html").read_text()


def test_reference_pages_have_all_that_the_code_has(built, pages):
    settings = pages[built / "settings.html"].ids
    for one in fields(Settings):
        assert one.metadata["env"].lower().replace("_", "-") in settings
    assert {f"ml.{name}" for name in ml.__all__} <= pages[built / "names.html"].ids
    assert set(ml.FORMATS) <= pages[built / "formats.html"].ids
    made = create_app(Settings(storage="memory")).test_client().get("/openapi.json").json
    routes = (built / "http-routes.html").read_text()
    assert all(f"{path}<a" in routes for path in made["paths"])
    commands = pages[built / "command-line.html"].ids
    assert {"undertone-predict", "undertone-predict---jobs"} <= commands


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_warning_is_an_error(tmp_path):
    (tmp_path / "sources").mkdir()
    page = tmp_path / "sources" / "index.md"
    page.write_text("# A page\n\n[nowhere](#nothing)\n")
    assert build(tmp_path / "sources", tmp_path / "site") != 0
    page.write_text("# A page\n\n[somewhere](#a-page)\n")
    assert build(tmp_path / "sources", tmp_path / "site") == 0


def test_links_of_the_repository_become_links_of_the_site(tmp_path):
    text = (
        "[a](../README.md#settings) [b](api.md) [c](../infra/main.bicep) [d](https://example.org) "
        "[e](#here)\n```sh\n[f](nowhere.md)\n```\n"
    )
    assert with_links_of_the_site(text, "docs/deploy.md", tmp_path) == (
        "[a](readme.md#settings) [b](api.md) [c](files/infra/main.bicep) [d](https://example.org) "
        "[e](#here)\n```sh\n[f](nowhere.md)\n```\n"
    )
    copied = tmp_path / "files" / "infra" / "main.bicep"
    assert copied.read_bytes() == (ROOT / "infra" / "main.bicep").read_bytes()
    with pytest.raises(BrokenLinkError, match=r"docs/deploy\.md points to docs/none\.md"):
        with_links_of_the_site("[a](none.md)", "docs/deploy.md", tmp_path)


def test_code_stays_as_it_is():
    text = "a\n````md\na\n```\na\n````\na\n"
    assert outside_code(text, str.upper) == "A\n````md\na\n```\na\n````\nA\n"


def test_the_navigation_is_what_the_front_page_says():
    sections = navigation(
        "# Home\n\n## How to\n\nWords.\n\n- [Do it](do-it.md): now.\n\n## Empty\n"
    )
    assert [(one.caption, one.entries) for one in sections] == [("How to", {"Do it": "do-it"})]
    assert ":caption: How to\n\nDo it <do-it>\n" in toctrees(sections)


def test_where_no_notebook_was_rendered_there_is_none(tmp_path, notebooks):
    assert notebook_pages(tmp_path / "none") == []
    assert [path.name for path in notebook_pages(notebooks)] == ["01_step.md"]


@pytest.fixture(scope="module")
def address(built):
    """Serve the site as a plain file server does."""
    handler = functools.partial(Quiet, directory=str(built))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def reader(chromium, address):
    """Opens pages of the site; fails where one complains or asks another host."""
    troubles: list[str] = []
    contexts = []

    def opened(**options):
        context = chromium.new_context(base_url=address, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "console", lambda said: troubles.append(said.text) if said.type == "error" else None
        )
        page.on("request", lambda request: note(request.url))
        return page

    def note(url):
        if not url.startswith((address, "data:")):
            troubles.append(f"request to {url}")

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_ask_nobody_else_and_fit_the_screen(reader, built, pages, width):
    page = reader(viewport={"width": width, "height": 900})
    for path in pages:
        page.goto(f"/{path.relative_to(built)}")
        wider = page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
        assert wider <= 0, f"{path.name} is {wider} px wider than {width} px"


def test_the_search_finds_pages_and_names_of_the_library(reader):
    page = reader()
    page.goto("/index.html")
    box = page.get_by_role("search").get_by_placeholder("Search")
    box.fill("temperature")
    box.press("Enter")
    results = page.locator("#search-results ul.search")
    expect(results.get_by_role("link", name="How sure it is")).not_to_have_count(0)
    page.goto("/search.html?q=recognize")
    expect(results.locator('a[href*="names.html"]')).not_to_have_count(0)
    page.goto("/search.html?q=xyzzyplugh")
    expect(page.locator("#search-results")).to_contain_text("did not match")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_for_whoever_does_not_see_or_point(reader, scheme):
    page = reader(color_scheme=scheme, reduced_motion="reduce")
    found = []
    for name in ("index", "command-line", "models", "api", "search"):
        page.goto(f"/{name}.html")
        violations = Axe().run(page, options={"runOnly": TAGS}).response["violations"]
        found += [
            f"{name}: {one['id']}: {node['html'][:150]}"
            for one in violations
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"][:3]
        ]
    assert found == []
