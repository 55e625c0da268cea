"""Teachers across speakers: what they may learn from, what they answer, what they hint at."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.__main__ import main
from ml.bundle import BUNDLES, read_bundle
from ml.config import EncoderConfig, FeatureConfig, TrainConfig, WindowConfig
from ml.corpora import Clip, read_clips
from ml.dataset import ArrayCache, FeatureCache
from ml.encoder import build_encoder, load_encoder_weights
from ml.encoding import hear
from ml.fitting import build, load
from ml.labels import LABELS
from ml.models import MODELS
from ml.sampling import Sampler
from ml.spectrograms import cache_spectrograms
from ml.teaching import (
    answers_across_speakers,
    folds_of_speakers,
    pool_clips,
)
from tests.corpora_trees import write_cremad
from tests.encoder_weights import write_weights

EMOTIONS = ("neutral", "happy", "sad", "angry")
SPEAKERS = tuple(f"cremad:{number}" for number in range(6))
CLIPS = tuple(
    Clip(Path("x.wav"), label, speaker, "cremad") for speaker in SPEAKERS for label in EMOTIONS * 4
)
"""Sixteen clips of each speaker."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    speakers = ("1002", "1005", "1003", "1006")
    return write_cremad(tmp_path_factory.mktemp("corpus") / "cremad", speakers, ("DFA",))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("weights") / "drawn.npz", EncoderConfig().blocks)


def sampler(**recipe) -> Sampler:
    numbers = np.zeros((len(CLIPS), 1), int)
    cache = ArrayCache(CLIPS, (), np.zeros(len(CLIPS), int), numbers, numbers)
    config = TrainConfig(refit_epochs=15, refit_batch_size=16, teachers=1, folds=3, **recipe)
    return Sampler(FeatureCache(cache, FeatureConfig()), WindowConfig(), config)


def statistics() -> np.ndarray:
    """Four numbers that tell the emotion of every speaker, some that tell nothing."""
    rng = np.random.default_rng(0)
    labels = np.array([EMOTIONS.index(clip.label) for clip in CLIPS])
    told = 3 * np.eye(4)[labels] + rng.normal(0, 0.5, (len(CLIPS), 4))
    return np.column_stack([told, rng.normal(0, 1, (len(CLIPS), 4))]).astype(np.float32)


def test_a_speaker_has_one_fold_and_a_corpus_has_speakers_in_all():
    others = tuple(replace(clip, corpus="emodb", speaker=f"emodb:{clip.speaker}") for clip in CLIPS)
    folds = folds_of_speakers(CLIPS + others, 3, seed=1)
    for clips, found in ((CLIPS, folds[: len(CLIPS)]), (others, folds[len(CLIPS) :])):
        of = {clip.speaker: set() for clip in clips}
        for clip, fold in zip(clips, found, strict=True):
            of[clip.speaker].add(int(fold))
        assert all(len(one) == 1 for one in of.values())
        assert set.union(*of.values()) == {0, 1, 2}


def test_teachers_tell_what_carries_over_from_other_speakers():
    answers = answers_across_speakers(statistics(), sampler())
    assert answers.shape == (len(CLIPS), 8)
    assert answers.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert np.all(answers[:, [LABELS.index("calm"), LABELS.index("surprised")]] == 0)
    named = [LABELS[place] for place in answers.argmax(axis=1)]
    assert np.mean([name == clip.label for name, clip in zip(named, CLIPS, strict=True)]) > 0.9


def test_a_teacher_has_not_heard_the_speaker_it_answers_for():
    """Labels of one fold's speakers that are turned round leave the answers for them as they are.

    A teacher that had learnt from them would have turned, too.
    """
    plain = sampler()
    folds = folds_of_speakers(CLIPS, 3, plain.config.seed)
    turn = dict(zip(EMOTIONS, EMOTIONS[1:] + EMOTIONS[:1], strict=True))
    wrong = tuple(
        replace(clip, label=turn[clip.label]) if fold == 0 else clip
        for clip, fold in zip(CLIPS, folds, strict=True)
    )
    cache = replace(plain.cache, cache=replace(plain.cache.cache, clips=wrong))
    pooled = statistics()
    before = answers_across_speakers(pooled, plain)
    after = answers_across_speakers(pooled, replace(plain, cache=cache))
    assert after[folds == 0] == pytest.approx(before[folds == 0], abs=1e-4)
    assert np.abs(after[folds != 0] - before[folds != 0]).max() > 0.1


def test_a_clip_is_pooled_whole_and_as_if_alone(corpus, weights, tmp_path):
    config = EncoderConfig()
    spectrograms = cache_spectrograms(list(read_clips("cremad", corpus))[:5], config, tmp_path)
    pooled = pool_clips(weights, spectrograms)
    assert pooled.shape == (5, 2 * config.width)
    encoder = build_encoder(config)
    load_encoder_weights(encoder, weights)
    for clip in (0, 4):
        whole = spectrograms.spectrogram(clip)
        steps = -(-len(whole) // (2 * config.pool))
        heard, loud = hear(whole, whole, steps, config)
        encoded = np.asarray(encoder(heard[None]))[0]
        share = loud / loud.sum()
        mean = (encoded * share).sum(axis=0)
        spread = np.sqrt((np.square(encoded - mean) * share).sum(axis=0))
        assert pooled[clip] == pytest.approx(np.concatenate([mean, spread]), abs=1e-3)


def test_a_network_is_taught_by_an_encoder_and_goes_on_from_another(
    corpus, weights, tmp_path, capsys
):
    output = tmp_path / "taught"
    given = f"--model cnn-gru --encoder {weights} --corpus cremad={corpus} --output {output}"
    recipe = "--epochs 1 --batch-size 4 --variants 1 --refit-epochs 1 --folds 2 --teachers 1"
    start = tmp_path / "start"
    shutil.copytree(BUNDLES / "cnn-gru", start, ignore=shutil.ignore_patterns("*.keras"))
    given += f" --start {start}"
    with pytest.raises(SystemExit):
        main(["train", *given.split()])
    assert "no cnn-gru with a model.keras" in capsys.readouterr().err
    prepared = build(MODELS["cnn-gru"])
    prepared.save(start / "model.keras")
    assert main(["train", *given.split(), *recipe.split()]) == 0
    assert "teachers are right in" in capsys.readouterr().err
    bundle = read_bundle(output)
    origin = bundle.card["provenance"]
    assert "--encoder FILE --start MODEL" in origin["command"]
    assert str(weights) not in origin["command"]
    assert len(origin["encoder_sha256"]) == 64 and bundle.card["encoder"] is None
    assert origin["start"]["sha256"] == read_bundle("cnn-gru").sha256
    kept = load(output / "model.keras", compile=False).get_weights()
    learnt = load(output / "checkpoints" / "best.keras", compile=False).get_weights()
    for mean, first, last in zip(kept, prepared.get_weights(), learnt, strict=True):
        assert mean == pytest.approx((first + last) / 2, abs=1e-5)
    assert not np.allclose(prepared.get_weights()[-2], learnt[-2])
