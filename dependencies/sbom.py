"""What is deployed, as a software bill of materials: CycloneDX 1.6, JSON.

python -m dependencies.sbom [--output sbom.json]

Packages with versions, licences and what needs what; what their wheels hold besides; the trained
models, each with the hash of its file, which is computed. For Python 3.13 on Linux, as deployed.
"""

import argparse
import hashlib
import importlib.metadata
import json
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dependencies import licences
from dependencies.lists import ROOT, pins

TARGET = {
    **{"python_version": "3.13", "python_full_version": "3.13.0", "sys_platform": "linux"},
    **{"platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64", "extra": ""},
    **{"implementation_name": "cpython", "platform_python_implementation": "CPython"},
}
"""What conditions of packages are judged by."""
EXTRAS = ("site", "azure")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("sbom.json"))
    args = parser.parse_args()
    bom = bill()
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error:
        sys.exit(f"That is no CycloneDX: {str(error)[:200]}")
    args.output.write_text(text)
    print(f"{args.output} names {len(bom.components)} components")
    return 0


def bill() -> Bom:
    """Put together what is deployed, and what needs what."""
    packages, models = packages_deployed(), models_deployed()
    bom = Bom(components=(*packages.values(), *models))
    bom.metadata.component = root = application()
    bom.register_dependency(root, [*(packages[name] for name in asked_for()), *models])
    for name, component in packages.items():
        bom.register_dependency(component, [packages[one] for one in needed_by(name, packages)])
    return bom


def application() -> Component:
    """Give the project itself."""
    project = project_table()
    return Component(
        type=ComponentType.APPLICATION,
        name=project["name"],
        version=project["version"],
        description=project["description"],
        licenses=[LicenseExpression(project["license"])],
        bom_ref=project["name"],
    )


def packages_deployed() -> dict[str, Component]:
    """Give name -> package, of those that the target installs."""
    deployed = {name: pin for file in licences.DEPLOYED for name, pin in pins(file).items()}
    found = {}
    for one in licences.packages():
        marker = deployed[one.name].marker
        if marker is None or marker.evaluate(TARGET):
            purl = PackageURL("pypi", name=one.name, version=one.version)
            found[one.name] = component(one, purl=purl, components=parts_of(one.name))
    return found


def parts_of(package: str) -> list[Component]:
    """Give what a package's wheel holds besides its own code."""
    return [
        component(one, ref=f"{package}/{one.name}", versioned=False)
        for one in licences.parts()
        if one.package == package
    ]


def component(
    one: licences.Licensed,
    *,
    purl: PackageURL | None = None,
    ref: str = "",
    versioned: bool = True,
    components: Iterable[Component] = (),
) -> Component:
    return Component(
        type=ComponentType.APPLICATION if one.program else ComponentType.LIBRARY,
        name=one.name,
        version=one.version if versioned else None,
        licenses=[LicenseExpression(one.licence)],
        purl=purl,
        bom_ref=ref or str(purl),
        components=components,
        external_references=[
            ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(one.home))
        ],
    )


def models_deployed() -> list[Component]:
    """Give the trained models, each with the hash of the file that answers."""
    return [model(path) for path in sorted((ROOT / "ml" / "bundles").glob("*/bundle.json"))]


def model(path: Path) -> Component:
    bundle = json.loads(path.read_text())
    content = path.with_name("model.tflite").read_bytes()
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=bundle["name"],
        version=bundle["version"],
        description=bundle["description"],
        licenses=[DisjunctiveLicense(name=bundle["licence"])],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(content).hexdigest())],
        bom_ref=f"model/{bundle['name']}",
    )


def asked_for() -> list[str]:
    """Name the packages that the project itself imports or runs."""
    project = project_table()
    extras = (row for extra in EXTRAS for row in project["optional-dependencies"][extra])
    return applying([*project["dependencies"], *extras])


def needed_by(name: str, among: Iterable[str]) -> list[str]:
    """Name what a package needs of the others, as it says, or as was read where it is not here."""
    try:
        rows = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        rows = licences.KNOWN["read"][name].get("requires", [])
    return sorted(set(applying(rows)) & set(among))


def applying(rows: Iterable[str]) -> list[str]:
    """Name the packages of requirements whose condition holds on the target."""
    found = map(Requirement, rows)
    return [
        canonicalize_name(one.name)
        for one in found
        if one.marker is None or one.marker.evaluate(TARGET)
    ]


def project_table() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


if __name__ == "__main__":
    sys.exit(main())
