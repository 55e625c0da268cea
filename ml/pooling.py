"""From windows to the recording: pooled probabilities, votes, and the segments of an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from ml.gates import Evidence
from ml.results import Notice, Segment, Vote


def pool(scores: dict[int, dict[str, float]], speech_s: tuple[float, ...]) -> dict[str, float]:
    """Put the windows' probabilities together to the clip's, which sum to 1.

    The mean of their logarithms, weighted with the speech in each window: the rule by which the
    model's accuracy, temperature and threshold were measured, so that these hold here.

    Parameters
    ----------
    scores : dict of int to dict of str to float
        Probabilities of the windows of these numbers.
    speech_s : tuple of float
        Seconds of speech in every window.
    """
    labels = tuple(next(iter(scores.values())))
    rows = np.array([[row[label] for label in labels] for row in scores.values()])
    weights = np.array([speech_s[index] for index in scores])
    logarithms = np.average(np.log(np.maximum(rows, 1e-12)), axis=0, weights=weights)
    pooled = np.exp(logarithms - logarithms.max())
    return dict(zip(labels, map(float, pooled / pooled.sum()), strict=True))


def mean_intensity(strengths: dict[int, float], speech_s: tuple[float, ...]) -> float | None:
    """Average over windows, weighted with the speech in each."""
    if not strengths:
        return None
    weights = [speech_s[index] for index in strengths]
    return float(np.average(list(strengths.values()), weights=weights))


def majority(scores: tuple[dict[str, float], ...]) -> Vote:
    """Let each window vote for its likeliest label; ties go to the higher summed probability."""
    votes = Counter(max(row, key=row.__getitem__) for row in scores)
    winner = max(votes, key=lambda label: (votes[label], sum(row[label] for row in scores)))
    shares = {label: count / len(scores) for label, count in votes.most_common()}
    return Vote(label=winner, dominance=shares[winner], distribution=shares)


def segments_of(
    evidence: Evidence,
    reason: Notice | None,
    scores: dict[int, dict[str, float]],
    threshold: float,
) -> Iterator[Segment]:
    """Yield a segment for each window.

    Parameters
    ----------
    reason : Notice or None
        Why there is no answer for the whole.
    scores : dict of int to dict of str to float
        Probabilities of the windows that were scored.
    threshold : float
        As in ``ml.calibration.Calibration``.
    """
    rate = evidence.waveform.sample_rate_hz
    for index, span in enumerate(evidence.spans):
        closed = reason.code if reason and evidence.speaks[index] else "no_speech"
        yield segment_of(span, rate, scores.get(index, {}), closed, threshold)


def segment_of(
    span: tuple[int, int],
    sample_rate_hz: int,
    found: dict[str, float],
    closed: str,
    threshold: float,
) -> Segment:
    """Make a window's segment.

    Parameters
    ----------
    span : tuple of int
        Its first sample and the one past its last.
    found : dict of str to float
        Its probabilities; none where it was not scored.
    closed : str
        Its outcome then.
    threshold : float
        As in ``ml.calibration.Calibration``.
    """
    label = max(found, key=found.__getitem__) if found else None
    given = label if label is not None and found[label] >= threshold else None
    scored = "emotion" if given else "uncertain"
    return Segment(
        start_s=span[0] / sample_rate_hz,
        end_s=span[1] / sample_rate_hz,
        outcome=scored if found else closed,
        label=given,
        confidence=found[given] if given else None,
        probabilities=found,
    )
