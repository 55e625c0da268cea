"""Corpora in their official layouts: labels, speakers, clips left out, errors."""

import shutil

import pytest

from ml.corpora import CORPORA, Dimensions, Speaker, checksum, read_clips, read_speakers
from ml.dataset import split_by_speaker
from ml.errors import CorpusLayoutError, CorpusOptionError, UnknownCorpusError
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
    "tess": (
        [
            "OAF_Fear/OAF_back_fear.wav",
            "OAF_neutral/OA_bite_neutral.wav",
            "OAF_Pleasant_surprise/OAF_back_ps.wav",
            "YAF_angry/YAF_back_angry.wav",
            "YAF_disgust/YAF_back_disgust.wav",
            "YAF_happy/YAF_back_happy.wav",
            "YAF_pleasant_surprised/YAF_back_pleasant_surprised.wav",
            "YAF_sad/YAF_back_sad.wav",
        ],
        [
            ("fearful", "tess:OAF"),
            ("surprised", "tess:OAF"),
            ("neutral", "tess:OAF"),
            ("angry", "tess:YAF"),
            ("disgust", "tess:YAF"),
            ("happy", "tess:YAF"),
            ("surprised", "tess:YAF"),
            ("sad", "tess:YAF"),
        ],
    ),
    "savee": (
        [
            *(f"AudioData/DC/{code}01.wav" for code in ("a", "d", "f", "h", "n", "sa", "su")),
            "AudioData/KL/n30.wav",
        ],
        [
            *(("angry", "savee:DC"), ("disgust", "savee:DC"), ("fearful", "savee:DC")),
            *(("happy", "savee:DC"), ("neutral", "savee:DC"), ("sad", "savee:DC")),
            *(("surprised", "savee:DC"), ("neutral", "savee:KL")),
        ],
    ),
    "emovo": (
        [
            *(f"f1/{code}-f1-b1.wav" for code in ("dis", "gio", "neu", "pau", "rab")),
            *("m3/sor-m3-d1.wav", "m3/tri-m3-n5.wav"),
        ],
        [
            *(("disgust", "emovo:f1"), ("happy", "emovo:f1"), ("neutral", "emovo:f1")),
            *(("fearful", "emovo:f1"), ("angry", "emovo:f1")),
            *(("surprised", "emovo:m3"), ("sad", "emovo:m3")),
        ],
    ),
}
FOLDERS = [name for name in CORPORA if not name.startswith("csv")]

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
@pytest.mark.parametrize("name", FOLDERS)
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


@pytest.mark.parametrize("name", FOLDERS)
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
    with pytest.raises(UnknownCorpusError, match="cremad, ravdess, emodb, nemo, iemocap, tess"):
        read_clips("nobody", tmp_path)


@pytest.mark.parametrize("name", FOLDERS)
def test_every_corpus_has_validation_and_test_speakers_of_its_own(name):
    corpus = CORPORA[name]
    # TESS has two speakers: one trains, one tests.
    assert corpus.test_speakers and (corpus.validation_speakers or name == "tess")
    assert not corpus.validation_speakers & corpus.test_speakers


def test_speakers_go_to_the_side_that_their_row_names(tmp_path):
    row = CORPORA["cremad"]
    chosen = {"test": min(row.test_speakers), "validation": min(row.validation_speakers)}
    touch(tmp_path, *(f"AudioWAV/{who}_DFA_ANG_XX.wav" for who in (*chosen.values(), "1002")))
    split = split_by_speaker(read_clips("cremad", tmp_path))
    assert [clip.speaker for clip in split.test] == [f"cremad:{chosen['test']}"]
    assert [clip.speaker for clip in split.validation] == [f"cremad:{chosen['validation']}"]
    assert [clip.speaker for clip in split.train] == ["cremad:1002"]


VOTES = """"","A","D","F","H","N","S","fileName","numResponses","agreement","emoVote"
"100001",8,0,1,0,3,0,"1001_DFA_ANG_XX",12,0.67,"A"
"100002",0,0,0,0,1,4,"1040_ITH_SAD_XX",5,0.8,"S"
"200001",10,0,0,0,0,0,"1001_DFA_ANG_XX",10,1,"A"
"300001",0,10,0,0,0,0,"1001_DFA_ANG_XX",10,1,"D"
"""
"""Official columns; the first digit of a number says voice (1), face (2) or both (3)."""


def test_votes_are_shares_of_those_who_only_listened(tmp_path):
    touch(tmp_path, "AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1001_DFA_HAP_XX.wav")
    touch(tmp_path, "AudioWAV/1040_ITH_SAD_X.wav")
    assert {clip.votes for clip in read_clips("cremad", tmp_path)} == {None}
    table = tmp_path / "processedResults" / "tabulatedVotes.csv"
    table.parent.mkdir()
    table.write_text(VOTES)
    angry, happy, sad = read_clips("cremad", tmp_path)
    none = dict.fromkeys(CORPORA["cremad"].labels, 0.0)
    assert angry.votes == none | {"angry": 8 / 12, "fearful": 1 / 12, "neutral": 3 / 12}
    assert happy.votes is None
    assert sad.votes == none | {"neutral": 0.2, "sad": 0.8}
    assert len({angry, happy, sad}) == 3


def test_a_damaged_table_of_votes_is_refused(tmp_path):
    touch(tmp_path, "AudioWAV/1001_DFA_ANG_XX.wav")
    table = tmp_path / "processedResults" / "tabulatedVotes.csv"
    table.parent.mkdir()
    table.write_text(VOTES.replace("8,0,1,0,3,0", "many,0,1,0,3,0"))
    with pytest.raises(CorpusLayoutError, match="many"):
        read_clips("cremad", tmp_path)


def test_intensity_runs_from_calm_to_strong_and_is_none_where_unknown(tmp_path):
    touch(tmp_path, *(f"AudioWAV/1001_IEO_ANG_{level}.wav" for level in ("HI", "LO", "MD", "XX")))
    assert [clip.intensity for clip in read_clips("cremad", tmp_path)] == [1.0, 0.0, 0.5, None]
    names = ("01-01", "02-01", "02-02", "05-02")
    touch(tmp_path, *(f"Actor_01/03-01-{name}-01-01-01.wav" for name in names))
    assert [clip.intensity for clip in read_clips("ravdess", tmp_path)] == [None, 0.0, 1.0, 1.0]


def test_speakers_carry_what_the_corpus_says_of_them(tmp_path):
    assert read_speakers("cremad", tmp_path) == {}
    (tmp_path / "VideoDemographics.csv").write_text(
        '"ActorID","Age","Sex","Race","Ethnicity"\n'
        '1001,51,"Male","Caucasian","Not Hispanic"\n'
        '1006,58,"Female","Unknown","Hispanic"\n'
    )
    assert read_speakers("cremad", tmp_path) == {
        "cremad:1001": Speaker("male", 51, "Caucasian", "Not Hispanic"),
        "cremad:1006": Speaker("female", 58, None, "Hispanic"),
    }
    (tmp_path / "VideoDemographics.csv").write_text("ActorID,Age,Sex,Race,Ethnicity\n1,old,x,,\n")
    with pytest.raises(CorpusLayoutError, match="old"):
        read_speakers("cremad", tmp_path)


@pytest.mark.parametrize(
    ("speaker", "expected"),
    [
        ("ravdess:01", Speaker("male")),
        ("ravdess:24", Speaker("female")),
        ("emodb:08", Speaker("female", 34)),
        ("emodb:15", Speaker("male", 25)),
        ("nemo:WR0", Speaker("male", 23)),
        ("iemocap:Ses05F", Speaker("female")),
        ("tess:OAF", Speaker("female", 64)),
        ("savee:JK", Speaker("male")),
        ("emovo:f2", Speaker("female")),
    ],
)
def test_sex_and_age_of_a_speaker(speaker, expected, tmp_path):
    name = speaker.partition(":")[0]
    root = make(name, tmp_path, OFFICIAL[name][0])
    assert read_speakers(name, root)[speaker] == expected


@pytest.mark.parametrize("name", FOLDERS)
def test_every_speaker_of_a_corpus_is_known(name, tmp_path):
    if name == "cremad":
        (tmp_path / "VideoDemographics.csv").write_text(
            "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Asian,Hispanic\n1040,20,Male,,\n"
        )
    root = make(name, tmp_path, OFFICIAL[name][0])
    known = read_speakers(name, root)
    assert {clip.speaker for clip in read_clips(name, root)} <= set(known)
    assert {row.sex for row in known.values()} <= {"female", "male"}


@pytest.mark.parametrize("nested", ["TESS Toronto emotional speech set data", "EMOVO/Dataset"])
def test_archives_are_read_however_deep_they_were_unpacked_and_each_clip_once(nested, tmp_path):
    name = nested.split()[0].split("/")[0].lower()
    files, expected = OFFICIAL[name]
    make(name, tmp_path / nested, files)
    assert sorted((c.label, c.speaker) for c in read_clips(name, tmp_path)) == sorted(expected)
    make(name, tmp_path, files)
    assert sorted((c.label, c.speaker) for c in read_clips(name, tmp_path)) == sorted(expected)


@pytest.mark.parametrize("folder", ["", "ALL/", "AudioData/"])
def test_savee_is_read_from_one_folder_too(folder, tmp_path):
    touch(tmp_path, *(f"{folder}{name}.wav" for name in ("DC_a01", "JE_sa15", "JK_su02")))
    assert [(clip.label, clip.speaker) for clip in read_clips("savee", tmp_path)] == [
        ("angry", "savee:DC"),
        ("sad", "savee:JE"),
        ("surprised", "savee:JK"),
    ]


@pytest.mark.parametrize(
    ("name", "stranger"),
    [("tess", "OAF_sad/OAF_back_bored.wav"), ("savee", "XY/a01.wav"), ("emovo", "f1/a.wav")],
)
def test_a_recording_whose_name_is_not_understood_is_named(name, stranger, tmp_path):
    make(name, tmp_path, [*OFFICIAL[name][0], stranger])
    with pytest.raises(CorpusLayoutError, match=stranger):
        read_clips(name, tmp_path)


def test_files_that_macos_hides_are_no_recordings(tmp_path):
    touch(tmp_path, "AudioData/DC/a01.wav", "AudioData/DC/._a01.wav")
    assert [clip.path.name for clip in read_clips("savee", tmp_path)] == ["a01.wav"]


def write_iemocap(root):
    """Write two turns of each speaker in each of the five sessions."""
    for session in range(1, 6):
        turns = [
            (f"Ses0{session}F_impro01_F000", "hap", "[4.0000, 3.0000, 2.5000]"),
            (f"Ses0{session}F_impro01_M000", "exc", "[4.5000, 4.0000, 3.0000]"),
            (f"Ses0{session}M_script01_1_F001", "fru", "[2.0000, 3.0000, 3.0000]"),
            (f"Ses0{session}M_script01_1_M001", "ang", "[1.3333, 4.6667, 5.0000]"),
        ]
        tables = root / f"Session{session}" / "dialog" / "EmoEvaluation"
        tables.mkdir(parents=True)
        (tables / f"._Ses0{session}F_impro01.txt").write_bytes(b"\xff\xfe\x00")
        for name, code, ratings in turns:
            dialog = name.rpartition("_")[0]
            touch(root, f"Session{session}/sentences/wav/{dialog}/{name}.wav")
            with (tables / f"{dialog}.txt").open("a") as table:
                table.write(f"[1.0000 - 2.5000]\t{name}\t{code}\t{ratings}\n")
                table.write("C-E2:\tHappiness;\t()\n\n")
    return root


def test_iemocap_carries_valence_activation_and_dominance(tmp_path):
    happy, angry, *_others = read_clips("iemocap", write_iemocap(tmp_path))
    assert (happy.label, happy.dimensions) == ("happy", Dimensions(4.0, 3.0, 2.5))
    assert (angry.label, angry.dimensions) == ("angry", Dimensions(1.3333, 4.6667, 5.0))
    assert (happy.speaker, angry.speaker) == ("iemocap:Ses01F", "iemocap:Ses01M")


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ("", {"happy": 5, "angry": 5}),
        (":excited=happy", {"happy": 10, "angry": 5}),
        (":turns=improvised", {"happy": 5}),
        (":turns=improvised,excited=happy", {"happy": 10}),
        (":turns=scripted", {"angry": 5}),
    ],
)
def test_iemocap_counts_the_turns_that_its_options_name(options, labels, tmp_path):
    found = [clip.label for clip in read_clips(f"iemocap{options}", write_iemocap(tmp_path))]
    assert {label: found.count(label) for label in set(found)} == labels


@pytest.mark.parametrize(
    ("options", "test", "validation"),
    [("", 5, 4), (":test=Session5", 5, 4), (":test=Session3", 3, 2), (":test=Session1", 1, 5)],
)
def test_any_session_of_iemocap_can_be_left_out(options, test, validation, tmp_path):
    split = split_by_speaker(read_clips(f"iemocap{options}", write_iemocap(tmp_path)))

    def heard(clips):
        return {int(clip.speaker[len("iemocap:Ses") :][:2]) for clip in clips}

    assert heard(split.test) == {test}
    assert heard(split.validation) == {validation}
    assert heard(split.train) == {1, 2, 3, 4, 5} - {test, validation}


@pytest.mark.parametrize(
    "name", ["iemocap:excited=angry", "iemocap:test", "iemocap:loud=yes", "cremad:test=Session1"]
)
def test_an_option_that_a_corpus_lacks_is_refused_with_those_that_it_has(name, tmp_path):
    with pytest.raises(CorpusOptionError) as caught:
        read_clips(name, tmp_path)
    assert name.partition(":")[2] in caught.value.message
    assert ("excited=happy" if name.startswith("iemocap") else "nothing") in caught.value.hint


def test_a_checksum_holds_wherever_the_folder_lies_and_changes_with_the_data(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    for name, content in (("1001_DFA_ANG_XX", b"a"), ("1002_DFA_SAD_XX", b"b")):
        touch(here, f"AudioWAV/{name}.wav").joinpath(f"AudioWAV/{name}.wav").write_bytes(content)
    shutil.copytree(here, there)
    clips = read_clips("cremad", here)
    first = checksum(clips)
    assert len(first) == 64 and set(first) <= set("0123456789abcdef")
    assert checksum(reversed(clips)) == checksum(read_clips("cremad", there)) == first
    assert checksum(clips[:1]) != first
    clips[0].path.write_bytes(b"c")
    assert checksum(clips) != first
