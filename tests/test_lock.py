"""`make lock` on a small project with wheels of its own: versions, hashes, layers, no network."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from dependencies import lists, lock
from dependencies.lists import PackageList, pins

PROJECT = """
[project]
name = "small"
version = "1"
requires-python = ">=3.11"
dependencies = ["apple>=1"]
[project.optional-dependencies]
more = ["berry"]
[dependency-groups]
samples = ["cherry"]
[tool.uv]
no-index = true
find-links = ["wheels"]
"""
BASE = PackageList("base.txt", ())
MORE = PackageList("more.txt", ("--extra=more",), ("base.txt",))
SAMPLES = PackageList("samples.txt", ("--group=samples",))


def wheel(folder: Path, name: str, version: str, *requires: str) -> str:
    """Write a wheel that holds nothing but its description; give its hash as lists have it."""
    info = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    described = [f"Requires-Dist: {one}" for one in requires]
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(
            f"{info}/METADATA",
            "\n".join(
                ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *described]
            ),
        )
        packed.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        packed.writestr(f"{info}/RECORD", "")
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project with three lists; `apple 1` is pinned, `apple 2` is there, too."""
    (tmp_path / "wheels").mkdir()
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "base.txt").write_text("# What apples need.\n--only-binary :all:\n\napple==1\n")
    (tmp_path / "more.txt").write_text("# More.\n-r base.txt\n\n")
    (tmp_path / "samples.txt").write_text("# Cherries.\n\n")
    known = {one.file: one for one in (BASE, MORE, SAMPLES)}
    for module in (lists, lock):
        monkeypatch.setattr(module, "ROOT", tmp_path)
        monkeypatch.setattr(module, "LISTS", known)
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.argv", ["lock"])
    return tmp_path


@pytest.fixture
def hashes(project) -> dict[str, str]:
    folder = project / "wheels"
    return {
        "apple 1": wheel(folder, "apple", "1", "seed"),
        "apple 2": wheel(folder, "apple", "2", "seed"),
        "berry 1": wheel(folder, "berry", "1", "apple", "seed ; sys_platform == 'win32'"),
        "cherry 1": wheel(folder, "cherry", "1", "apple"),
        "seed 1": wheel(folder, "seed", "1"),
    }


def versions(file: str) -> dict[str, str]:
    return {name: pin.version for name, pin in pins(file).items()}


def test_pins_stay_get_hashes_and_stand_in_one_list_alone(project, hashes):
    assert lock.main() == 0
    assert versions("base.txt") == {"apple": "1", "seed": "1"}
    assert versions("more.txt") == {"berry": "1"}
    assert versions("samples.txt") == {"apple": "1", "cherry": "1", "seed": "1"}
    found = {f"{p.name} {p.version}": p.hashes for file in lock.LISTS for p in pins(file).values()}
    assert found == {name: (one,) for name, one in hashes.items() if name != "apple 2"}


def test_what_stands_above_the_packages_is_kept(project, hashes):
    lock.main()
    first = (project / "base.txt").read_text()
    assert first.startswith("# What apples need.\n--only-binary :all:\n\napple==1 \\\n")
    lock.main()
    assert (project / "base.txt").read_text() == first


def test_a_package_is_renewed_on_request(project, hashes, monkeypatch):
    monkeypatch.setattr("sys.argv", ["lock", "--upgrade-package", "apple"])
    lock.main()
    assert versions("base.txt")["apple"] == versions("samples.txt")["apple"] == "2"
    assert pins("base.txt")["apple"].hashes == (hashes["apple 2"],)


def test_a_package_that_an_included_list_has_on_fewer_machines_is_an_error(project):
    folder = project / "wheels"
    wheel(folder, "apple", "1", "seed ; sys_platform == 'win32'")
    wheel(folder, "berry", "1", "seed")
    wheel(folder, "cherry", "1")
    wheel(folder, "seed", "1")
    with pytest.raises(ValueError, match=r"more\.txt needs 'seed==1 "):
        lock.main()
