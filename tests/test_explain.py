"""Explanations: a part that decides is found, and one that does not hold is called so."""

from itertools import pairwise

import numpy as np
import pytest

from ml import load
from ml.audio import decode
from ml.config import ExplainConfig
from ml.explain import explain_window, only_parts

RATE_HZ = 16_000
CONFIG = ExplainConfig()


def hiss(seconds: float = 2.0) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(round(seconds * RATE_HZ))
    return (0.05 * noise).astype(np.float32)


def energy(samples: np.ndarray, start_s: float, end_s: float, low_hz: float, high_hz: float):
    part = samples[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)]
    frequency = np.fft.rfftfreq(len(part), 1 / RATE_HZ)
    spectrum = np.abs(np.fft.rfft(part)) ** 2
    return float(spectrum[(frequency >= low_hz) & (frequency < high_hz)].sum())


def test_the_part_that_decides_is_found_and_holds():
    samples = hiss()
    place = (1.0, 1.25, 700.0, 1100.0)
    whole = energy(samples, *place)
    found = explain_window(samples, lambda sound: min(1.0, energy(sound, *place) / whole))
    start, end, low, high = next(found.boxes())
    assert (start, end) == (1.0, 1.25)
    assert low < 1100 and high > 700
    assert found.probability == 1.0
    assert found.reliable and found.drop > 0.9 > max(found.random_drops[:3])
    drops = np.array(found.drops)
    assert drops.shape == (CONFIG.bands, 8)
    assert drops[:, 4].max() > 0.3 and np.abs(np.delete(drops, [3, 4, 5], axis=1)).max() < 0.05


def test_an_answer_that_rests_on_everything_alike_has_no_explanation():
    samples = hiss()
    edges = np.linspace(0, 2, 9)
    bands = (60, 500, 1100, 1800, 2700, 4000, 5500)

    def left(sound):
        return np.array(
            [
                [energy(sound, *times, *band) for band in pairwise(bands)]
                for times in pairwise(edges)
            ]
        )

    whole = left(samples)
    found = explain_window(samples, lambda sound: float(np.minimum(1, left(sound) / whole).mean()))
    assert not found.reliable


def test_an_answer_that_never_changes_has_no_explanation():
    found = explain_window(hiss(), lambda sound: 0.7)
    assert not found.reliable
    assert found.chosen == () == found.random_drops and found.drop == 0.0


def test_parts_that_cannot_be_heard_are_not_asked_about():
    samples = hiss()
    samples[RATE_HZ:] *= 1e-4
    asked = []
    found = explain_window(samples, lambda sound: asked.append(1) or 0.5)
    assert len(asked) <= 1 + CONFIG.bands * 5
    assert not np.any(np.array(found.drops)[:, 5:])


def test_only_some_parts_are_left():
    samples = hiss()
    left = only_parts(samples, ((2, 3),))
    inside = energy(left, 0.75, 1.0, 60, 5500)
    assert left.shape == samples.shape and left.dtype == np.float32
    assert energy(left, 0.0, 0.6, 60, 5500) + energy(left, 1.2, 2.0, 60, 5500) < 0.02 * inside
    with pytest.raises(ValueError, match="6 bands and 8 stretches"):
        only_parts(samples, ((6, 0),))


def test_a_real_network_is_explained():
    recognizer = load("mfcc-cnn")
    samples = decode("samples/angry-man.flac").samples[: 3 * RATE_HZ]
    scores = recognizer.score(samples)
    assert set(scores) == set(recognizer.bundle.labels)
    assert sum(scores.values()) == pytest.approx(1)
    label = max(scores, key=scores.__getitem__)
    found = explain_window(samples, lambda sound: recognizer.score(sound)[label], seed=3)
    assert found.probability == scores[label]
    assert 0 < len(found.chosen) <= CONFIG.bands * 12
    assert all(np.isfinite(found.random_drops)) and len(found.random_drops) == CONFIG.draws
    assert found == explain_window(samples, lambda sound: recognizer.score(sound)[label], seed=3)


def test_scoring_one_window_equals_the_recording_of_that_window():
    recognizer = load("mfcc-cnn")
    waveform = decode("samples/angry-man.flac")
    first = recognizer.recognize(waveform).segments[0]
    window = waveform.samples[: round(first.end_s * RATE_HZ)]
    assert recognizer.score(window) == pytest.approx(first.probabilities, abs=2e-2)
