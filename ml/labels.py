"""Emotion names, their order, and the label sets that models and callers choose from."""

from ml.errors import UnknownLabelsError

LABELS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
"""RAVDESS's eight emotions in its own order; every score vector follows this order."""

LABEL_SETS = {
    "8": LABELS,
    "6": ("neutral", "happy", "sad", "angry", "fearful", "disgust"),
    "4": ("neutral", "happy", "sad", "angry"),
}
"""Sets of emotions by their size, which a caller may choose among."""


def parse_labels(spec: str) -> tuple[str, ...]:
    """Read a label set's name (``"8"``, ``"6"``, ``"4"``) or a comma-separated list.

    Returns
    -------
    tuple of str
        The labels in the order of `LABELS`, without repetition.

    Raises
    ------
    UnknownLabelsError
        If a name is not among `LABELS`, or fewer than two are left.

    Examples
    --------
    >>> import ml
    >>> ml.parse_labels("4")
    ('neutral', 'happy', 'sad', 'angry')
    >>> found = ml.recognize("samples/angry-woman.flac", labels=ml.parse_labels("sad, angry"))
    >>> tuple(found.probabilities)
    ('sad', 'angry')
    """
    if spec in LABEL_SETS:
        return LABEL_SETS[spec]
    names = {name.strip() for name in spec.split(",") if name.strip()}
    if len(names) < 2 or not names <= set(LABELS):
        raise UnknownLabelsError(given=spec, sets=", ".join(LABEL_SETS), labels=", ".join(LABELS))
    return tuple(label for label in LABELS if label in names)


def restrict(probabilities: dict[str, float], labels: tuple[str, ...]) -> dict[str, float]:
    """Keep the scores of `labels` and renormalise them to sum to 1.

    Parameters
    ----------
    probabilities : dict of str to float
        A model's probabilities over the labels that its bundle lists.
    labels : tuple of str
        The wanted labels.

    Raises
    ------
    UnknownLabelsError
        If fewer than two of `labels` are among those that the model scores.
    """
    kept = {label: probabilities[label] for label in labels if label in probabilities}
    if len(kept) < 2:
        raise UnknownLabelsError(
            given=",".join(labels), sets=", ".join(LABEL_SETS), labels=", ".join(probabilities)
        )
    total = sum(kept.values())
    if total <= 0:
        return {label: 1 / len(kept) for label in kept}
    return {label: value / total for label, value in kept.items()}
