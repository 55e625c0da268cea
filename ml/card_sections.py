"""The parts of a model card: one function each, from what a ``bundle.json`` says to Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ml.degrade import CONDITIONS
from ml.markdown import (
    Card,
    Lines,
    both_sides,
    condition_title,
    corpus_title,
    maybe_percent,
    or_unmeasured,
    percent,
    table,
    with_ends,
    with_interval,
)


def _what(card: Card) -> Lines:
    speed = or_unmeasured(card.get("speed"), lambda found: f"{found['window_ms']:.1f} ms")
    return [
        f"`{card['name']}`, version {card['version']}: {card['title']}. It hears a voice and says "
        f"which of {len(card['labels'])} emotions it sounds like: {', '.join(card['labels'])}. "
        "It says so with a share of certainty, or it says that it cannot tell.",
        "",
        *([card["description"], ""] if card.get("description") else []),
        f"It has {card['parameters']:,} parameters and {card['size_bytes'] / 1e6:.1f} MB. Three "
        f"seconds of sound take its network this long on one core: {speed}. Licence of the "
        f"weights: {card['licence']}.",
    ]


def _use(card: Card) -> Lines:
    return [
        "For people who want to hear how a recorded voice comes across: actors, teachers of "
        "speech, researchers, and everybody who is curious about the method. One person speaks; "
        "that person agrees; somebody looks at the answer who knows that it can be wrong.",
        "",
        "Do not use it to judge or decide about people:",
        "",
        "- not in hiring, grading, insurance, credit, policing or at borders;",
        "- not to watch people, at work, at school, in calls or in public;",
        "- not for diagnosis or any other medical purpose;",
        "- not to detect lies, intent or danger;",
        "- not on anybody who has not agreed to it.",
        "",
        "In the European Union, the AI Act (Regulation 2024/1689, Article 5) forbids inferring "
        "emotions of people at work and in education, except for medical or safety reasons.",
    ]


def _training(card: Card) -> Lines:
    rows = [
        [
            row["title"],
            row["language"],
            str(row["clips"]),
            str(row["speakers"]),
            row["licence"],
        ]
        for row in card["corpora"]
    ]
    return [
        "In all of it, actors played emotions for the recording. Clips and speakers are those of "
        "the training side alone.",
        "",
        *table(("corpus", "language", "clips", "speakers", "licence"), rows),
        "",
        *(f"- {row['title']}: {row['citation']}" for row in card["corpora"]),
    ]


def _accuracy(card: Card) -> Lines:
    if not card["metrics"]:
        return ["Not measured."]
    return [
        "Measured on speakers of the same corpora whom training never heard. WA is the share of "
        "all clips named right, UA the mean over emotions, macro-F1 counts false alarms too. In "
        "brackets: 95 % intervals over speakers. A clip without an answer counts as wrong, and "
        "the choice is among the emotions that the corpus has.",
        "",
        *accuracy_table(card["metrics"]),
        *_recalls(card),
    ]


def _recalls(card: Card) -> Lines:
    """Make a table of how often each emotion is found; nothing where no corpus tells."""
    found = {name: row["per_class"] for name, row in card["metrics"].items() if "per_class" in row}
    if not found:
        return []
    rows = [
        [label, *(_recall(classes.get(label)) for classes in found.values())]
        for label in card["labels"]
    ]
    return [
        "",
        "Of the clips in which an emotion was played, so many were named so:",
        "",
        *table(("emotion", *map(corpus_title, found)), rows),
    ]


def _recall(measures: Card | None) -> str:
    """Write a recall; a dash where the corpus has no such clips."""
    return percent(measures["recall"]) if measures and measures["clips"] else "-"


def _left_out(card: Card) -> Lines:
    found = card.get("left_out")
    if not found:
        return ["Not measured."]
    return [
        "Other actors, microphones, rooms and sometimes another language: the same recipe was "
        "trained without a corpus and then heard that corpus. This is the nearest to what to "
        "expect of recordings of your own.",
        "",
        *accuracy_table(found),
    ]


def accuracy_table(found: Card) -> Lines:
    """Make a row of accuracies for each corpus."""
    rows = [
        [
            corpus_title(name),
            str(len(row["labels"])),
            f"{row['clips']} / {row['speakers']}",
            with_interval(row["wa"], row["wa_interval"]),
            with_interval(row["ua"], row["ua_interval"]),
            percent(row["macro_f1"]),
        ]
        for name, row in found.items()
    ]
    return table(("corpus", "emotions", "clips / speakers", "WA", "UA", "macro-F1"), rows)


def abstention_lines(card: Card) -> Lines:
    """Say when there is no answer, and what that buys."""
    threshold = card["calibration"]["threshold"]
    rule = (
        f"Where the likeliest emotion has less than {percent(threshold)}, the answer is that it "
        "cannot tell, and between which emotions it lies."
        if threshold > 0
        else "It gives an emotion to every voice that it scores."
    )
    inside = card.get("risk_coverage", {})
    outside = {
        name: row["risk_coverage"]
        for name, row in card.get("left_out", {}).items()
        if "risk_coverage" in row
    }
    if not (inside or outside):
        return [rule, "", "What that buys: not measured."]
    sentences = [
        _of_a_hundred("Of 100 clips of new speakers", inside.values()),
        _of_a_hundred("Of 100 clips of a corpus that training did not have", outside.values()),
    ]
    rows = [
        [
            name,
            percent(row["answered"]),
            maybe_percent(row["right"]),
            or_unmeasured(row.get("aurc"), lambda area: f"{area:.3f}"),
        ]
        for name, row in both_sides(inside, outside)
    ]
    return [
        f"{rule} The choice is among all its emotions here, as a visitor gets it. "
        + " ".join(filter(None, sentences)),
        "",
        *table(("corpus", "answered", "right of these", "area under risk and coverage"), rows),
    ]


def _of_a_hundred(begin: str, rows: Iterable[Card]) -> str:
    """Say what abstention buys, every corpus counting alike."""
    known = [row for row in rows if row["right"] is not None]
    if not known:
        return ""
    answered = sum(row["answered"] for row in known) / len(known)
    right = sum(row["answered"] * row["right"] for row in known) / len(known)
    given = f"{100 * answered:.0f}"
    return f"{begin} it answers {given}, and {100 * right:.0f} of these {given} are right."


def _calibration(card: Card) -> Lines:
    rows = [
        [
            name,
            maybe_percent(row.get("ece")),
            maybe_percent(row.get("ece_by_chance")),
            or_unmeasured(row.get("brier"), lambda score: f"{score:.3f}"),
        ]
        for name, row in both_sides(card["metrics"], card.get("left_out", {}))
    ]
    if not rows:
        return ["Not measured."]
    overall = card.get("overall")
    together = (
        f" Over all {overall['clips']} clips of new speakers together, the ECE is "
        f"{maybe_percent(overall['ece'])}; chance alone would make "
        f"{maybe_percent(overall['ece_by_chance'])}."
        if overall
        else ""
    )
    return [
        "The share beside an emotion should mean how often such an answer is right. ECE is by how "
        "much it does not, on average over ten groups of equal size. Few clips make it large by "
        "chance: beside it stands what shares that mean just what they say would show on as many. "
        "The Brier score is the squared distance from certainty in the right emotion: 0 is best, "
        f"and an even spread over six emotions has 0.833.{together}",
        "",
        f"Fitted: {_fitted_on(card)}. Temperature {card['calibration']['temperature']:.3f}.",
        "",
        *table(("corpus", "ECE", "by chance", "Brier"), rows),
    ]


def _fitted_on(card: Card) -> str:
    sets = card.get("calibrated_on")
    if not sets:
        return "on validation speakers"
    inside, outside = (
        ", ".join(map(corpus_title, sets[key])) for key in ("validation", "left_out")
    )
    text = f"on validation speakers of {inside}"
    return f"{text}, and of {outside} as models without that corpus heard it" if outside else text


def _robustness(card: Card) -> Lines:
    found = card.get("robustness")
    if not found:
        return ["Not measured."]
    names = list(dict.fromkeys(name for row in found.values() for name in row))
    rows = [
        [condition_title(condition), *(maybe_percent(row.get(name)) for name in names)]
        for condition, row in found.items()
    ]
    counts = card.get("robustness_clips", {})
    clips = ", ".join(f"{number} of {corpus_title(name)}" for name, number in counts.items())
    return [
        f"The same clips of test speakers{f' ({clips})' if clips else ''}, spread over emotions "
        "and speakers, sent through real encoders, rooms and noise. The shares are WA. "
        f"{worst_condition(card)}",
        "",
        *table(("condition", *map(corpus_title, names)), rows),
    ]


def worst_condition(card: Card) -> str:
    """Name the condition that costs most; "" where none was measured."""
    found = card.get("robustness", {})
    clean = found.get("clean", {})
    losses = [
        (clean[name] - share, condition, name)
        for condition, row in found.items()
        if condition not in CONDITIONS or CONDITIONS[condition].moderate
        for name, share in row.items()
        if name in clean
    ]
    if not losses:
        return ""
    lost, condition, corpus = max(losses)
    return (
        f"The worst, noise under 10 dB aside: {condition_title(condition)} on "
        f"{corpus_title(corpus)}, {100 * lost:.1f} points under the clean clips."
    )


def _groups(card: Card) -> Lines:
    found = card.get("groups")
    if not found:
        return ["Not measured."]
    rows = [
        [
            *(corpus_title(name), kind, group),
            *(percent(row[key]) for key in ("wa", "ua")),
            f"{row['clips']} / {row['speakers']}",
        ]
        for name, kinds in found.items()
        for kind, groups in kinds.items()
        for group, row in groups.items()
    ]
    return [
        "Few speakers stand behind each group, and other things than the group set them apart. "
        "The gaps are between the best and the worst group of at least two speakers.",
        "",
        *(gap_lines(card) or ["No two groups have two speakers each."]),
        "",
        *table(("corpus", "by", "group", "WA", "UA", "clips / speakers"), rows),
    ]


def gap_lines(card: Card) -> Lines:
    """State each gap between groups in a line."""
    return [
        f"- {corpus_title(name)}, by {kind}: {gap['best']} over {gap['worst']} by "
        f"{100 * gap['gap']:.1f} points of WA (95 % interval {_points(gap['interval'])})"
        f"{_no_proof(gap['interval'])}."
        for name, kinds in card.get("gaps", {}).items()
        for kind, gap in kinds.items()
    ]


def _no_proof(interval: Sequence[float]) -> str:
    return "; it may be chance" if interval[0] <= 0 <= interval[1] else ""


def _points(interval: Sequence[float]) -> str:
    return " to ".join(f"{100 * edge:.1f}" for edge in interval)


_NAMERS = ("model", "listener", "acted")


def _votes(card: Card) -> Lines:
    found = card.get("votes")
    if not found:
        return ["Not measured."]
    lines: Lines = []
    for name, row in found.items():
        shares = {key: percent(value) for key, value in row.items() if key.startswith(_NAMERS)}
        lines += [
            f"{corpus_title(name)}: people heard {row['clips']} of these clips and voted. What "
            f"most of them heard, the model names in {shares['model_favourite']} of the clips, a "
            f"single listener in {shares['listener_favourite']}. What the actor meant, the model "
            f"names in {shares['model_acted']}, a single listener in {shares['listener_acted']}. "
            f"The two are one in {shares['acted_favourite']} of the clips. Between the model's "
            f"shares and those of the votes the correlation is {row['correlation']:.2f}, the "
            f"Jensen-Shannon divergence {row['divergence']:.3f} bit "
            f"({row['divergence_of_even']:.3f} if all emotions had the same share).",
            "",
        ]
    return lines[:-1]


def _intensity(card: Card) -> Lines:
    found = card.get("intensity")
    if not found:
        return ["Not measured."]
    rows = [
        [corpus_title(name), with_ends(row["rho"], row["interval"]), f"{row['clips']}"]
        for name, row in found.items()
    ]
    return [
        "From 0, calm, to 1, strong. Rank correlation (Spearman) with how strongly the actor was "
        "told to play, on test speakers: 1 is the same order, 0 none.",
        "",
        *table(("corpus", "rank correlation", "clips"), rows),
    ]


def _nonspeech(card: Card) -> Lines:
    found = card.get("nonspeech")
    if not found:
        return ["Not measured."]
    rows = [[name, maybe_percent(share)] for name, share in found.items()]
    return [
        "How often something that holds no voice was given an emotion, and how often clean speech "
        "was taken for none.",
        "",
        *table(("what", "share"), rows),
    ]


def _limits(card: Card) -> Lines:
    heard = sorted({row["language"] for row in card["corpora"]})
    return [
        "- All of this speech was acted. Spontaneous speech is harder and was not measured.",
        "- It hears how a voice sounds. What the person feels is another matter.",
        "- It expects one person. Where two talk at once, it hears a mixture and does not notice.",
        "- Children: no child is among the speakers.",
        f"- Languages that it heard: {', '.join(heard)}. In others, expect the numbers of a corpus "
        "that it never heard, or lower.",
        "- A clip has one emotion here. People have several at once, and many that are not named.",
        "- Culture, accent, illness and age change a voice. It knows nothing of them.",
    ]


def reproduction(card: Card) -> Lines:
    """Say what made the model."""
    made = card.get("provenance")
    if not made:
        return ["What made it was not recorded."]
    return [
        "With the corpora in their official layouts, from the source at this commit:",
        "",
        f"    {made['command']}",
        "",
        f"- commit {made['git_commit'] or 'not recorded'}",
        f"- seed {made['seed']}",
        *(f"- {corpus_title(name)}: SHA-256 {digest}" for name, digest in made["data"].items()),
        *(f"- {name} {version}" for name, version in made.get("packages", {}).items()),
    ]


SECTIONS: tuple[tuple[str, Callable[[Card], Lines]], ...] = (
    ("What it is", _what),
    ("What it is for, and what not", _use),
    ("What it learned from", _training),
    ("How often it is right", _accuracy),
    ("On a corpus that it never heard", _left_out),
    ("When it does not answer", abstention_lines),
    ("How far its shares can be trusted", _calibration),
    ("Through codecs, rooms and noise", _robustness),
    ("For whom it is better or worse", _groups),
    ("Beside people who listened", _votes),
    ("How strong a voice sounds", _intensity),
    ("What is no voice", _nonspeech),
    ("Limits", _limits),
    ("How to make it again", reproduction),
)
