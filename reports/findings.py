"""What the report's sentences rest on: extremes, orders and counts, out of the bundles' cards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ml.abstention import WANTED_ACCURACY
from ml.bundle import Bundle
from ml.card_sections import worst_condition
from ml.corpora import CORPORA
from ml.markdown import Card, both_sides, condition_title
from ml.tables import held_back
from reports.tables import Table

Found = dict[str, Any]

WRITTEN_BY_SPEECH = "speech taken"
FEWEST_CLIPS = 10
"""An emotion with fewer clips in a corpus is not named as the one missed most there."""

FAMILIES = {"codecs of today": ("mp3", "opus"), "telephones": ("amr", "gsm"), "rooms": ("room",)}
"""How the names of conditions begin, from what should cost least to what costs most."""
USABLE = 0.5
"""Under this share of right answers among six emotions, the report calls a network of no use."""


def find(
    bundles: Sequence[Bundle],
    speed: Mapping[str, Any],
    load: Mapping[str, Any],
    tables: Iterable[Table],
    text: str,
) -> Found:
    """Gather what the text of the report says.

    Parameters
    ----------
    bundles : sequence of Bundle
        The first is the default.
    speed, load : mapping
        What ``docs/speed.json`` holds, and ``docs/load.json`` of visitors at once.
    tables : iterable of Table
        All of the report's.
    text : str
        That of ``docs/ablation.md``.
    """
    cards = [bundle.card for bundle in bundles]
    return {
        "usable": USABLE,
        **people(cards[0]),
        **accuracy(cards[0]),
        **architectures(cards),
        "outside": outside(cards),
        "leak": leak(cards),
        "noncommercial": sum("NC" in card["licence"] for card in cards),
        **calibration(cards[0]),
        **abstention(cards[0]),
        **nonspeech(cards[0]),
        **robustness(cards[0]),
        "gaps": gaps(cards),
        **quickness(speed, load),
        "tried": tried({table.name: table for table in tables}, noise(text)),
    }


def people(card: Card) -> Found:
    """Say who was tested and which corpus has what."""
    metrics = card["metrics"]
    fewest = min(row["speakers"] for row in metrics.values())
    return {
        "speakers": sum(row["speakers"] for row in metrics.values()),
        "most_speakers": max(metrics, key=lambda name: metrics[name]["speakers"]),
        "fewest": fewest,
        "few_speakers": [name for name, row in metrics.items() if row["speakers"] == fewest],
        "languages": sorted({row["language"] for row in card["corpora"]}),
        "having": {label: _corpora(card, label, True) for label in card["labels"]},
        "lacking": {label: _corpora(card, label, False) for label in card["labels"]},
    }


def _corpora(card: Card, label: str, has: bool) -> list[str]:
    names = [row["name"] for row in card["corpora"]]
    return [name for name in names if (label in CORPORA[name].labels) == has]


def accuracy(card: Card) -> Found:
    """Say where the default is best and worst, and what it misses."""
    metrics = card["metrics"]
    ordered = sorted(metrics, key=lambda name: metrics[name]["wa"])
    widths = {name: row["wa_interval"][1] - row["wa_interval"][0] for name, row in metrics.items()}
    widest = max(widths, key=lambda name: widths[name])
    missed = {name: _hardest(row) for name, row in metrics.items()}
    return {
        "best": {"corpus": ordered[-1]},
        "worst": {"corpus": ordered[0]},
        "widest": {"corpus": widest, "width": widths[widest]},
        "hardest": [{"corpus": name, **row} for name, row in missed.items()],
        "nemo_hardest": missed["nemo"],
        "taken": _most_taken(ordered[0], metrics[ordered[0]]),
    }


def _hardest(row: Mapping[str, Any]) -> Found:
    known = row["per_class"].items()
    classes = {label: found for label, found in known if found["clips"] >= FEWEST_CLIPS}
    label = min(classes, key=lambda one: classes[one]["recall"])
    return {"label": label, "recall": classes[label]["recall"], "clips": classes[label]["clips"]}


def _most_taken(corpus: str, row: Mapping[str, Any]) -> Found:
    """Name the emotion that is most often heard as a certain other one."""
    shares = {
        (acted, heard): counts[place] / max(sum(counts), 1)
        for acted, counts in zip(row["labels"], row["confusion"], strict=True)
        for place, heard in enumerate(row["labels"])
        if heard != acted
    }
    acted, heard = max(shares, key=lambda pair: shares[pair])
    return {"corpus": corpus, "acted": acted, "heard": heard, "share": shares[acted, heard]}


def architectures(cards: Sequence[Card]) -> Found:
    """Order networks on CREMA-D, all emotions of it, and those without an encoder on nEMO."""
    plain_cards = [card for card in cards if not card.get("encoder")]
    among = len(CORPORA["cremad"].labels)
    ranked, plain = (_ordered(some, "cremad", among) for some in (cards, plain_cards))
    small = next(card for card in cards if card["name"] == "cnn-gru")
    gains = {
        name: found["wa"] - _ordered(plain_cards, name)[0]["wa"]
        for name, found in cards[0]["metrics"].items()
    }
    nemo = _ordered(plain_cards, "nemo")
    return {
        "ranked": ranked,
        "plain": plain,
        "nemo": {"best": nemo[0]},
        "gains": gains,
        "fewest_labels": min(cards, key=lambda card: len(card["labels"]))["name"],
        "small_on_nemo": _way(small["metrics"]["nemo"]),
    }


def _ordered(cards: Iterable[Card], corpus: str, among: int | None = None) -> list[Found]:
    """Sort networks by WA on a corpus, those alone that choose among so many emotions."""
    rows = [
        {"name": card["name"], "wa": row["wa"], "interval": row["wa_interval"]}
        for card in cards
        for row in (card["metrics"].get(corpus),)
        if row and among in (None, len(row["labels"]))
    ]
    return sorted(rows, key=lambda row: -row["wa"])


def outside(cards: Sequence[Card]) -> Found:
    """Say what the default reaches on corpora that it never heard."""
    first = cards[0]
    rows = [
        {"corpus": name, "wa": found["wa"], "learnt": first["metrics"][name]["wa"]}
        for name, found in first["left_out"].items()
    ]
    return {
        "rows": rows,
        "worst": min(rows, key=lambda row: row["wa"]),
        "models": sum(bool(card.get("left_out")) for card in cards),
        "missing": [name for name in first["metrics"] if name not in first["left_out"]],
    }


def leak(cards: Sequence[Card]) -> Found | None:
    """Say by how much a random split claims too much at most; None where none was measured."""
    rows = [
        {"name": card["name"], "corpus": name, "points": row["wa"] - card["metrics"][name]["wa"]}
        for card in cards
        for name, row in card.get("random_split", {}).get("metrics", {}).items()
        if name in card["metrics"]
    ]
    return max(rows, key=lambda row: row["points"]) if rows else None


def calibration(card: Card) -> Found:
    """Sort corpora by whether chance explains their ECE, and say which way they err."""
    rows = [
        {"title": title, "ece": row["ece"], "by_chance": row["ece_by_chance"], "way": _way(row)}
        for title, row in _in_brackets(both_sides(card["metrics"], card.get("left_out", {})))
    ]
    above = [row for row in rows if row["ece"] > row["by_chance"]]
    return {
        "miscalibrated": above,
        "calibrated": [row for row in rows if row not in above],
        "tendencies": {
            way: [row["title"] for row in above if row["way"] == way]
            for way in dict.fromkeys(row["way"] for row in above)
        },
        "worst_ece": max(rows, key=lambda row: row["ece"]),
    }


def _in_brackets(rows: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Write "EmoDB (never heard)" for "EmoDB, never heard", which reads better in a list."""
    return [(re.sub(r", (.+)", r" (\1)", title), row) for title, row in rows]


def _way(row: Mapping[str, Any]) -> str:
    bins = row["reliability"]
    clips = sum(count for _confidence, _right, count in bins)
    over = sum((confidence - right) * count for confidence, right, count in bins) / clips
    return "too sure" if over > 0 else "too modest"


def abstention(card: Card) -> Found:
    """Sort corpora by whether as many of the answers are right as was wanted."""
    inside = {"risk_coverage": card["risk_coverage"]}
    rest = {"left_out": card.get("left_out", {})}
    rows = [
        {"title": title, "right": row["right"]}
        for title, row in _in_brackets(both_sides(held_back(inside), held_back(rest)))
        if row["right"] is not None
    ]
    return {
        "reached": [row for row in rows if row["right"] >= WANTED_ACCURACY],
        "missed": [row for row in rows if row["right"] < WANTED_ACCURACY],
    }


def nonspeech(card: Card) -> Found:
    """Count the kinds of sound that got an emotion, and find the speech that was turned away."""
    rows = [{"name": name, "share": share} for name, share in card["nonspeech"].items()]
    speech = [row for row in rows if WRITTEN_BY_SPEECH in row["name"]]
    sounds = [row for row in rows if row not in speech]
    heard = [row for row in sounds if row["share"] > 0]
    return {
        "sounds": {
            "kinds": len(sounds),
            "silent": len(sounds) - len(heard),
            "heard": sorted(heard, key=lambda row: -row["share"]),
        },
        "turned_away": sorted(speech, key=lambda row: -row["share"])[:2],
    }


def robustness(card: Card) -> Found:
    """Say what conditions cost, each as the mean over corpora."""
    table = card["robustness"]
    clean = table["clean"]
    lost = {
        name: sum(clean[corpus] - share for corpus, share in row.items()) / len(row)
        for name, row in table.items()
        if name != "clean"
    }
    families = {
        family: {name: cost for name, cost in lost.items() if name.startswith(beginnings)}
        for family, beginnings in FAMILIES.items()
    }
    coded = families["codecs of today"]
    harshest = max(lost, key=lambda name: lost[name])
    kindest = min(coded, key=lambda name: coded[name])
    return {
        "worst_condition": worst_condition(card),
        "kindest": {"title": condition_title(kindest), "lost": lost[kindest]},
        "harshest": {"title": condition_title(harshest), "lost": lost[harshest]},
        "order": [
            {"family": name, "lost": max(costs.values())} for name, costs in families.items()
        ],
    }


def gaps(cards: Sequence[Card]) -> Found:
    """List the gaps between groups whose interval leaves out zero."""
    rows = [
        {"name": card["name"], "corpus": corpus, "kind": kind, **gap}
        for card in cards
        for corpus, kinds in card.get("gaps", {}).items()
        for kind, gap in kinds.items()
    ]
    return {"count": len(rows), "proven": [row for row in rows if row["interval"][0] > 0]}


def quickness(speed: Mapping[str, Any], load: Mapping[str, Any]) -> Found:
    """Pick out what a short clip, a worker and the plain way take."""
    times = [row["cnn-gru_per_s"] / row["plain_per_s"] for row in speed["throughput"]]
    return {
        "short": next(row for row in speed["latencies"] if row["kind"] == "wav"),
        "workers": speed["workers"],
        "times": {"least": min(times), "most": max(times)},
        "median_wait_s": load["routes"]["POST /predict"]["p50_ms"] / 1000,
    }


def tried(tables: Mapping[str, Table], noise: float) -> Found:
    """Read single cells of the tables of ``docs/ablation.md`` that the text refers to."""
    outputs, members, tuning, left, _teachers, students = (
        tables[f"ablation-{place}"] for place in range(1, 7)
    )
    alone = _row(students, "labels alone")
    taught = _row(students, "mean of the first row's weights and those of epoch 10")
    singles = [row for row in outputs.rows if row[0].startswith("block")]
    joined = _row(outputs, "convolutions and blocks")
    learnt, ravdess = range(1, 5), "RAVDESS"
    fitted, frozen_means = (
        _of_seeds(tuning, _row(tuning, begin))
        for begin in ("statistics of whole clips, fitted again", "for comparison: clean")
    )
    frozen, shipped = _row(left, "encoder as it was pretrained"), _row(left, "last two blocks")
    return {
        "joined_best": [
            outputs.heads[place]
            for place in learnt
            if float(joined[place]) > max(float(row[place]) for row in singles)
        ],
        "course": _row(members, "statistics, and convolution")[members.heads.index(ravdess, 3)],
        "statistics": _row(outputs, "the same with augmentation")[
            outputs.heads.index("RAVDESS", 3)
        ],
        "noise": noise,
        "tuned": fitted,
        "frozen": frozen_means,
        "within_noise": all(
            abs(one["wa"] - other["wa"]) < noise
            for one, other in zip(fitted, frozen_means, strict=True)
        ),
        "tuned_outside": [
            {"corpus": corpus, "tuned": shipped[place], "frozen": frozen[place]}
            for place, corpus in enumerate(left.heads)
            if place
        ],
        "alone_loss": alone[-1],
        "taught_loss": taught[-1],
        "most_changed": max(abs(float(taught[place]) - float(alone[place])) for place in learnt),
    }


def noise(text: str) -> float:
    """Read how much one run differs from the next.

    Raises
    ------
    LookupError
        If docs/ablation.md does not say so any more.
    """
    found = re.search(r"One run differs from the next by about ([\d.]+) points", text)
    if not found:
        raise LookupError("docs/ablation.md no longer says by how much one run differs")
    return float(found[1])


def _of_seeds(table: Table, row: Sequence[str]) -> list[Found]:
    """Take the mean of what the seeds gave, for each corpus."""
    values = [[float(one) for one in cell.split(", ")] for cell in row[1:]]
    means = [sum(found) / len(found) for found in values]
    return [{"corpus": head, "wa": wa} for head, wa in zip(table.heads[1:], means, strict=True)]


def _row(table: Table, begin: str) -> tuple[str, ...]:
    """Find the row that begins with these words.

    Raises
    ------
    LookupError
        If docs/ablation.md has no such row any more.
    """
    for row in table.rows:
        if row[0].startswith(begin):
            return row
    raise LookupError(f"docs/ablation.md: no row of table {table.name} begins with '{begin}'")
