"""The second opinion: voices stay voices, what only resembles one does not, noise is measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml import speech
from ml.audio import decode
from ml.config import SpeechConfig
from ml.cues import CUES
from ml.judge import judge_voice, rate

SAMPLES = Path(__file__).parent.parent / "samples"
VOICES = sorted(SAMPLES.glob("*man.flac"))
RATE_HZ = 16_000
CONFIG = SpeechConfig()


def listen(samples, config=CONFIG):
    samples = np.asarray(np.clip(samples, -1, 1), np.float32)
    return judge_voice(samples, speech.voice_probabilities(samples, config), config)


def fooled(samples):
    """Judge what the detector would take for a voice throughout."""
    samples = np.asarray(samples, np.float32)
    return judge_voice(samples, np.full(-(-len(samples) // CONFIG.frame_length), 0.95), CONFIG)


def chords(seconds=6.0):
    """Three notes at a time, with vibrato and decay, half a second each."""
    time_s = np.arange(round(0.5 * RATE_HZ)) / RATE_HZ
    pieces = []
    for root_hz in 220 * 2 ** (np.array([0, 5, 7, 0, 9, 5, 7, 12, 0, 5, 7, 0]) / 12):
        waves = [
            np.sin(2 * np.pi * k * root_hz * step * time_s) / k
            for step in (1, 1.25, 1.5)
            for k in (1, 2, 3)
        ]
        pieces.append(np.sum(waves, axis=0) * np.exp(-2 * time_s) / 8)
    return np.concatenate(pieces)[: round(seconds * RATE_HZ)]


NOT_A_VOICE = {
    "chords": chords(),
    "tone": 0.3 * np.sin(2 * np.pi * 220 * np.arange(3 * RATE_HZ) / RATE_HZ),
    "noise": 0.1 * np.random.default_rng(0).standard_normal(3 * RATE_HZ),
}


@pytest.mark.parametrize("path", VOICES, ids=lambda path: path.stem)
def test_a_voice_stays_one(path):
    samples = decode(path).samples
    found = listen(samples)
    assert found.likeness > 0.5
    assert found.snr_db > 5
    detected = speech.voice_probabilities(samples, CONFIG)
    assert np.mean(found.voice >= 0.5) >= 0.9 * np.mean(detected >= 0.5)


@pytest.mark.parametrize("name", NOT_A_VOICE)
def test_what_only_fools_the_detector_is_none(name):
    found = fooled(NOT_A_VOICE[name])
    assert found.likeness < 0.5
    assert found.snr_db is None
    assert not found.voice.any()


def test_nothing_like_a_voice_is_not_judged():
    found = listen(np.zeros(3 * RATE_HZ))
    assert (found.likeness, found.snr_db) == (None, None)
    assert not found.voice.any()
    assert judge_voice(np.zeros(0, np.float32), np.zeros(0), CONFIG).likeness is None


def test_a_voice_after_music_is_heard_and_the_music_is_not():
    voice = decode(SAMPLES / "angry-woman.flac").samples
    music = chords().astype(np.float32)
    detected = np.full(-(-(len(music) + len(voice)) // CONFIG.frame_length), 0.95)
    found = judge_voice(np.concatenate([music, voice]), detected, CONFIG)
    edge = len(music) // CONFIG.frame_length
    assert not found.voice[: edge // 2].any()
    assert found.voice[edge + 10 :].mean() > 0.8


def test_a_few_windows_that_pass_make_no_voice():
    voice = decode(SAMPLES / "angry-woman.flac").samples
    music = np.tile(chords(), 3).astype(np.float32)
    detected = np.full(-(-(len(music) + len(voice)) // CONFIG.frame_length), 0.95)
    samples = np.concatenate([music, voice])
    assert not judge_voice(samples, detected, replace(CONFIG, min_voice_share=0.5)).voice.any()
    assert judge_voice(samples, detected, replace(CONFIG, min_voice_share=0.05)).voice.any()


@pytest.mark.parametrize("colour", [0, 1])
def test_the_ratio_of_a_voice_to_noise_is_found(colour):
    voice = decode(SAMPLES / "angry-woman.flac").samples
    frequency = np.maximum(np.fft.rfftfreq(len(voice), 1 / RATE_HZ), 20)
    white = np.fft.rfft(np.random.default_rng(1).standard_normal(len(voice)))
    noise = np.fft.irfft(white * frequency ** (-colour / 2), len(voice))
    noise *= np.sqrt(np.mean(voice**2) / np.mean(noise**2))
    found = {snr: listen(0.3 * (voice + noise * 10 ** (-snr / 20))).snr_db for snr in (15, 5, 0)}
    assert found[15] > found[5] > found[0]
    for snr_db, measured_db in found.items():
        assert measured_db == pytest.approx(snr_db, abs=5)


def test_every_cue_has_its_weight():
    likeness, ratio_db = rate(np.zeros(len(CUES)))
    assert 0 <= likeness <= 1
    assert -20 <= ratio_db <= 40
