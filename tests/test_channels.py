"""Channels, codecs and rooms, against answers that are known beforehand."""

import numpy as np
import pytest
from sounds import RATE, band_db, lag, power_db, voice_like, white

from ml import channels
from ml.audio import Waveform
from ml.lossy import CODECS, encoded_size, transcode
from ml.rooms import N_ROOMS, impulse_response, training_room


@pytest.mark.parametrize("snr_db", [20.0, 10.0, 0.0, -5.0])
@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_a_mix_has_the_snr_it_was_asked_for(snr_db, exponent):
    voice = voice_like(level=0.1)
    noise = channels.coloured_noise(len(voice.samples), exponent, np.random.default_rng(1))
    left = channels.mix(voice, noise, snr_db).samples - voice.samples
    assert power_db(voice.samples) - power_db(left) == pytest.approx(snr_db, abs=0.1)


@pytest.mark.parametrize(("exponent", "per_octave_db"), [(0.0, 0.0), (1.0, 3.01), (2.0, 6.02)])
def test_noise_falls_by_its_colour(exponent, per_octave_db):
    noise = channels.coloured_noise(8 * RATE, exponent, np.random.default_rng(0))
    made = Waveform(noise.astype(np.float32), RATE)
    # A band twice as wide holds 3 dB more of equal density.
    fall = band_db(made, 500, 1000) - (band_db(made, 2000, 4000) - 6.02)
    assert fall / 2 == pytest.approx(per_octave_db, abs=0.3)


def test_hum_stands_on_multiples_of_the_mains():
    sound = channels.hum(RATE, RATE, 50.0, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    assert spectrum[50:401:50].sum() / spectrum.sum() > 0.999


def test_a_crowd_does_not_repeat_the_voice():
    voice = voice_like(4.0).samples
    crowd = channels.babble([voice], len(voice), np.random.default_rng(0))
    assert len(crowd) == len(voice)
    assert abs(np.corrcoef(voice, crowd)[0, 1]) < 0.3


def test_clicks_are_sparse():
    sound = channels.clicks(4 * RATE, RATE, 5.0, np.random.default_rng(0))
    assert 0 < np.mean(np.abs(sound) > 1e-9) < 0.15


@pytest.mark.parametrize("gain_db", [12.0, -12.0])
def test_level_changes_exactly(gain_db):
    voice = voice_like(level=0.1)
    made = channels.amplify(voice, gain_db)
    assert power_db(made.samples) - power_db(voice.samples) == pytest.approx(gain_db, abs=1e-3)


def test_too_loud_is_cut_off_at_full_scale():
    made = channels.amplify(voice_like(level=0.9), 12.0).samples
    assert np.abs(made).max() == 1.0 and np.mean(np.abs(made) == 1.0) > 0.001


@pytest.mark.parametrize("share", [0.001, 0.01, 0.05])
def test_the_share_that_was_asked_for_is_cut_off(share):
    made = np.abs(channels.clip_share(white(4.0), share).samples)
    assert np.mean(made >= made.max() - 1e-7) == pytest.approx(share, rel=0.02)


def test_a_band_is_kept_and_the_rest_is_gone():
    noise = white(4.0)
    made = channels.limit_band(noise, 300, 3400)
    assert band_db(noise, 600, 2500) - band_db(made, 600, 2500) == pytest.approx(0, abs=0.3)
    assert band_db(noise, 6000, 8000) - band_db(made, 6000, 8000) > 24
    assert band_db(noise, 20, 100) - band_db(made, 20, 100) > 30
    assert band_db(made, 20, 100) < band_db(channels.limit_band(noise, 50), 20, 100) - 20


def test_eight_kilohertz_ends_at_four():
    noise = white()
    made = channels.narrow(noise, 8000)
    assert len(made.samples) == len(noise.samples) and lag(made, noise) == 0
    assert band_db(noise, 4200, 8000) - band_db(made, 4200, 8000) > 60
    assert band_db(noise, 200, 3400) - band_db(made, 200, 3400) == pytest.approx(0, abs=0.1)


def test_colouring_follows_its_gains():
    noise = white(4.0, rms=0.02)
    made = channels.colour(noise, np.array([0, 0, 6, 6, 0, 0.0]))
    edges = np.geomspace(100, 8000, 5)
    lifted = (edges[1] * 1.2, edges[2] * 0.9)
    gain = band_db(made, *lifted) - band_db(noise, *lifted)
    assert gain == pytest.approx(6, abs=0.5) and lag(made, noise) == 0


def test_compression_brings_loud_and_soft_together_by_its_ratio():
    time = np.arange(4 * RATE) / RATE
    tone = np.sin(2 * np.pi * 300 * time) * np.where(time < 2, 0.5, 0.05)
    made = channels.compress(Waveform(tone.astype(np.float32), RATE), -40, 2, 0.005, 0.05).samples
    loud, soft = made[RATE : 2 * RATE - 800], made[3 * RATE :]
    assert power_db(loud) - power_db(soft) == pytest.approx(10, abs=0.2)
    assert np.abs(made).max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("semitones", [-2.0, 0.0, 3.0])
def test_pitch_moves_and_time_stays(semitones):
    voice = voice_like(3.0)
    made = channels.shift_pitch(voice, semitones)
    assert len(made.samples) == len(voice.samples)
    envelopes = [np.sqrt(np.mean(x.samples.reshape(-1, 800) ** 2, axis=1)) for x in (voice, made)]
    assert np.corrcoef(*envelopes)[0, 1] > 0.95


@pytest.mark.parametrize(
    ("name", "bit_rate"),
    [(name, rate) for name, codec in CODECS.items() for rate in codec.bit_rates or (None,)],
)
def test_a_codec_changes_the_sound_but_neither_its_length_nor_its_place(name, bit_rate):
    voice = voice_like(1.7)
    made = transcode(voice, name, bit_rate)
    again = transcode(voice, name, bit_rate)
    assert np.array_equal(made.samples, again.samples)
    assert len(made.samples) == len(voice.samples) and made.samples.dtype == np.float32
    assert abs(lag(made, voice)) <= 16
    likeness = np.corrcoef(made.samples, voice.samples)[0, 1]
    assert 0.6 < likeness < 0.99999
    assert abs(power_db(made.samples) - power_db(voice.samples)) < 3


@pytest.mark.parametrize(
    ("name", "bit_rate", "tolerance"),
    [("mp3", 32_000, 0.05), ("aac", 24_000, 0.1), ("opus", 16_000, 0.3)],
)
def test_a_codec_holds_its_bit_rate(name, bit_rate, tolerance):
    size = encoded_size(voice_like(10.0), name, bit_rate)
    assert size * 8 / 10 == pytest.approx(bit_rate, rel=tolerance)


def test_fewer_bits_sound_worse():
    voice = voice_like(3.0)
    for name in ("mp3", "aac", "amr-nb"):
        low, *_rest, high = CODECS[name].bit_rates
        errors = [
            power_db(transcode(voice, name, rate).samples - voice.samples) for rate in (low, high)
        ]
        assert errors[0] > errors[1] + 0.5, name


@pytest.mark.parametrize("number", range(3))
def test_training_rooms_are_as_drawn_and_keep_the_direct_sound_in_place(number):
    room = training_room(number)
    response, direct = impulse_response(room, RATE)
    assert direct == pytest.approx(
        40 + np.linalg.norm(np.subtract(room.voice_m, room.microphone_m)) / 343 * RATE, abs=2
    )
    assert abs(int(np.argmax(np.abs(response[: direct + 20]))) - direct) <= 1


def test_all_training_rooms_lie_within_what_is_promised():
    rooms = [training_room(number) for number in range(N_ROOMS)]
    assert len(set(rooms)) == N_ROOMS
    assert all(0.15 <= room.t60_s <= 0.9 for room in rooms)
    distances = [np.linalg.norm(np.subtract(room.voice_m, room.microphone_m)) for room in rooms]
    assert min(distances) < 0.6 and 2 < max(distances) <= 4.0
    for room in rooms:
        for place in (room.voice_m, room.microphone_m):
            assert all(0 < x < size for x, size in zip(place, room.size_m, strict=True))
