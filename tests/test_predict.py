"""Outcomes, windows and votes, from the committed model and recordings made here."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.audio import Waveform, decode, windows
from ml.bundle import DEFAULT_MODEL, Scores
from ml.calibration import Calibration
from ml.errors import UnknownLabelsError, UnknownModelError
from ml.features import extract_samples, model_input
from ml.gates import candidates
from ml.predict import Recognizer, load, majority, pool, recognize

SAMPLES = Path(__file__).parent.parent / "samples"
VOICE = SAMPLES / "angry-woman.flac"
STORY = SAMPLES / "story.mp3"
RATE_HZ = 16_000


@pytest.fixture(scope="module")
def recognizer():
    return load()


@pytest.fixture(scope="module")
def voice():
    return decode(VOICE).samples


def wave(samples):
    return Waveform(np.asarray(np.clip(samples, -1, 1), np.float32), RATE_HZ)


def coloured(colour, level_dbfs, seconds=3.0, seed=0):
    """Noise whose power falls with frequency to the power of `colour`."""
    count = round(seconds * RATE_HZ)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    frequencies = np.maximum(np.fft.rfftfreq(count, 1 / RATE_HZ), 20)
    made = np.fft.irfft(spectrum * frequencies ** (-colour / 2), count)
    return made / np.sqrt(np.mean(made**2)) * 10 ** (level_dbfs / 20)


def tones(*frequencies_hz, amplitude=0.5, seconds=3.0):
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    waves = [np.sin(2 * np.pi * frequency * time_s) for frequency in frequencies_hz]
    return amplitude * np.mean(waves, axis=0)


def clicks(count, seconds=3.0):
    samples = np.zeros(round(seconds * RATE_HZ))
    samples[np.random.default_rng(count).integers(0, len(samples), count)] = 0.9
    return samples


def knocks(count, seconds=3.0):
    rng = np.random.default_rng(count)
    samples = 0.001 * rng.standard_normal(round(seconds * RATE_HZ))
    for start in rng.integers(0, len(samples) - 800, count):
        samples[start : start + 800] += (
            0.7 * np.exp(-np.arange(800) / 100) * rng.standard_normal(800)
        )
    return samples


def hum(frequency_hz, amplitude):
    harmonics = [tones(frequency_hz * k, amplitude=amplitude / k) for k in range(1, 8)]
    return np.sum(harmonics, axis=0)


NO_VOICE = {
    "digital silence": np.zeros(48_000),
    "offset": np.full(48_000, 0.3),
    "dither": np.random.default_rng(0).integers(-1, 2, 48_000) / 32_768,
    **{
        f"{name} noise at {level} dBFS": coloured(colour, level)
        for name, colour in (("white", 0), ("pink", 1), ("brown", 2))
        for level in (-70, -50, -30, -12, -3)
    },
    **{f"hum of {f} Hz at {a}": hum(f, a) for f in (50, 60, 100, 120) for a in (0.01, 0.2)},
    **{f"tone of {f} Hz": tones(f) for f in (80, 150, 220, 440, 1000, 3000, 7000)},
    "faint tone": tones(220, amplitude=0.01),
    "short tone": tones(440, seconds=0.6),
    "major chord": tones(262, 330, 392),
    "low chord": tones(110, 165, 220, amplitude=0.9),
    **{f"{n} clicks": clicks(n) for n in (1, 3, 10)},
    **{f"{n} knocks": knocks(n) for n in (1, 3, 10)},
    "half a minute of noise": coloured(1, -20, seconds=40),
}


@pytest.mark.parametrize("name", NO_VOICE)
def test_what_is_no_voice_gets_no_emotion(recognizer, name):
    found = recognizer.recognize(wave(NO_VOICE[name]))
    assert found.outcome == "no_speech"
    assert found.reason.code == "no_speech"
    assert found.reason.params["level_dbfs"] == pytest.approx(found.quality.level_dbfs)
    assert f"{found.quality.level_dbfs:.0f} dBFS" in found.reason.message
    assert (found.label, found.confidence, found.vote) == (None, None, None)
    assert found.probabilities == {}
    assert {segment.outcome for segment in found.segments} == {"no_speech"}


@pytest.mark.parametrize("seconds", [0.0001, 0.2, 0.49])
def test_under_half_a_second_is_too_short(recognizer, voice, seconds):
    loudest = int(np.argmax(np.abs(voice)))
    found = recognizer.recognize(wave(voice[loudest:][: round(seconds * RATE_HZ)]))
    assert found.outcome == "too_short"
    assert found.reason.params["duration_s"] == pytest.approx(seconds, abs=1e-4)
    assert f"{seconds:.2f} s" in found.reason.message
    assert [segment.label for segment in found.segments] == [None]


def test_nothing_at_all_is_too_short(recognizer):
    found = recognizer.recognize(wave(np.zeros(0)))
    assert (found.outcome, found.segments) == ("too_short", ())


def scored(found):
    return found.outcome in ("emotion", "uncertain")


def telephone(samples):
    spectrum = np.fft.rfft(samples)
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    kept = (frequencies > 300) & (frequencies < 3400)
    return np.fft.irfft(np.where(kept, spectrum, 0), len(samples))


def test_a_voice_is_scored(recognizer):
    found = recognizer.recognize(VOICE)
    assert scored(found)
    assert sum(found.probabilities.values()) == pytest.approx(1)
    assert tuple(found.probabilities) == recognizer.bundle.labels
    assert found.model == recognizer.bundle.info


@pytest.mark.parametrize("gain_db", [-20, -40, -50])
def test_a_quiet_voice_is_scored_alike(recognizer, voice, gain_db):
    as_is = recognizer.recognize(wave(voice))
    quiet = np.round(voice * 10 ** (gain_db / 20) * 32_768) / 32_768
    found = recognizer.recognize(wave(quiet))
    assert scored(found)
    warned = "quiet" in [warning.code for warning in found.warnings]
    assert warned == (found.quality.level_dbfs < -50)
    if gain_db == -20:
        for label, share in as_is.probabilities.items():
            assert found.probabilities[label] == pytest.approx(share, abs=0.15)


def test_a_voice_on_the_telephone_is_scored_with_a_warning(recognizer, voice):
    found = recognizer.recognize(wave(telephone(voice)))
    assert scored(found)
    assert "narrow_band" in [warning.code for warning in found.warnings]


@pytest.mark.parametrize("file", sorted(SAMPLES.glob("*man.flac")), ids=lambda path: path.stem)
def test_half_a_second_of_a_voice_is_scored(recognizer, file):
    samples = decode(file).samples
    power = np.convolve(samples**2, np.ones(RATE_HZ // 2), mode="valid")
    start = int(np.argmax(power))
    assert scored(recognizer.recognize(wave(samples[start : start + RATE_HZ // 2])))


@pytest.mark.parametrize("snr_db", [-3, 0])
def test_a_voice_buried_in_noise_is_too_noisy(recognizer, voice, snr_db):
    """The noise goes on before and after, as it does around a voice."""
    padded = np.pad(voice, RATE_HZ)
    level = 20 * np.log10(np.sqrt(np.mean(voice**2))) - snr_db
    found = recognizer.recognize(wave(padded + coloured(1, level, len(padded) / RATE_HZ)))
    assert found.outcome == "too_noisy"
    assert found.reason.params["snr_db"] == found.quality.snr_db
    assert f"{found.quality.snr_db:.1f} dB" in found.reason.message
    assert found.probabilities == {}
    assert {segment.outcome for segment in found.segments} <= {"too_noisy", "no_speech"}


def test_a_voice_over_some_noise_is_scored_with_a_warning(recognizer, voice):
    padded = np.pad(voice, RATE_HZ)
    level = 20 * np.log10(np.sqrt(np.mean(voice**2))) - 5
    found = recognizer.recognize(wave(padded + coloured(1, level, len(padded) / RATE_HZ)))
    assert scored(found)
    assert "noisy" in [warning.code for warning in found.warnings]


def test_clipping_is_warned_of(recognizer, voice):
    found = recognizer.recognize(wave(voice * 20))
    assert "clipped" in [warning.code for warning in found.warnings]


def with_calibration(recognizer, **changes):
    calibration = replace(recognizer.bundle.calibration, **changes)
    return Recognizer(replace(recognizer.bundle, calibration=calibration))


def test_under_the_threshold_it_is_uncertain(recognizer):
    found = with_calibration(recognizer, threshold=0.9999).recognize(VOICE)
    assert found.outcome == "uncertain"
    assert (found.label, found.confidence) == (None, None)
    top = max(found.probabilities, key=found.probabilities.get)
    assert found.reason.params == {
        "label": top,
        "probability": found.probabilities[top],
        "threshold": 0.9999,
        "candidates": ", ".join(candidates(found.probabilities, top)),
    }
    assert found.vote is not None
    assert {segment.outcome for segment in found.segments} == {"uncertain"}


def test_over_the_threshold_the_largest_is_given(recognizer):
    found = with_calibration(recognizer, threshold=0.0).recognize(VOICE)
    assert found.outcome == "emotion"
    assert found.reason is None
    assert found.confidence == max(found.probabilities.values())
    assert found.probabilities[found.label] == found.confidence


def test_fewer_labels_are_renormalised(recognizer):
    free = with_calibration(recognizer, threshold=0.0)
    every, two = free.recognize(VOICE), free.recognize(VOICE, labels=("happy", "sad"))
    assert tuple(two.probabilities) == ("happy", "sad")
    share = every.probabilities["happy"] + every.probabilities["sad"]
    assert two.probabilities["sad"] == pytest.approx(every.probabilities["sad"] / share, rel=1e-6)
    assert two.label in ("happy", "sad")
    for segment in two.segments:
        assert set(segment.probabilities) <= {"happy", "sad"}


def test_labels_are_checked_before_any_work(recognizer):
    with pytest.raises(UnknownLabelsError):
        recognizer.recognize(b"not even decoded", labels=("happy",))


def test_another_sample_rate_is_refused(recognizer):
    with pytest.raises(ValueError, match=r"8000 Hz.*16000 Hz"):
        recognizer.recognize(Waveform(np.zeros(8000, np.float32), 8000))


def test_silent_windows_are_not_scored(recognizer, voice):
    """The voice, then a long silence: the answer is the voice's own."""
    quiet = np.zeros(20 * RATE_HZ)
    found = recognizer.recognize(wave(np.concatenate([voice, quiet])))
    unscored = [segment for segment in found.segments if segment.outcome == "no_speech"]
    assert len(unscored) >= 10
    assert all(segment.probabilities == {} for segment in unscored)
    assert "little_speech" in [warning.code for warning in found.warnings]
    assert found.segments[-1].end_s == pytest.approx(len(voice) / RATE_HZ + 20)


def test_blocks_give_the_frames_of_the_whole(recognizer):
    samples, config = decode(STORY).samples, recognizer.bundle.features
    frames = round(recognizer.bundle.windows.window_s * RATE_HZ / config.hop_length)
    features = extract_samples(samples, config)
    spans = windows(len(samples), recognizer.bundle.windows)
    assert len(spans) > 32
    starts = [-(-start // config.hop_length) for start, _end in spans]
    starts[-1] = min(starts[-1], len(features.rms) - frames)
    for index in (0, 1, 17, len(spans) - 3, len(spans) - 1):
        made = recognizer._inputs(samples, spans[index:])
        whole = [model_input(features, start, frames, config) for start in starts[index:]]
        np.testing.assert_allclose(made, np.stack(whole), atol=1e-4)


def test_pool_is_the_weighted_mean_of_logarithms():
    scores = {0: {"happy": 0.9, "sad": 0.1}, 3: {"happy": 0.2, "sad": 0.8}}
    found = pool(scores, (3.0, 9.0, 9.0, 1.0))
    happy, sad = 0.9**0.75 * 0.2**0.25, 0.1**0.75 * 0.8**0.25
    assert found["happy"] == pytest.approx(happy / (happy + sad))
    assert sum(found.values()) == pytest.approx(1)


def test_pool_of_one_window_is_that_window():
    assert pool({2: {"happy": 0.7, "sad": 0.3}}, (0.0, 0.0, 0.5)) == pytest.approx(
        {"happy": 0.7, "sad": 0.3}
    )


def test_majority_and_its_ties():
    vote = majority(({"a": 0.6, "b": 0.4}, {"a": 0.6, "b": 0.4}, {"a": 0.0, "b": 1.0}))
    assert (vote.label, vote.dominance) == ("a", pytest.approx(2 / 3))
    assert vote.distribution == pytest.approx({"a": 2 / 3, "b": 1 / 3})
    tied = majority(({"a": 0.6, "b": 0.4}, {"a": 0.1, "b": 0.9}))
    assert (tied.label, tied.dominance) == ("b", 0.5)


class TwoOfThree:
    """Scores in which two windows lean one way and the third is sure of the other."""

    def __init__(self, labels):
        self.rows = np.full((3, len(labels)), 1e-6)
        self.rows[:2, 0], self.rows[:2, 1] = 0.55, 0.45
        self.rows[2, 1] = 1.0

    def score(self, inputs):
        return Scores(self.rows[: len(inputs)], None)


@pytest.mark.parametrize(("rule", "expected"), [("mean", 1), ("majority", 0)])
def test_where_vote_and_mean_differ_a_warning_says_so(recognizer, voice, rule, expected):
    bundle = replace(recognizer.bundle, rule=rule, calibration=Calibration(), encoder=None)
    mine = Recognizer(bundle)
    mine._idle.append(TwoOfThree(bundle.labels))
    six_seconds = np.resize(voice, 6 * RATE_HZ)
    found = mine.recognize(wave(six_seconds))
    assert found.label == bundle.labels[expected]
    assert found.vote.label == bundle.labels[0]
    assert "vote_differs" in [warning.code for warning in found.warnings]
    assert found.confidence == found.probabilities[found.label]


def test_progress_runs_from_0_to_1(recognizer):
    seen = []
    recognizer.recognize(STORY, progress=seen.append)
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0.0, 1.0)
    assert len(seen) > 4


@pytest.mark.parametrize("at", [0.0, 0.2, 0.7])
def test_the_progress_hook_can_end_the_work(recognizer, at):
    class Stopped(Exception):
        pass

    def stop(share):
        if share >= at:
            raise Stopped

    with pytest.raises(Stopped):
        recognizer.recognize(STORY, progress=stop)
    assert scored(recognizer.recognize(VOICE)), "the next call is not harmed"


def test_threads_share_a_recognizer(recognizer):
    files = sorted(SAMPLES.glob("*.flac")) * 2
    alone = [recognizer.recognize(file) for file in files]
    with ThreadPoolExecutor(4) as pool_of_threads:
        assert list(pool_of_threads.map(recognizer.recognize, files)) == alone


def test_load_loads_once():
    assert load() is load(DEFAULT_MODEL)
    with pytest.raises(UnknownModelError, match=DEFAULT_MODEL):
        load("nobody")


def test_recognize_takes_path_bytes_and_waveform():
    by_path = recognize(VOICE)
    assert recognize(str(VOICE)) == by_path
    assert recognize(VOICE.read_bytes()) == by_path
    assert recognize(decode(VOICE)) == by_path


HOUR = """
import re, sys
import numpy as np
from ml import predict
from ml.audio import Waveform, decode

voice = decode(sys.argv[1]).samples
hour = np.memmap(sys.argv[2], np.float32, "w+", shape=(3600 * 16_000,))
for start in range(0, len(hour) - len(voice), 4 * len(voice)):
    hour[start : start + len(voice)] = voice
found = predict.recognize(Waveform(hour, 16_000))
# Not ru_maxrss: that begins with what the process that started this one had.
status = open("/proc/self/status").read()
print(len(found.segments), int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) // 1024)
"""


def test_an_hour_stays_under_600_mb(tmp_path):
    command = [sys.executable, "-c", HOUR, STORY, tmp_path / "hour.f32"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    segments, megabytes = map(int, done.stdout.split())
    assert segments == 2399
    assert megabytes < 600
