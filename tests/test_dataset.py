"""Splits, and the cache of features."""

import os
from dataclasses import replace

import numpy as np
import pytest

from ml.audio import decode, window_starts
from ml.config import FeatureConfig, WindowConfig
from ml.corpora import CORPORA, Clip, read_clips
from ml.dataset import (
    Split,
    cache_features,
    clip_versions,
    keep_labels,
    split_at_random,
    split_by_speaker,
)
from ml.errors import SpeakerOverlapError
from ml.features import extract, model_input, window_frames
from ml.sampling import clip_windows
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


def test_a_random_split_is_as_large_on_each_side_and_has_speakers_on_several(tmp_path):
    corpus = CORPORA["cremad"]
    tests, validation = sorted(corpus.test_speakers)[:2], min(corpus.validation_speakers)
    speakers = (*tests, validation, "1002", "1005")
    clips = read_clips("cremad", write_cremad(tmp_path, speakers, ("DFA", "IEO")))
    by_speaker, made = split_by_speaker(clips), split_at_random(clips, 1)
    sides = ("train", "validation", "test")
    assert [len(getattr(made, side)) for side in sides] == [
        len(getattr(by_speaker, side)) for side in sides
    ]
    assert sorted(clip.path for side in sides for clip in getattr(made, side)) == sorted(
        clip.path for clip in clips
    )
    assert {clip.speaker for clip in made.train} & {clip.speaker for clip in made.test}
    assert made == split_at_random(clips, 1) != split_at_random(clips, 2)
    assert not keep_labels(made, ("happy",)).by_speaker


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
    again = cache_features(cache.clips[:3], FEATURES, tmp_path, variants=1, seed=3)
    other = cache_features(cache.clips[:3], FEATURES, tmp_path, variants=1, seed=4)
    assert np.array_equal(again.features(2, 1).log_mel, cache.features(2, 1).log_mel)
    assert not np.array_equal(other.cache.arrays[0][-50:], again.cache.arrays[0][-50:])
    assert not np.array_equal(cache.features(0, 1).rms, cache.features(0, 0).rms)
    clean, changed = clip_versions(cache.clips[2], 1, 3)
    assert np.array_equal(clean.samples, decode(cache.clips[2].path).samples)
    assert extract(changed).rms == pytest.approx(cache.features(2, 1).rms, abs=1e-3)


def test_the_cache_is_read_back_and_not_made_again(cache, tmp_path):
    cache_features(cache.clips[:2], FEATURES, tmp_path)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    other_network = replace(FEATURES, inputs=("mel",), normalise="none", trim_db=20.0)
    for config in (FEATURES, other_network):
        cache_features(cache.clips[:2], config, tmp_path)
        assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written


def test_a_corpus_that_was_copied_elsewhere_finds_its_cache(cache, tmp_path):
    cache_features(cache.clips[:2], FEATURES, tmp_path / "features")
    copies = []
    for clip in cache.clips[:2]:
        path = tmp_path / "copied" / clip.path.name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(clip.path.read_bytes())
        copies.append(replace(clip, path=path))
    written = set((tmp_path / "features").iterdir())
    cache_features(copies, FEATURES, tmp_path / "features")
    assert set((tmp_path / "features").iterdir()) == written


def test_another_recording_under_the_same_name_is_not_taken_for_the_old_one(cache, tmp_path):
    path = tmp_path / "AudioWAV" / cache.clips[0].path.name
    path.parent.mkdir()
    made = []
    for source in cache.clips[:2]:
        path.write_bytes(source.path.read_bytes())
        os.utime(path, (0, 0))
        clip = replace(cache.clips[0], path=path)
        made.append(cache_features([clip], FEATURES, tmp_path / "features").features(0))
    assert made[0].log_mel.shape != made[1].log_mel.shape or not np.array_equal(
        made[0].log_mel, made[1].log_mel
    )


def test_a_corpus_is_cached_alone_and_clips_stay_in_the_order_given(cache, tmp_path):
    mixed = [
        replace(clip, corpus="emodb") if i % 2 else clip for i, clip in enumerate(cache.clips[:4])
    ]
    both = cache_features(mixed, FEATURES, tmp_path)
    files = len(list(tmp_path.iterdir()))
    one = cache_features(mixed[1::2], FEATURES, tmp_path)
    assert len(list(tmp_path.iterdir())) == files == 4
    for i, clip in enumerate(mixed):
        assert both.clips[i] == clip
        assert np.array_equal(both.features(i).log_mel, cache.features(i).log_mel)
    assert np.array_equal(one.features(1).log_mel, cache.features(3).log_mel)


def test_clips_of_other_emotions_are_left_out_without_new_files(cache):
    kept = cache.keep(("happy", "sad", "surprised"))
    assert {clip.label for clip in kept.clips} == {"happy", "sad"}
    for i, clip in enumerate(kept.clips):
        row = cache.clips.index(clip)
        for variant in (0, 1):
            expected = cache.features(row, variant).log_mel
            assert np.array_equal(kept.features(i, variant).log_mel, expected)


def test_a_split_keeps_the_emotions_that_a_network_scores():
    calm = Clip(None, "calm", "ravdess:03", "ravdess")
    split = keep_labels(Split((calm, clip("a")), (clip("b"),), ()), ("happy", "sad"))
    assert split == Split((clip("a"),), (clip("b"),), ())


def test_validation_windows_know_their_clip(cache):
    inputs, owner = clip_windows(cache, WINDOW)
    assert len(inputs) == len(owner) and set(owner) == set(range(len(cache.clips)))
