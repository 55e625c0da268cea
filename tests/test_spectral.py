"""What augmentation does to spectra."""

import numpy as np
import pytest

from ml.config import TrainConfig
from ml.spectral import change_channel, mask_heard, mel_noise

NEVER = {"colouring": 0.0, "noise": 0.0, "narrowing": 0.0}


@pytest.fixture
def spectrogram() -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.normal(-2, 1, (120, 80)).astype(np.float32)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_noise_is_5_to_30_db_under_the_sound(rng):
    power = rng.gamma(2, 1.0, (64, 200))
    ratios = [10 * np.log10(power.mean() / mel_noise(power, rng).mean()) for _ in range(50)]
    assert min(ratios) >= 5 and max(ratios) <= 30 and np.ptp(ratios) > 10


def test_without_chance_a_channel_changes_nothing(spectrogram, rng):
    assert np.array_equal(change_channel(spectrogram, TrainConfig(**NEVER), rng), spectrogram)


def test_a_microphone_changes_bands_and_not_their_course(spectrogram, rng):
    changed = change_channel(spectrogram, TrainConfig(**NEVER | {"colouring": 1.0}), rng)
    response = changed - spectrogram
    assert response == pytest.approx(np.broadcast_to(response[0], response.shape), abs=1e-5)
    assert 0.1 < np.abs(response).max() < 5 and np.abs(np.diff(response[0])).max() < 0.3


def test_noise_fills_the_quiet_and_leaves_the_loud(spectrogram, rng):
    changed = change_channel(spectrogram, TrainConfig(**NEVER | {"noise": 1.0}), rng)
    assert np.all(changed >= spectrogram - 1e-5)
    louder = spectrogram > np.quantile(spectrogram, 0.95)
    assert (changed - spectrogram)[louder].mean() < (changed - spectrogram)[~louder].mean()


def test_a_narrow_channel_loses_bands_at_both_ends_only(spectrogram, rng):
    config = TrainConfig(**NEVER | {"narrowing": 1.0})
    for _ in range(20):
        changed = change_channel(spectrogram, config, rng)
        lost = np.flatnonzero(np.all(changed == spectrogram.min(), axis=0))
        kept = np.setdiff1d(np.arange(80), lost)
        assert len(kept) >= 36 and np.ptp(kept) == len(kept) - 1
        assert np.array_equal(changed[:, kept], spectrogram[:, kept])


def test_what_is_hidden_counts_as_a_pause(spectrogram, rng):
    made, loud = spectrogram.copy(), np.ones((20, 1), np.float32)
    config = TrainConfig(time_masks=1, step_mask_steps=10, mel_masks=0)
    while loud.all():
        mask_heard(made, loud, config, rng)
    hidden = np.flatnonzero(loud[:, 0] == 0)
    assert np.ptp(hidden) == len(hidden) - 1
    frames = np.repeat(loud[:, 0] == 0, 6)
    assert np.all(made[frames] == spectrogram.min())
    assert np.array_equal(made[~frames], spectrogram[~frames])


def test_hidden_bands_have_the_mean(spectrogram, rng):
    made, loud = spectrogram.copy(), np.ones((20, 1), np.float32)
    while np.array_equal(made, spectrogram):
        mask_heard(made, loud, TrainConfig(time_masks=0, mel_masks=1, mel_mask_bands=8), rng)
    changed = np.flatnonzero((made != spectrogram).any(axis=0))
    assert len(changed) <= 8 and np.ptp(changed) == len(changed) - 1
    assert made[:, changed] == pytest.approx(float(spectrogram.mean())) and loud.all()
