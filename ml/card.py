"""The model card and the table of models: Markdown made from what bundles say of themselves.

Every number in them comes from a ``bundle.json``; what was not measured is said to be so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ml.bundle import Bundle
from ml.card_sections import (
    SECTIONS,
    abstention_lines,
    accuracy_table,
    gap_lines,
    reproduction,
    worst_condition,
)
from ml.markdown import (
    Card,
    Lines,
    both_sides,
    corpus_title,
    measure_cell,
    or_unmeasured,
    percent,
    table,
)

COMMAND = "python -m ml evaluate --all --output ."


def model_card(bundles: Sequence[Bundle]) -> str:
    """Write ``MODEL_CARD.md``: the first bundle whole, then how the others differ.

    Parameters
    ----------
    bundles : sequence of Bundle
        At least one; the first is the default.
    """
    first, *others = (bundle.card for bundle in bundles)
    lines = [
        "# Model card",
        "",
        f"Made by `{COMMAND}` from what was measured and stands in each `bundle.json`. Change "
        "nothing here by hand.",
        "",
        f"This card is about the models of Undertone. The first, `{first['name']}`, is the one "
        "that answers unless another is asked for; it is described whole. The others follow, by "
        "what sets them apart."
        if others
        else f"This card is about `{first['name']}`, a model of Undertone.",
    ]
    for title, section in SECTIONS:
        lines += ["", f"## {title}", "", *section(first)]
    if others:
        lines += ["", "## The other models", "", *models_table([first, *others])]
        for card in others:
            lines += ["", f"### `{card['name']}`", "", *_difference(card, first)]
    return "\n".join(lines) + "\n"


def models_document(bundles: Sequence[Bundle]) -> str:
    """Write ``docs/models.md``: all bundles side by side."""
    cards = [bundle.card for bundle in bundles]
    leaks = leak_lines(cards)
    lines = [
        "# All models side by side",
        "",
        f"Made by `{COMMAND}`. Speakers in these tables were never heard in training.",
        "",
        *models_table(cards),
        "",
        "In brackets: 95 % intervals over speakers. UA: mean recall of the emotions. WA: share of "
        "clips named right, the choice being among the emotions that model and corpus have in "
        "common, which are counted in the third column. "
        "ECE: mean distance of confidence from accuracy. ms: what three seconds of sound take on "
        "one core, on LiteRT, the network alone; the processors are named below. Never heard: the "
        "training of this model, or of one made like it, had nothing of that corpus.",
        "",
        *_processors(cards),
        *(leaks and ["", "## What a random split would have claimed", "", *leaks]),
    ]
    return "\n".join(lines) + "\n"


def models_table(cards: Iterable[Card]) -> Lines:
    """Make a row for each model and each corpus that it was measured on."""
    rows = []
    for card in cards:
        common = [
            f"{card['parameters']:,}",
            or_unmeasured(card.get("speed"), lambda speed: f"{speed['window_ms']:.1f}"),
            f"{card['size_bytes'] / 1e6:.1f}",
        ]
        rows += [
            [
                f"`{card['name']}`",
                name,
                str(len(found["labels"])),
                *(measure_cell(found, key) for key in ("ua", "wa", "macro_f1", "ece")),
                *common,
            ]
            for name, found in both_sides(card["metrics"], card.get("left_out", {}))
        ] or [[f"`{card['name']}`", *["not measured"] * 6, *common]]
    heads = ("model", "corpus", "emotions", "UA", "WA", "macro-F1", "ECE")
    return table((*heads, "parameters", "ms", "MB"), rows)


def leak_lines(cards: Sequence[Card]) -> Lines:
    """Set what random splits claim beside what voices say that were never heard."""
    rows = [
        [
            f"`{card['name']}`",
            corpus_title(name),
            str(claimed["clips"]),
            measure_cell(card["metrics"][name], "wa"),
            percent(claimed["wa"]),
            f"{100 * (claimed['wa'] - card['metrics'][name]['wa']):+.1f}",
        ]
        for card in cards
        for name, claimed in card.get("random_split", {}).get("metrics", {}).items()
    ]
    if not rows:
        return []
    heads = ("model", "corpus", "test clips", "WA, new voices", "WA, random split", "points")
    return [
        "The same networks were trained once more by the same recipe, on clips that were drawn at "
        "random, as many on each side. Then voices of the test are heard in training, often "
        "with the same sentence in another emotion. Most accuracies that are told of these corpora "
        "are of this kind. They say nothing of a voice that the network does not know; those "
        "networks are not shipped.",
        "",
        *table(heads, rows),
    ]


def _processors(cards: Sequence[Card]) -> Lines:
    found: dict[str, list[str]] = {}
    for card in cards:
        if "speed" in card:
            found.setdefault(card["speed"]["processor"], []).append(f"`{card['name']}`")
    return [f"- Measured on {name}: {', '.join(models)}." for name, models in found.items()]


def _difference(card: Card, default: Card) -> Lines:
    """Say what sets a model apart from the default, part by part as far as it was measured."""
    labels = ", ".join(card["labels"])
    same = card["labels"] == default["labels"]
    corpora = ", ".join(row["title"] for row in card["corpora"])
    parts: list[Lines] = [
        [
            f"{card['title']}. Emotions: {'the same' if same else labels}. Learned from {corpora}. "
            f"Licence of the weights: {card['licence']}."
        ],
        accuracy_table(card["metrics"]) if card["metrics"] else [],
        ["On a corpus that it never heard:", "", *accuracy_table(card["left_out"])]
        if card.get("left_out")
        else [],
        abstention_lines(card),
        [worst_condition(card)],
        gap_lines(card),
        reproduction(card),
    ]
    lines: Lines = []
    for part in parts:
        if any(part):
            lines += ["", *part] if lines else part
    return lines
