"""A model card as the Hugging Face Hub has it: a bundle's card with YAML in front."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml.bundle import Bundle
from ml.card_sections import SECTIONS
from ml.licences import hub_licence
from ml.markdown import Card, Lines, corpus_title, percent, table

_LANGUAGES = {"English": "en", "German": "de", "Italian": "it", "Polish": "pl"}
_DATASETS = "https://huggingface.co/datasets/"
_MEASURES = {"wa": ("accuracy", "WA"), "ua": ("recall", "UA"), "macro_f1": ("f1", "macro-F1")}
_TAGS = {
    "litert-float32": ("litert", "tflite"),
    "litert-int8": ("litert", "tflite"),
    "onnx": ("onnx",),
}


def as_hub_card(
    bundle: Bundle, forms: Mapping[str, Bundle], differences: Mapping[str, Any] | None = None
) -> str:
    """Write the ``README.md`` of a folder with a bundle's network in several forms.

    Parameters
    ----------
    bundle : Bundle
        Where the forms come from.
    forms : dict of str to Bundle
        Each in the folder of its name.
    differences : dict, optional
        From ``ml.differences.measure_differences``.
    """
    import yaml

    card = bundle.card
    front = yaml.safe_dump(front_matter(card, tuple(forms)), sort_keys=False, allow_unicode=True)
    lines = ["---", front.rstrip(), "---", "", f"# {card['title']}", "", *_usage(bundle, forms)]
    lines += ["", "## Forms", "", *_forms(bundle, forms), "", *difference_lines(differences)]
    for title, section in SECTIONS:
        lines += ["", f"## {title}", "", *section(card)]
    return "\n".join(lines) + "\n"


def front_matter(card: Card, forms: tuple[str, ...]) -> dict[str, Any]:
    """Say what the Hub reads: licence, library, task, languages, corpora and measured results."""
    languages = [name for row in card["corpora"] for name in row["language"].split(", ")]
    tags = [tag for form in forms for tag in _TAGS[form]]
    return {
        **hub_licence(card),
        "library_name": "undertone",
        "pipeline_tag": "audio-classification",
        "language": list(dict.fromkeys(_LANGUAGES[one] for one in languages if one in _LANGUAGES)),
        "tags": ["speech-emotion-recognition", "audio", *dict.fromkeys(tags)],
        "datasets": [_dataset(row) for row in card["corpora"]],
        "metrics": [name for name, _title in _MEASURES.values()],
        "model-index": [{"name": card["name"], "results": _results(card)}],
    }


def _dataset(row: Mapping[str, Any]) -> str:
    """Name a corpus as the Hub does, or as we do where it is not there."""
    return row["url"].removeprefix(_DATASETS) if row["url"].startswith(_DATASETS) else row["name"]


def _results(card: Card) -> list[dict[str, Any]]:
    sides = {
        "test speakers": card["metrics"],
        "left out of training": card.get("left_out", {}),
    }
    return [
        {
            "task": {"type": "audio-classification", "name": "Speech emotion recognition"},
            "dataset": {"type": name, "name": corpus_title(name), "split": split},
            "metrics": [
                {"type": kind, "name": measure, "value": round(row[key], 4)}
                for key, (kind, measure) in _MEASURES.items()
            ],
        }
        for split, corpora in sides.items()
        for name, row in corpora.items()
    ]


def _usage(bundle: Bundle, forms: Mapping[str, Bundle]) -> Lines:
    first = next(iter(forms))
    return [
        "Each form is a folder that Undertone loads, with what the network wants to hear and how "
        "its scores become an answer:",
        "",
        "```python",
        "from pathlib import Path",
        "",
        "import ml",
        "",
        f'recognizer = ml.load(Path("{first}"))',
        'print(recognizer.recognize("recording.m4a").label)',
        "```",
    ]


def _forms(bundle: Bundle, forms: Mapping[str, Bundle]) -> Lines:
    rows = [
        [f"`{form}`", ", ".join(f"`{name}`" for name in _files(one)), _megabytes(one)]
        for form, one in forms.items()
    ]
    frames = bundle.windows.window_s / bundle.features.hop_s
    return [
        *table(("form", "files", "MB"), rows),
        "",
        f"Made from version {bundle.version} of `{bundle.name}`, whose `{bundle.file}` has the "
        f"SHA-256 `{bundle.sha256}`. `bundle.json` says the rest.",
        "",
        *_inputs(bundle, round(frames)),
    ]


def _inputs(bundle: Bundle, frames: int) -> Lines:
    lines = [
        f"The network leads `features` (windows, {frames}, {bundle.features.n_features}) to "
        "`scores`: logits in the order of `labels` in `bundle.json`, which a softmax, divided by "
        "`calibration.temperature` before, turns into probabilities. One number more is the logit "
        "of how strong the voice sounds.",
    ]
    if bundle.encoder:
        config = bundle.encoder
        lines += [
            "",
            f"Before it, the encoder leads `spectrogram` (1, {config.chunk_frames}, "
            f"{config.n_mels}) to `encoded` (1, {config.chunk_steps}, {config.width}); the network "
            "takes that with a last column, how loud each step is, as its input `encoded`. In "
            "LiteRT these are the signatures `encode` and `score`, in ONNX two files.",
        ]
    return lines


def _files(bundle: Bundle) -> list[str]:
    return [*bundle.card.get("beside", {}), bundle.file]


def _megabytes(bundle: Bundle) -> str:
    return f"{bundle.card['size_bytes'] / 1e6:.1f}"


def difference_lines(differences: Mapping[str, Any] | None) -> Lines:
    """Set the forms' accuracy and probabilities beside those of the network they come from."""
    if differences is None:
        return ["What sets the forms' answers apart was not measured."]
    trained = differences["reference"] == "model.keras"
    rows = [
        [
            "what was trained" if trained else "what serves",
            corpus_title(name),
            percent(wa),
            "-",
            "-",
            "-",
        ]
        for name, wa in differences["wa"].items()
    ]
    rows += [
        [
            f"`{form}`",
            corpus_title(name),
            percent(row["wa"]),
            percent(row["changed"]),
            f"{row['largest']:.1g}",
            f"{row['mean']:.1g}",
        ]
        for form, corpora in differences["forms"].items()
        for name, row in corpora.items()
    ]
    counts = ", ".join(f"{n} of {corpus_title(name)}" for name, n in differences["clips"].items())
    heads = ("form", "corpus", "WA", "named otherwise", "largest difference", "mean difference")
    return [
        f"Measured on clips of test speakers ({counts}), by the way that every recording goes, "
        f"beside `{differences['reference']}`. The differences are those of a clip's "
        "probabilities.",
        "",
        *table(heads, rows),
    ]
