"""Corpora in their official layouts: labels, speakers, clips left out, errors."""

import pytest

from ml.corpora import CORPORA, read_clips
from ml.dataset import split_by_speaker
from ml.errors import CorpusLayoutError, UnknownCorpusError
from tests.corpora_trees import touch

OFFICIAL = {
    "cremad": (
        ["AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1040_ITH_SAD_X.wav"],
        [("angry", "cremad:1001"), ("sad", "cremad:1040")],
    ),
    "ravdess": (
        ["Actor_01/03-01-02-01-01-01-01.wav", "Actor_24/03-01-08-02-02-02-24.wav"],
        [("calm", "ravdess:01"), ("surprised", "ravdess:24")],
    ),
    "emodb": (
        ["wav/03a01Fa.wav", "wav/08b10Wd.wav", "wav/16a02Ec.wav", "wav/16b03Td.wav"],
        [
            ("happy", "emodb:03"),
            ("angry", "emodb:08"),
            ("disgust", "emodb:16"),
            ("sad", "emodb:16"),
        ],
    ),
    "nemo": (
        ["samples/EB0_anger_1.wav", "samples/WR0_surprised_64.wav"],
        [("angry", "nemo:EB0"), ("surprised", "nemo:WR0")],
    ),
    "iemocap": (
        [
            "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav",
            "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M001.wav",
            "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M002.wav",
        ],
        [("neutral", "iemocap:Ses01F"), ("sad", "iemocap:Ses01M")],
    ),
}

EMO_EVALUATION = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
A-E3:\tval 3; act 2; dom  2;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M001\tsad\t[2.5000, 2.5000, 2.5000]
[14.8872 - 18.0175]\tSes01F_impro01_M002\txxx\t[2.5000, 2.5000, 2.5000]
[19.2900 - 20.7875]\tSes01F_impro01_F003\tang\t[2.5000, 3.0000, 3.0000]
"""
"""The official form; the last turn has no sound in the test's folder."""


def make(name, root, files):
    touch(root, *files)
    if name == "nemo":
        # The official table pads the speakers' names.
        rows = [
            f"{path.split('/')[1]}\t{path.split('_')[1]}\tTak.\ttak\t        "
            f"{path.split('/')[1][:3]}\tmale\t23"
            for path in files
        ]
        head = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage"
        (root / "data.tsv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    if name == "iemocap":
        table = root / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
        table.parent.mkdir(parents=True)
        table.write_text(EMO_EVALUATION, encoding="utf-8")
    return root


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".WAV"])
@pytest.mark.parametrize("name", CORPORA)
def test_official_names_give_label_and_speaker(name, suffix, tmp_path):
    files, expected = OFFICIAL[name]
    root = make(name, tmp_path, [file.replace(".wav", suffix) for file in files])
    clips = read_clips(name, root)
    assert [(clip.label, clip.speaker) for clip in clips] == expected
    assert all(clip.path.is_file() and clip.corpus == name for clip in clips)


def test_bad_clips_boredom_and_song_are_left_out(tmp_path):
    touch(tmp_path, "AudioWAV/1076_MTI_SAD_XX.wav", "AudioWAV/1006_TIE_HAP_XX.wav")
    touch(tmp_path, "AudioWAV/1076_MTI_ANG_XX.wav", "AudioWAV/notes.txt")
    assert [clip.path.stem for clip in read_clips("cremad", tmp_path)] == ["1076_MTI_ANG_XX"]
    touch(tmp_path, "wav/03a02La.wav", "wav/03a02Nc.wav")
    assert [clip.label for clip in read_clips("emodb", tmp_path)] == ["neutral"]
    touch(tmp_path, "Actor_07/03-02-05-01-01-01-07.wav", "Actor_07/03-01-05-01-01-01-07.wav")
    touch(tmp_path, "Actor_07/03-01-03-01-02-02-07.wav")
    kept = [clip.path.stem for clip in read_clips("ravdess", tmp_path)]
    assert kept == ["03-01-05-01-01-01-07"]


@pytest.mark.parametrize("name", CORPORA)
def test_a_folder_that_is_not_the_corpus_is_refused(name, tmp_path):
    with pytest.raises(CorpusLayoutError) as caught:
        read_clips(name, tmp_path)
    assert str(tmp_path) in caught.value.message
    assert CORPORA[name].layout in caught.value.hint


def test_names_that_do_not_follow_the_layout_are_refused(tmp_path):
    touch(tmp_path, "AudioWAV/holiday.wav")
    with pytest.raises(CorpusLayoutError):
        read_clips("cremad", tmp_path)


def test_an_unknown_corpus_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(UnknownCorpusError, match="cremad, ravdess, emodb, nemo, iemocap"):
        read_clips("tess", tmp_path)


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=lambda corpus: corpus.name)
def test_every_corpus_has_validation_and_test_speakers_of_its_own(corpus):
    assert corpus.validation_speakers and corpus.test_speakers
    assert not corpus.validation_speakers & corpus.test_speakers


def test_speakers_go_to_the_side_that_their_row_names(tmp_path):
    row = CORPORA["cremad"]
    chosen = {"test": min(row.test_speakers), "validation": min(row.validation_speakers)}
    touch(tmp_path, *(f"AudioWAV/{who}_DFA_ANG_XX.wav" for who in (*chosen.values(), "1002")))
    split = split_by_speaker(read_clips("cremad", tmp_path))
    assert [clip.speaker for clip in split.test] == [f"cremad:{chosen['test']}"]
    assert [clip.speaker for clip in split.validation] == [f"cremad:{chosen['validation']}"]
    assert [clip.speaker for clip in split.train] == ["cremad:1002"]
