"""What pages say about a trained model in a few words: pure functions from its card.

A card is the whole of a bundle's ``bundle.json``.
"""

from collections.abc import Mapping

from flask_babel import gettext as _
from flask_babel import ngettext

import ml
from webapp import words

NBSP = "\N{NO-BREAK SPACE}"

OPEN_LICENCES = ("Apache", "BSD", "CC BY ", "CC BY-SA", "CC0", "MIT", "ODbL", "Public domain")
"""How licences begin that allow commercial use; every other one is taken not to."""


def corpus_title(name: str) -> str:
    """Name a corpus as people do."""
    return ml.CORPORA[name].title if name in ml.CORPORA else name


def summary(card: Mapping) -> str:
    """Say in a sentence or two what a model is and what it learned from."""
    described = card.get("description", card["title"])
    count = len(card["labels"])
    told = ngettext(
        "It tells %(count)s emotion apart and learned from %(corpora)s.",
        "It tells %(count)s emotions apart and learned from %(corpora)s.",
        count,
        count=words.number(count),
        corpora=words.listed(corpus["title"] for corpus in card["corpora"]),
    )
    return f"{_(described).rstrip('.')}. {told}"


def in_short(card: Mapping) -> str:
    """Say in a line what a model is, for a choice among several."""
    title = card["title"]
    told = {"title": _(title), "emotions": emotions(card)}
    if commercial_use(card):
        return _("%(title)s: %(emotions)s", **told)
    return _("%(title)s: %(emotions)s; not for commercial use", **told)


def emotions(card: Mapping) -> str:
    """List what a model tells apart."""
    return ", ".join(words.adjective(label) for label in card["labels"])


def megabytes(card: Mapping) -> str:
    """Write the size of the network that serves."""
    return f"{words.decimal(card['size_bytes'] / 1e6)}{NBSP}MB"


def parameters(card: Mapping) -> str:
    """Write how many numbers were learned."""
    thousands = card["parameters"] / 1000
    if thousands < 1000:
        return _("%(count)s\N{NO-BREAK SPACE}thousand", count=f"{thousands:.0f}")
    return _("%(count)s\N{NO-BREAK SPACE}million", count=words.decimal(thousands / 1000))


def licence(card: Mapping) -> str:
    """Name the licence of the weights, without where it comes from."""
    return card["licence"].partition(" (")[0]


def commercial_use(card: Mapping) -> bool:
    """Tell whether the weights may be used commercially: all licences behind them allow it."""
    named = [card["licence"], *(corpus["licence"] for corpus in card["corpora"])]
    return all(one.startswith(OPEN_LICENCES) for one in named)


def with_interval(measures: Mapping, name: str) -> str:
    """Write a share with its 95 % interval, in whole percent."""
    share = words.percent(measures[name])
    if f"{name}_interval" not in measures:
        return share
    low, high = (round(100 * edge) for edge in measures[f"{name}_interval"])
    return _(
        "%(share)s (%(low)s\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}%(high)s)",
        share=share,
        low=low,
        high=high,
    )


def or_unmeasured(share: float | None) -> str:
    """Write a share, or that there is none."""
    return _("not measured") if share is None else words.percent(share)


def condition_title(name: str) -> str:
    """Name what a recording suffered as people do."""
    return _(ml.CONDITIONS[name].title) if name in ml.CONDITIONS else name


def is_moderate(name: str) -> bool:
    """Tell whether a condition is one that recordings commonly suffer."""
    return name not in ml.CONDITIONS or ml.CONDITIONS[name].moderate


def points(difference: float) -> str:
    """Write a difference of shares in whole percentage points."""
    return ngettext(
        "%(num)s\N{NO-BREAK SPACE}point",
        "%(num)s\N{NO-BREAK SPACE}points",
        round(100 * difference),
    )


def speed(card: Mapping) -> str:
    """Write what three seconds of sound cost on one core; empty where it was not measured."""
    if not card.get("speed"):
        return ""
    return _(
        "%(time)s for %(length)s of sound, on one core",
        time=f"{card['speed']['window_ms']:.0f}{NBSP}ms",
        length=f"3{NBSP}s",
    )
