"""The bill of materials: valid CycloneDX, complete, and true of the models' files."""

import json
import re
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from dependencies import sbom
from dependencies.lists import pins

ROOT = Path(__file__).resolve().parent.parent
ELSEWHERE = {"colorama"}
"""Packages of the lists that Linux does not need."""


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("sbom") / "sbom.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["sbom", "--output", str(path)])
        assert sbom.main() == 0
    return path.read_text()


@pytest.fixture(scope="module")
def bill(text) -> dict:
    return json.loads(text)


def of_kind(bill: dict, kind: str) -> dict[str, dict]:
    return {one["name"]: one for one in bill["components"] if one["type"] == kind}


def test_it_is_cyclonedx(text, bill):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    broken = text.replace('"machine-learning-model"', '"machine"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(broken) is not None


def test_every_package_that_is_deployed_is_in_it_with_version_and_licence(bill):
    deployed = {**pins("requirements.txt"), **pins("requirements-azure.txt")}
    found = of_kind(bill, "library")
    assert set(found) == set(deployed) - ELSEWHERE
    for name, one in found.items():
        assert one["version"] == deployed[name].version
        assert one["purl"] == f"pkg:pypi/{name}@{one['version']}"
        assert one["licenses"][0]["expression"]


def test_every_model_is_in_it_with_the_hash_that_its_bundle_tells(bill):
    bundles = [json.loads(path.read_text()) for path in ROOT.glob("ml/bundles/*/bundle.json")]
    found = of_kind(bill, "machine-learning-model")
    assert set(found) == {bundle["name"] for bundle in bundles}
    for bundle in bundles:
        one = found[bundle["name"]]
        assert one["version"] == bundle["version"]
        assert one["hashes"] == [{"alg": "SHA-256", "content": bundle["sha256"]}]
        assert one["licenses"][0]["license"]["name"] == bundle["licence"]


def test_what_wheels_hold_besides_stands_in_their_packages(bill):
    (ffmpeg,) = of_kind(bill, "library")["imageio-ffmpeg"]["components"]
    assert (ffmpeg["name"], ffmpeg["type"]) == ("FFmpeg", "application")
    assert ffmpeg["licenses"][0]["expression"] == "GPL-3.0-or-later"


def test_all_of_it_is_there_because_the_project_or_a_package_needs_it(bill):
    needs = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
    reached, ahead = set(), [bill["metadata"]["component"]["bom-ref"]]
    while ahead:
        ref = ahead.pop()
        if ref not in reached:
            reached.add(ref)
            ahead += needs[ref]
    assert reached == {one["bom-ref"] for one in bill["components"]} | {"undertone"}


def test_it_is_of_the_python_that_is_deployed():
    version = sbom.TARGET["python_version"]
    assert f"'PYTHON|{version}'" in (ROOT / "infra" / "main.bicep").read_text()
    assert set(re.findall(r"^FROM python:([\d.]+)-", (ROOT / "Dockerfile").read_text(), re.M)) == {
        version
    }
