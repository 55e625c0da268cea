"""What it costs to have a network in another form: its answers beside those of the trained one."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ml.audio import decode
from ml.bundle import Bundle, read_bundle
from ml.corpora import Clip
from ml.predict import Recognizer
from ml.processes import worker_pool
from ml.scoring import check_unheard, choose, common_labels

Report = Callable[[str], None]

Place = tuple[Path, str]
"""A bundle's folder, and which file in it is the network."""

Answer = tuple[str, tuple[float, ...]]
"""What was chosen, and the probability of each of the bundle's labels; none where not scored."""

_CLIPS_WORTH_PROCESSES = 16


def measure_differences(
    reference: Place,
    forms: Mapping[str, Bundle],
    clips: Sequence[Clip],
    jobs: int = 2,
    report: Report = lambda line: None,
) -> dict[str, Any]:
    """Have every clip recognised, the way visitors' recordings are, by each form of a network.

    Clips whose label the network does not know are left out.

    Parameters
    ----------
    reference : Place
        What the forms are compared with: the network that was trained, or the one that serves.
    forms : dict of str to Bundle
    clips : sequence of Clip
        By speakers that the network was not trained on.
    jobs : int
        Processes; few clips are not worth one.

    Returns
    -------
    dict
        ``reference``: the file that was compared with; ``clips``: how many of each corpus;
        ``wa``: the reference's weighted accuracy, for each corpus; ``forms``: for each form and
        corpus ``wa``, ``changed`` (share of clips that get another label), and ``largest`` and
        ``mean``, the absolute differences of the probabilities.

    Raises
    ------
    SpeakerOverlapError
        If training has heard one of the speakers.
    """
    bundle = read_bundle(reference[0])
    check_unheard(bundle, clips)
    allowed = {name: common_labels(bundle, name) for name in {clip.corpus for clip in clips}}
    known = [clip for clip in clips if clip.label in allowed[clip.corpus]]
    places = (reference, *((one.path, one.file) for one in forms.values()))
    given = (known, [allowed[clip.corpus] for clip in known], [places] * len(known))
    found = []
    with ExitStack() as stack:
        few = len(known) < _CLIPS_WORTH_PROCESSES
        run = (
            map
            if few
            else functools.partial(stack.enter_context(worker_pool(jobs)).map, chunksize=4)
        )
        for number, row in enumerate(run(_answers, *given), 1):
            found.append(row)
            if number % 50 == 0 or number == len(known):
                report(f"heard {number} of {len(known)} clips in {len(forms)} forms")
    return {"reference": reference[1], **summarise(known, tuple(forms), found)}


@functools.lru_cache(maxsize=8)
def _recognizer(place: Place) -> Recognizer:
    folder, file = place
    bundle = read_bundle(folder)
    if file != bundle.file:
        sha256 = hashlib.sha256((folder / file).read_bytes()).hexdigest()
        bundle = replace(bundle, file=file, sha256=sha256)
    return Recognizer(bundle)


def _answers(clip: Clip, allowed: tuple[str, ...], places: tuple[Place, ...]) -> list[Answer]:
    waveform, answers = decode(clip.path), []
    for place in places:
        recognizer = _recognizer(place)
        found = recognizer.recognize(waveform)
        chosen = choose(found, allowed, recognizer.bundle.rule)
        answers.append((chosen, tuple(found.probabilities.values())))
    return answers


def summarise(
    clips: Sequence[Clip], forms: Sequence[str], found: Sequence[Sequence[Answer]]
) -> dict[str, Any]:
    """Compare answers; `found` has a row for each clip: the reference's, then one for each form.

    Returns
    -------
    dict
        As `measure_differences`, without ``reference``.
    """
    corpora = np.array([clip.corpus for clip in clips])
    truth = np.array([clip.label for clip in clips])
    guesses = np.array([[answer[0] for answer in row] for row in found])
    names = list(dict.fromkeys(corpora.tolist()))
    rows = {name: np.flatnonzero(corpora == name).tolist() for name in names}
    return {
        "clips": {name: len(rows[name]) for name in names},
        "wa": {name: float(np.mean(guesses[rows[name], 0] == truth[rows[name]])) for name in names},
        "forms": {
            form: {
                name: {
                    "wa": float(np.mean(guesses[rows[name], column] == truth[rows[name]])),
                    "changed": float(
                        np.mean(guesses[rows[name], column] != guesses[rows[name], 0])
                    ),
                    **_gaps([found[index] for index in rows[name]], column),
                }
                for name in names
            }
            for column, form in enumerate(forms, 1)
        },
    }


def _gaps(found: Sequence[Sequence[Answer]], column: int) -> dict[str, float]:
    """Measure how far the probabilities lie apart, over the clips that were scored."""
    pairs = [(row[0][1], row[column][1]) for row in found if row[0][1]]
    gaps = np.abs([np.subtract(one, other) for one, other in pairs] or [0.0])
    return {"largest": float(np.max(gaps)), "mean": float(np.mean(gaps))}
