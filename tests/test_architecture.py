"""The rules of the house that no linter knows: what loads, what is exported, what is written."""

import ast
import dataclasses
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import ml
import ml.errors
import ml.results

ROOT = Path(__file__).resolve().parent.parent
HEAVY = (
    *("tensorflow", "keras", "torch", "librosa", "numba", "scipy", "sklearn", "matplotlib"),
    *("soundfile", "soxr", "pydub", "ai_edge_litert", "azure", "flask", "webapp"),
    *("dask", "distributed", "pyarrow", "fsspec"),
)
BINARY = {
    *(".png", ".gif", ".ico", ".wav", ".mp3", ".flac", ".ogg", ".m4a", ".webm", ".npz"),
    *(".keras", ".tflite"),
}
MODULES = sorted(path.stem for path in (ROOT / "ml").glob("[!_]*.py"))


def run(*command: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_modules_import_one_way_only():
    command = Path(sys.executable).with_name("lint-imports")
    done = run(command, "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 kept, 0 broken" in done.stdout


def test_import_ml_loads_nothing_heavy():
    done = run(sys.executable, "-c", "import ml, sys; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert not set(HEAVY) & set(done.stdout.split())


def test_the_face_of_ml_is_sorted_and_every_name_is_there():
    assert list(ml.__all__) == sorted(ml.__all__)
    for name in ml.__all__:
        assert getattr(ml, name) is not None


def test_the_face_of_ml_shows_every_error_and_every_result():
    for module in (ml.errors, ml.results):
        for name, value in vars(module).items():
            own = isinstance(value, type) and value.__module__ == module.__name__
            if own and (issubclass(value, Exception) or dataclasses.is_dataclass(value)):
                assert name in ml.__all__, name


def test_the_site_uses_nothing_of_ml_but_its_face():
    for path in (ROOT / "webapp").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert node.value.id != "ml" or node.attr in ml.__all__, f"{path.name}: {node.attr}"


def test_no_function_bears_the_name_of_a_module():
    for path in (ROOT / "ml").glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef):
                assert node.name not in MODULES, f"{path.name}: {node.name}"
    assert not set(MODULES) & set(ml.__all__)


def test_only_the_command_line_prints():
    for path in [*(ROOT / "ml").rglob("*.py"), *(ROOT / "webapp").glob("*.py")]:
        calls = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
        ]
        prints = [call for call in calls if getattr(call.func, "id", "") == "print"]
        assert not prints or path.parent.name == "commands", path


def test_every_error_has_a_code_of_its_own():
    classes = [
        value
        for value in vars(ml.errors).values()
        if isinstance(value, type) and issubclass(value, ml.SerError) and "code" in vars(value)
    ]
    codes = [value.code for value in classes]
    assert len(codes) == len(set(codes))


def test_complexity_is_limited_and_no_function_is_let_off():
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert {"C90", "PLR0915"} <= set(lint["select"])
    assert lint["mccabe"]["max-complexity"] <= 8
    assert lint["pylint"]["max-statements"] <= 25
    for path, text in texts():
        if path.suffix == ".py":
            assert not re.search(r"noqa:.*(C901|PLR0915)", text) or path.name == Path(__file__).name


def test_every_python_file_says_what_it_holds():
    for path, text in texts():
        if path.suffix == ".py" and text.strip():
            assert ast.get_docstring(ast.parse(text)), path


def test_no_file_names_a_folder_of_some_machine():
    # /home/undertone is where Azure App Service keeps what outlives a restart.
    folders = "|".join(("home(?!/undertone)", "root", "Users", "work", "mnt"))
    for path, text in texts():
        found = re.search(rf"(?<![\w.:/-])/({folders})/\w+", text)
        assert not found, f"{path}: {found[0]}"


def texts() -> list[tuple[Path, str]]:
    """List the project's text files, without what .gitignore names."""
    ignored = {line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split()} | {".git"}
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in ignored]
        for name in files:
            path = Path(folder, name)
            if name in ignored or path.suffix in BINARY:
                continue
            found.append((path, path.read_text(errors="replace")))
    return found
