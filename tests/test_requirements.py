"""The lists of packages: exact pins, complete, and every import in the list that needs it."""

import ast
import functools
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

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
)
# Loaded by these files alone, and only by `batch`.
ARCHIVE_FILES = ("batch.py", "archive.py", "parts.py", "clusters.py", "folders.py", "rows.py")
# Loaded by these files alone, and only where a setting asks for it.
AZURE_FILES = ("telemetry.py",)


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: str) -> dict[str, str]:
    """Read name -> version of one list, without the lists that it includes."""
    lines = (ROOT / file).read_text().splitlines()
    rows = [line for line in lines if line and not line.startswith(("#", "-"))]
    found = {}
    for row in rows:
        match = re.fullmatch(r'([\w.-]+)==([\w.+!]+)( ; python_version >= "3\.13")?', row)
        assert match, f"{file}: '{row}' is not an exact pin"
        assert normalised(match[1]) not in found, f"{file}: {match[1]} stands twice"
        found[normalised(match[1])] = match[2]
    return found


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


@pytest.mark.parametrize("file", LISTS)
def test_every_pin_is_exact(file):
    assert pins(file)


def test_no_package_stands_in_a_list_and_in_one_that_builds_on_it():
    beside = (TRAINING, ARCHIVES, AZURE)
    for above in (*beside, TESTING):
        assert not set(pins(SERVING)) & set(pins(above))
    for below in beside:
        assert not set(pins(below)) & set(pins(TESTING))


def test_lists_that_are_installed_together_agree():
    versions = [(name, version) for file in LISTS for name, version in pins(file).items()]
    assert len(set(versions)) == len({name for name, _version in versions})


def test_each_list_builds_on_the_one_before():
    for file in (TRAINING, ARCHIVES, AZURE):
        assert f"-r {SERVING}" in (ROOT / file).read_text().splitlines()
        assert f"-r {file}" in (ROOT / TESTING).read_text().splitlines()


def test_the_site_needs_nothing_of_archives():
    assert not {"dask", "distributed", "pyarrow", "fsspec", "adlfs", "pandas"} & set(pins(SERVING))


def test_serving_needs_no_compiler_and_no_tensorflow():
    assert "--only-binary :all:" in (ROOT / SERVING).read_text().splitlines()
    assert not {"tensorflow", "keras", "torch"} & set(pins(SERVING))


def test_no_list_names_an_index():
    for file in (*LISTS, "pyproject.toml", "Makefile", ".ci/run"):
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
    packaging_requirements = pytest.importorskip("packaging.requirements")
    project = tomllib.loads(_text("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    everything = every_pin()
    rows = [*project["dependencies"], *(row for extra in extras.values() for row in extra)]
    for row in rows:
        requirement = packaging_requirements.Requirement(row)
        assert everything[normalised(requirement.name)] in requirement.specifier, row


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
