"""What pages say about a prediction: pure functions from its JSON object to plain words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ml import Explanation

ADJECTIVES = {"disgust": "disgusted"}
"""Labels that are no adjective: a voice sounds disgusted, not disgust."""

NBSP = "\N{NO-BREAK SPACE}"

HEADINGS = {
    "no_speech": "No voice found",
    "too_short": "Too short to tell",
    "too_noisy": "Too noisy to tell",
}

FORMATS = {
    "json": "JSON, everything",
    "csv": "CSV, a line for each window",
    "audacity": "Audacity labels",
    "vtt": "WebVTT subtitles",
}

ADVICE = {
    "uncertain": "Try a longer clip of one person, or one where the mood is plainer.",
    "no_speech": "Try a clip in which one person speaks, close to the microphone.",
    "too_short": "Try a clip of two seconds or more; one or two sentences are best.",
    "too_noisy": "Record in a quieter place, or closer to the microphone.",
}


def adjective(label: str) -> str:
    """Turn a label into the word after "sounds"."""
    return ADJECTIVES.get(label, label)


def listed(names: Iterable[str]) -> str:
    """Join names as a sentence does: "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def percent(share: float) -> str:
    """Round a share to whole percent; the ends say "under 1" and "over 99"."""
    if 0 < share < 0.01:
        return f"under 1{NBSP}%"
    if 0.99 < share < 1:
        return f"over 99{NBSP}%"
    return f"{share * 100:.0f}{NBSP}%"


def step(value: float, *steps: tuple[float, str]) -> str:
    """Give the word of the first step that a value reaches; empty where it reaches none."""
    return next((word for least, word in steps if value >= least), "")


def duration(seconds: float) -> str:
    """Write a length: tenths under ten seconds, minutes from two minutes on."""
    if seconds < 10:
        return f"{seconds:.1f}{NBSP}s"
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
        return f"Sounds {adjective(prediction['label'])}"
    if prediction["outcome"] == "uncertain":
        names = [adjective(label) for label in _candidates(prediction)]
        return f"Not sure: between {listed(names)}" if names else "Not sure"
    return HEADINGS[prediction["outcome"]]


def _candidates(prediction: Mapping) -> list[str]:
    """Name what an unsure answer hesitates between; kept answers of old name the first two."""
    named = prediction["reason_params"].get("candidates")
    return named.split(", ") if named else [label for label, _ in ranking(prediction)[:2]]


def certainty(prediction: Mapping) -> str:
    """Say how sure an answer is, and what came next."""
    sure = prediction["confidence"]
    word = step(sure, (0.8, "Quite sure"), (0.55, "Fairly sure")) or "Leaning this way"
    return f"{word}: {percent(sure)}. {runner_up(prediction)}"


def runner_up(prediction: Mapping) -> str:
    """Say what came next; where a vote chose another emotion than led, which one that was."""
    others = [row for row in ranking(prediction) if row[0] != prediction["label"]]
    label, share = others[0]
    led = share > prediction["confidence"]
    place = "Over the whole clip, likelier is" if led else "Next comes"
    return f"{place} {adjective(label)} with {percent(share)}."


def vote(prediction: Mapping) -> str:
    """Say how many windows bear the answer; empty where only one could vote."""
    scored = sum(bool(segment["probabilities"]) for segment in prediction["segments"])
    if scored < 2:
        return ""
    bearing = round(scored * prediction["vote"]["dominance"])
    return f"{bearing} of {scored} windows sound {adjective(prediction['vote']['label'])}."


def vote_ranking(prediction: Mapping) -> list[tuple[str, float]]:
    """Order labels by the share of windows that they lead, largest first; all scored labels."""
    shares = prediction["vote"]["distribution"] if prediction["vote"] else {}
    labels = [label for label, _share in ranking(prediction)]
    return sorted(((label, shares.get(label, 0.0)) for label in labels), key=lambda row: -row[1])


def reason(prediction: Mapping) -> str:
    """Say what was measured where no emotion is named."""
    measured = prediction["reason_params"]
    if prediction["outcome"] != "uncertain" or not measured:
        return prediction["reason"]
    return (
        f"The likeliest, {adjective(measured['label'])}, reaches "
        f"{percent(measured['probability'])}; answers under {percent(measured['threshold'])} "
        "are held back."
    )


def intensity(prediction: Mapping) -> str:
    """Say how strong an emotion sounds; empty where that is not known."""
    value = prediction.get("intensity")
    if value is None or prediction["outcome"] != "emotion":
        return ""
    return step(value, (2 / 3, "strong"), (1 / 3, "moderate")) or "calm"


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
                f"{start_s + first_s:.2f} to {start_s + last_s:.2f}{NBSP}s",
                f"{round(low_hz, -1):.0f} to {round(high_hz, -1):.0f}{NBSP}Hz",
                f"{worth:.0f} points" if worth >= 1 else "under 1 point",
            )
        )
    return rows


def checked(explanation: Explanation) -> str:
    """Say whether an explanation holds, with the figures of its check."""
    if not explanation.chosen:
        return "No part matters by itself: without any one of them the share stays as high."
    left = percent(max(0.0, explanation.probability - explanation.drop))
    drawn = sum(explanation.random_drops) / len(explanation.random_drops)
    by_chance = percent(min(1.0, max(0.0, explanation.probability - drawn)))
    figures = (
        f"Without these parts the share falls from {percent(explanation.probability)} to {left}; "
        f"without as many parts drawn by chance, to {by_chance} on average."
    )
    if explanation.reliable:
        return f"Checked on this clip. {figures}"
    return f"Not reliable for this clip: take the marks as a guess at most. {figures}"


def face(prediction: Mapping) -> str:
    """Name the face that fits: the label's, or the one that cannot tell."""
    return prediction["label"] or "unsure"


def segment_words(segment: Mapping) -> str:
    """Say what one window sounds like, for the table."""
    if segment["label"]:
        return adjective(segment["label"])
    return {"no_speech": "no voice", "uncertain": "not sure"}.get(segment["outcome"], "no answer")


def agreement(answers: Sequence[tuple[str, Mapping]]) -> str:
    """Say in a sentence or two how far models agree.

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
        return "No model names an emotion."
    parts = sorted(named.items(), key=lambda item: -len(item[1]))
    first, bearers = parts[0]
    if len(bearers) == len(answers):
        return f"All {number(len(answers))} models hear the same: {adjective(first or '')}."
    others = [
        f"{listed(names)} {_say(names)} {adjective(label or '')}" for label, names in parts[1:]
    ]
    if silent:
        others.append(f"{listed(silent)} cannot tell")
    told = f"{len(bearers)} of {len(answers)} models hear {adjective(first or '')}"
    if len(bearers) == 1:
        told = f"No two models agree. {bearers[0]} hears {adjective(first or '')}"
    return f"{told}; {'; '.join(others)}."


def _say(names: Sequence[str]) -> str:
    return "hears" if len(names) == 1 else "hear"


def timeline_summary(prediction: Mapping) -> str:
    """Say in a sentence how the windows voted."""
    vote, count = prediction["vote"], len(prediction["segments"])
    if not vote:
        return f"None of the {count} windows was scored."
    scored = sum(bool(segment["probabilities"]) for segment in prediction["segments"])
    if scored == 1:
        return f"The one window with a voice sounds {adjective(vote['label'])}."
    voters = f"the {count} windows" if scored == count else f"the {scored} windows with a voice"
    summary = f"By majority of {voters}: {adjective(vote['label'])}, {percent(vote['dominance'])}"
    others = {label: share for label, share in vote["distribution"].items() if share}
    del others[vote["label"]]
    ordered = sorted(others, key=lambda label: -others[label])
    listed = [f"{adjective(label)} {percent(others[label])}" for label in ordered]
    return f"{summary}; then {', '.join(listed)}." if listed else f"{summary}."


def day(time: datetime) -> str:
    """Write a date."""
    return f"{time.day} {time:%B %Y}"


def moment(time: datetime) -> str:
    """Write a point in time, in UTC."""
    return f"{day(time)}, {time:%H:%M} UTC"


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
    return (
        f"On {clips} acted clips by speakers whom it had never heard, it named the intended "
        f"emotion, out of {number(len(card['labels']))}, in about {10 * right / clips:.0f} of 10."
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
    return (
        f"Of {place['clips']} test clips by voices that it had never heard and scored "
        f"{100 * place['from']:.0f} to {percent(place['to'])}, "
        f"{percent(place['right'])} were named right."
    )


def number(count: int) -> str:
    """Write a small count as a word."""
    small = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return small[count] if count < len(small) else str(count)
