"""Training batches: draws, noise, masks, mixup, targets, and what a teacher adds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.config import FeatureConfig, TrainConfig, WindowConfig
from ml.corpora import CORPORA, Clip
from ml.dataset import FeatureCache
from ml.features import Features
from ml.labels import LABEL_SETS, LABELS
from ml.sampling import Sampler, add_mel_noise, target

FEATURES, WINDOW = FeatureConfig(), WindowConfig()
EMOTIONS = LABEL_SETS["6"]


def clip(label: str = "happy", corpus: str = "cremad", **more) -> Clip:
    return Clip(Path("x.wav"), label, f"{corpus}:1", corpus, **more)


@pytest.fixture(scope="module")
def cache() -> FeatureCache:
    """Twelve clips of 300 frames, clean and in one variant, with features drawn by chance."""
    clips = tuple(clip(label) for label in EMOTIONS * 2)
    rng = np.random.default_rng(0)
    frames = rng.normal(-40, 10, (12 * 2 * 300, FEATURES.n_mels + 2)).astype(np.float16)
    frames[:, -1] = rng.uniform(0.1, 0.2, len(frames))
    offsets = np.arange(24).reshape(12, 2) * 300
    lengths = np.full((12, 2), 300)
    return FeatureCache(clips, FEATURES, (frames,), np.zeros(12, int), offsets, lengths)


def sampler(cache: FeatureCache, **recipe) -> Sampler:
    return Sampler(cache, WINDOW, TrainConfig(**{"batch_size": 4, "variants": 1} | recipe))


@pytest.mark.parametrize("corpus", ["cremad", "ravdess", "emodb", "nemo"])
@pytest.mark.parametrize("labels", LABEL_SETS.values())
def test_a_target_is_masked_to_the_labels_of_its_corpus(corpus, labels):
    made = target(clip(corpus=corpus), labels, smoothing=0.1)
    allowed = np.array([label in CORPORA[corpus].labels for label in labels])
    assert np.array_equal(made >= 0, allowed)
    assert made[allowed].sum() == pytest.approx(1.0)
    assert made.argmax() == labels.index("happy")
    assert sorted(made[allowed])[0] == pytest.approx(0.1 / allowed.sum())


def test_listeners_move_a_target_by_their_weight():
    votes = {"happy": 0.5, "sad": 0.25, "disgust": 0.25}
    heard = clip(votes=votes)
    made = target(heard, LABEL_SETS["4"], votes_weight=0.6)
    # Among the four labels, two thirds heard happy and one third sad.
    expected = {"happy": 0.4 + 0.6 * 2 / 3, "sad": 0.6 / 3, "neutral": 0.0, "angry": 0.0}
    assert dict(zip(LABEL_SETS["4"], made, strict=True)) == pytest.approx(expected)
    assert np.array_equal(target(heard), target(clip()))
    assert np.array_equal(target(clip(votes={"disgust": 1.0}), ("happy", "sad"), 0.0, 0.5), [1, 0])


def test_batches_repeat_with_the_seed_and_differ_without(cache):
    one = sampler(cache)
    rows = one.epoch(2)
    assert rows.shape == (3, 4)
    inputs, targets = one.batch(2, 1, rows[1])
    assert inputs.shape == (4, 240, FEATURES.n_features) and targets.shape == (4, 8)
    assert np.array_equal(inputs, one.batch(2, 1, rows[1])[0])
    assert not np.array_equal(inputs, one.batch(3, 1, rows[1])[0])


def test_targets_are_as_long_as_the_labels_of_the_network(cache):
    four = LABEL_SETS["4"]
    few = replace(sampler(cache.keep(four)), labels=four)
    assert len(few.cache.clips) == 8
    _inputs, targets = few.batch(0, 0, np.arange(4))
    assert targets.shape == (4, 4) and np.all(targets >= 0)


def test_mixup_keeps_masked_labels_masked_and_targets_a_distribution(cache):
    one = sampler(cache)
    mixed = 0
    for position in range(8):
        _inputs, targets = one.batch(0, position, np.arange(4))
        assert np.array_equal(targets[0] < 0, [label in ("calm", "surprised") for label in LABELS])
        assert np.maximum(targets, 0).sum(axis=1) == pytest.approx(1.0)
        mixed += np.sort(targets[0])[-2] > 0.01
    assert 0 < mixed < 8


def test_a_small_corpus_is_drawn_more_often_than_its_size(cache):
    mixed = replace(cache, clips=cache.clips + (clip(corpus="emodb"),) * 2)
    chances = sampler(mixed, corpus_exponent=0.5).probabilities()
    assert chances.sum() == pytest.approx(1.0)
    assert chances[-2:].sum() == pytest.approx(np.sqrt(2) / (np.sqrt(2) + np.sqrt(12)))


def test_a_teacher_has_its_share_of_the_target_for_the_version_that_was_drawn(cache):
    # The teacher is sure of "calm" for the clean versions, of "sad" for the others.
    answers = np.full((12, 2, 8), -30.0)
    answers[:, 0, LABELS.index("calm")] = answers[:, 1, LABELS.index("sad")] = 0.0
    recipe = {"distill_weight": 0.75, "mixup_alpha": 0.0, "label_smoothing": 0.0}
    for clean_share, heard in ((1.0, "calm"), (0.0, "sad")):
        taught = replace(sampler(cache, clean_share=clean_share, **recipe), teacher=answers)
        targets = taught.batch(0, 0, np.array([0, 1]))[1]
        assert targets.shape == (2, 16)
        assert targets[:, 8 + LABELS.index(heard)] == pytest.approx(0.75)
        assert targets[0, LABELS.index("neutral")] == pytest.approx(0.25)
        assert np.all(targets[:, LABELS.index("calm")] == -1)
        assert np.maximum(targets, 0).sum(axis=1) == pytest.approx(1.0)
    silent = replace(sampler(cache, mixup_alpha=0.0), teacher=answers)
    assert silent.batch(0, 0, np.array([0, 1]))[1].shape == (2, 8)


def test_masks_hide_stretches_of_time_and_runs_of_bands(cache):
    plain = {"mixup_alpha": 0.0, "clean_share": 1.0, "time_masks": 0, "mel_masks": 0}
    bare = sampler(cache, **plain)
    rows = np.array([0])
    original = bare.batch(0, 0, rows)[0][0]
    bands = sampler(cache, **plain | {"mel_masks": 1, "mel_mask_bands": 60})
    times = sampler(cache, **plain | {"time_masks": 1, "time_mask_frames": 200})
    changed = bands.batch(0, 0, rows)[0][0] != original
    hidden = changed[:, :64].all(axis=0)
    assert 0 < hidden.sum() <= 60 and np.ptp(np.flatnonzero(hidden)) == hidden.sum() - 1
    assert not changed[:, 64:].any()
    changed = (times.batch(0, 0, rows)[0][0] != original).all(axis=1)
    assert 0 < changed.sum() <= 200


def test_masks_hide_runs_of_mfcc_where_there_are_no_bands(cache):
    config = replace(FEATURES, inputs=("mfcc",))
    only = replace(cache, config=config)
    plain = {"mixup_alpha": 0.0, "clean_share": 1.0, "time_masks": 0}
    made = sampler(only, mel_masks=3, mel_mask_bands=18, **plain).batch(0, 0, np.array([0]))[0][0]
    assert made.shape == (240, 20)
    still = made.std(axis=0) < 1e-6
    assert 0 < still.sum() < 20


def test_noise_comes_at_the_stated_ratio_and_only_if_asked(cache):
    power = np.full((64, 4000), 1e-3, np.float32)
    features = Features(10 * np.log10(power), power[:0], power[0], np.full(4000, 0.1, np.float32))
    for seed in range(5):
        noisy = add_mel_noise(features, np.random.default_rng(seed))
        added = (10 ** (noisy.log_mel / 10)).mean() / power.mean() - 1
        assert 10**-3 * 0.99 < added < 10**-0.5 * 1.01
        assert noisy.rms[0] ** 2 / 0.01 - 1 == pytest.approx(added, rel=0.01)
    recipe = {"mixup_alpha": 0.0, "time_masks": 0, "mel_masks": 0}
    quiet, loud = (
        sampler(cache, noise=share, **recipe).batch(0, 0, np.array([0]))[0] for share in (0.0, 1.0)
    )
    assert not np.allclose(quiet, loud, atol=1.0)
