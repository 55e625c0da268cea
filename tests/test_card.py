"""The model card and the table of models: what the committed bundles generate, and nothing else."""

import json
from pathlib import Path

import pytest

from ml.bundle import Bundle, bundle_names, read_bundle
from ml.calibration import Calibration
from ml.card import model_card, models_document, models_table
from ml.card_sections import SECTIONS
from ml.config import FeatureConfig, WindowConfig
from ml.labels import LABELS

ROOT = Path(__file__).resolve().parent.parent

CLIPS = {"clips": 90, "speakers": 3, "labels": ["sad", "happy"]}
RATES = {"wa": 0.731, "ua": 0.7, "macro_f1": 0.69, "ece": 0.031, "brier": 0.4}
INTERVALS = {"wa_interval": [0.66, 0.79], "ua_interval": [0.6, 0.78]}
MEASURED = CLIPS | RATES | INTERVALS

FULL = {
    "metrics": {
        "cremad": MEASURED | {"per_class": {"sad": {"recall": 0.842, "clips": 40}}},
    },
    "left_out": {
        "emodb": MEASURED
        | {"wa": 0.58, "ece": 0.09, "trained_on": ["cremad"]}
        | {"risk_coverage": {"answered": 0.7, "right": 0.6, "aurc": 0.3, "points": []}}
    },
    "risk_coverage": {
        "cremad": {"answered": 0.9, "right": 0.8, "aurc": 0.2, "points": []},
        "ravdess": {"answered": 0.7, "right": 0.69, "aurc": 0.2, "points": []},
    },
    "overall": {"ece": 0.0249, "ece_by_chance": 0.019, "clips": 2390},
    "calibrated_on": {"validation": ["cremad"], "left_out": ["ravdess"]},
    "robustness_clips": {"cremad": 976},
    "robustness": {
        "clean": {"cremad": 0.731},
        "mp3": {"cremad": 0.72},
        "noise-10": {"cremad": 0.611},
        "noise-5": {"cremad": 0.3},
    },
    "groups": {
        "cremad": {
            "sex": {
                "female": {"wa": 0.75, "ua": 0.74, "clips": 50, "speakers": 2},
                "male": {"wa": 0.7, "ua": 0.69, "clips": 40, "speakers": 2},
            }
        }
    },
    "gaps": {
        "cremad": {
            "sex": {"best": "female", "worst": "male", "gap": 0.05, "interval": [-0.02, 0.11]}
        }
    },
    "votes": {
        "cremad": {
            "clips": 90,
            "model_favourite": 0.61,
            "listener_favourite": 0.62,
            "acted_favourite": 0.63,
            "listener_acted": 0.41,
            "model_acted": 0.731,
            "correlation": 0.55,
            "divergence": 0.21,
            "divergence_of_even": 0.4,
        }
    },
    "intensity": {
        "ravdess": {"rho": 0.456, "interval": [0.4, 0.5], "clips": 88, "speakers": 3},
    },
    "nonspeech": {"silence": 0.0, "music": 0.0125},
    "speed": {"window_ms": 4.56, "processor": "a processor"},
    "provenance": {
        "git_commit": "abc123",
        "command": "python -m ml train --model net",
        "seed": 7,
        "data": {"cremad": "f00d"},
        "packages": {"keras": "3.0"},
    },
}


def bundle(name: str = "net", **card) -> Bundle:
    described = {
        "name": name,
        "title": "A network",
        "version": "1",
        "labels": list(LABELS),
        "licence": "CC BY 4.0",
        "parameters": 12_345,
        "size_bytes": 1_234_567,
        "corpora": [
            {
                "name": "cremad",
                "title": "CREMA-D",
                "citation": "Cao 2014.",
                "licence": "ODbL 1.0",
                "language": "English",
                "clips": 100,
                "speakers": 4,
            }
        ],
        "metrics": {},
        "calibration": {"temperature": 1.2, "threshold": 0.4},
    } | card
    return Bundle(
        path=Path(),
        name=name,
        version="1",
        labels=LABELS,
        sha256="0",
        features=FeatureConfig(),
        windows=WindowConfig(),
        calibration=Calibration(1.2, 0.4),
        rule="mean",
        card=described,
    )


def section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize(
    ("path", "write"), [("MODEL_CARD.md", model_card), ("docs/models.md", models_document)]
)
def test_the_committed_documents_are_what_the_committed_bundles_say(path, write):
    generated = write([read_bundle(name) for name in bundle_names()])
    assert (ROOT / path).read_text() == generated, "run: python -m ml evaluate --all --output ."


def test_a_bundle_that_says_nothing_is_described_all_the_same():
    text = model_card([bundle(), bundle("other")])
    for title, _section in SECTIONS:
        assert section(text, title).strip()
    assert section(text, "Beside people who listened").strip() == "Not measured."
    assert "| `other` | not measured |" in text
    assert "not measured" in models_document([bundle()])


@pytest.mark.parametrize("key", FULL)
def test_each_thing_that_was_not_measured_may_be_missing(key):
    assert model_card([bundle(**{name: FULL[name] for name in FULL if name != key})])


def test_the_numbers_of_the_card_are_the_bundle_s():
    text = model_card([bundle(**FULL)])
    assert "| CREMA-D | 2 | 90 / 3 | 73.1 % (66 to 79) | 70.0 % (60 to 78) | 69.0 % |" in text
    assert "| sad | 84.2 % |" in text and "| calm | - |" in text
    assert "| EmoDB | 2 | 90 / 3 | 58.0 % (66 to 79) |" in section(
        text, "On a corpus that it never heard"
    )
    assert "female over male by 5.0 points of WA (95 % interval -2.0 to 11.0); it may be" in text
    assert "the model names in 61.0 % of the clips, a single listener in 62.0 %." in text
    assert "| RAVDESS | 0.46 (0.40 to 0.50) | 88 |" in text
    assert "4.6 ms" in text and "abc123" in text and "f00d" in text and "seed 7" in text
    assert "| music | 1.2 % |" in text
    assert (
        "2390 clips of new speakers together, the ECE is 2.5 %; chance alone would make 1.9 %."
        in text
    )
    assert "and of RAVDESS as models without that corpus heard it" in text


def test_abstention_is_said_in_hundreds():
    text = section(model_card([bundle(**FULL)]), "When it does not answer")
    assert "less than 40.0 %" in text
    # Answered: (0.9 + 0.7) / 2; right of all: (0.9 * 0.8 + 0.7 * 0.69) / 2 = 0.6015.
    assert "new speakers it answers 80, and 60 of these 80 are right." in text
    assert "training did not have it answers 70, and 42 of these 70 are right." in text


def test_other_models_are_told_by_what_sets_them_apart():
    text = model_card([bundle(**FULL), bundle("other", **FULL | {"labels": ["sad", "happy"]})])
    other = section(text, "The other models").split("### `other`")[1]
    assert "Emotions: sad, happy. Learned from CREMA-D." in other
    assert "by 5.0 points of WA" in other and "12.0 points under" in other and "abc123" in other
    assert "Emotions: the same." in model_card([bundle(), bundle("other")])


def test_the_worst_condition_is_named():
    text = section(model_card([bundle(**FULL)]), "Through codecs, rooms and noise")
    assert "CREMA-D, 12.0 points under the clean clips" in text
    assert "test speakers (976 of CREMA-D), spread" in text


def test_the_table_has_a_row_for_each_model_and_corpus():
    table = models_table([bundle(**FULL).card, bundle("other").card])
    assert table[2] == (
        "| `net` | CREMA-D | 2 | 70.0 % (60 to 78) | 73.1 % (66 to 79) | 69.0 % | 3.1 % "
        "| 12,345 | 4.6 | 1.2 |"
    )
    assert table[3].startswith("| `net` | EmoDB, never heard | 2 | 70.0 % (60 to 78) | 58.0 % (66")
    assert len(table) == 5
    assert json.dumps(FULL)


def test_what_a_random_split_claims_stands_beside_what_new_voices_say():
    claimed = {"cremad": {"wa": 0.9, "clips": 90}}
    one = bundle(**FULL, random_split={"seed": 1, "metrics": claimed})
    text = section(
        models_document([one, bundle("other")]), "What a random split would have claimed"
    )
    assert "| `net` | CREMA-D | 90 | 73.1 % (66 to 79) | 90.0 % | +16.9 |" in text
    assert "random split" not in models_document([bundle(**FULL)])
