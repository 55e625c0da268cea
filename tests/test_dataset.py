"""Splits, targets, the feature cache and the batches made of it."""

import numpy as np
import pytest

from ml.audio import decode, window_starts
from ml.config import FeatureConfig, TrainConfig, WindowConfig
from ml.corpora import CORPORA, Clip, read_clips
from ml.dataset import (
    Sampler,
    Split,
    cache_features,
    clip_windows,
    target,
)
from ml.errors import SpeakerOverlapError
from ml.features import extract, model_input, window_frames
from ml.labels import LABELS
from tests.corpora_trees import write_cremad

FEATURES, WINDOW = FeatureConfig(), WindowConfig()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpora")
    clips = read_clips("cremad", write_cremad(root / "cremad", ("1002", "1005"), ("DFA",)))
    return cache_features(clips, FEATURES, root / "features", variants=1, seed=3)


def clip(speaker: str) -> Clip:
    return Clip(None, "happy", speaker, "cremad")


@pytest.mark.parametrize(
    "sides", [("train", "test"), ("train", "validation"), ("validation", "test")]
)
def test_a_speaker_on_two_sides_raises(sides):
    clips = {"train": (clip("a"),), "validation": (clip("b"),), "test": (clip("c"),)}
    clips[sides[1]] += clips[sides[0]]
    with pytest.raises(SpeakerOverlapError) as caught:
        Split(**clips)
    assert caught.value.params["speakers"] == clips[sides[0]][0].speaker
    assert sides[0] in caught.value.message and sides[1] in caught.value.message


@pytest.mark.parametrize("corpus", CORPORA)
def test_a_target_is_masked_to_the_labels_of_its_corpus(corpus):
    made = target("happy", corpus, smoothing=0.1)
    allowed = [label in CORPORA[corpus].labels for label in LABELS]
    assert np.array_equal(made >= 0, allowed)
    assert made[allowed].sum() == pytest.approx(1.0)
    assert made.argmax() == LABELS.index("happy")


def test_windows_cover_a_clip_and_the_last_ends_with_it():
    assert window_starts(100, 240, 120) == [0]
    assert window_starts(240, 240, 120) == [0]
    assert window_starts(500, 240, 120) == [0, 120, 240, 260]
    assert window_frames(FEATURES, WINDOW) == (240, 120)


def test_cached_features_equal_fresh_ones(cache):
    waveform = decode(cache.clips[4].path)
    fresh = model_input(extract(waveform), 0, 240, FEATURES)
    cached = model_input(cache.features(4), 0, 240, FEATURES)
    assert cached[:, :64] == pytest.approx(fresh[:, :64], abs=0.1)
    assert cached == pytest.approx(fresh, abs=1.0)


def test_the_second_variant_is_an_augmented_one_made_from_the_seed(cache, tmp_path):
    again = cache_features(cache.clips, FEATURES, tmp_path, variants=1, seed=3)
    other = cache_features(cache.clips, FEATURES, tmp_path, variants=1, seed=4)
    assert np.array_equal(again.frames, cache.frames)
    assert other.frames.shape != cache.frames.shape or not np.array_equal(
        other.frames, cache.frames
    )
    assert not np.array_equal(cache.features(0, 1).rms, cache.features(0, 0).rms)


def test_the_cache_is_read_back_and_not_made_again(cache, tmp_path):
    cache_features(cache.clips[:2], FEATURES, tmp_path)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    cache_features(cache.clips[:2], FEATURES, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written


def test_batches_repeat_with_the_seed_and_differ_without(cache):
    config = TrainConfig(batch_size=4, variants=1)
    sampler = Sampler(cache, WINDOW, config)
    rows = sampler.epoch(2)
    assert rows.shape == (3, 4)
    inputs, targets = sampler.batch(2, 1, rows[1])
    assert inputs.shape == (4, 240, FEATURES.n_features) and targets.shape == (4, 8)
    assert np.array_equal(inputs, sampler.batch(2, 1, rows[1])[0])
    assert not np.array_equal(inputs, sampler.batch(3, 1, rows[1])[0])


def test_mixup_keeps_masked_labels_masked_and_targets_a_distribution(cache):
    sampler = Sampler(cache, WINDOW, TrainConfig(batch_size=4, variants=1))
    for position in range(6):
        _inputs, targets = sampler.batch(0, position, np.arange(4))
        assert np.array_equal(targets[0] < 0, [label in ("calm", "surprised") for label in LABELS])
        assert np.maximum(targets, 0).sum(axis=1) == pytest.approx(1.0)


def test_a_small_corpus_is_drawn_more_often_than_its_size(cache):
    few = [Clip(cache.clips[0].path, "happy", "emodb:03", "emodb")] * 2
    mixed = type(cache)(cache.clips + tuple(few), *list(vars(cache).values())[1:])
    chances = Sampler(mixed, WINDOW, TrainConfig(corpus_exponent=0.5)).probabilities()
    assert chances.sum() == pytest.approx(1.0)
    assert chances[-2:].sum() == pytest.approx(np.sqrt(2) / (np.sqrt(2) + np.sqrt(12)))


def test_validation_windows_know_their_clip(cache):
    inputs, owner = clip_windows(cache, WINDOW)
    assert len(inputs) == len(owner) and set(owner) == set(range(len(cache.clips)))
