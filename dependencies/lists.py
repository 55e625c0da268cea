"""The lists of packages: which there are, what each is for, and what one says."""

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
HASH = " --hash="


@dataclass(frozen=True)
class PackageList:
    """A requirements file: what of pyproject.toml it adds to the lists that it includes."""

    file: str
    asked: tuple[str, ...]
    """Options for uv that name extras and groups of pyproject.toml."""
    includes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pin:
    """One package of a list, at its exact version."""

    name: str
    version: str
    marker: Marker | None
    hashes: tuple[str, ...]

    @property
    def applies(self) -> bool:
        """Say whether this Python on this machine installs it."""
        return self.marker is None or self.marker.evaluate()


SERVING = PackageList("requirements.txt", ("--extra=site",))
AZURE = PackageList("requirements-azure.txt", ("--extra=azure",), (SERVING.file,))
TRAINING = PackageList("requirements-train.txt", ("--extra=train",), (SERVING.file,))
ARCHIVES = PackageList("requirements-batch.txt", ("--extra=batch",), (SERVING.file,))
TESTING = PackageList(
    "requirements-dev.txt", ("--extra=dev",), (TRAINING.file, ARCHIVES.file, AZURE.file)
)
SAMPLES = PackageList("samples/requirements.txt", ("--group=samples",))
LISTS = {one.file: one for one in (SERVING, AZURE, TRAINING, ARCHIVES, TESTING, SAMPLES)}
"""By file, each after those that it includes."""


def included(one: PackageList) -> list[PackageList]:
    """Name the lists that a list includes, also by way of another, each once."""
    found: dict[str, PackageList] = {}
    for file in one.includes:
        found |= {other.file: other for other in (*included(LISTS[file]), LISTS[file])}
    return list(found.values())


def pins(file: str) -> dict[str, Pin]:
    """Read name -> pin of one list, without the lists that it includes.

    Raises
    ------
    ValueError
        For a line that is no exact pin, or a package that stands twice.
    """
    lines = (ROOT / file).read_text().replace("\\\n", "").splitlines()
    found: dict[str, Pin] = {}
    for line in lines:
        if line.strip() and not line.lstrip().startswith(("#", "-")):
            pin = read_pin(line)
            if pin.name in found:
                raise ValueError(f"{file}: {pin.name} stands twice")
            found[pin.name] = pin
    return found


def read_pin(line: str) -> Pin:
    """Read one line: ``name==version ; marker --hash=sha256:...``; raises as `pins` does."""
    text, *hashes = line.split(HASH)
    requirement = Requirement(text.strip())
    exact = re.fullmatch(r"==([\w.+!]+)", str(requirement.specifier))
    if not exact:
        raise ValueError(f"'{text.strip()}' is not an exact pin")
    return Pin(
        canonicalize_name(requirement.name),
        exact[1],
        requirement.marker,
        tuple(one.strip() for one in hashes),
    )
