"""The wheel that ``pip install .`` makes: what is in it, and that it works in another folder."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

import ml
from ml.formats import to_dict
from tests.clips import VOICE, converted

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("pyproject.toml", "README.md", "LICENSE", "LICENSE-WEIGHTS.md")
FOLDERS = ("ml", "webapp", "templates", "static", "samples")
NOT_IN_IT = {"tensorflow", "keras", "torch", "flask", "werkzeug", "webapp", "azure"}

ANSWER = """
import json, sys
import ml
from ml.formats import to_dict

print(ml.__file__)
print(json.dumps(to_dict(ml.recognize("clip.m4a"))))
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""

CONSUMER = """
from pathlib import Path

import ml

found: ml.Prediction = ml.recognize("clip.m4a", labels=ml.parse_labels("4"))
reveal_type(found.label)
reveal_type(ml.load("cnn-gru"))
reveal_type(ml.extract(ml.decode(b"")).log_mel)
for answer in ml.load(Path("folder")).recognize_many(["a.wav", b"b"]):
    reveal_type(answer)
for segment in ml.load().stream([]):
    reveal_type(segment.probabilities)
reveal_type(ml.export("cnn-gru", "out", ["onnx"]).bundles)
ml.recognize(3)
"""


def run(*command: str | Path, folder: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, so that nothing is left beside the source."""
    source = tmp_path_factory.mktemp("source")
    for name in NEEDED:
        shutil.copy(ROOT / name, source)
    for name in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    command = "-m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir made ."
    run(sys.executable, *command.split(), folder=source)
    (made,) = (source / "made").iterdir()
    return made


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """A fresh environment with the wheel; the packages that it needs are those of the tests."""
    folder = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "venv", "--without-pip", folder, folder=folder)
    made = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", made)
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, folder=folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return made


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A folder that holds a recording and nothing of the project."""
    folder = tmp_path_factory.mktemp("elsewhere")
    converted(VOICE, folder / "clip.m4a")
    return folder


def test_it_holds_weights_licences_and_types_and_nothing_of_the_site(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (listed,) = (name for name in names if name.endswith("entry_points.txt"))
        assert "undertone = ml.__main__:main" in archive.read(listed).decode()
    for bundle in ml.bundle_names():
        assert {f"ml/bundles/{bundle}/{name}" for name in ("bundle.json", "model.tflite")} <= names
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "ml").rglob("*.py*")}
    assert {name for name in sources if "__pycache__" not in name} <= names
    assert {"ml/py.typed", "ml/__init__.pyi", "ml/judge.json", "ml/whisper-license.txt"} <= names
    folders = {name.partition("/")[0] for name in names}
    (about,) = folders - {"ml"}
    assert about.endswith(".dist-info")
    assert {f"{about}/licenses/{name}" for name in ("LICENSE", "LICENSE-WEIGHTS.md")} <= names
    assert not any("__pycache__" in name for name in names)


def test_what_it_needs_is_what_serving_the_library_needs(python):
    (folder,) = python.parent.parent.glob("lib/python*/site-packages/undertone-*.dist-info")
    needed = PathDistribution(folder).requires
    always = {re.match(r"[\w-]+", row)[0] for row in needed if "extra ==" not in row}
    assert {"ai-edge-litert", "librosa", "numpy", "soundfile"} <= always
    assert not always & NOT_IN_IT
    extras = [row for row in needed if re.search(r"extra == .train.", row)]
    assert any(row.startswith("tensorflow") for row in extras)


def test_it_answers_in_another_folder_without_tensorflow_and_without_the_site(python, elsewhere):
    where, answer, modules = run(python, "-c", ANSWER, folder=elsewhere).splitlines()
    assert Path(where).is_relative_to(python.parent.parent)
    assert json.loads(answer) == to_dict(ml.recognize(elsewhere / "clip.m4a"))
    assert not set(json.loads(modules)) & NOT_IN_IT


def test_the_command_is_installed(python, elsewhere):
    command = python.with_name("undertone")
    printed = run(command, "predict", "clip.m4a", "--format", "jsonl", folder=elsewhere)
    found = json.loads(printed)
    assert found == {"file": "clip.m4a", **to_dict(ml.recognize(elsewhere / "clip.m4a"))}


def test_a_model_is_handed_on_in_the_form_that_serves(python, elsewhere):
    arguments = "export --model encoder-cnn-gru --format litert-int8 --output out"
    run(python.with_name("undertone"), *arguments.split(), folder=elsewhere)
    served = ml.read_bundle("encoder-cnn-gru")
    assert ml.read_bundle(elsewhere / "out" / "litert-int8").sha256 == served.sha256
    assert "OpenAI" in (elsewhere / "out" / "LICENSE").read_text()


def test_types_are_seen_from_a_program_outside(python, elsewhere):
    (elsewhere / "consumer.py").write_text(CONSUMER)
    options = ("--strict", "--cache-dir", elsewhere / "cache", "--python-executable", python)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "consumer.py"],
        cwd=elsewhere,
        capture_output=True,
        text=True,
    )
    told = re.findall(r'consumer\.py:\d+: note: Revealed type is "(.*)"', done.stdout)
    assert told == [
        "str | None",
        "ml.predict.Recognizer",
        "numpy.ndarray[tuple[Any, ...], numpy.dtype[Any]]",
        "ml.results.Prediction | ml.errors.AudioError",
        "dict[str, float]",
        "dict[str, ml.bundle.Bundle]",
    ], done.stdout
    (error,) = (line for line in done.stdout.splitlines() if ": error:" in line)
    assert "consumer.py:15" in error and "arg-type" in error
