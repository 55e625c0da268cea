"""The parts of a model's page: one function each, from the card; what a card lacks has no part."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from webapp import words
from webapp.cards import corpus_title, or_unmeasured, points, with_interval

SHADES = 10
"""Steps of a confusion matrix's colour; the style sheet has a class for each."""


ABSENT = "\N{EN DASH}"


class Table(NamedTuple):
    """Rows whose first cell names them; on a phone each row becomes a list of its cells.

    `words` columns hold words, the others numbers. A cell that is `ABSENT` has nothing to say.
    """

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1


class Cell(NamedTuple):
    """One share of a confusion matrix: whole percent, a shade from 0 to 10, and in words."""

    percent: int
    shade: int
    spoken: str


class Matrix(NamedTuple):
    """A confusion matrix: the row is what was meant, the column what was heard."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]


class Section(NamedTuple):
    """A part of the page; `id` is its anchor."""

    id: str
    title: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table] = ()
    matrices: Sequence[Matrix] = ()
    code: str = ""


def sections(card: Mapping) -> list[Section]:
    """Make every part that the card has something to say for, in the order of questions."""
    return [found for part in PARTS if (found := part(card))]


def comparisons(cards: Sequence[Mapping]) -> list[Section]:
    """Set models side by side, corpus by corpus; a measure that no card has is left out."""
    return [found for part in COMPARISONS if (found := part(cards))]


def reproduction(card: Mapping) -> Section | None:
    """Say what made the model, so that the same can be made again."""
    made = card.get("provenance")
    if not made:
        return None
    data = made.get("data", {}).items()
    rows = [
        ("Source", made["git_commit"]),
        ("Seed", str(made["seed"])),
        *((f"Data: {corpus_title(name)}", f"SHA-256 {digest}") for name, digest in data),
        *((name, version) for name, version in made.get("packages", {}).items()),
    ]
    text = "One command, with the corpora in their official layouts, from this state of the source."
    table = Table("What made it", ("What", "Which"), rows, words=2)
    return Section("again", "How to make it again", (text,), (table,), code=made["command"])


def matrix(caption: str, labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Matrix:
    """Turn counts to shares of their row; the column of no answer only where there is one.

    Parameters
    ----------
    labels : sequence of str
        Of the rows, and of the columns but the last.
    counts : sequence of sequence of int, shape (labels, labels + 1)
        The last column counts clips that were not scored.
    """
    silent = any(row[-1] for row in counts)
    columns = [words.adjective(label) for label in labels] + ["no answer"] * silent
    rows = []
    for meant, row in zip(columns, counts, strict=False):
        shares = [count / max(sum(row), 1) for count in row[: len(columns)]]
        cells = [
            Cell(round(100 * share), round(SHADES * share), f"of {meant} heard as {heard}")
            for heard, share in zip(columns, shares, strict=True)
        ]
        rows.append((meant, cells))
    return Matrix(caption, columns, rows)


def _training(card: Mapping) -> Section:
    rows = [
        (
            corpus["title"],
            corpus["language"],
            corpus["licence"],
            str(corpus.get("clips", ABSENT)),
            str(corpus.get("speakers", ABSENT)),
        )
        for corpus in card["corpora"]
    ]
    heads = ("Corpus", "Language", "Licence", "Clips", "Speakers")
    return Section(
        "training",
        "What it learned from",
        ("Acted speech, recorded for research. The speakers below are those that trained it.",),
        (Table("Training data", heads, rows, words=3),),
    )


def _accuracy(card: Mapping) -> Section | None:
    if not card["metrics"]:
        return None
    rows = [
        (
            corpus_title(name),
            str(len(found["labels"])),
            str(found["clips"]),
            str(found["speakers"]),
            with_interval(found, "wa"),
            with_interval(found, "ua"),
            words.percent(found["macro_f1"]),
        )
        for name, found in card["metrics"].items()
    ]
    heads = ("Corpus", "Emotions", "Clips", "Speakers", "WA", "UA", "Macro-F1")
    text = (
        "Measured on speakers whom it had never heard in training. WA is the share of all clips "
        "named right; UA the mean over emotions, so that a common one does not hide a rare one; "
        "macro-F1 also counts false alarms. In brackets stand 95 % intervals over speakers: where "
        "few spoke, they say little. A clip without an answer counts as wrong."
    )
    return Section(
        "accuracy",
        "How often it is right",
        (text, words.track_record(card)),
        (Table("Speakers it had never heard", heads, rows),),
    )


def _confusion(card: Mapping) -> Section | None:
    matrices = [
        matrix(corpus_title(name), found["labels"], found["confusion"])
        for name, found in card["metrics"].items()
        if "confusion" in found
    ]
    if not matrices:
        return None
    text = (
        "Each row is an emotion as it was meant; along it stands, in percent, what it was heard "
        "as. Numbers on the diagonal are right answers."
    )
    return Section("confusion", "What it mistakes for what", (text,), matrices=matrices)


def _left_out(card: Mapping) -> Section | None:
    if not card.get("left_out"):
        return None
    rows = [
        (
            corpus_title(name),
            str(len(found["labels"])) if "labels" in found else "not known",
            with_interval(found, "wa"),
            with_interval(found, "ua"),
            or_unmeasured(found.get("ece")),
        )
        for name, found in card["left_out"].items()
    ]
    heads = ("Corpus left out", "Emotions", "WA", "UA", "ECE")
    text = (
        "Other microphones, actors and languages are harder than other speakers. To measure that, "
        "the same network was trained again without one corpus, and then heard that corpus. "
        "Expect numbers like these, or lower, on your own recordings."
    )
    return Section(
        "left-out", "On a corpus that it never heard", (text,), (Table("", heads, rows),)
    )


def _groups(card: Mapping) -> Section | None:
    tables, gaps = [], []
    for corpus, kinds in card.get("groups", {}).items():
        for kind, found in kinds.items():
            caption = f"{corpus_title(corpus)}, by {kind}"
            rows = [
                (name, words.percent(one["wa"]), str(one["clips"]), str(one["speakers"]))
                for name, one in found.items()
            ]
            tables.append(Table(caption, ("Group", "WA", "Clips", "Speakers"), rows))
            gaps += _gap(caption, found)
    if not tables:
        return None
    text = "Few speakers stand behind some groups; a gap between them is then a hint, no proof."
    return Section("groups", "For whom it is better or worse", (*gaps, text), tables)


def _gap(caption: str, found: Mapping) -> list[str]:
    """Say how far the best and the worst group lie apart; nothing where there is one group."""
    if len(found) < 2:
        return []
    best, worst = (pick(found, key=lambda name: found[name]["wa"]) for pick in (max, min))
    gap = found[best]["wa"] - found[worst]["wa"]
    return [f"{caption}: {points(gap)} between {best} and {worst}."]


def _accuracies(cards: Sequence[Mapping]) -> Section | None:
    text = (
        "The share of acted clips named right (WA) by speakers whom the model had never heard in "
        "training, the choice being among the emotions that corpus and model share. In brackets "
        "stand 95 % intervals over speakers. Numbers of models with fewer emotions are not like "
        "for like: fewer to choose from is easier."
    )
    table = _side_by_side(cards, "metrics", lambda found: with_interval(found, "wa"))
    return table and Section("accuracy", "How often they are right", (text,), (table,))


def _calibration_errors(cards: Sequence[Mapping]) -> Section | None:
    text = (
        "Calibration error (ECE): how far the shares on a result page lie, on average, from how "
        "often they were right. The lower, the more the shares can be trusted."
    )
    table = _side_by_side(cards, "metrics", lambda found: or_unmeasured(found.get("ece")))
    return table and Section(
        "calibration", "How far their shares can be trusted", (text,), (table,)
    )


def _accuracies_left_out(cards: Sequence[Mapping]) -> Section | None:
    text = (
        "The same networks, trained again without one corpus and then tested on it (WA): other "
        "actors, microphones and sometimes another language. Nearest to what to expect of your "
        "own recordings."
    )
    table = _side_by_side(cards, "left_out", lambda found: with_interval(found, "wa"))
    return table and Section("left-out", "On a corpus that they never heard", (text,), (table,))


def _side_by_side(
    cards: Sequence[Mapping], key: str, cell: Callable[[Mapping], str]
) -> Table | None:
    measured = [card for card in cards if card.get(key)]
    names = list(dict.fromkeys(name for card in measured for name in card[key]))
    rows = [
        (card["name"], *(cell(card[key][name]) if name in card[key] else ABSENT for name in names))
        for card in measured
    ]
    return Table("Models by corpus", ("Model", *map(corpus_title, names)), rows) if rows else None


COMPARISONS = (_accuracies, _calibration_errors, _accuracies_left_out)

PARTS: tuple[Callable[[Mapping], Section | None], ...] = (
    _training,
    _accuracy,
    _confusion,
    _left_out,
    _groups,
)
"""In the order of questions that a person asks."""
