"""What the encoder hears: the spectrogram, its level, and chunks that are encoded once."""

from itertools import pairwise

import librosa
import numpy as np
import pytest

from ml.config import EncoderConfig
from ml.encoding import ChunkEncoder, levelled, log_mel

CONFIG = EncoderConfig(blocks=0, chunk_steps=10)
"""Chunks of 60 spectrogram frames (0.6 s) in 10 steps of 60 ms."""
CHUNK = CONFIG.chunk_steps * CONFIG.step_length


class Encoder:
    """Stands where the network does: a step's numbers are means of what it hears there."""

    def __init__(self):
        self.heard = []

    def __call__(self, spectrogram: np.ndarray) -> np.ndarray:
        assert spectrogram.dtype == np.float32
        assert spectrogram.shape == (1, CONFIG.chunk_frames, CONFIG.n_mels)
        self.heard.append(spectrogram[0])
        steps = spectrogram.reshape(CONFIG.chunk_steps, -1, CONFIG.n_mels).mean(axis=1)
        return np.tile(steps, 7)[None, :, : CONFIG.width]


def speech(seconds: float, seed: int = 0) -> np.ndarray:
    """Make noise whose level rises and falls like that of syllables."""
    time = np.arange(round(16_000 * seconds)) / 16_000
    noise = np.random.default_rng(seed).standard_normal(len(time))
    return (0.1 * noise * (0.01 + np.sin(4 * np.pi * time) ** 2)).astype(np.float32)


def encoded(samples: np.ndarray) -> tuple[ChunkEncoder, Encoder]:
    encoder = Encoder()
    return ChunkEncoder(samples, encoder, CONFIG), encoder


def test_the_spectrogram_is_that_of_slaney_bands_in_decades():
    samples = speech(1.0)
    power = librosa.feature.melspectrogram(
        y=samples, sr=16_000, n_fft=400, hop_length=160, n_mels=80, fmax=8000.0, pad_mode="reflect"
    )
    found = log_mel(samples, CONFIG)
    assert found.shape == (100, 80) and found.dtype == np.float32
    assert found == pytest.approx(np.log10(power[:, :100].T), abs=1e-4)


def test_moving_the_microphone_changes_nothing():
    samples = speech(2.0)
    near, far = (encoded(level * samples)[0].stretch(0, 34) for level in (1.0, 0.01))
    assert far == pytest.approx(near, abs=1e-4)


def test_the_loudest_band_is_brought_to_one_decade_and_the_range_is_cut():
    spectrogram = np.full((4, 80), -9.0, np.float32)
    spectrogram[1, 20], spectrogram[2, 20] = -2.0, -3.5
    found = levelled(spectrogram, -2.0, CONFIG)
    assert found[1, 20] == pytest.approx((1.0 + 4) / 4)
    assert found[2, 20] == pytest.approx((1.0 - 1.5 + 4) / 4)
    assert found[0, 20] == pytest.approx((1.0 - 7 + 4) / 4)
    assert levelled(spectrogram, 5.0, CONFIG).min() == pytest.approx((1.0 - 8 + 4) / 4)


def test_bands_over_five_and_a_half_kilohertz_are_silent():
    samples = speech(0.6)
    rng = np.random.default_rng(5)
    high = librosa.tone(7000, sr=16_000, length=len(samples)) * rng.uniform(0.9, 1, len(samples))
    chunks, encoder = encoded(samples + 0.5 * high.astype(np.float32))
    chunks.stretch(0, 10)
    edges = librosa.mel_frequencies(82, fmin=0.0, fmax=8000.0)
    beyond = edges[2:] > 5500
    assert 5 < beyond.sum() < 20
    floor = (CONFIG.peak - CONFIG.range_decades + 4) / 4
    assert encoder.heard[0][:, beyond] == pytest.approx(floor)
    # The level is set by what is left: the loudest band that is heard lies at the peak.
    assert encoder.heard[0].max() == pytest.approx((CONFIG.peak + 4) / 4)


def test_chunks_that_windows_share_are_encoded_once():
    chunks, encoder = encoded(speech(6.0))
    starts = range(0, 6 * 16_000 - CHUNK + 1, CHUNK // 2)
    windows = [chunks.window(start) for start in starts]
    assert len(windows) == 19 and len(encoder.heard) == 10
    for one, other in pairwise(windows):
        assert np.array_equal(one[5:], other[:5])


def test_a_window_is_a_stretch_of_the_whole_recording():
    samples = speech(3.0)
    whole = encoded(samples)[0].stretch(0, 50)
    assert whole.shape == (50, CONFIG.width + 1)
    chunks = encoded(samples)[0]
    assert chunks.steps == 50
    for start in (0, 959, 960, 20_000, 33_000):
        step = min(start // 960, 40)
        assert np.array_equal(chunks.window(start), whole[step : step + 10])
    # The last window lies wholly in the recording.
    assert np.array_equal(chunks.window(47_000), whole[40:])


def test_a_chunk_hears_the_very_frames_of_the_whole_spectrogram():
    samples = speech(1.8)
    chunks, encoder = encoded(samples)
    chunks.stretch(0, 30)
    whole = log_mel(samples, CONFIG)
    for number, heard in enumerate(encoder.heard):
        near = whole[max(0, 60 * (number - 1)) : 60 * (number + 2)]
        low = librosa.mel_frequencies(82, fmin=0.0, fmax=8000.0)[2:] <= 5500
        expected = levelled(whole[60 * number : 60 * (number + 1)], near[:, low].max(), CONFIG)
        assert heard == pytest.approx(expected, abs=1e-4)


def test_pauses_and_what_lies_beyond_the_end_are_not_loud():
    samples = speech(0.9)
    samples[3200:6400] *= 1e-4
    found = encoded(samples)[0].stretch(0, 20)[:, -1]
    assert np.all((found >= 0) & (found <= 1))
    assert np.all(found[4:6] == 0), "a pause from 0.2 to 0.4 s"
    assert found[:3].max() == 1 and found[8:14].max() == 1
    assert np.all(found[15:] == 0), "the recording ends after 15 steps"


@pytest.mark.parametrize("length", [1, 100, 800, 5000])
def test_a_recording_shorter_than_a_chunk_is_one_window(length):
    chunks, encoder = encoded(speech(1.0)[:length])
    found = chunks.window(0)
    assert found.shape == (10, CONFIG.width + 1) and np.isfinite(found).all()
    assert len(encoder.heard) == 1
    assert np.all(found[max(1, -(-length // 960)) :, -1] == 0)


@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.5])
def test_silence_gives_numbers(seconds):
    chunks, encoder = encoded(np.zeros(round(16_000 * seconds), np.float32))
    found = chunks.stretch(0, chunks.steps)
    assert np.isfinite(found).all() and np.isfinite(encoder.heard).all()


def test_silence_next_to_a_voice_is_no_voice():
    samples = np.concatenate([speech(0.6), np.zeros(CHUNK, np.float32), speech(0.6)])
    found = encoded(samples)[0].stretch(0, 30)[:, -1]
    assert found[:10].max() == 1 and found[20:].max() == 1
    assert np.all(found[11:19] == 0)
