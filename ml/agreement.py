"""Beside the acted label: agreement with listeners' votes, and with how strongly it was played."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from ml.metrics import among, drawn_speakers
from ml.scoring import Scored


def vote_agreement(scored: Scored, allowed: Sequence[str]) -> dict[str, Any] | None:
    """Set a model beside those who listened to one corpus's clips.

    Parameters
    ----------
    scored : Scored
        Clips of one corpus.
    allowed : sequence of str
        The labels to choose from.

    Returns
    -------
    dict or None
        None where no clip bears votes. ``model_favourite``, ``acted_favourite``: share of clips
        whose label by the model, and as acted, is the listeners' most frequent one (any of them
        where several are). ``listener_favourite``, ``listener_acted``: mean share of a clip's
        listeners who named that one, and the acted one: what a single listener reaches.
        ``model_acted``: the model's accuracy on these clips. ``divergence``: mean Jensen-Shannon
        divergence (Lin 1991), 0 to 1 bit, of the model's probabilities from the votes' shares;
        ``divergence_of_even``: of even shares. ``correlation``: Pearson's, over all shares of
        all clips. ``clips``: how many.
    """
    voted = scored.of(np.array([bool(clip.votes) for clip in scored.clips], bool) & scored.known)
    if not voted.clips:
        return None
    votes = np.array([_shares(clip.votes or {}, allowed) for clip in voted.clips])
    shares = among(voted.probabilities, allowed)
    places = {label: i for i, label in enumerate(allowed)}
    acted = np.array([places[label] for label in voted.truth])
    chosen = np.array([places[label] for label in voted.choices])
    rows = np.arange(len(votes))
    favourite = votes >= votes.max(axis=1, keepdims=True) - 1e-9
    even = np.full_like(shares, 1 / len(allowed))
    return {
        "clips": len(votes),
        "model_favourite": float(favourite[rows, chosen].mean()),
        "acted_favourite": float(favourite[rows, acted].mean()),
        "listener_favourite": float(votes.max(axis=1).mean()),
        "model_acted": float(np.mean(chosen == acted)),
        "listener_acted": float(votes[rows, acted].mean()),
        "divergence": float(divergence(shares, votes).mean()),
        "divergence_of_even": float(divergence(even, votes).mean()),
        "correlation": float(np.corrcoef(shares.ravel(), votes.ravel())[0, 1]),
    }


def _shares(votes: Mapping[str, float], allowed: Sequence[str]) -> np.ndarray:
    given = np.array([votes.get(label, 0.0) for label in allowed])
    return given / given.sum() if given.sum() else np.full(len(allowed), 1 / len(allowed))


def divergence(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence of rows that sum to 1, in bits, shape (n,)."""
    middle = (one + other) / 2
    apart = (stats.entropy(each, middle, base=2, axis=1) for each in (one, other))
    return sum(apart, start=np.zeros(len(one))) / 2


def intensity_correlation(scored: Scored) -> dict[str, Any] | None:
    """Rank one corpus's clips by how strong they sound to the model and by how they were played.

    Returns
    -------
    dict or None
        Spearman's ``rho``, its ``interval`` over speakers, ``clips`` and ``speakers``; None where
        fewer than two strengths are known of clips that the model gave one.
    """
    played = np.array([_or_nan(clip.intensity) for clip in scored.clips], float)
    both = np.isfinite(played) & np.isfinite(scored.intensities)
    played, heard, speakers = played[both], scored.intensities[both], scored.speakers[both]
    if len(np.unique(played)) < 2 or len(np.unique(heard)) < 2:
        return None

    def rho(rows: np.ndarray) -> list[float]:
        if len(np.unique(played[rows])) < 2 or len(np.unique(heard[rows])) < 2:
            return [np.nan]
        ranks = (stats.rankdata(values[rows]) for values in (played, heard))
        return [float(np.corrcoef(*ranks)[0, 1])]

    return {
        "rho": rho(np.arange(len(played)))[0],
        "interval": drawn_speakers(rho, speakers)[0].tolist(),
        "clips": len(played),
        "speakers": len(np.unique(speakers)),
    }


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
