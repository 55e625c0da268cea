"""A bundle's calibration, fitted to clips of validation speakers and of corpora left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields

import numpy as np

from ml.bundle import Bundle, update_card
from ml.calibration import Calibration, fit_calibration, uncalibrated
from ml.corpora import Clip
from ml.errors import EmptySideError
from ml.labels import LABELS
from ml.results import Quality
from ml.scoring import Report, Scored, check_unheard, common_labels, learnt_labels, score_clips

PERCENTILES = (5, 25, 50, 75, 95)


def calibrate_bundle(
    bundle: Bundle,
    clips: Sequence[Clip],
    left_out: Sequence[Bundle] = (),
    jobs: int = 2,
    report: Report = lambda line: None,
) -> Bundle:
    """Fit a bundle's temperature and threshold and write them into ``bundle.json``.

    Beside them goes ``quality``: what recordings of the corpora it learnt from are like, see
    `usual_quality`.

    Parameters
    ----------
    bundle : Bundle
    clips : sequence of Clip
        By validation speakers. Of the corpora that the bundle was trained on, it scores them
        itself.
    left_out : sequence of Bundle
        Trained like it, each without some corpus, of which they score the clips. So that the
        calibration can be judged on a corpus, name none here that was trained without that one.

    Raises
    ------
    SpeakerOverlapError
        If training has heard one of the speakers.
    EmptySideError
        If no clip is left to fit to.
    """
    own = _trained_on(bundle)
    shares = [(bundle, [clip for clip in clips if clip.corpus in own])]
    for other in left_out:
        heard = _trained_on(other)
        shares.append((other, [clip for clip in clips if clip.corpus not in heard]))
    for by, chosen in shares:
        check_unheard(by, chosen)
    if not any(chosen for _by, chosen in shares):
        raise EmptySideError(side="validation")
    sets = [(score_clips(by, chosen, jobs, report), by) for by, chosen in shares if chosen]
    usual = usual_quality([one for scored, by in sets if by is bundle for one in scored.qualities])
    (_by, inside), *outside = shares
    fitted_on = {
        "validation": sorted({clip.corpus for clip in inside}),
        "left_out": sorted({clip.corpus for _by, chosen in outside for clip in chosen}),
    }
    return update_card(
        bundle,
        calibration=asdict(calibrate_on(*sets)),
        calibrated_on=fitted_on,
        quality=usual,
    )


def usual_quality(qualities: Sequence[Quality]) -> dict[str, list[float]]:
    """Say what recordings are usually like.

    Returns
    -------
    dict of str to list of float
        The `PERCENTILES` of each measure of `Quality` but the duration, where it is known.
    """
    found = {}
    for field in fields(Quality):
        values = [getattr(one, field.name) for one in qualities]
        known = [value for value in values if value is not None]
        if known and field.name != "duration_s":
            found[field.name] = [float(value) for value in np.percentile(known, PERCENTILES)]
    return found


def _trained_on(bundle: Bundle) -> set[str]:
    return {row["name"] for row in bundle.card["corpora"]}


def calibrate_on(*sets: tuple[Scored, Bundle]) -> Calibration:
    """Fit temperature and threshold to clips, every corpus of every set counting alike.

    Parameters
    ----------
    *sets : tuple of Scored and Bundle
        Clips by speakers that training did not hear, and the bundle that scored them: the one
        that is calibrated, and others that were trained without a corpus, on that corpus. These
        keep the answers honest for voices and rooms unlike those of the training.
    """
    scores, truth, weights, allowed = [], [], [], []  # one array a set
    for scored, bundle in sets:
        usable = scored.known & np.isin(scored.truth, learnt_labels(bundle))
        part = scored.of(usable)
        scores.append(uncalibrated(part.probabilities, bundle.calibration))
        truth.append(np.array([LABELS.index(label) for label in part.truth]))
        names, place, counts = np.unique(part.corpora, return_inverse=True, return_counts=True)
        weights.append(1 / counts[place])
        masks = [np.isin(LABELS, common_labels(bundle, name)) for name in names.tolist()]
        allowed.append(np.array(masks)[place])
    return fit_calibration(*map(np.concatenate, (scores, truth, weights, allowed)))
