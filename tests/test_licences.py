"""Licences of what is deployed: each known, each accepted, each read rightly, and listed."""

import importlib.metadata
from email.message import Message
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from dependencies import licences
from dependencies.licences import DEPLOYED, KNOWN, SPDX, Licensed
from dependencies.lists import pins

PAGE = Path(__file__).resolve().parent.parent / "docs" / "licences.md"
PACKAGES, PARTS = licences.packages(), licences.parts()


@pytest.mark.parametrize("one", [*PACKAGES, *PARTS], ids=lambda one: f"{one.package} {one.name}")
def test_the_licence_is_known_and_accepted(one):
    assert one.fits, f"{one.name}: '{one.licence}' is not accepted in dependencies/licences.toml"
    assert one.home.startswith("http"), one.name


def test_every_package_that_is_deployed_is_among_them():
    assert [one.name for one in PACKAGES] == sorted(
        {name for file in DEPLOYED for name in pins(file)}
    )


def test_the_page_is_what_the_command_writes():
    tables = {"packages": licences.package_table(PACKAGES), "parts": licences.part_table(PARTS)}
    text = PAGE.read_text()
    assert all(table in text for table in tables.values())
    assert licences.filled(text, tables) == text, "make licences"
    assert licences.filled(text, dict.fromkeys(tables, "")) != text


@pytest.mark.parametrize(
    ("licence", "fits"),
    [
        ("MIT", True),
        ("MIT AND MPL-2.0", True),
        ("GPL-2.0-only OR MIT", True),
        ("Apache-2.0 WITH LLVM-exception AND (BSD-3-Clause OR GPL-3.0-only)", True),
        ("GPL-3.0-or-later", False),
        ("MIT AND AGPL-3.0-only", False),
        ("GPL-2.0-only OR AGPL-3.0-only", False),
        ("BSD License", False),
        ("MIT AND", False),
        ("", False),
    ],
)
def test_all_of_and_must_be_accepted_and_one_of_or(licence, fits):
    assert Licensed("any", "1", licence, "").fits is fits


def test_the_gpl_is_for_programs_alone():
    assert Licensed("any", "1", "GPL-3.0-or-later", "", program=True).fits
    assert [one.name for one in PARTS if one.program] == ["FFmpeg"]
    assert not any(one.program for one in PACKAGES)


def metadata(**fields: str | tuple[str, ...]) -> Message:
    message = Message()
    for name, values in fields.items():
        for value in (values,) if isinstance(values, str) else values:
            message[name.replace("_", "-")] = value
    return message


@pytest.mark.parametrize(
    ("said", "licence"),
    [
        (
            metadata(License_Expression="MIT OR Apache-2.0", License="BSD-3-Clause"),
            "MIT OR Apache-2.0",
        ),
        (metadata(License="ISC", Classifier="License :: OSI Approved :: BSD License"), "ISC"),
        (
            metadata(License="MIT License", Classifier="License :: OSI Approved :: MIT License"),
            "MIT",
        ),
        (metadata(Classifier="License :: OSI Approved :: BSD License"), ""),
        (metadata(License="Copyright 2010 WTForms", Classifier="Framework :: Flask"), ""),
        (
            metadata(
                Classifier=(
                    "License :: OSI Approved :: MIT License",
                    "License :: OSI Approved :: Apache Software License",
                )
            ),
            "",
        ),
    ],
)
def test_a_licence_is_read_only_where_it_is_clear(said, licence):
    assert licences.licence(said) == licence


def test_a_package_that_says_nothing_is_refused(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "metadata", lambda _name: metadata(Name="flask"))
    one = licences.package(pins("requirements.txt")["flask"])
    assert one == Licensed("flask", one.version, "", "") and not one.fits


BY_HAND = {name: one["licence"] for name, one in KNOWN["read"].items()}
INSTALLED = {canonicalize_name(one.name) for one in importlib.metadata.distributions()}


def test_what_was_read_by_hand_is_deployed():
    assert set(BY_HAND) <= {one.name for one in PACKAGES}


@pytest.mark.parametrize("name", sorted(set(BY_HAND) & INSTALLED))
def test_what_was_read_by_hand_is_what_the_licence_file_says(name):
    files = importlib.metadata.files(name)
    named = [file for file in files if file.name.upper().startswith(("LICENSE", "LICENCE"))]
    text = " ".join(
        " ".join(file.read_text().split()) for file in named if "third" not in file.name
    )
    words = {
        "BSD-2-Clause": ("Redistributions in binary form",),
        "BSD-3-Clause": ("Redistributions in binary form", "without specific prior"),
        "PSF-2.0": ("PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2",),
    }[BY_HAND[name]]
    lines = [word.lower() in text.lower() for word in words]
    assert all(lines)
    assert ("specific prior" in text) == (BY_HAND[name] == "BSD-3-Clause")


def test_what_is_accepted_is_spdx_has_a_reason_and_is_needed():
    accepted = KNOWN["accepted"] | KNOWN["accepted-programs"]
    used = " ".join(one.licence for one in (*PACKAGES, *PARTS))
    for name, reason in accepted.items():
        assert not SPDX.validate(name).errors and reason
        assert name in used, f"nothing has {name}"
