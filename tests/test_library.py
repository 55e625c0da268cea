"""The library as its users meet it: every example in docstrings and on its page runs."""

import doctest
import inspect
import re
from pathlib import Path

import pytest

import ml

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "library.md"
FUNCTIONS = [name for name in ml.__all__ if inspect.isfunction(getattr(ml, name))]
METHODS = ("recognize_many", "stream")
OPTIONS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


@pytest.fixture
def at_root(monkeypatch):
    """Examples name the samples as seen from the repository."""
    monkeypatch.chdir(ROOT)


def run_examples(thing: object, name: str) -> doctest.TestResults:
    finder, runner = (
        doctest.DocTestFinder(recurse=False),
        doctest.DocTestRunner(optionflags=OPTIONS),
    )
    results = [runner.run(test) for test in finder.find(thing, name) if test.examples]
    assert len(results) == 1, f"{name} has no example"
    return results[0]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_has_examples_that_run(name, at_root):
    found = run_examples(getattr(ml, name), f"ml.{name}")
    assert found.attempted > 1 and found.failed == 0


@pytest.mark.parametrize("name", METHODS)
def test_what_a_recognizer_does_has_examples_that_run(name, at_root):
    found = run_examples(getattr(ml.Recognizer, name), f"ml.Recognizer.{name}")
    assert found.attempted > 1 and found.failed == 0


def test_the_page_of_the_library_runs_from_top_to_bottom(at_root, tmp_path, capsys):
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 5
    names: dict[str, object] = {}
    for block in blocks:
        code = block.replace('"exported"', repr(str(tmp_path / "exported")))
        exec(compile(code, PAGE.name, "exec"), names)
    assert capsys.readouterr().out


def test_the_page_names_every_public_name():
    text = PAGE.read_text()
    for name in ml.__all__:
        assert re.search(rf"\b{name}\b", text), name
