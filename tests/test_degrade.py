"""Conditions of the robustness table: each as strong as its title says."""

import numpy as np
import pytest
from sounds import RATE, band_db, lag, power_db, voice_like

from ml.degrade import CONDITIONS, ROOMS
from ml.rooms import impulse_response

VOICE = voice_like(2.0, level=0.2)


def degraded(name, seed=0, voice=VOICE):
    return CONDITIONS[name].apply(voice, np.random.default_rng(seed))


def test_the_clean_condition_comes_first_and_changes_nothing():
    assert next(iter(CONDITIONS)) == "clean"
    assert degraded("clean") is VOICE


@pytest.mark.parametrize("name", [name for name in CONDITIONS if name != "clean"])
def test_a_condition_changes_the_sound_in_place_and_repeats_itself(name):
    made, again = degraded(name), degraded(name)
    assert CONDITIONS[name].name == name
    assert made.samples.dtype == np.float32 and made.sample_rate_hz == RATE
    assert np.array_equal(made.samples, again.samples)
    assert np.abs(made.samples).max() <= 1
    assert len(made.samples) == len(VOICE.samples) and abs(lag(made, VOICE)) <= 16
    assert np.mean((made.samples - VOICE.samples) ** 2) > 1e-5 * np.mean(VOICE.samples**2)


@pytest.mark.parametrize(
    ("name", "snr_db"), [("noise-20", 20), ("noise-10", 10), ("noise-5", 5), ("babble-10", 10)]
)
def test_noise_is_as_loud_as_it_says(name, snr_db):
    noise = degraded(name).samples - VOICE.samples
    assert power_db(VOICE.samples) - power_db(noise) == pytest.approx(snr_db, abs=0.1)


def test_other_generators_make_other_noise():
    assert not np.array_equal(degraded("noise-10", 0).samples, degraded("noise-10", 1).samples)


@pytest.mark.parametrize("name", ["amr-12", "amr-5", "gsm", "8-khz"])
def test_telephones_end_at_four_kilohertz(name):
    assert band_db(VOICE, 4300, 8000) - band_db(degraded(name), 4300, 8000) > 30


@pytest.mark.parametrize(("name", "gain_db"), [("louder-12", 12), ("quieter-12", -12)])
def test_levels_are_exact(name, gain_db):
    gain = power_db(degraded(name).samples) - power_db(VOICE.samples)
    assert gain == pytest.approx(gain_db, abs=1e-3)


def test_two_per_cent_are_cut_off():
    made = np.abs(degraded("clipping-2").samples)
    assert np.mean(made >= made.max() - 1e-7) == pytest.approx(0.02, rel=0.02)


def reverberation_time(response: np.ndarray) -> float:
    """T60 from -5 to -25 dB of the energy decay (Schroeder 1965)."""
    decay = 10 * np.log10(np.cumsum(response[::-1].astype(np.float64) ** 2)[::-1] + 1e-20)
    decay -= decay[0]
    return 3 * float(np.argmax(decay < -25) - np.argmax(decay < -5)) / RATE


@pytest.mark.parametrize("name", ROOMS)
def test_rooms_echo_as_long_as_they_say(name):
    response, direct = impulse_response(ROOMS[name], RATE)
    assert reverberation_time(response[direct:]) == pytest.approx(ROOMS[name].t60_s, rel=0.2)


def test_speech_is_less_clear_in_a_larger_room():
    clarity_db = []
    for room in ROOMS.values():
        response, direct = impulse_response(room, RATE)
        early = direct + RATE // 20  # Clarity C50: what comes within 50 ms against the rest.
        ratio = np.sum(response[:early] ** 2) / np.sum(response[early:] ** 2)
        clarity_db.append(10 * np.log10(ratio))
    assert clarity_db[0] > clarity_db[1] + 3 > clarity_db[2] + 6
