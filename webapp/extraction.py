"""Texts that pages show but do not hold: from errors, models, corpora and samples; for Babel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ml
from webapp.samples import samples

Message = tuple[int, str, str, list[str]]


def named(*_given: Any, **_options: Any) -> Iterator[Message]:
    """Yield every text that ``gettext`` is given by a variable; an extractor in Babel's form."""
    for text in dict.fromkeys(_texts()):
        yield 1, "gettext", text, []


def _texts() -> Iterator[str]:
    for error in _errors(ml.SerError):
        yield error.message_template
        yield error.hint_template
    for sample in samples():
        yield sample.description
    for condition in ml.CONDITIONS.values():
        yield condition.title
    for corpus in ml.CORPORA.values():
        yield corpus.language
    yield from (ml.CORPORA["csv"].title, ml.CORPORA["csv"].citation)
    for name in ml.bundle_names():
        card = ml.read_bundle(name).card
        yield card["title"]
        yield from filter(None, [card.get("description")])
        for kinds in card.get("groups", {}).values():
            yield from kinds
            for groups in kinds.values():
                yield from groups
        yield from card.get("nonspeech", {})


def _errors(root: type[ml.SerError]) -> Iterator[type[ml.SerError]]:
    """Give an error and all under it, of `ml` and of the site, as far as they are loaded.

    The site has no archives, so no page shows what can go wrong with one.
    """
    yield root
    for error in root.__subclasses__():
        if error is not ml.ArchiveError:
            yield from _errors(error)
