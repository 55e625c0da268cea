"""Training batches: draws, noise, masks, mixup, targets, and what a teacher adds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.config import EncoderConfig, FeatureConfig, TrainConfig, WindowConfig
from ml.corpora import CORPORA, Clip
from ml.dataset import ArrayCache, FeatureCache
from ml.features import Features
from ml.labels import LABEL_SETS, LABELS
from ml.sampling import Sampler, clip_windows, target
from ml.spectral import add_mel_noise
from ml.spectrograms import SpectrogramCache

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
    return FeatureCache(ArrayCache(clips, (frames,), np.zeros(12, int), offsets, lengths), FEATURES)


ENCODER = EncoderConfig(blocks=0)


@pytest.fixture(scope="module")
def heard(cache) -> SpectrogramCache:
    """Spectrograms of the same clips, 375 frames of 10 ms.

    Frame f of variant v is f / 200 + v / 16 - 6 in the lowest band; frames 100 to 300 are loud.
    """
    frames = np.full((12, 2, 375, ENCODER.n_mels), -12.0, np.float16)
    frames[:, :, 100:300, 20] = 1.0
    frames[..., 0] = np.arange(375)[None, None] / 200 + np.arange(2)[None, :, None] / 16 - 6
    rows = frames.reshape(-1, ENCODER.n_mels)
    offsets = np.arange(24).reshape(12, 2) * 375
    made = ArrayCache(cache.clips, (rows,), np.zeros(12, int), offsets, np.full((12, 2), 375))
    return SpectrogramCache(made, ENCODER)


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
    clips = cache.clips + (clip(corpus="emodb"),) * 2
    mixed = replace(cache, cache=replace(cache.cache, clips=clips))
    chances = sampler(mixed, corpus_exponent=0.5).probabilities()
    assert chances.sum() == pytest.approx(1.0)
    assert chances[-2:].sum() == pytest.approx(np.sqrt(2) / (np.sqrt(2) + np.sqrt(12)))


def test_a_teacher_has_its_share_of_the_target(cache):
    answers = np.zeros((12, 8), np.float32)
    answers[:, LABELS.index("sad")] = 0.6
    answers[:, LABELS.index("happy")] = 0.4
    recipe = {"distill_weight": 0.75, "mixup_alpha": 0.0, "label_smoothing": 0.0}
    taught = replace(sampler(cache, **recipe), answers=answers)
    targets = taught.batch(0, 0, np.array([0, 1]))[1]
    assert targets.shape == (2, 8)
    assert targets[0, LABELS.index("neutral")] == pytest.approx(0.25)
    assert targets[:, LABELS.index("happy")] == pytest.approx([0.3, 0.55])
    assert np.all(targets[:, LABELS.index("calm")] == -1)
    assert np.maximum(targets, 0).sum(axis=1) == pytest.approx(1.0)


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


def with_intensities(cache: FeatureCache, *intensities: float | None) -> FeatureCache:
    clips = tuple(
        replace(one, intensity=intensity)
        for one, intensity in zip(cache.clips, intensities, strict=False)
    )
    return replace(cache, cache=replace(cache.cache, clips=clips + cache.clips[len(clips) :]))


def test_intensity_is_a_column_of_its_own_where_the_corpus_says_it(cache):
    known = with_intensities(cache, 0.0, 0.5, 1.0, None)
    strong = replace(sampler(known, mixup_alpha=0.0), intensity=True)
    targets = strong.batch(0, 0, np.arange(4))[1]
    assert targets.shape == (4, 9) and targets[:, 8].tolist() == [0.0, 0.5, 1.0, -1.0]
    assert np.maximum(targets[:, :8], 0).sum(axis=1) == pytest.approx(1.0)


def test_mixup_knows_an_intensity_only_where_both_clips_have_one(cache):
    known = with_intensities(cache, 0.0, 0.5, None, 1.0)
    strong = replace(sampler(known, mixup_alpha=5.0), intensity=True)
    mixed = 0
    for position in range(8):
        targets = strong.batch(0, position, np.arange(4))[1]
        if targets[1, 8] == -1:
            mixed += 1
            # Row 0 is mixed with row 3: share * 0 + (1 - share) * 1, and the reverse.
            assert targets[0, 8] + targets[3, 8] == pytest.approx(1.0)
            assert 0 < targets[0, 8] < 1 and targets[2, 8] == -1
        assert np.maximum(targets[:, :8], 0).sum(axis=1) == pytest.approx(1.0)
    assert 0 < mixed < 8


UNCHANGED = {
    "mixup_alpha": 0.0,
    "time_masks": 0,
    "mel_masks": 0,
    "noise": 0.0,
    "colouring": 0.0,
    "narrowing": 0.0,
}


def first_frames(spectrograms: np.ndarray) -> np.ndarray:
    """Tell from the lowest band with which hundredths of a second windows begin."""
    # The loudest, 1, is brought to 1; (x + 4) / 4 follows.
    return (spectrograms[:, 0, 0] * 4 - 4 + 6) * 200


def test_a_batch_has_the_spectrograms_of_the_versions_that_were_drawn(cache, heard):
    both = replace(sampler(cache, clean_share=0.5, crop_s=1.2, **UNCHANGED), heard=heard)
    (spectrograms, loud, features), targets = both.batch(0, 0, np.zeros(12, int))
    assert spectrograms.shape == (12, 120, ENCODER.n_mels) and loud.shape == (12, 20, 1)
    assert features.shape == (12, 240, FEATURES.n_features) and targets.shape == (12, 8)
    # Voice from frame 100 to 300 leaves 80 to start in; a variant's frames count 12.5 more.
    starts = first_frames(spectrograms)
    assert np.all((starts > 99) & (starts < 180 + 13.5)) and len(set(starts.tolist())) > 5
    assert np.all(loud == 1.0)
    clean = np.abs(starts - np.round(starts)) < 0.3
    assert 0 < clean.sum() < 12


def test_a_longer_stretch_has_all_of_the_voice(cache, heard):
    both = replace(sampler(cache, clean_share=1.0, crop_s=3.0, **UNCHANGED), heard=heard)
    (spectrograms, loud, _features), _targets = both.batch(0, 0, np.zeros(12, int))
    starts = first_frames(spectrograms)
    assert np.all((starts > -1) & (starts < 76)) and len(set(starts.tolist())) > 5
    assert loud.sum(axis=(1, 2)) == pytest.approx(200 / 6, abs=0.7)


def test_windows_for_validation_come_with_their_spectrograms(cache, heard):
    (spectrograms, loud, features), owner = clip_windows(cache, WINDOW, heard)
    # Windows of 240 frames start at frames 0 and 60 of 300: at 0 and 0.75 s, in step 12.
    assert owner.tolist() == [clip for clip in range(12) for _ in range(2)]
    assert features.shape == (24, 240, FEATURES.n_features) and loud.shape == (24, 50, 1)
    assert first_frames(spectrograms[:2]) == pytest.approx([0.0, 72.0], abs=0.5)
    alone, _owner = clip_windows(cache, WINDOW)
    assert np.array_equal(alone, features)
    some, owner = clip_windows(cache, WINDOW, clips=[2, 5])
    assert owner.tolist() == [2, 2, 5, 5] and np.array_equal(some, features[[4, 5, 10, 11]])
