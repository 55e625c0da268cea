"""The report: its numbers are those of the bundles, and its sentences are true of them."""

import copy
import html
import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pypdfium2
import pytest

from ml.bundle import bundle_names, read_bundle
from ml.markdown import percent, with_interval
from reports.__main__ import main
from reports.document import FOLDER, ReportError, build, compile_as, read_measured
from reports.figures import FIGURES
from reports.findings import tried
from reports.tables import Table, ablations, all_tables, read_tables

TEXT = (FOLDER / "report.typ").read_text()
MEASURED = read_measured()
BUNDLES = [read_bundle(name) for name in bundle_names()]
PAGES = range(8, 14)
DAY = datetime(2026, 1, 1, tzinfo=UTC)

NAMES_WITH_DIGITS = ("macro-F1", "2024/1689", "Article 5", "95 % bootstrap", "MP3")
NUMBER_WORDS = (
    *("three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("two", "twenty", "dozen", "hundred", "thousand", "twice", "third", "quarter"),
)


def with_cards(change):
    """Give all bundles with copies of their cards that `change` may alter, by name."""
    cards = {bundle.name: copy.deepcopy(bundle.card) for bundle in BUNDLES}
    change(cards)
    return [replace(bundle, card=cards[bundle.name]) for bundle in BUNDLES]


def words(text):
    """Flatten white space, hard or not."""
    return re.sub(r"\s+", " ", text)


def in_html(path):
    text = re.sub(r"<style>.*?</style>|data:image[^\"]*", "", path.read_text(), flags=re.DOTALL)
    return words(html.unescape(re.sub(r"<[^>]+>", " ", text)))


def in_pdf(path):
    document = pypdfium2.PdfDocument(path)
    return words(" ".join(page.get_textpage().get_text_range() for page in document))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    assert main(["--output", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def altered(tmp_path_factory):
    """The report of bundles with other numbers, and these bundles."""

    def change(cards):
        default = cards["encoder-cnn-gru"]
        default["metrics"]["cremad"] |= {"wa": 0.7123, "wa_interval": [0.6111, 0.8222]}
        default["metrics"]["cremad"]["reliability"][0] = [0.123, 0.234, 97.0]
        default["robustness"]["quieter-12"]["cremad"] = 0.1212
        default["calibration"]["threshold"] = 0.4567
        default["votes"]["cremad"] |= {"model_favourite": 0.7654}
        default["nonspeech"] |= {"purr": 0.0321}
        cards["crnn"]["random_split"] = {
            "seed": 1,
            "metrics": {"cremad": cards["crnn"]["metrics"]["cremad"] | {"wa": 0.8642}},
        }
        for name in cards.keys() - {"crnn"}:
            cards[name].pop("random_split", None)

    bundles = with_cards(change)
    folder = tmp_path_factory.mktemp("altered")
    return build(bundles, MEASURED, folder), bundles


def test_it_has_about_ten_pages(built):
    document = pypdfium2.PdfDocument(built / "report.pdf")
    assert len(document) in PAGES
    assert document.get_metadata_dict()["Title"].startswith("Undertone")


@pytest.mark.parametrize("kind", ["html", "pdf"])
def test_every_accuracy_in_it_is_that_of_a_bundle(built, kind):
    text = {"html": in_html, "pdf": in_pdf}[kind](built / f"report.{kind}")
    for bundle in BUNDLES:
        for found in (bundle.card["metrics"] | bundle.card.get("left_out", {})).values():
            for key in ("wa", "ua"):
                assert with_interval(found[key], found[f"{key}_interval"]) in text
            assert percent(found["ece"]) in text
        assert f"{bundle.card['parameters']:,}" in text


def test_another_card_makes_another_report(built, altered):
    written, _bundles = altered
    before, after = in_html(built / "report.html"), in_html(written["html"])
    old = BUNDLES[0].card["metrics"]["cremad"]
    assert with_interval(old["wa"], old["wa_interval"]) in before
    assert with_interval(old["wa"], old["wa_interval"]) not in after
    for said in ("71.2 % (61 to 82)", "71.2 / ", "12.1 %", "45.7 %", "purr (3.2 %)"):
        assert said not in before and said in after, said
    assert "71.2 % (61 to 82)" in in_pdf(written["pdf"])


def test_words_follow_the_numbers(built, altered):
    written, _bundles = altered
    assert "worse at hearing what people hear" in in_html(built / "report.html")
    assert "better at hearing what people hear" in in_html(written["html"])


def test_what_a_random_split_claims_stands_there_where_it_was_measured(altered, tmp_path):
    written, bundles = altered
    card = next(bundle.card for bundle in bundles if bundle.name == "crnn")
    points = 100 * (0.8642 - card["metrics"]["cremad"]["wa"])
    text = in_html(written["html"])
    assert "What a random split would have claimed" in text
    assert f"largest difference is {points:.1f} points, for crnn on CREMA-D" in text
    without = with_cards(lambda cards: [card.pop("random_split", None) for card in cards.values()])
    assert "random" not in {table.name for table in all_tables(without, MEASURED.speed, "")}


def test_a_sentence_that_is_no_longer_true_stops_the_build(tmp_path):
    bundles = with_cards(lambda cards: cards["mfcc-cnn"]["metrics"]["ravdess"].update(wa=0.97))
    with pytest.raises(ReportError, match="no longer say that mfcc-cnn is larger than cnn-gru"):
        build(bundles, MEASURED, tmp_path)
    assert not list(tmp_path.iterdir())


def test_figures_show_the_numbers_of_the_cards(altered):
    _written, bundles = altered
    cards = [bundle.card for bundle in bundles]

    def drawn(name):
        return [
            (float(x), float(y))
            for axes in FIGURES[name](cards).axes
            for line in axes.lines
            for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
        ]

    default = cards[0]
    assert (0.7123, 0.0) in drawn("accuracies") and (0.6111, 0.0) in drawn("accuracies")
    assert (0.123, 0.234) in drawn("reliabilities")
    assert tuple(default["risk_coverage"]["nemo"]["points"][3]) in drawn("risks")
    assert (default["speed"]["window_ms"], 0.7123) in drawn("costs")
    lost = 100 * (0.1212 - default["robustness"]["clean"]["cremad"])
    assert any(abs(x - lost) < 1e-9 for x, _y in drawn("robustness"))
    shares = {text.get_text() for axes in FIGURES["confusions"](cards).axes for text in axes.texts}
    right = default["metrics"]["nemo"]["per_class"]["sad"]["recall"]
    assert f"{right:.0%}" in shares


def test_no_number_is_typed():
    text = re.sub(r"<[\w-]+>|@[\w-]+|\"ablation-\d\"", "", TEXT)
    for name in NAMES_WITH_DIGITS:
        assert name in text
        text = text.replace(name, "")
    assert not [line for line in text.splitlines() if re.search(r"\d", line)]
    assert not re.findall(rf"\b({'|'.join(NUMBER_WORDS)})\b", text, re.IGNORECASE)


def test_no_semicolon_is_lost_behind_an_expression():
    assert not re.findall(r"[)\]];|#[\w.]+;", TEXT)


def test_every_figure_table_section_and_source_is_referred_to():
    cited = set(re.findall(r"@([\w-]+)", TEXT))
    labels = set(re.findall(r"<([\w-]+)>", TEXT))
    sources = set(re.findall(r"^@\w+\{([\w-]+),", (FOLDER / "references.bib").read_text(), re.M))
    shown = {label for label in labels if label.startswith(("fig-", "tab-", "ablation-"))}
    assert shown <= cited
    assert sources <= cited
    assert cited <= labels | sources
    assert set(re.findall(r'#fig\("(\w+)"', TEXT)) == set(FIGURES)


def test_every_table_that_is_made_is_shown():
    shown = set(re.findall(r'#tab\("([\w-]+)"', TEXT))
    made = {table.name for table in all_tables(BUNDLES, MEASURED.speed, MEASURED.tried)}
    assert made | {"random"} == shown


def test_what_was_tried_is_what_the_record_says(built):
    tables = json.loads((built / "data.json").read_text())["tables"]
    recorded = read_tables(MEASURED.tried.splitlines())
    assert len(recorded) == sum(name.startswith("ablation-") for name in tables)
    text = in_html(built / "report.html")
    for heads, rows in recorded:
        for cell in {*heads, *(cell for row in rows for cell in row)}:
            assert words(cell.replace("`", "")) in text.replace(" , ", ", "), cell


def test_a_row_that_the_record_no_longer_has_is_named():
    found = {table.name: table for table in ablations(MEASURED.tried)}
    members = found["ablation-2"]
    found["ablation-2"] = Table(members.name, members.heads, members.rows[1:])
    with pytest.raises(LookupError, match=r"no row of table ablation-2 begins with 'statistics"):
        tried(found, 1.5)


def test_numbers_are_written_as_python_writes_them():
    shares = sorted(set(floats([bundle.card["metrics"] for bundle in BUNDLES])))
    shares += [0.0, 0.5, 0.125, 0.8125, 1.0, -0.0001, -0.0213]
    files = {"style.typ": (FOLDER / "style.typ").read_bytes()}
    files["data.json"] = json.dumps({"shares": shares}).encode()
    files["report.typ"] = b'#import "style.typ": *\n#data.shares.map(pct).join("|")'
    page = compile_as("html", files, DAY).decode()
    found = html.unescape(re.search(r"<p>(.*)</p>", page)[1]).replace("\N{NO-BREAK SPACE}", " ")
    expected = [percent(share).replace("-0.0 %", "0.0 %") for share in shares]
    assert found.split("|") == expected


def floats(found):
    if isinstance(found, float):
        return [found]
    below = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return [number for one in below for number in floats(one)]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("See @nowhere.", "label `<nowhere>` does not exist"),
        ('#set text(font: "No Such Font")\nText', "warns: unknown font family"),
        ("#unknown", r"main.typ:1"),
    ],
)
def test_errors_and_warnings_end_the_build_and_say_where(source, said):
    with pytest.raises(ReportError, match=said):
        compile_as("pdf", {"report.typ": source.encode()}, DAY)


def test_the_command_says_why_there_is_no_report(monkeypatch, capsys, tmp_path):
    def fail(*_arguments):
        raise ReportError("the reason")

    monkeypatch.setattr("reports.__main__.build", fail)
    assert main(["--output", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "No report: the reason\n"


def test_the_web_page_stands_alone_and_describes_its_pictures(built):
    page = (built / "report.html").read_text()
    pictures = re.findall(r"<img[^>]*>", page)
    assert len(pictures) == len(FIGURES)
    assert all(re.search(r'alt="[^"]{20,}"', picture) for picture in pictures)
    assert not re.search(r'<(script|link|iframe)|src="(?!data:)|url\(', page)
    assert '<html lang="en">' in page and page.count("<h1") == 1


def test_the_same_bundles_make_the_same_report(built, tmp_path):
    again = build(BUNDLES, MEASURED, tmp_path)
    for kind in ("pdf", "html"):
        assert again[kind].read_bytes() == (built / f"report.{kind}").read_bytes(), kind
