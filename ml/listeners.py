"""What listeners heard in clips, as pictures: whom they believed, how far they agreed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ml.corpora import Clip
from ml.labels import LABELS
from ml.palette import ACCENT, EMOTIONS, INK, blank, sheet

_ABOVE = {"textcoords": "offset points", "ha": "center", "fontsize": 8}


def with_votes(clips: Sequence[Clip]) -> list[Clip]:
    """Keep the clips that listeners voted on, those with the clearest acted emotion first."""
    return sorted((clip for clip in clips if clip.votes), key=acted_share, reverse=True)


def acted_share(clip: Clip) -> float:
    """Share of a clip's listeners who heard the acted emotion, 0 without listeners."""
    return (clip.votes or {}).get(clip.label, 0.0)


def mean_votes(clips: Sequence[Clip]) -> tuple[tuple[str, ...], np.ndarray]:
    """Say what listeners heard in each acted emotion.

    Parameters
    ----------
    clips : sequence of Clip
        At least one with votes.

    Returns
    -------
    labels : tuple of str
        Emotions that were acted or heard, in the order of `LABELS`.
    shares : numpy.ndarray, shape (labels, labels)
        Row: acted as; column: mean share of listeners who heard that. NaN where nobody acted it.
    """
    voted = with_votes(clips)
    met = {clip.label for clip in voted} | {name for clip in voted for name in clip.votes or {}}
    labels = tuple(label for label in LABELS if label in met)
    rows = []
    for acted in labels:
        own = [clip.votes or {} for clip in voted if clip.label == acted]
        heard = [[votes.get(label, 0.0) for label in labels] for votes in own]
        rows.append(np.mean(heard, axis=0) if own else np.full(len(labels), np.nan))
    return labels, np.array(rows)


def show_votes(clips: Sequence[Clip]) -> Figure:
    """Draw what listeners heard in each acted emotion, in per cent of them."""
    figure, ((axes,),) = sheet(height_in=4.6)
    if not with_votes(clips):
        blank(axes, "nobody voted on these clips")
        return figure
    labels, shares = mean_votes(clips)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        if np.isfinite(share):
            colour = "white" if share > 0.5 else INK
            axes.text(column, row, f"{share:.0%}", ha="center", va="center", color=colour)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="heard as", ylabel="acted as")
    axes.set_title(f"{len(with_votes(clips))} clips, by sound alone", loc="left", fontsize=10)
    return figure


def show_agreement(clips: Sequence[Clip]) -> Figure:
    """Draw how many of a clip's listeners heard the acted emotion: by emotion, by intensity."""
    voted = with_votes(clips)
    figure, ((left, right),) = sheet(1, 2, height_in=3.4, sharey=True)
    if not voted:
        blank(left, "nobody voted on these clips")
        blank(right, "")
        return figure
    labels = [label for label in LABELS if any(clip.label == label for clip in voted)]
    shares = [[acted_share(clip) for clip in voted if clip.label == label] for label in labels]
    boxes = left.boxplot(shares, patch_artist=True, widths=0.6, medianprops={"color": INK})
    for box, label in zip(boxes["boxes"], labels, strict=True):
        box.set(facecolor=EMOTIONS[label], alpha=0.7)
    left.set_xticks(range(1, len(labels) + 1), labels)
    left.set(ylabel="share who heard the acted one", ylim=(-0.03, 1.03))
    left.set_title("By emotion", loc="left", fontsize=10)
    left.yaxis.set_major_formatter("{x:.0%}")
    _draw_by_intensity(right, voted)
    return figure


def _draw_by_intensity(axes: Any, voted: Sequence[Clip]) -> None:
    told = sorted({clip.intensity for clip in voted if clip.intensity is not None})
    if not told:
        blank(axes, "intensity is not told")
        return
    means = [
        np.mean([acted_share(clip) for clip in voted if clip.intensity == value]) for value in told
    ]
    axes.plot(told, means, marker="o", color=ACCENT)
    for value, mean in zip(told, means, strict=True):
        count = sum(clip.intensity == value for clip in voted)
        axes.annotate(f"{mean:.0%} of {count} clips", (value, mean), (0, 10), **_ABOVE)
    axes.set(xlabel="played: 0 calmly, 1 strongly", xlim=(-0.2, 1.2))
    axes.set_title("By intensity, the mean", loc="left", fontsize=10)
