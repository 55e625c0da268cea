"""Options of the command line that are fields of dataclasses: a network's recipe and features."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import Field, fields, replace

from ml.config import FeatureConfig, TrainConfig
from ml.models import Architecture

PARTS: dict[str, type] = {"train": TrainConfig, "features": FeatureConfig}
"""Attributes of an `Architecture` whose fields are options, where they say so."""


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Give `parser` an option for every field that is one; none is set unless it is given."""
    group = parser.add_argument_group("recipe", "The network's own choice counts unless given.")
    for part in PARTS.values():
        for one in option_fields(part):
            choices = one.metadata["choices"]
            group.add_argument(
                flag(one.name),
                type=str if choices else _number(one),
                choices=choices,
                metavar=None if choices else "N",
                help=f"{one.metadata['help']} (mostly {one.default})",
            )


def with_recipe(architecture: Architecture, args: argparse.Namespace) -> Architecture:
    """Change what the given options say."""
    for attribute, part in PARTS.items():
        given = {
            one.name: getattr(args, one.name)
            for one in option_fields(part)
            if getattr(args, one.name) is not None
        }
        changed = replace(getattr(architecture, attribute), **given)
        architecture = replace(architecture, **{attribute: changed})
    return architecture


def given_options(architecture: Architecture, usual: Architecture) -> list[str]:
    """Word the options that turn one row into another."""
    words = []
    for attribute, part in PARTS.items():
        for one in option_fields(part):
            value = getattr(getattr(architecture, attribute), one.name)
            if value != getattr(getattr(usual, attribute), one.name):
                words += [flag(one.name), str(value)]
    return words


def option_fields(part: type) -> list[Field]:
    """List the fields that are options."""
    return [one for one in fields(part) if "help" in one.metadata]


def flag(name: str) -> str:
    """Spell a field's name as an option."""
    return f"--{name.replace('_', '-')}"


def _number(one: Field) -> Callable[[str], float]:
    """Make a reader of numbers like the field's default, no smaller than its least."""
    whole, least = isinstance(one.default, int), one.metadata["least"]
    kind = "a whole number" if whole else "a number"

    def read(text: str) -> float:
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = math.nan
        if not least <= value < math.inf:
            raise argparse.ArgumentTypeError(f"wanted {kind} of at least {least}, got '{text}'")
        return value

    return read
