"""The privacy page and the notice before the first analysis say what the site does."""

import html
import re
import secrets
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path

import pytest
from clips import VOICE
from forms import clip, post
from playwright.sync_api import expect

from webapp import challenger, create_app, running, scratch
from webapp.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Settings(secret_key="x" * 20)
AZURE = Settings(storage="azure", secret_key="x" * 20, azure_account_url="https://a.test")
TELEMETRY = f"InstrumentationKey={'0' * 8}-{'0' * 4}-{'0' * 4}-{'0' * 4}-{'0' * 12}"


@cache
def words(settings: Settings, path: str = "/privacy") -> str:
    """Give what a page says, without its marks, on one line."""
    page = create_app(settings).test_client().get(path).text
    main = re.search(r"<main.*?</main>", page, re.DOTALL)[0]
    text = html.unescape(re.sub(r"<[^>]+>", " ", main)).replace("\N{NO-BREAK SPACE}", " ")
    return re.sub(r"\s+", " ", text)


def memory(**options: object) -> Settings:
    return Settings(storage="memory", **options)


PLAIN, TOGETHER = memory(), memory(rate_store="redis://cache")
FACTS = {
    "days": (memory(retention_days=9), PLAIN, "They are deleted after 9 days,"),
    "one day": (memory(retention_days=1), PLAIN, "They are deleted after 1 day,"),
    "cookie": (memory(retention_days=9), PLAIN, "9 days after your last visit"),
    "link": (memory(share_days=3), PLAIN, "It ends after 3 days,"),
    "contact": (memory(contact="Ada, ada@example.org"), PLAIN, "operated by Ada, ada@example.org."),
    "no contact": (PLAIN, memory(contact="Ada"), "has not given a contact"),
    "memory": (PLAIN, FOLDER, "memory and are gone, at the latest, when it restarts"),
    "folder": (FOLDER, AZURE, "They lie in a folder on the server itself."),
    "azure": (AZURE, FOLDER, "Azure Blob Storage, rented by whoever operates this site"),
    "no telemetry": (PLAIN, memory(telemetry=TELEMETRY), "None of it goes to anybody else."),
    "telemetry": (memory(telemetry=TELEMETRY), PLAIN, "The same is told to Azure Monitor"),
    "trial": (
        memory(challenger="cnn-gru", challenger_share=25),
        PLAIN,
        "a share of the recordings",
    ),
    "share of it": (
        memory(challenger="cnn-gru", challenger_share=25),
        memory(challenger="cnn-gru"),
        "a share of the recordings, 25 %",
    ),
    "scores": (
        memory(challenger="cnn-gru", retention_days=9),
        memory(challenger="cnn-gru"),
        "The notes are deleted after 9 days.",
    ),
    "a minute": (PLAIN, memory(rate_limit="5 per hour"), "internet address within a minute."),
    "an hour": (memory(rate_limit="5 per hour"), PLAIN, "internet address within an hour."),
    "a day": (memory(rate_limit="5 per day"), PLAIN, "internet address within a day."),
    "counted here": (PLAIN, TOGETHER, "server\N{RIGHT SINGLE QUOTATION MARK}s memory."),
    "counted together": (TOGETHER, PLAIN, "in a store that all servers of this site share."),
    "not counted": (memory(rate_limit="off"), PLAIN, "Internet addresses are noted nowhere."),
}
"""What the page says with one value of a setting, and not with another one."""


@pytest.mark.parametrize("fact", FACTS)
def test_where_a_setting_changes_the_page_says_something_else(fact):
    chosen, other, said = FACTS[fact]
    assert said in words(chosen)
    assert said not in words(other)


def test_what_no_setting_changes_is_what_the_code_does(tmp_path):
    page = words(Settings(storage_dir=tmp_path, challenger="cnn-gru"))
    live = (ROOT / "static" / "js" / "live.js").read_text()
    assert "the last four seconds" in page and "const HEARD_S = 4;" in live
    assert "for ten minutes at most" in page and challenger._LIMIT_S == 600
    assert "after 6 hours in any case" in page and timedelta(hours=6) == running.KEPT_FOR
    assert "within the hour all of it is removed" in page
    assert "folder for temporary files that belongs to the server alone" in page
    assert scratch.__doc__.count("swept if it was killed")


def cookies(answer) -> dict[str, str]:
    found = answer.headers.getlist("Set-Cookie")
    return {one.partition("=")[0]: one for one in found}


def test_the_table_of_cookies_is_what_a_browser_gets():
    client = create_app(memory(retention_days=9, model="mfcc-cnn")).test_client()
    first = cookies(client.get("/"))
    assert set(first) == table(client) and "Expires" not in first["undertone"]
    sent = post(client, "/analyses", file=clip(VOICE.read_bytes()))
    seen = {**cookies(sent)}
    for path in (sent.location, "/analyses", "/language/de", "/privacy", "/about", "/docs"):
        seen |= cookies(client.get(path))
    assert set(seen) == table(client)
    expires = re.search(r"Expires=([^;]+)", seen["undertone"])[1]
    lasts = parsedate_to_datetime(expires) - datetime.now(UTC)
    assert timedelta(days=8, hours=23) < lasts < timedelta(days=9, hours=1)


def table(client) -> set[str]:
    page = client.get("/privacy", headers={"Accept-Language": "en"}).text
    rows = re.findall(r'<th scope="row" role="rowheader"><code>([^<]+)</code></th>', page)
    return set(rows)


def test_a_whole_visit_leaves_the_cookies_that_are_told(new_page, chromium):
    page = new_page(locale="en")
    page.goto("/")
    notice = page.get_by_role("region", name="Before you analyse a voice")
    expect(notice).to_contain_text("Do not use it on people at work or in education")
    button = page.get_by_role("button", name=re.compile("^Analyse this clip")).first
    assert notice.bounding_box()["y"] < button.bounding_box()["y"]
    button.click()
    page.wait_for_url(re.compile("/analyses/[\\w-]{22}$"))
    page.get_by_role("button", name="Make a link").click()
    page.goto("/analyses")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download everything").click()
    assert download.value.suggested_filename.startswith("undertone-")
    page.get_by_role("button", name="Delete everything").click()
    expect(page.get_by_role("status", name="Receipt")).to_contain_text("1 analysis, with its")
    again = page.locator("details.use")
    expect(again.get_by_text("Do not use it on people")).to_be_hidden()
    again.locator("summary").click()
    expect(again.get_by_text("Do not use it on people")).to_be_visible()
    page.goto("/privacy")
    told = page.locator("#browser ~ table tbody th").all_inner_texts()
    held = page.context.cookies()
    assert [one["name"] for one in held] == told == ["undertone"]
    assert all(one["httpOnly"] and one["sameSite"] == "Lax" for one in held)
    assert page.evaluate("document.cookie + localStorage.length + sessionStorage.length") == "00"


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_the_notice_names_the_law_and_what_the_operator_adds(path):
    added = f"<b>Adults</b> & nobody else {secrets.token_hex(4)}"
    app = create_app(memory(notice=added))
    page = app.test_client().get(path).text
    assert "Article 5(1)(f)" in page and "tell them before (Article 50(3))" in page
    assert 'href="/about#never"' in page
    assert html.escape(added) in page and added not in page
    assert added not in create_app(memory()).test_client().get(path).text


def test_programs_are_told_too():
    described = create_app(memory()).test_client().get("/openapi.json").json["info"]["description"]
    for said in ("work and in education", "5(1)(f)", "50(3)"):
        assert said in described and said in (ROOT / "docs" / "api.md").read_text()


def test_the_notice_stands_open_until_the_first_analysis():
    client = create_app(memory(model="mfcc-cnn")).test_client()
    for _ in range(2):
        assert 'class="notice use"' in client.get("/").text
    assert post(client, "/analyses").status_code == 400
    assert 'class="notice use"' in client.get("/").text
    post(client, "/analyses", file=clip(VOICE.read_bytes()), keep="0")
    page = client.get("/").text
    assert 'class="notice use"' not in page and '<details class="use">' in page
    assert "Article 5(1)(f)" in page
