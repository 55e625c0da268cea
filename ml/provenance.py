"""Where a trained network comes from: corpora, recipe, command, code and packages."""

from __future__ import annotations

import hashlib
import platform
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ml.bundle import Bundle
from ml.calibration import Calibration
from ml.corpora import CORPORA, checksum
from ml.dataset import Split
from ml.models import MODELS, Architecture
from ml.options import given_options

PACKAGES = ("keras", "tensorflow", "librosa", "numpy", "scipy", "soundfile", "soxr")


def describe(
    architecture: Architecture,
    split: Split,
    history: list[dict[str, Any]],
    encoder: Path | None = None,
    start: Bundle | None = None,
) -> dict[str, Any]:
    """Make all of a bundle's card that is known before the network is exported."""
    clips = split.train + split.validation
    corpora = [CORPORA[name] for name in dict.fromkeys(clip.corpus for clip in clips)]
    licences = sorted({corpus.licence for corpus in corpora})
    return {
        "name": architecture.name,
        "title": architecture.title,
        "description": architecture.description,
        "version": f"{datetime.now(UTC):%Y.%m.%d}",
        "created": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "labels": list(architecture.labels),
        "rule": architecture.rule,
        "licence": strictest(licences),
        "corpora": [
            {
                "name": corpus.name,
                "title": corpus.title,
                "citation": corpus.citation,
                "licence": corpus.licence,
                "url": corpus.url,
                "language": corpus.language,
                "labels": list(corpus.labels),
                "clips": sum(clip.corpus == corpus.name for clip in split.train),
                "speakers": len({c.speaker for c in split.train if c.corpus == corpus.name}),
            }
            for corpus in corpora
        ],
        "training": {
            **asdict(architecture.train),
            "split": "speaker" if split.by_speaker else "random",
            "speakers": sorted({clip.speaker for clip in split.train}),
            "validation_speakers": sorted({clip.speaker for clip in split.validation}),
            "history": history,
        },
        "provenance": trace(architecture, split, encoder, start),
        "metrics": {},
        "features": asdict(architecture.features),
        "windows": asdict(architecture.windows),
        "encoder": asdict(architecture.encoder) if architecture.encoder else None,
        "calibration": asdict(Calibration()),
    }


def trace(
    architecture: Architecture,
    split: Split,
    encoder: Path | None = None,
    start: Bundle | None = None,
) -> dict[str, Any]:
    """Say what is needed to train the same network again."""
    clips = split.train + split.validation
    names = list(dict.fromkeys(clip.corpus for clip in clips))
    return {
        "git_commit": git_commit(),
        "command": command(architecture, names, encoder is not None, start is not None)
        + ("" if split.by_speaker else " --split random"),
        "seed": architecture.train.seed,
        "data": {name: checksum(clip for clip in clips if clip.corpus == name) for name in names},
        "encoder_sha256": hashlib.sha256(encoder.read_bytes()).hexdigest() if encoder else None,
        "start": {"version": start.version, "sha256": start.sha256} if start else None,
        "packages": {
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
    }


def command(
    architecture: Architecture, corpora: list[str], encoder: bool = False, start: bool = False
) -> str:
    """Word the call that trains it, with every option that is not the network's own choice."""
    words = ["python", "-m", "ml", "train", "--model", architecture.name]
    for name in corpora:
        words += ["--corpus", f"{name}=PATH"]
    if encoder:
        words += ["--encoder", "FILE"]
    if start:
        words += ["--start", "MODEL"]
    return shlex.join(words + given_options(architecture, MODELS[architecture.name]))


def same_recipe(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two cards are of one network, trained alike on one set of corpora.

    Who was on which side may differ, and so may what only one of them knows as a choice.
    """
    sides = ("split", "speakers", "validation_speakers", "history")
    options = (one["training"].keys() & other["training"].keys()).difference(sides)
    corpora, others = (sorted(row["name"] for row in card["corpora"]) for card in (one, other))
    return (
        corpora == others
        and all(one["training"][key] == other["training"][key] for key in options)
        and all(
            one.get(key) == other.get(key)
            for key in ("name", "labels", "features", "windows", "encoder")
        )
    )


def git_commit() -> str | None:
    """Name the commit that the code is at, with ``+`` where files differ; None outside git."""
    folder = Path(__file__).parent
    try:
        commit, changes = (
            subprocess.run(  # noqa: S603 words of its own
                ["git", "-C", str(folder), *arguments],  # noqa: S607 git as the user has it
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            for arguments in (("rev-parse", "HEAD"), ("status", "--porcelain", "--", str(folder)))
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + "+" * bool(changes)


def strictest(licences: list[str]) -> str:
    """Name the licence that binds the weights: a non-commercial one before all others."""
    binding = [licence for licence in licences if "-NC-" in licence] or licences
    return f"{', '.join(binding)} (learnt from corpora under {', '.join(licences)})"
