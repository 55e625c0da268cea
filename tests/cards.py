"""A bundle's card that has every key, with made-up numbers; and bundles made from such cards."""

import json
import shutil
from pathlib import Path

import ml

INTERVAL = [0.58, 0.7]


def measures(wa: float, labels: tuple[str, ...] = ("neutral", "happy", "sad", "angry")) -> dict:
    """Say what `evaluate` says of one corpus."""
    count = len(labels)
    right = [[8 if row == column else 1 for column in range(count)] + [0] for row in range(count)]
    return {
        "wa": wa,
        "ua": wa - 0.01,
        "macro_f1": wa - 0.02,
        "wa_interval": INTERVAL,
        "ua_interval": INTERVAL,
        "clips": 400,
        "speakers": 12,
        "unanswered": 0,
        "wa_of_eight": wa,
        "ece": 0.04,
        "brier": 0.512,
        "labels": list(labels),
        "confusion": right,
        "given_an_emotion": 0.9,
    }


def held_back(answered: float, right: float) -> dict:
    return {"answered": answered, "right": right, "aurc": 0.2, "points": [[0.5, 0.1], [1.0, 0.3]]}


def full_card() -> dict:
    """Make a card with every key that a page shows, on the base of the default model's."""
    card = ml.read_bundle(ml.DEFAULT_MODEL).card
    groups = {"female": group(0.7, 6), "male": group(0.61, 6)}
    return card | {
        "description": "Made up for a test.",
        "metrics": {"cremad": measures(0.64), "emodb": measures(0.8)},
        "left_out": {"ravdess": measures(0.52) | {"risk_coverage": held_back(0.8, 0.66)}},
        "risk_coverage": {"cremad": held_back(0.83, 0.76)},
        "calibration": {"temperature": 1.25, "threshold": 0.45},
        "speed": {"window_ms": 7.4, "processor": "A processor"},
        "robustness_clips": {"cremad": 150},
        "robustness": {
            "clean": {"cremad": 0.64},
            "mp3-32": {"cremad": 0.63},
            "noise-10": {"cremad": 0.55},
            "noise-5": {"cremad": 0.3},
        },
        "groups": {"cremad": {"sex": groups}},
        "gaps": {
            "cremad": {
                "sex": {"best": "female", "worst": "male", "gap": 0.09, "interval": [-0.02, 0.2]}
            }
        },
        "votes": {
            "cremad": {
                "clips": 390,
                "model_favourite": 0.55,
                "listener_favourite": 0.62,
                "model_acted": 0.64,
                "listener_acted": 0.41,
            }
        },
        "intensity": {"cremad": {"rho": 0.47, "interval": [0.3, 0.6], "clips": 80, "speakers": 12}},
        "nonspeech": {"music": 0.0, "clean speech taken for none": 0.013},
        "provenance": {
            "git_commit": "abcdef1",
            "command": "python -m ml train --model cnn-gru --seed 3 --output runs/a",
            "seed": 3,
            "data": {"cremad": "0" * 64},
            "packages": {"keras": "3.15.1"},
        },
    }


def group(wa: float, speakers: int) -> dict:
    return {"wa": wa, "ua": wa, "clips": 200, "speakers": speakers}


def copy_bundle(folder: Path, name: str, **changes: object) -> None:
    """Copy the default bundle under another name, with another card."""
    source = ml.read_bundle(ml.DEFAULT_MODEL)
    target = folder / name
    target.mkdir(parents=True)
    shutil.copy(source.path / "model.tflite", target)
    card = source.card | {"name": name} | changes
    (target / "bundle.json").write_text(json.dumps(card))
