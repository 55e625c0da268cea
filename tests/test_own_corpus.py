"""A corpus of the user's own, from a CSV file: columns, sides, mistakes named by their line."""

import pytest

from ml.__main__ import main
from ml.corpora import CORPORA, Speaker, get_corpus, read_clips, read_speakers
from ml.dataset import split_by_speaker
from ml.errors import CorpusLayoutError, CorpusTableError, EmptySideError, SpeakerOverlapError
from ml.labels import LABELS
from tests.corpora_trees import touch


@pytest.fixture(autouse=True)
def corpora_as_before():
    before = dict(CORPORA)
    yield
    CORPORA.clear()
    CORPORA.update(before)


@pytest.fixture
def table(tmp_path):
    touch(tmp_path, "a.wav", "b.mp3", "more/c.wav")

    def write(text, name="calls.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def test_three_columns_are_enough(table):
    clips = read_clips("csv", table("path,label,speaker\na.wav,happy,anna\nmore/c.wav,sad,ben\n"))
    assert [(c.path.name, c.label, c.speaker) for c in clips] == [
        ("a.wav", "happy", "csv-calls:anna"),
        ("c.wav", "sad", "csv-calls:ben"),
    ]
    assert all(c.path.is_file() and c.corpus == "csv-calls" and c.intensity is None for c in clips)


def test_the_other_columns_are_read_and_may_be_empty(table):
    given = table(
        "\ufeffspeaker,age,sex,path,label,split,intensity,language,notes\n"
        "anna,34,Female,a.wav,Angry,test,1,Dutch,x\n"
        "anna,34,female,b.mp3,sad,Test,,Dutch,\n"
        "ben,,,more/c.wav,angry,train,0.25,Frisian,\n"
    )
    clips = read_clips("csv", given)
    assert [(c.label, c.side, c.intensity) for c in clips] == [
        ("angry", "test", 1.0),
        ("sad", "test", None),
        ("angry", "train", 0.25),
    ]
    assert read_speakers("csv", given) == {
        "csv-calls:anna": Speaker("female", 34),
        "csv-calls:ben": Speaker(),
    }
    split = split_by_speaker(clips)
    assert [len(side) for side in (split.train, split.validation, split.test)] == [1, 0, 2]
    assert get_corpus("csv-calls").language == "Dutch, Frisian"


def test_votes_of_listeners_become_shares(table):
    given = table("path,label,speaker,votes\na.wav,happy,x,Happy:3 sad:1\nb.mp3,sad,y,\n")
    assert [clip.votes for clip in read_clips("csv", given)] == [{"happy": 0.75, "sad": 0.25}, None]


def test_its_labels_are_those_that_it_has(table):
    read_clips("csv", table("path,label,speaker\na.wav,sad,anna\nb.mp3,calm,ben\n", "my calls.csv"))
    row = get_corpus("csv-my-calls")
    assert (row.title, row.labels) == ("my calls.csv", ("calm", "sad"))
    assert "2 clips of 2 speakers" in row.citation
    assert CORPORA["csv"].labels == LABELS


def test_without_a_column_split_speakers_are_drawn_by_name_and_stay_where_they_are(tmp_path):
    names = [f"speaker {number}" for number in range(400)]
    touch(tmp_path, *(f"{name}.wav" for name in names))

    def sides(some, file):
        lines = [f"{name}.wav,{LABELS[len(name) % 3]},{name}" for name in some]
        (tmp_path / file).write_text("\n".join(["path,label,speaker", *lines]))
        clips = read_clips("csv", tmp_path / file)
        return {clip.speaker.partition(":")[2]: clip.side for clip in clips}

    found = sides(names, "all.csv")
    counts = [list(found.values()).count(side) for side in ("train", "validation", "test")]
    assert counts == pytest.approx([280, 60, 60], abs=20)
    assert sides(names[:50:-1], "some.csv") == {name: found[name] for name in names[51:]}
    # Known beforehand: the SHA-256 of "speaker 0" begins with c6, 78 % of the way to the end.
    assert found["speaker 0"] == "validation"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "no column path, label, speaker"),
        ("path,label\na.wav,happy\n", 1, "no column speaker"),
        ("path,label,speaker\na.wav,happy,x\nb.mp3,joy,y\n", 3, "label is 'joy'.*surprised"),
        ("path,label,speaker\nz.wav,happy,x\n", 2, "no file '.*z.wav'"),
        ("path,label,speaker\na.wav,happy,\n", 2, "speaker is empty"),
        ("path,label,speaker\na.wav,happy\n", 2, "speaker is empty"),
        ("path,label,speaker\na.wav,happy,x,y\n", 2, "more cells"),
        ("path,label,speaker\na.wav,happy,x\na.wav,sad,y\n", 3, "'a.wav' came before"),
        ("path,label,speaker\na.wav,happy,x\nb.mp3,happy,y\n", 1, "fewer than two emotions"),
        ("path,label,speaker,split\na.wav,happy,x,dev\n", 2, "split is 'dev'.*validation"),
        ("path,label,speaker,split\na.wav,happy,x,\n", 2, "split is empty"),
        ("path,label,speaker,intensity\na.wav,happy,x,2\n", 2, "intensity is '2'.*0 to 1"),
        ("path,label,speaker,votes\na.wav,happy,x,joy:3\n", 2, "votes is 'joy:3'.*surprised"),
        ("path,label,speaker,votes\na.wav,happy,x,sad\n", 2, "votes is 'sad'.*angry:7 happy:3"),
        ("path,label,speaker,votes\na.wav,happy,x,sad:1 sad:2\n", 2, "each emotion once"),
        ("path,label,speaker,votes\na.wav,happy,x,sad:0\n", 2, "nobody voted"),
        ("path,label,speaker,sex\na.wav,happy,x,f\n", 2, "sex is 'f'.*female, male"),
        ("path,label,speaker,age\na.wav,happy,x,old\n", 2, "age is 'old'.*whole number"),
        (
            "path,label,speaker,age\na.wav,happy,x,30\n\nb.mp3,sad,x,31\n",
            4,
            "sex or age of 'x' differ",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(table, text, line, words):
    given = table(text)
    with pytest.raises(CorpusTableError, match=words) as caught:
        read_clips("csv", given)
    assert caught.value.params["line"] == line
    assert str(given) in caught.value.message


def test_a_table_that_is_not_there_or_not_text_is_refused(tmp_path):
    with pytest.raises(CorpusLayoutError, match=r"none.csv"):
        read_clips("csv", tmp_path / "none.csv")
    (tmp_path / "sound.csv").write_bytes(b"RIFF\xff\xfe\x00\x00WAVE")
    with pytest.raises(CorpusLayoutError, match=r"sound.csv"):
        read_clips("csv", tmp_path / "sound.csv")


def test_a_speaker_on_two_sides_of_the_table_raises(table):
    given = table("path,label,speaker,split\na.wav,happy,x,train\nb.mp3,sad,x,test\n")
    with pytest.raises(SpeakerOverlapError, match="csv-calls:x"):
        split_by_speaker(read_clips("csv", given))


def test_two_tables_of_one_name_are_not_mixed_up(table):
    read_clips("csv", table("path,label,speaker\na.wav,happy,x\nb.mp3,sad,y\n"))
    read_clips("csv", table("path,label,speaker\na.wav,happy,x\nb.mp3,sad,y\n"))
    with pytest.raises(CorpusTableError, match="another table of this name"):
        read_clips("csv", table("path,label,speaker\na.wav,angry,x\nb.mp3,sad,y\n"))


def test_a_side_without_speakers_is_said_before_any_training(table, tmp_path, capsys):
    given = table("path,label,speaker,split\na.wav,happy,x,train\nb.mp3,sad,y,test\n")
    assert main(["train", "--corpus", f"csv={given}", "--output", str(tmp_path / "out")]) == 2
    assert str(EmptySideError(side="validation")) in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("given", ["cremad", "cremad=", "=here", "iemocap:test=here", "a:b=c"])
def test_a_corpus_without_a_path_is_no_corpus(given, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", "--corpus", given, "--output", str(tmp_path)])
    assert ended.value.code == 2
    assert f"got '{given}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("iemocap:test=Session9=here", "test=Session1|Session2"),
        ("iemocap:excited=happy,test=Session3=a=b,c", "'a=b,c' does not look like IEMOCAP"),
        ("cremad=here=there", "'here=there' does not look like CREMA-D"),
    ],
)
def test_options_stand_between_the_name_and_the_path(given, words, tmp_path, capsys):
    assert main(["train", "--corpus", given, "--output", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err
