"""Counting what gets an emotion and what is turned away, against recordings counted beforehand."""

from collections import namedtuple

import numpy as np
import pytest
import soundfile

from ml.errors import NoSoundsError
from ml.nonspeech import (
    VARIANTS,
    as_shares,
    measure_nonspeech,
    measure_turned_away,
    measure_variants,
    mix,
    nonspeech_table,
)

RATE_HZ = 16_000
Answer = namedtuple("Answer", "outcome")


def by_level(waveform):
    """Stand in for a recogniser: loud is an emotion, middling uncertain, quiet no speech."""
    level = np.sqrt(np.mean(waveform.samples**2))
    return Answer("emotion" if level > 0.3 else "uncertain" if level > 0.1 else "no_speech")


@pytest.fixture
def folder(tmp_path):
    for name, level in {
        "hum/a": 0.5,
        "hum/b": 0.01,
        "music-brass/c": 0.2,
        "genre-pop/d": 0.5,
    }.items():
        path = tmp_path / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, np.full(RATE_HZ, level), RATE_HZ)
    return tmp_path


def test_sounds_are_counted_by_class(folder):
    found = measure_nonspeech(by_level, folder)
    assert (found["clips"], found["given_an_emotion"], found["scored"]) == (4, 2, 3)
    assert found["by_class"]["hum"] == {"clips": 2, "given_an_emotion": 1, "scored": 1}
    assert found["by_class"]["music-brass"] == {"clips": 1, "given_an_emotion": 0, "scored": 1}


def test_a_folder_without_sounds_is_said(tmp_path):
    with pytest.raises(NoSoundsError, match="no recording"):
        measure_nonspeech(by_level, tmp_path)


def test_speech_that_is_turned_away_is_counted():
    outcomes = ["emotion"] * 5 + ["uncertain"] * 2 + ["no_speech"] * 2 + ["too_noisy"]
    assert measure_turned_away(outcomes) == {
        "clips": 10,
        "no_speech": 0.2,
        "too_noisy": 0.1,
        "too_short": 0.0,
    }
    assert measure_turned_away([])["clips"] == 0


def test_speech_in_every_version(folder):
    paths = sorted(folder.glob("hum/*.wav"))
    found = measure_variants(by_level, paths)
    assert found["clean"]["no_speech"] == 0.5
    assert found["quiet"]["no_speech"] == 1.0
    assert {f"{noise} {snr:+d} dB" for noise in ("white", "babble") for snr in (-5, 10)} < set(
        found
    )
    sounds = measure_nonspeech(by_level, folder)
    shares = as_shares(sounds, found)
    assert shares["hum"] == 0.5
    assert shares["music"] == 0.5
    assert shares["clean speech taken for none"] == 0.5
    table = nonspeech_table(sounds, found)
    assert "| all | 4 | 2 | 3 |" in table
    assert "| clean | 2 | 50.0% | 0.0% | 0.0% |" in table


@pytest.mark.parametrize("noise", ["white", "pink", "brown", "babble"])
@pytest.mark.parametrize("snr_db", [-5, 10])
def test_noise_is_mixed_at_its_ratio(noise, snr_db):
    rng = np.random.default_rng(0)
    voice = 0.01 * np.sin(np.arange(RATE_HZ)).astype(np.float32)
    others = [rng.standard_normal(RATE_HZ // 2) for _ in range(4)]
    added = mix(voice, noise, snr_db, rng, others) - voice
    assert 10 * np.log10(np.mean(voice**2) / np.mean(added**2)) == pytest.approx(snr_db, abs=0.1)


def test_versions_of_speech():
    rng = np.random.default_rng(0)
    voice = (0.1 * rng.standard_normal(2 * RATE_HZ)).astype(np.float32)
    voice[RATE_HZ:] *= 5
    assert len(VARIANTS["short"](voice, rng)) == round(0.7 * RATE_HZ)
    assert np.mean(VARIANTS["short"](voice, rng) ** 2) > 20 * np.mean(voice[:RATE_HZ] ** 2)
    quiet = VARIANTS["quiet"](voice, rng)
    assert 20 * np.log10(np.std(quiet) / np.std(voice)) == pytest.approx(-40, abs=0.1)
    spectrum = np.abs(np.fft.rfft(VARIANTS["telephone"](voice, rng))) ** 2
    frequency = np.fft.rfftfreq(len(voice), 1 / RATE_HZ)
    inside = (frequency > 300) & (frequency < 3400)
    assert spectrum[inside].mean() > 100 * spectrum[~inside].mean()
