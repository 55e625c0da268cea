"""What pages say about a prediction: pure functions from its JSON object to plain words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from babel import Locale
from babel.dates import format_date, format_time
from babel.lists import format_list
from babel.numbers import format_decimal
from flask_babel import get_locale, lazy_gettext, ngettext, pgettext
from flask_babel import gettext as _

if TYPE_CHECKING:
    from ml import Explanation

ADJECTIVES = {
    "neutral": lazy_gettext("neutral"),
    "calm": lazy_gettext("calm"),
    "happy": lazy_gettext("happy"),
    "sad": lazy_gettext("sad"),
    "angry": lazy_gettext("angry"),
    "fearful": lazy_gettext("fearful"),
    "disgust": lazy_gettext("disgusted"),
    "surprised": lazy_gettext("surprised"),
}
"""Each label as the word after "sounds"."""

NBSP = "\N{NO-BREAK SPACE}"

HEADINGS = {
    "no_speech": lazy_gettext("No voice found"),
    "too_short": lazy_gettext("Too short to tell"),
    "too_noisy": lazy_gettext("Too noisy to tell"),
}

FORMATS = {
    "json": lazy_gettext("JSON, everything"),
    "csv": lazy_gettext("CSV, a line for each window"),
    "audacity": lazy_gettext("Audacity labels"),
    "vtt": lazy_gettext("WebVTT subtitles"),
}

ADVICE = {
    "uncertain": lazy_gettext("Try a longer clip of one person, or one where the mood is plainer."),
    "no_speech": lazy_gettext("Try a clip in which one person speaks, close to the microphone."),
    "too_short": lazy_gettext("Try a clip of two seconds or more; one or two sentences are best."),
    "too_noisy": lazy_gettext("Record in a quieter place, or closer to the microphone."),
}


def locale() -> Locale:
    """Name the language and country by whose rules numbers, dates and lists are written."""
    return get_locale() or Locale("en", "GB")


def translated(text: str) -> str:
    """Give a text that comes from a card or a corpus in the page's language, if it is known."""
    return _(text)


def adjective(label: str) -> str:
    """Turn a label into the word after "sounds"."""
    return str(ADJECTIVES.get(label, label))


def listed(names: Iterable[str]) -> str:
    """Join names as a sentence does: "a, b and c"."""
    return format_list(list(names), locale=locale())


def decimal(value: float, digits: int = 1) -> str:
    """Write a number with some digits after the point, or the comma."""
    # Rounded first as elsewhere in Python: Babel rounds halves to even.
    return format_decimal(
        Decimal(f"{value:.{digits}f}"), f"0.{'0' * digits}" if digits else "0", locale=locale()
    )


def short(value: float) -> str:
    """Write a number with one digit after the point where it is not whole."""
    return decimal(value, 1 if value % 1 else 0)


def percent(share: float) -> str:
    """Round a share to whole percent; the ends say "under 1" and "over 99"."""
    if 0 < share < 0.01:
        return _("under %(share)s", share=f"1{NBSP}%")
    if 0.99 < share < 1:
        return _("over %(share)s", share=f"99{NBSP}%")
    return f"{share * 100:.0f}{NBSP}%"


def step(value: float, *steps: tuple[float, str]) -> str:
    """Give the word of the first step that a value reaches; empty where it reaches none."""
    return next((word for least, word in steps if value >= least), "")


def duration(seconds: float) -> str:
    """Write a length: tenths under ten seconds, minutes from two minutes on."""
    if seconds < 10:
        return f"{decimal(seconds)}{NBSP}s"
    if seconds < 120:
        return f"{seconds:.0f}{NBSP}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}{NBSP}min {rest}{NBSP}s"


def ranking(prediction: Mapping) -> list[tuple[str, float]]:
    """Order labels by probability, largest first; empty where nothing was scored."""
    return sorted(prediction["probabilities"].items(), key=lambda item: -item[1])


def heading(prediction: Mapping) -> str:
    """Say the answer in a few words, the page's title."""
    if prediction["outcome"] == "emotion":
        return _("Sounds %(emotion)s", emotion=adjective(prediction["label"]))
    if prediction["outcome"] == "uncertain":
        names = [adjective(label) for label in _candidates(prediction)]
        if not names:
            return _("Not sure")
        return _("Not sure: between %(emotions)s", emotions=listed(names))
    return str(HEADINGS[prediction["outcome"]])


def _candidates(prediction: Mapping) -> list[str]:
    """Name what an unsure answer hesitates between; kept answers of old name the first two."""
    named = prediction["reason_params"].get("candidates")
    return named.split(", ") if named else [label for label, _ in ranking(prediction)[:2]]


def certainty(prediction: Mapping) -> str:
    """Say how sure an answer is, and what came next."""
    sure = prediction["confidence"]
    share = percent(sure)
    if sure >= 0.8:
        said = _("Quite sure: %(share)s.", share=share)
    elif sure >= 0.55:
        said = _("Fairly sure: %(share)s.", share=share)
    else:
        said = _("Leaning this way: %(share)s.", share=share)
    return f"{said} {runner_up(prediction)}"


def runner_up(prediction: Mapping) -> str:
    """Say what came next; where a vote chose another emotion than led, which one that was."""
    others = [row for row in ranking(prediction) if row[0] != prediction["label"]]
    label, share = others[0]
    said = {"emotion": adjective(label), "share": percent(share)}
    if share > prediction["confidence"]:
        return _("Over the whole clip, likelier is %(emotion)s with %(share)s.", **said)
    return _("Next comes %(emotion)s with %(share)s.", **said)


def vote(prediction: Mapping) -> str:
    """Say how many windows bear the answer; empty where only one could vote."""
    scored = sum(bool(segment["probabilities"]) for segment in prediction["segments"])
    if scored < 2:
        return ""
    bearing = round(scored * prediction["vote"]["dominance"])
    return _(
        "%(bearing)s of %(scored)s windows sound %(emotion)s.",
        bearing=bearing,
        scored=scored,
        emotion=adjective(prediction["vote"]["label"]),
    )


def vote_ranking(prediction: Mapping) -> list[tuple[str, float]]:
    """Order labels by the share of windows that they lead, largest first; all scored labels."""
    shares = prediction["vote"]["distribution"] if prediction["vote"] else {}
    labels = [label for label, _share in ranking(prediction)]
    return sorted(((label, shares.get(label, 0.0)) for label in labels), key=lambda row: -row[1])


def intensity(prediction: Mapping) -> str:
    """Say how strong an emotion sounds; empty where that is not known."""
    value = prediction.get("intensity")
    if value is None or prediction["outcome"] != "emotion":
        return ""
    return step(value, (2 / 3, _("strong")), (1 / 3, _("moderate"))) or pgettext("strength", "calm")


class PartRow(NamedTuple):
    """One part of a sound that carried an answer: when, how high, and what it was worth."""

    time: str
    pitch: str
    worth: str


def parts_rows(explanation: Explanation, start_s: float, most: int = 6) -> list[PartRow]:
    """Describe the parts that carried an answer, the weightiest first.

    Parameters
    ----------
    start_s : float
        Where the window begins in the recording.
    """
    rows = []
    for place, (first_s, last_s, low_hz, high_hz) in zip(
        explanation.chosen[:most], explanation.boxes(), strict=False
    ):
        band, stretch = place
        worth = 100 * explanation.drops[band][stretch]
        rows.append(
            PartRow(
                _(
                    "%(first)s to %(last)s",
                    first=decimal(start_s + first_s, 2),
                    last=f"{decimal(start_s + last_s, 2)}{NBSP}s",
                ),
                _(
                    "%(first)s to %(last)s",
                    first=f"{round(low_hz, -1):.0f}",
                    last=f"{round(high_hz, -1):.0f}{NBSP}Hz",
                ),
                ngettext("%(num)s point", "%(num)s points", round(worth))
                if worth >= 1
                else _("under 1 point"),
            )
        )
    return rows


def checked(explanation: Explanation) -> str:
    """Say whether an explanation holds, with the figures of its check."""
    if not explanation.chosen:
        return _("No part matters by itself: without any one of them the share stays as high.")
    drawn = sum(explanation.random_drops) / len(explanation.random_drops)
    figures = _(
        "Without these parts the share falls from %(whole)s to %(left)s; without as many parts "
        "drawn by chance, to %(by_chance)s on average.",
        whole=percent(explanation.probability),
        left=percent(max(0.0, explanation.probability - explanation.drop)),
        by_chance=percent(min(1.0, max(0.0, explanation.probability - drawn))),
    )
    if explanation.reliable:
        verdict = _("Checked on this clip.")
    else:
        verdict = _("Not reliable for this clip: take the marks as a guess at most.")
    return f"{verdict} {figures}"


def face(prediction: Mapping) -> str:
    """Name the face that fits: the label's, or the one that cannot tell."""
    return prediction["label"] or "unsure"


def segment_words(segment: Mapping) -> str:
    """Say what one window sounds like, for the table."""
    if segment["label"]:
        return adjective(segment["label"])
    words = {"no_speech": _("no voice"), "uncertain": _("not sure")}
    return words.get(segment["outcome"], _("no answer"))


def agreement(answers: Sequence[tuple[str, Mapping]]) -> str:
    """Say in a few sentences how far models agree.

    Parameters
    ----------
    answers : sequence of (str, mapping)
        Each model's name and the JSON object of its prediction.
    """
    named: dict[str | None, list[str]] = {}
    for name, prediction in answers:
        named.setdefault(prediction["label"], []).append(name)
    silent = named.pop(None, [])
    if not named:
        return _("No model names an emotion.")
    parts = sorted(named.items(), key=lambda item: -len(item[1]))
    label, bearers = parts[0]
    emotion = adjective(label or "")
    if len(bearers) == len(answers):
        count = number(len(answers))
        return _("All %(count)s models hear the same: %(emotion)s.", count=count, emotion=emotion)
    if len(bearers) == 1:
        told = [_("No two models agree."), _hear(bearers, emotion)]
    else:
        told = [
            _(
                "%(bearers)s of %(count)s models hear %(emotion)s.",
                bearers=len(bearers),
                count=len(answers),
                emotion=emotion,
            )
        ]
    told += [_hear(names, adjective(other or "")) for other, names in parts[1:]]
    if silent:
        told.append(
            ngettext(
                "%(models)s cannot tell.",
                "%(models)s cannot tell.",
                len(silent),
                models=listed(silent),
            )
        )
    return " ".join(told)


def _hear(names: Sequence[str], emotion: str) -> str:
    return ngettext(
        "%(models)s hears %(emotion)s.",
        "%(models)s hear %(emotion)s.",
        len(names),
        models=listed(names),
        emotion=emotion,
    )


def timeline_summary(prediction: Mapping) -> str:
    """Say in a sentence or two how the windows voted."""
    vote, count = prediction["vote"], len(prediction["segments"])
    if not vote:
        return _("None of the %(count)s windows was scored.", count=count)
    emotion = adjective(vote["label"])
    scored = sum(bool(segment["probabilities"]) for segment in prediction["segments"])
    if scored == 1:
        return _("The one window with a voice sounds %(emotion)s.", emotion=emotion)
    said = {"count": scored, "emotion": emotion, "share": percent(vote["dominance"])}
    if scored == count:
        summary = _("By majority of the %(count)s windows: %(emotion)s, %(share)s.", **said)
    else:
        summary = _(
            "By majority of the %(count)s windows with a voice: %(emotion)s, %(share)s.", **said
        )
    others = {label: share for label, share in vote["distribution"].items() if share}
    del others[vote["label"]]
    ordered = sorted(others, key=lambda label: -others[label])
    if not ordered:
        return summary
    rest = ", ".join(f"{adjective(label)} {percent(others[label])}" for label in ordered)
    then = _("Then %(emotions)s.", emotions=rest)
    return f"{summary} {then}"


def day(time: datetime) -> str:
    """Write a date."""
    return format_date(time, "long", locale=locale())


def moment(time: datetime) -> str:
    """Write a point in time, in UTC."""
    return f"{day(time)}, {format_time(time, 'HH:mm', locale=locale())} UTC"


def track_record(card: Mapping) -> str:
    """Say how often the model was right on voices that it had never heard, in counts.

    Parameters
    ----------
    card : mapping
        A bundle's card. Counted is the choice among all of its emotions, which is what a visitor
        gets; nothing is said where the card has no measures.
    """
    measures = card["metrics"].values()
    clips = sum(one["clips"] for one in measures)
    if not clips:
        return ""
    right = sum(one["clips"] * one["wa_of_eight"] for one in measures)
    return _(
        "On %(clips)s acted clips by speakers whom it had never heard, it named the intended "
        "emotion, out of %(count)s, in about %(right)s of 10.",
        clips=clips,
        count=number(len(card["labels"])),
        right=f"{10 * right / clips:.0f}",
    )


FEWEST_CLIPS = 20
"""Fewer say too little about how often a share was right."""


def record(card: Mapping, prediction: Mapping) -> str:
    """Say how often answers with a share like this one's were right, on voices never heard.

    Returns
    -------
    str
        Empty where no emotion was named, or too few clips were scored like this one.
    """
    sure = prediction["confidence"]
    rows = card.get("overall", {}).get("record", [])
    if sure is None:
        return ""
    place = next(
        (row for row in rows if row["from"] <= sure < row["to"] or row["to"] == sure), None
    )
    if not place or place["clips"] < FEWEST_CLIPS:
        return ""
    return _(
        "Of %(clips)s test clips by voices that it had never heard and scored %(first)s to "
        "%(last)s, %(right)s were named right.",
        clips=place["clips"],
        first=f"{100 * place['from']:.0f}",
        last=percent(place["to"]),
        right=percent(place["right"]),
    )


def number(count: int) -> str:
    """Write a small count as a word."""
    small = (
        *(_("no"), _("one"), _("two"), _("three"), _("four"), _("five")),
        *(_("six"), _("seven"), _("eight"), _("nine"), _("ten")),
    )
    return small[count] if count < len(small) else str(count)
