"""Options of a recipe: every field is one, documented, and lands where it belongs."""

import argparse
from pathlib import Path

import pytest

from ml.config import FeatureConfig, TrainConfig
from ml.models import MODELS
from ml.options import add_recipe, flag, given_options, option_fields, with_recipe

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()
FIELDS = [*option_fields(TrainConfig), *option_fields(FeatureConfig)]


def parse(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_recipe(parser)
    return parser.parse_args(given)


@pytest.mark.parametrize("name", MODELS)
def test_a_row_stays_as_it_is_without_options(name):
    assert with_recipe(MODELS[name], parse()) == MODELS[name]
    assert given_options(MODELS[name], MODELS[name]) == []


def test_options_change_recipe_and_features_and_can_be_worded_again():
    given = [
        "--epochs", "3", "--noise", "0.25", "--time-masks", "0", "--normalise", "none",
        "--trim-db", "35.0",
    ]  # fmt: skip
    row = with_recipe(MODELS["crnn"], parse(*given))
    assert (row.train.epochs, row.train.noise, row.train.time_masks) == (3, 0.25, 0)
    assert (row.features.normalise, row.features.trim_db) == ("none", 35.0)
    assert row.train.variants == MODELS["crnn"].train.variants
    again = with_recipe(MODELS["crnn"], parse(*given_options(row, MODELS["crnn"])))
    assert again == row


@pytest.mark.parametrize("one", FIELDS, ids=lambda one: one.name)
def test_every_option_is_documented(one):
    assert f"| `{flag(one.name)}` | {one.default} | {one.metadata['help']}" in README


@pytest.mark.parametrize("name", MODELS)
def test_every_network_is_documented(name):
    assert f"| `{name}` | " in README
