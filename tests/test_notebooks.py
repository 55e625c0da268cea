"""The notebooks: kept without outputs, run from start to end on the small corpus that they make."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from ml.audio import decode
from ml.bundle import read_bundle
from ml.config import SpeechConfig
from ml.corpora import CORPORA, read_clips, read_speakers
from ml.dataset import split_by_speaker
from ml.labels import LABELS
from ml.listeners import acted_share
from ml.speech import voice_probabilities
from notebooks import render
from notebooks.corpus import LISTENERS, SPEAKERS, make_corpus
from notebooks.voices import ACTINGS, RATE_HZ, Speaker, say

FOLDER = Path(render.__file__).parent
PICTURES = {
    "01_data_overview": 4,
    "02_metadata_labels": 2,
    "03_split_data": 2,
    "04_feature_extraction": 7,
    "05_train_cnn_gru": 1,
    "06_evaluation": 7,
}
"""How many each shows, at least."""
SOUNDS = {
    "01_data_overview": 5,
    "02_metadata_labels": 2,
    "04_feature_extraction": 5,
    "05_train_cnn_gru": 1,
}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """Run all six in their order."""
    work, output = (tmp_path_factory.mktemp(name) for name in ("work", "rendered"))
    assert render.main(["--output", str(output), "--work", str(work)]) == 0
    return work / "made-up", output


def test_there_are_six_and_the_readme_names_each():
    assert set(PICTURES) == set(render.NAMES)
    text = (FOLDER / "README.md").read_text()
    assert all(f"[`{name}.ipynb`]({name}.ipynb)" in text for name in render.NAMES)


@pytest.mark.parametrize("name", render.NAMES)
def test_notebooks_are_kept_without_outputs(name):
    book = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(book)
    for cell in book.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None, cell.source
            assert len(cell.source.splitlines()) <= 15, "logic belongs into ml"
            assert "def " not in cell.source, "logic belongs into ml"


@pytest.mark.parametrize("name", render.NAMES)
def test_they_run_and_show_pictures_and_sounds(rendered, name):
    _work, output = rendered
    text = (output / f"{name}.md").read_text()
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+\.png)\)", text)
    sounds = re.findall(r'<audio controls preload="none" src="([^"]+\.wav)">', text)
    assert len(pictures) >= PICTURES[name] and len(sounds) >= SOUNDS.get(name, 0)
    for place in (*pictures, *sounds):
        assert place.startswith(f"{name}_files/")
        assert (output / place).stat().st_size > 5_000, place
    assert "These voices are made from numbers" in text
    assert "base64" not in text and str(Path.home()) not in text and "INFO:" not in text


def test_the_fifth_leaves_a_bundle_that_the_sixth_evaluates(rendered):
    work, output = rendered
    bundle = read_bundle(work / "cnn-gru")
    assert bundle.card["metrics"]["csv-synthetic-voices"]["clips"] == 45
    assert f"cnn-gru, {bundle.sha256[:12]}: 45 clips" in (output / "06_evaluation.md").read_text()


def test_alone_the_sixth_evaluates_the_model_that_ships(tmp_path):
    assert render.main(["06_evaluation", "--output", str(tmp_path), "--work", str(tmp_path)]) == 0
    told = (tmp_path / "06_evaluation.md").read_text()
    assert f"cnn-gru, {read_bundle('cnn-gru').sha256[:12]}: 45 clips" in told


def test_a_folder_without_corpora_ends_with_a_clear_line(tmp_path):
    arguments = ["03_split_data", "--output", str(tmp_path), "--corpora", str(tmp_path)]
    with pytest.raises(Exception, match="holds none of cremad, ravdess, emodb, nemo"):
        render.main(arguments)


def test_an_unknown_name_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        render.main(["07_more", "--output", str(tmp_path)])
    assert "no notebook is called 07_more" in capsys.readouterr().err


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    before = dict(CORPORA)
    yield make_corpus(tmp_path_factory.mktemp("voices") / "made")
    CORPORA.clear()
    CORPORA.update(before)


def test_the_corpus_is_whole_and_split_by_speaker(table):
    clips = read_clips("csv", table)
    split = split_by_speaker(clips)
    sides = {"train": split.train, "validation": split.validation, "test": split.test}
    for side, speakers in SPEAKERS.items():
        names = {f"csv-synthetic-voices:{one.name}" for one in speakers}
        assert {clip.speaker for clip in sides[side]} == names
        assert len(sides[side]) == 3 * len(ACTINGS) * len(speakers)
    assert {clip.label for clip in clips} == set(ACTINGS) <= set(LABELS)
    assert read_speakers("csv", table)["csv-synthetic-voices:kim"].age == 58


def test_votes_are_whole_listeners_who_mostly_hear_what_was_played_strongly(table):
    clips = read_clips("csv", table)
    for clip in clips:
        counts = np.array(list(clip.votes.values())) * LISTENERS
        assert counts == pytest.approx(np.round(counts)) and counts.sum() == pytest.approx(10)
    weak, strong = (
        np.mean([acted_share(clip) for clip in clips if clip.intensity == much])
        for much in (0.5, 1.0)
    )
    assert weak + 0.2 < strong < 0.95


def test_what_was_made_is_not_made_again_and_always_the_same(table, tmp_path):
    before = table.stat().st_mtime_ns
    assert make_corpus(table.parent) == table and table.stat().st_mtime_ns == before
    again = make_corpus(tmp_path / "again")
    assert again.read_text() == table.read_text()
    name = "kim-angry-1.flac"
    assert (again.parent / name).read_bytes() == (table.parent / name).read_bytes()


@pytest.mark.parametrize("emotion", ACTINGS)
def test_every_emotion_passes_for_a_voice(table, emotion):
    samples = decode(table.parent / f"jon-{emotion}-1.flac").samples
    voice = voice_probabilities(samples, SpeechConfig())
    assert np.mean(voice >= 0.5) > 0.5


def test_emotions_differ_as_they_are_meant_to():
    speaker = Speaker("x", "female", 30, 200.0, 1.1)
    made = {
        emotion: say("mati lo sena pu", speaker, emotion, 1.0, np.random.default_rng(1))
        for emotion in ("neutral", "sad", "angry")
    }
    seconds = {emotion: len(samples) / RATE_HZ for emotion, samples in made.items()}
    levels = {emotion: np.sqrt(np.mean(samples**2)) for emotion, samples in made.items()}
    high = {emotion: share_above(samples, 1000) for emotion, samples in made.items()}
    assert seconds["angry"] < seconds["neutral"] < seconds["sad"]
    assert levels["sad"] < levels["neutral"] < levels["angry"]
    assert high["sad"] < high["neutral"] < high["angry"]


def share_above(samples, frequency_hz):
    power = np.abs(np.fft.rfft(samples)) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    return power[frequencies > frequency_hz].sum() / power[frequencies > 60].sum()
