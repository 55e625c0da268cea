"""Recordings that go on, and many recordings: the answers are those of `recognize`, one by one."""

import itertools
from pathlib import Path

import numpy as np
import pytest

import ml
from ml.audio import windows
from ml.config import SpeechConfig, WindowConfig
from ml.streams import Listener, Recent, arriving_windows
from tests.clips import SAMPLES, VOICE

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def story():
    return ml.decode(SAMPLES / "story.mp3").samples[: 10 * RATE_HZ]


@pytest.fixture(scope="module")
def small():
    return ml.load("cnn-gru")


def chunked(samples, size):
    return (samples[start : start + size] for start in range(0, len(samples), size))


def whole(recognizer, samples):
    return recognizer.recognize(ml.Waveform(samples, RATE_HZ)).segments


def noise(level_dbfs, seconds, seed=0):
    made = np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))
    return (made * 10 ** (level_dbfs / 20)).astype(np.float32)


def test_what_was_forgotten_cannot_be_had():
    signal = Recent()
    for start in range(0, 100, 10):
        signal.append(np.arange(start, start + 10))
    signal.forget(35)
    assert len(signal) == 100 and signal[35:38].tolist() == [35, 36, 37]
    assert signal[90:200].tolist() == list(range(90, 100)) and len(signal[100:120]) == 0
    with pytest.raises(IndexError, match="34 was forgotten"):
        signal[34:40]


@pytest.mark.parametrize("n", [0, 1, 47_999, 48_000, 48_001, 71_999, 72_000, 100_000, 168_000])
@pytest.mark.parametrize("size", [100, 7_777, 1_000_000])
@pytest.mark.parametrize("wait", [0, 712, 80_000])
def test_windows_arrive_as_they_lie_in_the_whole(n, size, wait):
    config, samples, found = WindowConfig(), Recent(), []
    for start, end in arriving_windows(chunked(np.zeros(n), size), samples, config, wait, 0):
        found.append((start, end))
        assert samples.ended or len(samples) == end + wait
        assert len(samples[start:end]) == end - start
    assert found == windows(n, config)
    assert len(samples) == n and samples.ended


def test_a_window_comes_before_the_next_chunk_is_asked_for():
    taken = []

    def microphone():
        for number in itertools.count():
            taken.append(number)
            yield np.zeros(1_600)

    arriving = arriving_windows(microphone(), Recent(), WindowConfig(), 0, 0)
    assert next(arriving) == (0, 48_000) and taken[-1] == 29
    assert next(arriving) == (24_000, 72_000) and taken[-1] == 44


@pytest.mark.parametrize("size", [1_600, 100_000])
def test_without_an_encoder_segments_are_those_of_the_whole(small, story, size):
    assert tuple(small.stream(chunked(story, size))) == whole(small, story)


@pytest.mark.parametrize("lookahead_s", [0.0, 1.5, 4.6])
def test_with_an_encoder_they_come_nearer_the_longer_one_waits(story, lookahead_s):
    recognizer = ml.load()
    found = list(recognizer.stream(chunked(story, 1_600), lookahead_s=lookahead_s))
    expected = whole(recognizer, story)
    spans = [(segment.start_s, segment.end_s) for segment in found]
    assert spans == [(segment.start_s, segment.end_s) for segment in expected]
    assert all(segment.probabilities for segment in found)
    gaps = [
        max(abs(one.probabilities[label] - other.probabilities[label]) for label in ml.LABELS)
        for one, other in zip(found, expected, strict=True)
    ]
    assert gaps[-1] < 1e-6, "at the end nothing more is to come"
    assert max(gaps) < {0.0: 0.4, 1.5: 0.15, 4.6: 1e-6}[lookahead_s]


def test_how_the_chunks_are_cut_changes_nothing(story):
    recognizer = ml.load()
    one, other = (list(recognizer.stream(chunked(story, size))) for size in (160, 99_999))
    assert one == other


@pytest.mark.parametrize("seconds", [0, 0.3, 0.8, 2.9, 3.02])
def test_a_short_stream_is_answered_as_a_whole(story, seconds):
    recognizer, samples = ml.load(), story[: round(seconds * RATE_HZ)]
    assert tuple(recognizer.stream(chunked(samples, 1_000))) == whole(recognizer, samples)


def test_pauses_are_no_speech_and_the_voice_after_them_is_heard(small, story):
    quiet = np.zeros(9 * RATE_HZ, np.float32)
    samples = np.concatenate([quiet, story[: 6 * RATE_HZ] * 0.01, quiet])
    found = list(small.stream(chunked(samples, 1_600)))
    assert [bool(segment.probabilities) for segment in found] == [
        bool(segment.probabilities) for segment in whole(small, samples)
    ]
    assert found[0].outcome == found[-1].outcome == "no_speech"
    assert sum(bool(segment.probabilities) for segment in found) >= 4


def test_a_voice_buried_in_noise_is_too_noisy(small, story):
    level = 20 * np.log10(np.sqrt(np.mean(story**2)))
    buried = np.clip(story + noise(level + 6, 10), -1, 1)
    found = list(small.stream(chunked(buried, 1_600)))
    assert "too_noisy" in {segment.outcome for segment in found}
    assert not any(segment.probabilities for segment in found)


def test_fewer_labels_and_the_threshold_hold_for_segments(small, story):
    for segment in small.stream([story], labels=("happy", "sad")):
        assert set(segment.probabilities) <= {"happy", "sad"}
        if segment.label:
            assert segment.confidence == segment.probabilities[segment.label]
            assert segment.confidence >= small.bundle.calibration.threshold


def test_memory_does_not_grow(story):
    """Two minutes with a voice and pauses, in windows that are not those of the judge."""
    samples = Recent()
    listener = Listener(samples, SpeechConfig())
    quiet = np.zeros(75 * RATE_HZ, np.float32)
    minutes = chunked(np.concatenate([story, story, story, quiet]), 1_600)
    config, sizes, heard = WindowConfig(1.0, 0.5), [], []
    for start, end in arriving_windows(minutes, samples, config, 3 * RATE_HZ, 3 * RATE_HZ):
        listener.listen()
        heard.append(listener.speech_s(start, end))
        sizes.append((len(samples._kept), len(listener._voice._kept), len(listener._voiced)))
    assert len(heard) == 2 * 105 - 1
    assert max(heard) > 0.9 and max(heard[-60:]) == 0
    for size, most in zip(np.max(sizes, axis=0), (8 * RATE_HZ, 8 * RATE_HZ / 512, 6), strict=True):
        assert size <= most


@pytest.mark.parametrize(
    ("chunk", "told"),
    [
        (np.zeros(10, np.int16), "int16"),
        (np.zeros((10, 2), np.float32), r"\(10, 2\)"),
        (np.array([0.0, np.nan]), "NaN"),
    ],
)
def test_what_is_no_chunk_is_refused(small, chunk, told):
    with pytest.raises(ValueError, match=told):
        list(small.stream([chunk]))


def test_what_makes_no_sense_is_refused_at_once(small):
    with pytest.raises(ValueError, match="at least 0"):
        small.stream([], lookahead_s=-1)
    with pytest.raises(ml.UnknownLabelsError):
        small.stream([], labels=("happy",))
    with pytest.raises(ml.UnknownLabelsError):
        small.recognize_many([], labels=("happy",))


@pytest.mark.parametrize("threads", [1, 3])
def test_many_are_answered_in_order_and_a_bad_one_stops_nothing(small, threads):
    good = [VOICE, SAMPLES / "silence.flac", str(SAMPLES / "happy-man.flac"), VOICE.read_bytes()]
    sources = [good[0], b"no sound", good[1], Path("none.wav"), good[2], good[3]]
    found = list(small.recognize_many(sources, threads=threads))
    assert [found[index] for index in (0, 2, 4, 5)] == [small.recognize(one) for one in good]
    assert isinstance(found[1], ml.UnsupportedFormatError)
    assert isinstance(found[3], ml.UnreadableFileError)
    assert "'none.wav'" in found[3].message and "No such file" in found[3].message


@pytest.mark.parametrize("threads", [1, 2])
def test_sources_are_taken_when_they_are_needed(small, threads):
    taken = []
    silence = ml.Waveform(np.zeros(8_000, np.float32), RATE_HZ)

    def sources():
        for number in itertools.count():
            taken.append(number)
            yield silence

    answers = small.recognize_many(sources(), threads=threads)
    assert [next(answers).outcome for _ in range(5)] == ["no_speech"] * 5
    answers.close() if threads > 1 else None
    assert len(taken) <= 5 + threads


def test_a_waveform_of_another_rate_is_a_mistake_of_the_caller(small):
    with pytest.raises(ValueError, match="8000 Hz"):
        list(small.recognize_many([ml.Waveform(np.zeros(8_000, np.float32), 8_000)]))
