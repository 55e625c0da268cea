"""Which licences stand in what is deployed: of packages, and of what their wheels hold besides.

python -m dependencies.licences [--write docs/licences.md]

Ends with 1 where a licence is not known, or not accepted in licences.toml.
"""

import argparse
import importlib.metadata
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from license_expression import ExpressionError, LicenseExpression, get_spdx_licensing

from dependencies.lists import AZURE, SERVING, Pin, pins

DEPLOYED = (SERVING.file, AZURE.file)
KNOWN: dict[str, Any] = tomllib.loads(Path(__file__).with_name("licences.toml").read_text())
SPDX = get_spdx_licensing()
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}
"""Classifiers that mean one licence; "BSD License" is any of three."""
HOMES = ("homepage", "home", "repository", "source", "documentation", "changelog", "bug tracker")
"""Names of a package's links, the one that is best to follow first."""
START, END = "<!-- make licences: {} -->\n", "<!-- so far -->\n"


@dataclass(frozen=True)
class Licensed:
    """A package, or a part of one, with what it may be used under."""

    name: str
    version: str
    licence: str
    """As an SPDX expression; empty where nothing says."""
    home: str
    package: str = ""
    """Whose wheel it is in, for a part."""
    program: bool = False
    """A program of its own, which the code starts and is not linked with."""

    @property
    def fits(self) -> bool:
        """Say whether licences.toml accepts it."""
        accepted = KNOWN["accepted"] | (KNOWN["accepted-programs"] if self.program else {})
        try:
            return bool(self.licence) and _fits(SPDX.parse(self.licence, validate=True), accepted)
        except ExpressionError:
            return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", type=Path, help="put the tables into this file")
    args = parser.parse_args()
    tables = {"packages": package_table(packages()), "parts": part_table(parts())}
    if args.write:
        args.write.write_text(filled(args.write.read_text(), tables))
    else:
        print("\n".join(tables.values()))
    refused = [one for one in (*packages(), *parts()) if not one.fits]
    for one in refused:
        print(f"{one.name} {one.version}: {one.licence or 'no licence that can be read'}: refused")
    print(f"{len(packages())} packages and {len(parts())} parts; {len(refused)} refused")
    return int(bool(refused))


def packages() -> list[Licensed]:
    """Give all packages that any machine would be deployed with, by name."""
    found = {name: pin for file in DEPLOYED for name, pin in pins(file).items()}
    return [package(pin) for _name, pin in sorted(found.items())]


def package(pin: Pin) -> Licensed:
    """Give what is known of one package: what was read by hand, or else what it says itself."""
    read = KNOWN["read"].get(pin.name, {})
    try:
        said = importlib.metadata.metadata(pin.name)
    except importlib.metadata.PackageNotFoundError:
        return Licensed(pin.name, pin.version, read.get("licence", ""), read.get("home", ""))
    return Licensed(
        pin.name,
        pin.version,
        read.get("licence") or licence(said),
        read.get("home") or home(said),
    )


def parts() -> list[Licensed]:
    """Give what wheels hold besides their own code."""
    versions = {name: pin.version for file in DEPLOYED for name, pin in pins(file).items()}
    return [Licensed(version=versions[one["package"]], **one) for one in KNOWN["inside"]]


def licence(said: importlib.metadata.PackageMetadata) -> str:
    """Read a licence out of a package's metadata, as SPDX; empty where it is not clear."""
    for given in (said.get("License-Expression"), said.get("License")):
        if given and not SPDX.validate(given).errors:
            return given
    classifiers = [one.split(" :: ")[-1] for one in said.get_all("Classifier") or ()]
    named = [CLASSIFIERS[one] for one in classifiers if one in CLASSIFIERS]
    return named[0] if len(named) == 1 else ""


def home(said: importlib.metadata.PackageMetadata) -> str:
    """Choose the one of a package's links that says most about it."""
    links = dict(link.split(", ", 1) for link in said.get_all("Project-URL") or ())
    links = {label.lower(): address for label, address in links.items()}
    links = {"homepage": said.get("Home-page") or "", **links}
    return next((links[label] for label in HOMES if links.get(label)), "")


def _fits(expression: LicenseExpression, accepted: Iterable[str]) -> bool:
    """All of what is joined by AND, one of what is joined by OR."""
    if isinstance(expression, SPDX.AND | SPDX.OR):
        join = all if isinstance(expression, SPDX.AND) else any
        return join(_fits(one, accepted) for one in expression.args)
    return str(expression) in accepted


def package_table(rows: list[Licensed]) -> str:
    head = ["| package | version | licence |", "|---|---|---|"]
    body = [f"| [{one.name}]({one.home}) | {one.version} | {one.licence} |" for one in rows]
    return "\n".join([*head, *body, ""])


def part_table(rows: list[Licensed]) -> str:
    head = ["| in | what | licence |", "|---|---|---|"]
    body = [f"| {one.package} | [{one.name}]({one.home}) | {one.licence} |" for one in rows]
    return "\n".join([*head, *body, ""])


def filled(text: str, tables: dict[str, str]) -> str:
    """Put tables between their marks."""
    for name, table in tables.items():
        before, _mark, rest = text.partition(START.format(name))
        text = before + START.format(name) + table + END + rest.partition(END)[2]
    return text


if __name__ == "__main__":
    sys.exit(main())
