"""The parts of a model's page: one function each, from the card; what a card lacks has no part."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from webapp import words
from webapp.cards import (
    condition_title,
    corpus_title,
    is_moderate,
    or_unmeasured,
    points,
    with_interval,
)

SHADES = 10
"""Steps of a confusion matrix's colour; the style sheet has a class for each."""


ABSENT = "\N{EN DASH}"
GROUP_HEADS = ("Group", "WA", "Clips", "Speakers")


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
        ("Source", made["git_commit"] or "not known"),
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
    text = (
        "Measured on speakers whom it had never heard in training. WA is the share of all clips "
        "named right; UA the mean over emotions, so that a common one does not hide a rare one; "
        "macro-F1 also counts false alarms. In brackets stand 95 % intervals over speakers: where "
        "few spoke, they say little. A clip without an answer counts as wrong."
    )
    table = _accuracy_table("Speakers it had never heard", card["metrics"])
    return Section("accuracy", "How often it is right", (text, words.track_record(card)), (table,))


def _accuracy_table(caption: str, measured: Mapping) -> Table:
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
        for name, found in measured.items()
    ]
    heads = ("Corpus", "Emotions", "Clips", "Speakers", "WA", "UA", "Macro-F1")
    return Table(caption, heads, rows)


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
    text = (
        "Other microphones, actors and languages are harder than other speakers. To measure that, "
        "the same network was trained without a corpus, and then heard that corpus. Expect "
        "numbers like these, or lower, on your own recordings."
    )
    table = _accuracy_table("Corpora left out of training", card["left_out"])
    return Section("left-out", "On a corpus that it never heard", (text,), (table,))


def _abstention(card: Mapping) -> Section | None:
    threshold = card["calibration"]["threshold"]
    rule = (
        f"Where the likeliest emotion has a share under {words.percent(threshold)}, the answer is "
        "“Not sure”, and names the two or three emotions that it hesitates between."
        if threshold > 0
        else "It names an emotion for every voice that it hears."
    )
    inside = card.get("risk_coverage", {})
    outside = {
        name: found["risk_coverage"]
        for name, found in card.get("left_out", {}).items()
        if found.get("risk_coverage")
    }
    rows = [
        (title(name), words.percent(found["answered"]), or_unmeasured(found["right"]))
        for found_in, title in ((inside, corpus_title), (outside, _left_out_title))
        for name, found in found_in.items()
    ]
    heads = ("Corpus", "Gets an emotion", "Right of these")
    tables = [Table("Of all clips", heads, rows)] if rows else []
    text = (
        "What that buys, the choice being among all of its emotions, as on a result page:"
        if rows
        else ""
    )
    return Section("abstention", "When it does not answer", (rule, text), tables)


def _left_out_title(name: str) -> str:
    return f"{corpus_title(name)}, never heard"


def _calibration(card: Mapping) -> Section | None:
    measured = [
        (title(name), found)
        for key, title in (("metrics", corpus_title), ("left_out", _left_out_title))
        for name, found in card.get(key, {}).items()
    ]
    rows = [
        (title, or_unmeasured(found.get("ece")), _decimals(found.get("brier")))
        for title, found in measured
    ]
    if not rows:
        return None
    temperature = card["calibration"]["temperature"]
    fitted = (
        f"It was adjusted for that on other speakers than these (temperature {temperature:.2f})."
        if temperature != 1
        else "It was not adjusted for that."
    )
    text = (
        "A share of 70 % should mean: right in about 7 of 10 such clips. "
        f"{fitted} ECE, expected calibration error, is by how much shares and successes differ, "
        "on average. The Brier score is the squared distance from certainty in the right emotion: "
        "0 is best; saying that all of six are alike gives 0.83."
    )
    table = Table("Shares beside successes", ("Corpus", "ECE", "Brier score"), rows)
    return Section("calibration", "How far its shares can be trusted", (text,), (table,))


def _robustness(card: Mapping) -> Section | None:
    found = card.get("robustness")
    if not found:
        return None
    clean = found.get("clean") or {name: one["wa"] for name, one in card["metrics"].items()}
    names = list(dict.fromkeys(name for row in found.values() for name in row))
    rows = [
        (condition_title(condition), *(_share(row.get(name)) for name in names))
        for condition, row in found.items()
    ]
    counts = card.get("robustness_clips", {})
    parts = [f"{number} of {corpus_title(name)}" for name, number in counts.items()]
    clips = f" ({words.listed(parts)})" if parts else ""
    text = (
        f"The same clips of unheard speakers{clips}, sent through real "
        "encoders, rooms and noise; in each row stands the share still named right (WA)."
    )
    heads = ("Condition", *map(corpus_title, names))
    table = Table("Named right", heads, rows)
    return Section(
        "robustness", "Through codecs, rooms and noise", (text, *_worst(found, clean)), (table,)
    )


def _worst(found: Mapping, clean: Mapping) -> list[str]:
    """Say what costs most; noise so loud that nobody expects an answer is not counted."""
    losses = [
        (clean[name] - share, condition_title(condition), corpus_title(name))
        for condition, row in found.items()
        if is_moderate(condition)
        for name, share in row.items()
        if name in clean
    ]
    lost, condition, corpus = max(losses, default=(0.0, "", ""))
    if round(100 * lost) <= 0:
        return []
    return [
        f"The worst, noise under 10 dB aside, is {condition} on {corpus}: {points(lost)} fewer "
        "than as recorded."
    ]


def _groups(card: Mapping) -> Section | None:
    tables = [
        Table(f"{corpus_title(corpus)}, by {kind}", GROUP_HEADS, _group_rows(found))
        for corpus, kinds in card.get("groups", {}).items()
        for kind, found in kinds.items()
    ]
    if not tables:
        return None
    gaps = [
        f"{corpus_title(corpus)}, by {kind}: {gap['best']} {points(gap['gap'])} over "
        f"{gap['worst']}{_doubt(gap['interval'])}."
        for corpus, kinds in card.get("gaps", {}).items()
        for kind, gap in kinds.items()
    ]
    text = (
        "Few speakers stand behind some groups, and other things set them apart too: a gap is "
        "first of all a reason to look closer."
    )
    return Section("groups", "For whom it is better or worse", (text, *gaps), tables)


def _group_rows(found: Mapping) -> list[tuple[str, ...]]:
    return [
        (group, words.percent(one["wa"]), str(one["clips"]), str(one["speakers"]))
        for group, one in found.items()
    ]


def _doubt(interval: Sequence[float]) -> str:
    low, high = (round(100 * edge) for edge in interval)
    chance = "; that may be chance" if low <= 0 <= high else ""
    return f" (95 % interval {_signed(low)} to {_signed(high)}{chance})"


def _signed(value: int) -> str:
    return str(value).replace("-", "\N{MINUS SIGN}")


def _votes(card: Mapping) -> Section | None:
    texts = [
        f"{corpus_title(name)}: people listened to {found['clips']} of these clips and voted. "
        f"What most of them heard, the model names in {words.percent(found['model_favourite'])} "
        f"of the clips; a single listener does so in "
        f"{words.percent(found['listener_favourite'])}. What the actor meant, the model names in "
        f"{words.percent(found['model_acted'])}, a single listener in "
        f"{words.percent(found['listener_acted'])}."
        for name, found in card.get("votes", {}).items()
    ]
    return Section("votes", "Beside people who listened", texts) if texts else None


def _intensity(card: Mapping) -> Section | None:
    rows = [
        (corpus_title(name), _decimals(found["rho"]), str(found["clips"]), str(found["speakers"]))
        for name, found in card.get("intensity", {}).items()
    ]
    if not rows:
        return None
    text = (
        "It also says how strong a voice sounds, from calm to strong. Below stands how well that "
        "follows the strength that the actors were asked for (rank correlation, Spearman): 1 is "
        "the same order, 0 none."
    )
    table = Table("Strength", ("Corpus", "Rank correlation", "Clips", "Speakers"), rows)
    return Section("intensity", "How strong a voice sounds", (text,), (table,))


def _nonspeech(card: Mapping) -> Section | None:
    found = card.get("nonspeech")
    if not found:
        return None
    rows = [(name, _share(share)) for name, share in found.items()]
    text = (
        "How often sound without a voice was given an emotion all the same, and how often speech "
        "was turned away as no voice, or as too noisy."
    )
    table = Table("Sounds", ("What", "Share"), rows)
    return Section("nonspeech", "What is no voice", (text,), (table,))


def _share(share: float | None) -> str:
    return ABSENT if share is None else words.percent(share)


def _decimals(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


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
    _abstention,
    _calibration,
    _robustness,
    _groups,
    _votes,
    _intensity,
    _nonspeech,
)
"""In the order of questions that a person asks."""
