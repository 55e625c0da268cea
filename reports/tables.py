"""The report's tables, as rows of text: from the bundles' cards, and read out of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ml.bundle import Bundle
from ml.card_sections import SECTIONS, abstention_lines, accuracy_table
from ml.corpora import CORPORA
from ml.markdown import Card, Lines, both_sides, corpus_title, maybe_percent, percent, with_interval

NUMBER = re.compile(r"-?\d[\d.,/ ]*( %| ms|\(|of |$).*|[-\N{EN DASH}]|not measured|")
HARD_SPACE = "\N{NO-BREAK SPACE}"
NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class Table:
    """What a table says, without how it looks.

    Attributes
    ----------
    name : str
    heads : tuple of str
    rows : tuple of tuple of str
        Cells; what stands between backticks is code.
    """

    name: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def as_data(self) -> dict[str, Any]:
        """Give it as JSON has it, with which columns are numbers and how wide the first one is."""
        columns = list(zip(*self.rows, strict=True))
        return asdict(self) | {
            "rows": [[cell.replace(" %", f"{HARD_SPACE}%") for cell in row] for row in self.rows],
            "numeric": [all(map(NUMBER.fullmatch, column)) for column in columns],
            "widest": max(map(len, columns[0])),
        }


def read_tables(lines: Iterable[str]) -> list[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]]:
    """Find the pipe tables of a Markdown text; each as its heads and its rows."""
    found: list[list[tuple[str, ...]]] = [[]]
    for line in lines:
        if line.startswith("|"):
            found[-1].append(tuple(cell.strip() for cell in line.strip().strip("|").split("|")))
        elif found[-1]:
            found.append([])
    return [(block[0], tuple(block[2:])) for block in found if block]


def from_lines(name: str, lines: Lines, place: int = 0) -> Table:
    """Make a table of one that stands in Markdown, the `place`-th there."""
    return Table(name, *read_tables(lines)[place])


def all_tables(bundles: Sequence[Bundle], speed: Mapping[str, Any], tried: str) -> list[Table]:
    """Make every table of the report that has something to say.

    Parameters
    ----------
    bundles : sequence of Bundle
        The first is the default.
    speed : mapping
        What ``docs/speed.json`` holds.
    tried : str
        The text of ``docs/ablation.md``.
    """
    cards = [bundle.card for bundle in bundles]
    first = cards[0]
    sections = {title: section(first) for title, section in SECTIONS}
    tables = [
        corpora_table(first),
        networks_table(cards),
        from_lines("accuracy", accuracy_table(first["metrics"])),
        from_lines("recalls", sections["How often it is right"], 1),
        matrix(cards),
        losses(cards),
        from_lines("calibration", sections["How far its shares can be trusted"]),
        from_lines("abstention", abstention_lines(first)),
        from_lines("robustness", sections["Through codecs, rooms and noise"]),
        gaps_table(cards),
        random_table(cards),
        speed_table(speed),
        every_measure(cards),
        origins(cards),
        *ablations(tried),
    ]
    return [table for table in tables if table.rows]


def corpora_table(card: Card) -> Table:
    """Say who speaks in the default's corpora, and on which side."""
    heads = ("corpus", "language", "emotions", "training", "validation", "test", "licence")
    rows = [
        (
            row["title"],
            row["language"],
            str(len(CORPORA[row["name"]].labels)),
            f"{row['clips']} / {row['speakers']}",
            str(len(CORPORA[row["name"]].validation_speakers)),
            f"{card['metrics'][row['name']]['clips']} / {card['metrics'][row['name']]['speakers']}",
            row["licence"],
        )
        for row in card["corpora"]
        if row["name"] in card["metrics"]
    ]
    return Table("corpora", heads, tuple(rows))


def networks_table(cards: Iterable[Card]) -> Table:
    """Say what each network is, how large and how fast."""
    cards = list(cards)
    heads = ("network", "hears", "emotions", "learnt from", "parameters", "MB", "ms")
    all_of_them = _learnt(cards[0])
    rows = [
        (
            f"`{card['name']}`",
            ("encoder, " if card.get("encoder") else "") + _inputs(card["features"]),
            str(len(card["labels"])),
            "all" if _learnt(card) == all_of_them else _learnt(card),
            f"{card['parameters']:,}",
            f"{card['size_bytes'] / 1e6:.1f}",
            f"{card['speed']['window_ms']:.1f}" if "speed" in card else NONE,
        )
        for card in cards
    ]
    return Table("networks", heads, tuple(rows))


def _learnt(card: Card) -> str:
    return ", ".join(row["title"] for row in card["corpora"])


def _inputs(features: Mapping[str, Any]) -> str:
    widths = {
        "mel": f"{features['n_mels']} log-Mel",
        "mfcc": f"{features['n_mfcc']} MFCC",
        "zcr": "ZCR",
        "rms": "RMS",
    }
    return ", ".join(widths[name] for name in features["inputs"])


def matrix(cards: Iterable[Card]) -> Table:
    """Set models against corpora, WA and UA: those they learnt from, and those they never heard."""
    cards = list(cards)
    names = list(dict.fromkeys(name for card in cards for name in card["metrics"]))
    rows = []
    for card in cards:
        label = f"`{card['name']}`"
        rows.append((label, *(_pair(card["metrics"].get(name)) for name in names)))
        outside = card.get("left_out")
        if outside:
            rows.append((f"{label}, never heard", *(_pair(outside.get(name)) for name in names)))
    return Table("matrix", ("network", *map(corpus_title, names)), tuple(rows))


def _pair(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return NONE
    return f"{100 * found['wa']:.1f} / {100 * found['ua']:.1f} of {len(found['labels'])}"


def losses(cards: Iterable[Card]) -> Table:
    """Set what a model reaches on a corpus that it never heard beside the corpus learnt."""
    rows = [
        (
            f"`{card['name']}`",
            corpus_title(name),
            str(len(found["labels"])),
            with_interval(found["wa"], found["wa_interval"]),
            with_interval(found["ua"], found["ua_interval"]),
            *_before(card["metrics"].get(name), found),
        )
        for card in cards
        for name, found in card.get("left_out", {}).items()
    ]
    heads = ("network", "never heard", "emotions", "WA", "UA", "WA, learnt", "points lost")
    return Table("losses", heads, tuple(rows))


def _before(learnt: Mapping[str, Any] | None, found: Mapping[str, Any]) -> tuple[str, str]:
    """Give the WA where it was learnt; the loss only where the choice is among as many labels."""
    if learnt is None:
        return NONE, NONE
    same = learnt["labels"] == found["labels"]
    of = "" if same else f" of {len(learnt['labels'])}"
    lost = f"{100 * (learnt['wa'] - found['wa']):.1f}" if same else NONE
    return f"{percent(learnt['wa'])}{of}", lost


def gaps_table(cards: Iterable[Card]) -> Table:
    """Make a row for each gap between groups of speakers that was measured."""
    rows = [
        (
            f"`{card['name']}`",
            corpus_title(name),
            kind,
            f"{gap['best']} over {gap['worst']}",
            f"{100 * gap['gap']:.1f} ({100 * gap['interval'][0]:.1f} to "
            f"{100 * gap['interval'][1]:.1f})",
        )
        for card in cards
        for name, kinds in card.get("gaps", {}).items()
        for kind, gap in kinds.items()
    ]
    return Table("gaps", ("network", "corpus", "by", "gap", "points of WA"), tuple(rows))


def random_table(cards: Iterable[Card]) -> Table:
    """Set what a random split claims beside what speakers that training never heard show."""
    rows = [
        (
            f"`{card['name']}`",
            corpus_title(name),
            percent(claimed["wa"]),
            percent(card["metrics"][name]["wa"]),
            f"{100 * (claimed['wa'] - card['metrics'][name]['wa']):.1f}",
            maybe_percent(claimed.get("ece")),
            maybe_percent(card["metrics"][name].get("ece")),
        )
        for card in cards
        for name, claimed in card.get("random_split", {}).get("metrics", {}).items()
        if name in card["metrics"]
    ]
    heads = (
        *("network", "corpus", "WA, random split", "WA, new speakers", "points too high"),
        *("ECE, random split", "ECE, new speakers"),
    )
    return Table("random", heads, tuple(rows))


def speed_table(speed: Mapping[str, Any]) -> Table:
    """Set what the site takes beside the bare work."""
    rows = [
        (
            f"{row['seconds']} s {row['kind'].upper()}",
            f"`{row['model']}`",
            f"{1000 * row['bare_s']:.0f} ms",
            f"{1000 * row['site_s']:.0f} ms",
            f"{row['site_s'] / row['bare_s']:.2f}",
            f"{1000 * row['site_p95_s']:.0f} ms",
        )
        for row in speed["latencies"]
        if row["kind"] != "m4a"
    ]
    heads = ("recording", "network", "bare work", "whole answer", "ratio", "95th percentile")
    return Table("speed", heads, tuple(rows))


def every_measure(cards: Iterable[Card]) -> Table:
    """Make a row for each model and corpus, with intervals over speakers."""
    rows = []
    for card in cards:
        both = both_sides(card["metrics"], card.get("left_out", {}))
        for corpus, found in both:
            _name, *cells = from_lines("", accuracy_table({"": found})).rows[0]
            row = (f"`{card['name']}`", corpus, *cells, maybe_percent(found.get("ece")))
            rows.append(row)
    heads = ("network", "corpus", "emotions", "clips / speakers", "WA", "UA", "macro-F1", "ECE")
    return Table("measures", heads, tuple(rows))


def origins(cards: Iterable[Card]) -> Table:
    """Say which commit and seed lead to each network again."""
    rows = [
        (
            f"`{card['name']}`",
            card["version"],
            f"`{(card['provenance']['git_commit'] or NONE)[:10]}`",
            str(card["provenance"]["seed"]),
            f"`{card['sha256'][:16]}`",
        )
        for card in cards
        if card.get("provenance")
    ]
    heads = ("network", "version", "commit", "seed", "SHA-256 of the network begins")
    return Table("origins", heads, tuple(rows))


def ablations(tried: str) -> list[Table]:
    """Take the tables of ``docs/ablation.md`` over as they stand there."""
    return [
        Table(f"ablation-{place}", heads, rows)
        for place, (heads, rows) in enumerate(read_tables(tried.splitlines()), 1)
    ]
