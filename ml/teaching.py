"""A trained network's answers about the clips that another is trained on: distillation.

Hinton et al. 2015, with the augmented versions of a clip taught what the clean one sounds like
(noisy students, Xie et al. 2020).
"""

from __future__ import annotations

import numpy as np

from ml.bundle import Bundle, Scorer
from ml.dataset import FeatureCache
from ml.labels import LABELS
from ml.sampling import clip_windows
from ml.spectrograms import SpectrogramCache

_CLIPS = 64


def teach(
    bundle: Bundle, features: FeatureCache, spectrograms: SpectrogramCache | None = None
) -> np.ndarray:
    """Let a bundle answer for each clean clip of a cache.

    Parameters
    ----------
    bundle : Bundle
    features : FeatureCache
        With the bundle's short-time analysis.
    spectrograms : SpectrogramCache, optional
        Of the same clips, for a bundle with an encoder.

    Returns
    -------
    numpy.ndarray, shape (clips, 8), float32
        Probabilities over `LABELS`, 0 at those that the bundle has not learnt: the geometric mean
        over the clip's windows.
    """
    scorer, count = Scorer(bundle), len(features.clips)
    columns = [LABELS.index(label) for label in bundle.labels]
    answers = np.zeros((count, len(LABELS)), np.float32)
    for first in range(0, count, _CLIPS):
        chosen = range(first, min(first + _CLIPS, count))
        inputs, owner = clip_windows(features, bundle.windows, spectrograms, chosen)
        logarithms = np.log(scorer.score(*scorer.network.heard(inputs)).probabilities)
        for clip in chosen:
            mean = np.exp(logarithms[owner == clip].mean(axis=0))
            answers[clip, columns] = mean / mean.sum()
    return answers
