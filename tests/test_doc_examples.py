"""Every example of the documents runs, or says on the line above it why it cannot run here."""

import doctest
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from unittest import SkipTest

import pytest
from markdown_it import MarkdownIt
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

from webapp.settings import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ELSEWHERE = {
    # Document, language -> the test that runs these.
    ("library.md", "python"): "test_library.py",
    ("batch.md", "python"): "test_batch_docs.py",
    ("api.md", "python"): "test_clients.py",
    ("api.md", "sh"): "test_clients.py",
}
REASONS = {
    "installs packages",
    "needs Azure",
    "needs Docker",
    "needs a cloud storage",
    "needs the corpora",
    "starts a server",
}
"""What may stand in ``<!-- skip: next "..." -->`` above an example."""
SHOWN = {"json", "js", "text"}
"""Languages that are shown and not run."""
LINKED = ("benchmarks", "infra", "ml", "samples", "static", "templates", "webapp", "startup.sh")
SITE = "http://127.0.0.1:8000"
PATIENCE_S = 600

RECORDINGS = {
    "angry-man.flac": ("recording.wav", "recording.mp3", "recording.m4a", "a.wav", "folder/a.flac"),
    "sad-woman.flac": ("b.mp3", "interview.mp3", "interview.m4a", "calls/b.flac"),
}
"""Sample -> the names by which examples ask for a recording. What it is tells its content."""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder like the repository for whoever reads it, in which examples may write."""
    for name in LINKED:
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for sample, names in RECORDINGS.items():
        for name in names:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / "samples" / sample, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / '.venv' / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("SER_STORAGE_DIR", str(tmp_path / ".data"))
    return tmp_path


def run(source: str, site: str) -> str:
    script = source.replace(SITE, site)
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


def run_shell(example: Example) -> None:
    run(example.parsed, example.namespace["site"])


def run_console(example: Example) -> None:
    """Run each line after ``$`` and compare what it prints; ``...`` stands for anything."""
    for part in re.split(r"^\$ ", example.parsed, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        printed = run(command, example.namespace["site"])
        as_told = doctest.OutputChecker().check_output(
            expected.strip() + "\n", printed.strip() + "\n", doctest.ELLIPSIS
        )
        assert as_told, f"$ {command}\nprinted\n{printed}\nand not\n{expected}"


def parsed(path: Path):
    parsers = {
        "python": PythonCodeBlockParser(),
        "sh": CodeBlockParser("sh", run_shell),
        "console": CodeBlockParser("console", run_console),
    }
    kept = [parsers[name] for name in parsers if (path.name, name) not in ELSEWHERE]
    return Sybil([SkipParser(), *kept], path=str(path.parent)).parse(path)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_examples_of_a_document_run(path, checkout, site):
    document = parsed(path)
    document.namespace["site"] = site
    for example in document.examples():
        try:
            example.evaluate()
        except SkipTest as reason:
            assert str(reason) in REASONS


def blocks(path: Path):
    parsed = MarkdownIt().parse(path.read_text())
    return [one for one in parsed if one.type in ("fence", "code_block")]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_block_has_a_language_that_is_run_or_shown(path):
    assert {one.info for one in blocks(path)} <= {"python", "sh", "console"} | SHOWN


def test_examples_that_do_not_run_are_few():
    told = Counter(one.info for path in DOCUMENTS for one in blocks(path))
    run_somewhere = sum(told[language] for language in ("python", "sh", "console"))
    skipped = re.findall(r"<!-- skip: ", "".join(path.read_text() for path in DOCUMENTS))
    assert 0 < len(skipped) <= run_somewhere / 2
    ranges = [path.name for path in DOCUMENTS if "skip: start" in path.read_text()]
    assert ranges == [], "examples are marked one by one"


@pytest.mark.parametrize(("document", "language"), ELSEWHERE)
def test_what_another_test_runs_is_there(document, language):
    assert language in {one.info for one in blocks(ROOT / "docs" / document)}
    test = (ROOT / "tests" / ELSEWHERE[document, language]).read_text()
    assert document in test or "CLIENTS" in test


def test_the_tutorial_uses_the_words_of_the_pages(chromium, site):
    tutorial = (ROOT / "docs" / "tutorial.md").read_text()
    by_hand = tutorial.split("## Listen to a sample")[1].split("## The same from")[0]
    page = chromium.new_page(base_url=site)
    page.goto("/")
    there = page.content()
    page.get_by_role("button", name="Analyse this clip: Out of my office").click()
    page.get_by_role("heading", name="Sounds").wait_for()
    there += page.content()
    page.close()
    quoted = set(re.findall(r'"([^"]+)"', by_hand))
    assert len(quoted) > 5
    assert {words for words in quoted if words not in there} == set()
