"""The bundled clips: what the index says of them is true, and each decodes."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import soundfile

import ml

SAMPLES = Path(__file__).parent.parent / "samples"
INDEX = json.loads((SAMPLES / "index.json").read_text(encoding="utf-8"))
SPOKEN = [entry for entry in INDEX if entry["text"]]
UNSPOKEN = [entry for entry in INDEX if not entry["text"]]
KEYS = ["id", "file", "title", "intended", "description", "voice", "seconds", "text"]


def ids(entries):
    return [entry["id"] for entry in entries]


def read(entry):
    return soundfile.read(SAMPLES / entry["file"])


def named(id):
    return next(entry for entry in INDEX if entry["id"] == id)


def level_dbfs(samples):
    return 20 * np.log10(np.sqrt(np.mean(samples**2)))


@pytest.mark.parametrize("entry", INDEX, ids=ids(INDEX))
def test_the_entry_is_whole(entry):
    assert list(entry) == KEYS
    assert entry["intended"] is None or entry["intended"] in ml.LABELS
    assert entry["title"] and entry["voice"]
    assert Path(entry["file"]).name == entry["file"]


@pytest.mark.parametrize("entry", SPOKEN, ids=ids(SPOKEN))
def test_a_spoken_clip_says_that_its_voice_is_synthetic(entry):
    assert "synthetic voice, performed as" in entry["description"]
    assert entry["intended"] is None or entry["intended"] in entry["description"]


@pytest.mark.parametrize("entry", UNSPOKEN, ids=ids(UNSPOKEN))
def test_a_clip_without_a_voice_says_so(entry):
    assert "made by a script, no voice in it" in entry["description"]
    assert entry["intended"] is None


@pytest.mark.parametrize("entry", INDEX, ids=ids(INDEX))
def test_the_clip_decodes_to_what_the_index_says(entry):
    samples, rate = read(entry)
    assert samples.ndim == 1
    assert rate >= 16000
    assert len(samples) / rate == pytest.approx(entry["seconds"], abs=0.05)
    assert np.abs(samples).max() < 0.95


@pytest.mark.parametrize("entry", SPOKEN, ids=ids(SPOKEN))
def test_a_spoken_clip_is_loud_enough_to_be_heard_over_its_room(entry):
    samples, rate = read(entry)
    frames = samples[: len(samples) // (rate // 20) * (rate // 20)].reshape(-1, rate // 20)
    levels = 20 * np.log10(np.sqrt((frames**2).mean(axis=1)) + 1e-9)
    assert np.percentile(levels, 90) > -32
    assert np.percentile(levels, 90) - levels.min() > 25


def test_ids_and_files_are_told_apart_and_complete():
    assert len({entry["id"] for entry in INDEX}) == len(INDEX) >= 10
    listed = sorted(entry["file"] for entry in INDEX)
    kept = (path.name for path in SAMPLES.iterdir() if path.suffix in {".flac", ".mp3", ".ogg"})
    assert listed == sorted(kept)


def test_every_emotion_is_performed_and_by_women_and_men():
    assert {entry["intended"] for entry in INDEX} - {None} == set(ml.LABELS)
    voices = {entry["voice"] for entry in SPOKEN}
    assert any(", woman," in voice for voice in voices)
    assert any(", man," in voice for voice in voices)


def test_one_clip_is_long_and_changes_its_emotion():
    long = [entry for entry in SPOKEN if 60 <= entry["seconds"] <= 90]
    assert len(long) == 1
    assert long[0]["intended"] is None
    assert sum(label in long[0]["description"] for label in ml.LABELS) >= 6
    assert all(2 <= entry["seconds"] <= 8 for entry in SPOKEN if entry is not long[0])


def test_silence_is_silent():
    samples, _ = read(named("silence"))
    assert not samples.any()


def test_the_noise_is_steady_and_falls_with_frequency():
    samples, rate = read(named("street-noise"))
    seconds = samples[: len(samples) // rate * rate].reshape(-1, rate)
    levels = [level_dbfs(second) for second in seconds]
    assert max(levels) - min(levels) < 5
    assert -40 < level_dbfs(samples) < -20
    power = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / rate)
    octaves = [power[(hz >= low) & (hz < 2 * low)].sum() for low in (125, 500, 2000)]
    assert octaves[0] > octaves[1] > octaves[2]


def test_anger_is_louder_and_quicker_than_sadness():
    angry, sad = (named(f"{emotion}-woman") for emotion in ("angry", "sad"))
    assert level_dbfs(read(angry)[0]) > level_dbfs(read(sad)[0]) + 6
    assert len(angry["text"]) / angry["seconds"] > 1.3 * len(sad["text"]) / sad["seconds"]


def test_the_index_is_what_the_script_says():
    clips = runpy.run_path(str(SAMPLES / "script.py"))["CLIPS"]
    written = {clip.id: " ".join(passage.text for passage in clip.passages) for clip in clips}
    assert written == {entry["id"]: entry["text"] for entry in SPOKEN}


def test_the_folder_is_small():
    assert sum(path.stat().st_size for path in SAMPLES.iterdir() if path.is_file()) < 3_000_000


def test_the_readme_gives_licences_and_credit():
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    for words in ("Kokoro-82M", "hexgrad", "Apache-2.0", "synthetic", "espeak-ng", "GPL-3.0"):
        assert words in readme
