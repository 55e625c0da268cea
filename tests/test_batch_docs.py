"""``docs/batch.md`` is true: its examples run, its columns exist, its figures are calculated."""

import json
import re
import shutil
from pathlib import Path

import pytest
from clips import SAMPLES
from threadpoolctl import threadpool_limits

import ml
from benchmarks.batch import FIGURES, PAGE, page, with_page
from ml import archive, parts
from ml.__main__ import make_parser
from ml.batch import describe
from ml.folders import list_files, open_folder
from ml.rows import LAYOUTS, TABLE_FORMATS

TEXT = PAGE.read_text()
MODEL = "mfcc-cnn"
VOICES = ("angry-woman.flac", "sad-man.flac")
DEFAULTS = (LAYOUTS[0], "parquet")


@pytest.fixture
def answers(tmp_path, monkeypatch):
    """The result of a small archive, as the examples name it."""
    (tmp_path / "calls").mkdir()
    for name in VOICES:
        shutil.copy(SAMPLES / name, tmp_path / "calls")
    (tmp_path / "calls" / "bad.wav").write_bytes(b"no sound")
    run = describe(str(tmp_path / "calls"), str(tmp_path / "answers"), MODEL, None, *DEFAULTS)
    output = open_folder(run.output)
    archive.begin(output, run)
    archive.extend_plan(output, list_files(open_folder(run.source)), 16)
    done = [parts.analyse_part(run, part, False) for part in archive.read_plan(output, 0)]
    archive.write_manifest(output, 0, [state for part in done for state in part.states])
    monkeypatch.chdir(tmp_path)
    return run


def test_the_examples_run(answers, capsys):
    examples = re.findall(r"```python\n(.+?)```", TEXT, re.DOTALL)
    assert len(examples) == 2
    found: dict = {}
    for example in examples:
        exec(compile(example, str(PAGE), "exec"), found)
    printed = capsys.readouterr().out
    assert "bad.wav" in printed and "unsupported_format" in printed
    with threadpool_limits(1):
        expected = {name: angry_share(SAMPLES / name) for name in VOICES}
    assert found["share"].to_dict() == expected


def angry_share(path: Path) -> float:
    """Count by hand what the first example tells pandas to."""
    segments = ml.recognize(path, MODEL).segments
    angry = [one.probabilities["angry"] > 0.5 for one in segments if one.probabilities]
    return sum(angry) / len(angry)


def test_every_column_is_described(answers):
    rows = re.findall(r"^\| (`[^|]+) \|", TEXT, re.MULTILINE)
    described = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    for layout in LAYOUTS:
        run = describe(answers.source, answers.output, MODEL, None, layout, "jsonl")
        columns = {name for name in run.table.schema.names if not name.startswith("p_")}
        assert columns <= described


def test_the_layout_is_what_a_run_leaves(answers, tmp_path):
    block = TEXT.split("```text\nanswers/\n")[1].split("```")[0]
    told = {line.split()[0] for line in block.splitlines()}
    found = {str(path.relative_to(tmp_path / "answers")) for path in _files(tmp_path / "answers")}
    assert told <= found


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_every_option_is_described(capsys):
    with pytest.raises(SystemExit):
        make_parser().parse_args(["batch", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert options - {"--help"} <= set(re.findall(r"--[a-z-]+", TEXT))


def test_the_figures_are_calculated_from_what_was_measured():
    figures = json.loads(FIGURES.read_text())
    assert with_page(TEXT, page(figures, figures["price"])) == TEXT


def test_the_paper_follows_the_price_and_the_number_of_calls():
    figures = json.loads(FIGURES.read_text())
    hours = re.compile(r"\| 16 \| .+ \| ([\d,]+) \| ([\d,]+) \|")
    whole = hours.search(page(figures, 1.0))
    twice = hours.search(page(figures, 2.0))
    assert whole[1] == whole[2] == twice[1]
    assert int(twice[2].replace(",", "")) == pytest.approx(
        2 * int(whole[2].replace(",", "")), abs=1
    )


def test_formats_and_layouts_are_described():
    for name in (*TABLE_FORMATS, *LAYOUTS):
        assert f"`{name}`" in TEXT or f" {name}`" in TEXT
