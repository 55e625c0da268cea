"""The parts of a model's page: one function each, from the card; what a card lacks has no part."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from flask_babel import gettext as _
from flask_babel import pgettext

from webapp import words
from webapp.cards import (
    condition_title,
    corpus_title,
    is_moderate,
    megabytes,
    or_unmeasured,
    parameters,
    points,
    with_interval,
)

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
        (_("Source"), made["git_commit"] or _("not known")),
        (_("Seed"), str(made["seed"])),
        *(
            (_("Data: %(corpus)s", corpus=corpus_title(name)), f"SHA-256 {digest}")
            for name, digest in data
        ),
        *((name, version) for name, version in made.get("packages", {}).items()),
    ]
    text = _(
        "One command, with the corpora in their official layouts, from this state of the source."
    )
    table = Table(_("What made it"), (_("What"), _("Which")), rows, words=2)
    return Section("again", _("How to make it again"), (text,), (table,), code=made["command"])


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
    columns = [words.adjective(label) for label in labels] + [_("no answer")] * silent
    rows = []
    for meant, row in zip(columns, counts, strict=False):
        shares = [count / max(sum(row), 1) for count in row[: len(columns)]]
        cells = [
            Cell(
                round(100 * share),
                round(SHADES * share),
                _("of %(meant)s heard as %(heard)s", meant=meant, heard=heard),
            )
            for heard, share in zip(columns, shares, strict=True)
        ]
        rows.append((meant, cells))
    return Matrix(caption, columns, rows)


def _training(card: Mapping) -> Section:
    rows = [
        (
            corpus["title"],
            _(language),
            corpus["licence"],
            str(corpus.get("clips", ABSENT)),
            str(corpus.get("speakers", ABSENT)),
        )
        for corpus in card["corpora"]
        for language in (corpus["language"],)
    ]
    text = _("Acted speech, recorded for research. The speakers below are those that trained it.")
    heads = (_("Corpus"), _("Language"), _("Licence"), _("Clips"), _("Speakers"))
    table = Table(_("Training data"), heads, rows, words=3)
    return Section("training", _("What it learned from"), (text,), (table,))


def _accuracy(card: Mapping) -> Section | None:
    if not card["metrics"]:
        return None
    text = _(
        "Measured on speakers whom it had never heard in training. WA is the share of all clips "
        "named right; UA the mean over emotions, so that a common one does not hide a rare one; "
        "macro-F1 also counts false alarms. In brackets stand %(sure)s intervals over speakers: "
        "where few spoke, they say little. A clip without an answer counts as wrong.",
        sure="95 %",
    )
    table = _accuracy_table(_("Speakers it had never heard"), card["metrics"])
    return Section(
        "accuracy", _("How often it is right"), (text, words.track_record(card)), (table,)
    )


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
    heads = (_("Corpus"), _("Emotions"), _("Clips"), _("Speakers"), "WA", "UA", _("Macro-F1"))
    return Table(caption, heads, rows)


def _confusion(card: Mapping) -> Section | None:
    matrices = [
        matrix(corpus_title(name), found["labels"], found["confusion"])
        for name, found in card["metrics"].items()
        if "confusion" in found
    ]
    if not matrices:
        return None
    text = _(
        "Each row is an emotion as it was meant; along it stands, in percent, what it was heard "
        "as. Numbers on the diagonal are right answers."
    )
    return Section("confusion", _("What it mistakes for what"), (text,), matrices=matrices)


def _left_out(card: Mapping) -> Section | None:
    if not card.get("left_out"):
        return None
    text = _(
        "Other microphones, actors and languages are harder than other speakers. To measure that, "
        "the same network was trained without a corpus, and then heard that corpus. Expect "
        "numbers like these, or lower, on your own recordings."
    )
    table = _accuracy_table(_("Corpora left out of training"), card["left_out"])
    return Section("left-out", _("On a corpus that it never heard"), (text,), (table,))


def _abstention(card: Mapping) -> Section | None:
    threshold = card["calibration"]["threshold"]
    rule = (
        _(
            "Where the likeliest emotion has a share under %(share)s, the answer is “Not sure”, "
            "and names the two or three emotions that it hesitates between.",
            share=words.percent(threshold),
        )
        if threshold > 0
        else _("It names an emotion for every voice that it hears.")
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
    heads = (_("Corpus"), _("Gets an emotion"), _("Right of these"))
    tables = [Table(_("Of all clips"), heads, rows)] if rows else []
    text = (
        _("What that buys, the choice being among all of its emotions, as on a result page:")
        if rows
        else ""
    )
    return Section("abstention", _("When it does not answer"), (rule, text), tables)


def _left_out_title(name: str) -> str:
    return _("%(corpus)s, never heard", corpus=corpus_title(name))


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
        _(
            "It was adjusted for that on other speakers than these (temperature %(temperature)s).",
            temperature=words.decimal(temperature, 2),
        )
        if temperature != 1
        else _("It was not adjusted for that.")
    )
    meant = _("A share of %(share)s should mean: right in about 7 of 10 such clips.", share="70 %")
    measures = _(
        "ECE, expected calibration error, is by how much shares and successes differ, on average. "
        "The Brier score is the squared distance from certainty in the right emotion: 0 is best; "
        "saying that all of six are alike gives 0.83."
    )
    text = f"{meant} {fitted} {measures}"
    table = Table(_("Shares beside successes"), (_("Corpus"), "ECE", _("Brier score")), rows)
    return Section("calibration", _("How far its shares can be trusted"), (text,), (table,))


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
    parts = [
        _("%(clips)s of %(corpus)s", clips=number, corpus=corpus_title(name))
        for name, number in counts.items()
    ]
    text = (
        _(
            "The same clips of unheard speakers (%(clips)s), sent through real encoders, rooms and "
            "noise; in each row stands the share still named right (WA).",
            clips=words.listed(parts),
        )
        if parts
        else _(
            "The same clips of unheard speakers, sent through real encoders, rooms and noise; in "
            "each row stands the share still named right (WA)."
        )
    )
    heads = (_("Condition"), *map(corpus_title, names))
    table = Table(_("Named right"), heads, rows)
    return Section(
        "robustness",
        _("Through codecs, rooms and noise"),
        (text, *_worst(found, clean)),
        (table,),
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
        _(
            "The worst, noise under 10 dB aside, is %(condition)s on %(corpus)s: %(points)s fewer "
            "than as recorded.",
            condition=condition,
            corpus=corpus,
            points=points(lost),
        )
    ]


def _groups(card: Mapping) -> Section | None:
    heads = (_("Group"), "WA", _("Clips"), _("Speakers"))
    tables = [
        Table(
            _("%(corpus)s, by %(kind)s", corpus=corpus_title(corpus), kind=_(kind)),
            heads,
            _group_rows(found),
        )
        for corpus, kinds in card.get("groups", {}).items()
        for kind, found in kinds.items()
    ]
    if not tables:
        return None
    gaps = [
        _gap(corpus_title(corpus), _(kind), gap)
        for corpus, kinds in card.get("gaps", {}).items()
        for kind, gap in kinds.items()
    ]
    text = _(
        "Few speakers stand behind some groups, and other things set them apart too: a gap is "
        "first of all a reason to look closer."
    )
    return Section("groups", _("For whom it is better or worse"), (text, *gaps), tables)


def _group_rows(found: Mapping) -> list[tuple[str, ...]]:
    return [
        (_(group), words.percent(one["wa"]), str(one["clips"]), str(one["speakers"]))
        for group, one in found.items()
    ]


def _gap(corpus: str, kind: str, gap: Mapping) -> str:
    low, high = (round(100 * edge) for edge in gap["interval"])
    best, worst = gap["best"], gap["worst"]
    told = {
        "corpus": corpus,
        "kind": kind,
        "best": _(best),
        "points": points(gap["gap"]),
        "worst": _(worst),
        "low": _signed(low),
        "high": _signed(high),
    }
    if low <= 0 <= high:
        return _(
            "%(corpus)s, by %(kind)s: %(best)s %(points)s over %(worst)s (95 %% interval %(low)s "
            "to %(high)s; that may be chance).",
            **told,
        )
    return _(
        "%(corpus)s, by %(kind)s: %(best)s %(points)s over %(worst)s (95 %% interval %(low)s to "
        "%(high)s).",
        **told,
    )


def _signed(value: int) -> str:
    return str(value).replace("-", "\N{MINUS SIGN}")


def _votes(card: Mapping) -> Section | None:
    texts = [
        _(
            "%(corpus)s: people listened to %(clips)s of these clips and voted. What most of them "
            "heard, the model names in %(model_favourite)s of the clips; a single listener does so "
            "in %(listener_favourite)s. What the actor meant, the model names in %(model_acted)s, "
            "a single listener in %(listener_acted)s.",
            corpus=corpus_title(name),
            clips=found["clips"],
            model_favourite=words.percent(found["model_favourite"]),
            listener_favourite=words.percent(found["listener_favourite"]),
            model_acted=words.percent(found["model_acted"]),
            listener_acted=words.percent(found["listener_acted"]),
        )
        for name, found in card.get("votes", {}).items()
    ]
    return Section("votes", _("Beside people who listened"), texts) if texts else None


def _intensity(card: Mapping) -> Section | None:
    rows = [
        (corpus_title(name), _decimals(found["rho"]), str(found["clips"]), str(found["speakers"]))
        for name, found in card.get("intensity", {}).items()
    ]
    if not rows:
        return None
    text = _(
        "It also says how strong a voice sounds, from calm to strong. Below stands how well that "
        "follows the strength that the actors were asked for (rank correlation, Spearman): 1 is "
        "the same order, 0 none."
    )
    heads = (_("Corpus"), _("Rank correlation"), _("Clips"), _("Speakers"))
    table = Table(_("Strength"), heads, rows)
    return Section("intensity", _("How strong a voice sounds"), (text,), (table,))


def _nonspeech(card: Mapping) -> Section | None:
    found = card.get("nonspeech")
    if not found:
        return None
    rows = [(_(name), _share(share)) for name, share in found.items()]
    text = _(
        "How often sound without a voice was given an emotion all the same, and how often speech "
        "was turned away as no voice, or as too noisy."
    )
    table = Table(pgettext("noises", "Sounds"), (_("What"), _("Share")), rows)
    return Section("nonspeech", _("What is no voice"), (text,), (table,))


def _share(share: float | None) -> str:
    return ABSENT if share is None else words.percent(share)


def _decimals(value: float | None) -> str:
    return ABSENT if value is None else words.decimal(value, 2).replace("-", "\N{MINUS SIGN}")


def _accuracies(cards: Sequence[Mapping]) -> Section | None:
    text = _(
        "The share of acted clips named right (WA) by speakers whom the model had never heard in "
        "training, the choice being among the emotions that corpus and model share. In brackets "
        "stand %(sure)s intervals over speakers. Numbers of models with fewer emotions are not "
        "like for like: fewer to choose from is easier.",
        sure="95 %",
    )
    table = _side_by_side(cards, "metrics", lambda found: with_interval(found, "wa"))
    return table and Section("accuracy", _("How often they are right"), (text,), (table,))


def _sizes(cards: Sequence[Mapping]) -> Section | None:
    text = _(
        "What each network is made of, and what it costs. The time is that of three seconds of "
        "sound on one core, the network alone."
    )
    rows = [
        (
            card["name"],
            _(title),
            parameters(card),
            megabytes(card),
            f"{words.decimal(card['speed']['window_ms'])}\N{NO-BREAK SPACE}ms"
            if card.get("speed")
            else ABSENT,
        )
        for card in cards
        if "parameters" in card
        for title in (card["title"],)
    ]
    heads = (_("Model"), _("Network"), _("Parameters"), _("Size"), _("Time"))
    table = Table(_("Networks"), heads, rows, words=2)
    return Section("sizes", _("What they are"), (text,), (table,)) if rows else None


def _recalls(cards: Sequence[Mapping]) -> Section | None:
    text = _(
        "The same clips, every emotion counting alike however many clips it has. UA is the mean "
        "of the emotions' recalls; macro-F1 also counts false alarms."
    )
    tables = [
        table
        for key, measure in (("ua", "UA"), ("macro_f1", _("Macro-F1")))
        if (table := _side_by_side(cards, "metrics", partial(with_interval, name=key), measure))
    ]
    title = _("How often they are right, emotion by emotion")
    return Section("recalls", title, (text,), tables) if tables else None


def _random_splits(cards: Sequence[Mapping]) -> Section | None:
    text = _(
        "The same networks, trained once more by the same recipe on clips that were drawn at "
        "random. Then the voices of the test are heard in training, and the number rises without "
        "the network having become any better. Most accuracies that are told of these corpora are "
        "of this kind. What counts for a voice that the network does not know is the column “new "
        "voices”. The networks of the random split are not shipped."
    )
    rows = [
        (
            card["name"],
            corpus_title(name),
            with_interval(card["metrics"][name], "wa"),
            words.percent(claimed["wa"]),
        )
        for card in cards
        for name, claimed in card.get("random_split", {}).get("metrics", {}).items()
    ]
    heads = (_("Model"), _("Corpus"), _("New voices (WA)"), _("Random split (WA)"))
    table = Table(_("Random split beside new voices"), heads, rows, words=2)
    title = _("What a random split would have claimed")
    return Section("random-split", title, (text,), (table,)) if rows else None


def _calibration_errors(cards: Sequence[Mapping]) -> Section | None:
    text = _(
        "Calibration error (ECE): how far the shares on a result page lie, on average, from how "
        "often they were right. The lower, the more the shares can be trusted."
    )
    table = _side_by_side(cards, "metrics", _calibration_error)
    return table and Section(
        "calibration", _("How far their shares can be trusted"), (text,), (table,)
    )


def _calibration_error(found: Mapping) -> str:
    return or_unmeasured(None) if found.get("ece") is None else with_interval(found, "ece")


def _accuracies_left_out(cards: Sequence[Mapping]) -> Section | None:
    text = _(
        "Tested on a corpus that training did not have (WA): the network itself where it never "
        "had it, or the same one trained again without it. Other actors, microphones and "
        "sometimes another language. Nearest to what to expect of your own recordings."
    )
    table = _side_by_side(cards, "left_out", lambda found: with_interval(found, "wa"))
    return table and Section("left-out", _("On a corpus that they never heard"), (text,), (table,))


def _side_by_side(
    cards: Sequence[Mapping], key: str, cell: Callable[[Mapping], str], measure: str = ""
) -> Table | None:
    measured = [card for card in cards if card.get(key)]
    names = list(dict.fromkeys(name for card in measured for name in card[key]))
    rows = [
        (card["name"], *(cell(card[key][name]) if name in card[key] else ABSENT for name in names))
        for card in measured
    ]
    heads = (_("Model"), *map(corpus_title, names))
    caption = _("Models by corpus")
    if measure:
        caption = _("Models by corpus: %(measure)s", measure=measure)
    return Table(caption, heads, rows) if rows else None


COMPARISONS = (
    _sizes,
    _accuracies,
    _recalls,
    _calibration_errors,
    _accuracies_left_out,
    _random_splits,
)

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
