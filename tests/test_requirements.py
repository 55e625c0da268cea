"""The lists of packages: exact pins with hashes, and every import in the list that needs it."""

import ast
import functools
import importlib.metadata
import json
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from dependencies import lists
from dependencies.lists import LISTS as ALL_LISTS

ROOT = Path(__file__).resolve().parent.parent
SERVING, TRAINING, TESTING = "requirements.txt", "requirements-train.txt", "requirements-dev.txt"
ARCHIVES, AZURE = "requirements-batch.txt", "requirements-azure.txt"
LISTS = (SERVING, TRAINING, ARCHIVES, AZURE, TESTING)
# The packages that the users of this project asked for.
ASKED_FOR = (
    *("flask", "jinja2", "gunicorn", "tensorflow", "librosa", "numpy", "soundfile", "pydub"),
    *("azure-storage-blob", "python-dotenv", "pytest"),
)
# Loaded by these files alone, and only when training, evaluating or drawing.
TRAINING_FILES = (
    *("train.py", "fitting.py", "evaluate.py", "conversion.py", "figures.py", "metrics.py"),
    *("encoder.py", "positions.py", "refitting.py", "lossy.py", "rooms.py"),
    *("runtimes.py", "hub_card.py", "exporting.py", "teaching.py"),
    *("palette.py", "overviews.py", "listeners.py", "portraits.py", "failures.py", "anatomy.py"),
)
# Loaded by these files alone, and only by `batch`.
ARCHIVE_FILES = ("batch.py", "archive.py", "parts.py", "clusters.py", "folders.py", "rows.py")
# Loaded by these files alone, and only where a setting asks for it.
AZURE_FILES = ("telemetry.py",)


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: str) -> dict[str, str]:
    """Read name -> version of one list, without the lists that it includes."""
    return {name: pin.version for name, pin in lists.pins(file).items()}


def every_pin() -> dict[str, str]:
    """Read name -> version of all lists."""
    return {name: version for file in LISTS for name, version in pins(file).items()}


def imports(path: Path) -> set[str]:
    """Name the top-level modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module)
    own = {"ml", "webapp", "tests", *(file.stem for file in (ROOT / "tests").glob("*.py"))}
    return {name for name in found if name.split(".")[0] not in sys.stdlib_module_names | own}


@functools.cache
def installed_modules() -> Mapping[str, list[str]]:
    """Map modules to the packages that provide them; reads every package, so once."""
    return importlib.metadata.packages_distributions()


def distributions(module: str) -> set[str]:
    """Name the packages that provide a module; `azure.storage.blob` is in one of several."""
    providers = installed_modules()[module.split(".")[0]]
    names = {normalised(name) for name in providers}
    narrower = {name for name in names if module.replace(".", "-").startswith(name)}
    return narrower or names


def test_every_list_is_known():
    assert set(ALL_LISTS) == {
        str(path.relative_to(ROOT))
        for folder in (ROOT, ROOT / "samples")
        for path in folder.glob("*requirements*.txt")
    }


@pytest.mark.parametrize("file", ALL_LISTS)
def test_every_pin_is_exact_and_has_the_hashes_of_its_files(file):
    found = lists.pins(file)
    assert found
    for pin in found.values():
        assert pin.hashes, pin.name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in pin.hashes), pin.name


@pytest.mark.parametrize(
    "line", ["flask", "flask>=3", "flask==3.*", "flask==3.1,<4", "flask @ file:///tmp/flask.whl"]
)
def test_what_is_no_exact_pin_is_refused(line):
    with pytest.raises(ValueError, match="is not an exact pin"):
        lists.read_pin(line)


def test_a_package_that_stands_twice_is_refused(tmp_path, monkeypatch):
    (tmp_path / "twice.txt").write_text("Flask==3.1.3\nflask==3.1.2\n")
    monkeypatch.setattr(lists, "ROOT", tmp_path)
    with pytest.raises(ValueError, match="flask stands twice"):
        lists.pins("twice.txt")


def test_every_package_of_npm_has_the_hash_of_its_file():
    locked = json.loads(_text("package-lock.json"))["packages"]
    for name, package in locked.items():
        assert not name or package["integrity"].startswith("sha512-"), name


def test_no_package_stands_in_a_list_and_in_one_that_builds_on_it():
    beside = (TRAINING, ARCHIVES, AZURE)
    for above in (*beside, TESTING):
        assert not set(pins(SERVING)) & set(pins(above))
    for below in beside:
        assert not set(pins(below)) & set(pins(TESTING))


def test_lists_that_are_installed_together_agree():
    versions = [(name, version) for file in LISTS for name, version in pins(file).items()]
    assert len(set(versions)) == len({name for name, _version in versions})


@pytest.mark.parametrize("file", ALL_LISTS)
def test_each_list_includes_those_that_it_builds_on(file):
    lines = _text(file).splitlines()
    assert tuple(line[3:] for line in lines if line.startswith("-r ")) == ALL_LISTS[file].includes


def test_the_site_needs_nothing_of_archives():
    assert not {"dask", "distributed", "pyarrow", "fsspec", "adlfs", "pandas"} & set(pins(SERVING))


def test_serving_needs_no_compiler_and_no_tensorflow():
    assert "--only-binary :all:" in (ROOT / SERVING).read_text().splitlines()
    assert not {"tensorflow", "keras", "torch"} & set(pins(SERVING))


def test_no_list_names_an_index():
    for file in (*ALL_LISTS, "pyproject.toml", "Makefile", ".ci/run"):
        assert not re.search(r"--(extra-)?index-url|--find-links|--trusted-host", _text(file)), file


def test_the_packages_asked_for_are_all_pinned():
    everything = every_pin()
    assert set(ASKED_FOR) <= set(everything)


def test_the_installed_packages_are_the_pinned_ones():
    pinned = every_pin()
    installed = {
        normalised(package.name): package.version for package in importlib.metadata.distributions()
    }
    differing = {
        name: (version, installed[name])
        for name, version in pinned.items()
        if installed.get(name, version) != version
    }
    assert not differing


def test_the_ranges_of_the_package_admit_the_pins():
    project = tomllib.loads(_text("pyproject.toml"))
    extras = project["project"]["optional-dependencies"]
    asked = {
        SERVING: [*project["project"]["dependencies"], *extras["site"]],
        AZURE: extras["azure"],
        TRAINING: extras["train"],
        ARCHIVES: extras["batch"],
        TESTING: extras["dev"],
        lists.SAMPLES.file: project["dependency-groups"]["samples"],
    }
    for file, rows in asked.items():
        below = (file, *(one.file for one in lists.included(ALL_LISTS[file])))
        found = {name: version for one in below for name, version in pins(one).items()}
        for requirement in map(Requirement, rows):
            assert found[normalised(requirement.name)] in requirement.specifier, requirement


def test_the_installed_command_is_the_command_line():
    (target,) = tomllib.loads(_text("pyproject.toml"))["project"]["scripts"].values()
    command = importlib.metadata.EntryPoint("undertone", target, "console_scripts").load()
    with pytest.raises(SystemExit) as end:
        command(["--help"])
    assert end.value.code == 0


SOURCES = [*(ROOT / "ml").rglob("*.py"), *(ROOT / "webapp").glob("*.py")]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_a_file_imports_is_in_its_list(path):
    allowed = set(pins(SERVING))
    if path.name in TRAINING_FILES or path.parent.name == "models":
        allowed |= set(pins(TRAINING))
    if path.name in ARCHIVE_FILES:
        allowed |= set(pins(ARCHIVES))
    if path.name in AZURE_FILES:
        allowed |= set(pins(AZURE))
    for module in imports(path):
        assert distributions(module) & allowed, f"{module} is in no list for {path.name}"


def _text(file: str) -> str:
    return (ROOT / file).read_text()
