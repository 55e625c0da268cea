"""The command line: what it prints, what it writes, and how it ends."""

import contextlib
import csv
import io
import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ml.__main__ import main, make_parser
from ml.bundle import bundle_names
from ml.corpora import CORPORA
from ml.formats import FORMATS, to_dict
from ml.predict import load
from ml.recordings import Recording, output_paths

SAMPLES = Path(__file__).parent.parent / "samples"
VOICES = [SAMPLES / f"{name}.flac" for name in ("angry-woman", "sad-man", "silence")]


def run(capsys, *arguments):
    code = main(["predict", *map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture
def folder(tmp_path):
    """A voice by name, one by content in a folder below, a damaged one, and what is no sound."""
    inside = tmp_path / "in"
    (inside / "below").mkdir(parents=True)
    shutil.copy(VOICES[0], inside / "b.flac")
    shutil.copy(VOICES[1], inside / "below" / "recording")
    (inside / "a.mp3").write_bytes(b"no music at all")
    (inside / "notes.txt").write_text("nothing to hear")
    (inside / ".hidden.wav").write_bytes(b"")
    return inside


def test_jsonl_keeps_the_order_and_equals_the_library(capsys):
    order = [VOICES[2], VOICES[0], VOICES[1]]
    code, out, err = run(capsys, *order, "--format", "jsonl")
    found = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert found == [{"file": str(file), **to_dict(load().recognize(file))} for file in order]


def test_a_bad_file_is_a_line_and_the_others_go_on(capsys, folder):
    code, out, err = run(capsys, folder / "a.mp3", folder / "none.wav", VOICES[0], "--format=jsonl")
    bad, missing, good = map(json.loads, out.splitlines())
    assert code == 1
    assert list(bad) == ["file", "error"]
    assert list(bad["error"]) == ["code", "message", "hint"]
    assert bad["error"]["code"] == "unsupported_format"
    assert missing["error"]["code"] == "unreadable_file"
    assert "No such file" in missing["error"]["message"]
    assert good["label"] or good["reason"]
    assert str(folder / "a.mp3") in err
    assert "Traceback" not in err


def test_a_folder_is_searched_by_name_and_by_content(capsys, folder):
    code, out, _err = run(capsys, folder, "--format", "jsonl")
    assert code == 1
    assert [json.loads(line)["file"] for line in out.splitlines()] == [
        str(folder / name) for name in ("a.mp3", "b.flac", "below/recording")
    ]


def test_a_folder_without_recordings_is_an_error(capsys, tmp_path):
    code, out, _err = run(capsys, tmp_path, "--format", "jsonl")
    assert code == 1
    assert json.loads(out)["error"]["code"] == "unreadable_file"


def test_several_processes_give_the_same_lines(capsys, folder):
    alone = run(capsys, folder, *VOICES, "--format", "jsonl", "--jobs", "1")
    assert run(capsys, folder, *VOICES, "--format", "jsonl", "--jobs", "2") == alone


def test_standard_input():
    done = subprocess.run(
        [sys.executable, "-m", "ml", "predict", "-", "--format", "json"],
        input=VOICES[0].read_bytes(),
        capture_output=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["file"] == "-"
    assert found == {"file": "-", **to_dict(load().recognize(VOICES[0]))}


def test_text_says_what_it_sounds_like(capsys):
    code, out, _err = run(capsys, *VOICES[:1], VOICES[2])
    found = load().recognize(VOICES[0])
    said = f"sounds {found.label} ({found.confidence:.0%};" if found.label else "no emotion given"
    assert code == 0
    assert f"{VOICES[0]}: {said}" in out
    assert f"{VOICES[2]}: no emotion given (no speech). No voice was found" in out


def test_labels(capsys):
    _code, out, _err = run(capsys, VOICES[0], "--labels", "4", "--format", "json")
    assert set(json.loads(out)["probabilities"]) == {"angry", "happy", "neutral", "sad"}


def test_json_of_several_is_a_list(capsys):
    _code, out, _err = run(capsys, *VOICES, "--format", "json")
    assert [found["file"] for found in json.loads(out)] == [str(file) for file in VOICES]


def test_csv_of_several_has_one_header(capsys, folder):
    _code, out, err = run(capsys, folder / "a.mp3", *VOICES, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["file"] for row in rows} == {str(file) for file in VOICES}
    assert sum(line.startswith("file,start_s") for line in out.splitlines()) == 1
    assert "a.mp3" in err


@pytest.mark.parametrize("name", ["audacity", "vtt"])
def test_formats_of_one_recording(capsys, name):
    _code, out, _err = run(capsys, VOICES[0], "--format", name)
    assert out == FORMATS[name].render(to_dict(load().recognize(VOICES[0])))
    with pytest.raises(SystemExit) as ended:
        run(capsys, *VOICES, "--format", name)
    assert ended.value.code == 2
    assert "--output" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["text", *FORMATS])
def test_output_folder(capsys, folder, tmp_path, name):
    out = tmp_path / "out"
    code, printed, _err = run(capsys, folder, VOICES[0], "--format", name, "--output", out)
    suffix = ".txt" if name == "text" else FORMATS[name].suffix
    names = {f"b.flac{suffix}", f"below/recording{suffix}", f"angry-woman.flac{suffix}"}
    if name == "json":
        names.add("a.mp3.json")
    assert (code, printed) == (1, "")
    assert {str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()} == names
    assert all(file.stat().st_size for file in out.rglob("*") if file.is_file())


def test_output_of_jsonl_is_one_file(capsys, tmp_path):
    run(capsys, *VOICES, "--format", "jsonl", "--output", tmp_path / "out")
    assert len((tmp_path / "out" / "predictions.jsonl").read_text().splitlines()) == 3


def test_output_names_never_collide():
    names = ["a.wav", "a.mp3", "a.wav", "A.WAV", "sub/a.wav", "a.wav"]
    recordings = [Recording(name, b"", name) for name in names]
    assert [str(path) for path in output_paths(recordings, Path("out"), ".csv")] == [
        "out/a.wav.csv",
        "out/a.mp3.csv",
        "out/a.wav-2.csv",
        "out/A.WAV-3.csv",
        "out/sub/a.wav.csv",
        "out/a.wav-4.csv",
    ]


def test_an_output_that_is_a_file_is_said_plainly(capsys, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("")
    code, _out, err = run(capsys, VOICES[0], "--format", "json", "--output", taken)
    assert code == 2
    assert str(taken) in err


@pytest.mark.parametrize(
    ("option", "value"),
    [("--labels", "joy,sad"), ("--labels", "happy"), ("--model", "nobody")],
)
def test_what_cannot_be_meant_is_said_before_any_work(capsys, option, value):
    code, out, err = run(capsys, VOICES[0], option, value)
    assert (code, out) == (2, "")
    assert value in err
    assert "Traceback" not in err


@pytest.mark.parametrize("jobs", ["0", "-1", "two"])
def test_jobs_are_counted_from_one(capsys, jobs):
    with pytest.raises(SystemExit) as ended:
        run(capsys, VOICES[0], f"--jobs={jobs}")
    assert ended.value.code == 2
    assert f"got '{jobs}'" in capsys.readouterr().err


def test_models_and_corpora(capsys):
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    for name in bundle_names():
        assert f"{name}  version {load(name).bundle.version}" in printed
    assert main(["corpora"]) == 0
    printed = capsys.readouterr().out
    for corpus in CORPORA.values():
        assert f"{corpus.name}  {corpus.title}" in printed
        assert corpus.citation in printed


def test_help_names_every_format_and_option(capsys):
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    printed = capsys.readouterr().out
    for word in ("--model", "--labels", "--format", "--output", "--jobs", "jsonl", *FORMATS):
        assert word in printed


def test_a_reader_that_leaves_is_no_error():
    command = [sys.executable, "-m", "ml", "predict", *VOICES * 3, "--format", "jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        complaints = process.stderr.read().decode()
    assert process.returncode == 128 + signal.SIGPIPE
    assert "Traceback" not in complaints
    assert "BrokenPipe" not in complaints


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_it_without_a_trace(jobs):
    many = [str(SAMPLES / "story.mp3")] * 200
    command = [sys.executable, "-m", "ml", "predict", *many, "--format=jsonl", f"--jobs={jobs}"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        started = time.monotonic()
        _out, complaints = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert time.monotonic() - started < 30
    assert "Traceback" not in complaints.decode()


def test_a_pattern_stands_for_what_fits_it(capsys, folder):
    code, out, _err = run(capsys, folder / "**" / "*.flac", "--format", "jsonl")
    assert code == 0
    assert [json.loads(line)["file"] for line in out.splitlines()] == [str(folder / "b.flac")]
    code, out, _err = run(capsys, f"{folder}/*.ogg", "--format", "jsonl")
    assert code == 1
    assert json.loads(out)["error"]["code"] == "unreadable_file"


def test_a_file_may_be_named_like_a_pattern(capsys, tmp_path):
    odd = tmp_path / "a[1].flac"
    shutil.copy(VOICES[2], odd)
    code, out, _err = run(capsys, odd, "--format", "jsonl")
    assert (code, json.loads(out)["file"]) == (0, str(odd))


def on_a_terminal(*arguments, **environ):
    """Run the command with a terminal for its output and its complaints; give what it shows."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "ml", *map(str, arguments)]
    shown = []
    with subprocess.Popen(
        command, stdout=follower, stderr=follower, env=os.environ | {"TERM": "xterm"} | environ
    ) as process:
        os.close(follower)
        with contextlib.suppress(OSError):  # Linux says so at the end.
            while piece := os.read(leader, 65_536):
                shown.append(piece)
    os.close(leader)
    return process.returncode, b"".join(shown).decode()


def test_a_terminal_shows_colours_and_progress(tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    code, shown = on_a_terminal("predict", VOICES[2], tmp_path / "bad.wav")
    assert code == 1
    assert "\x1b[33mno emotion given" in shown  # yellow
    assert "\x1b[1;31mundertone:" in shown  # bold and red
    assert "2/2" in shown


def test_no_colours_where_they_are_not_wanted():
    _code, shown = on_a_terminal("predict", VOICES[2], NO_COLOR="1")
    assert "no emotion given" in shown and not re.search(r"\x1b\[[\d;]*3\dm", shown)


def test_a_pipe_gets_plain_text_and_no_progress(tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    command = [sys.executable, "-m", "ml", "predict", VOICES[2], tmp_path / "bad.wav"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "\x1b" not in done.stdout + done.stderr and "2/2" not in done.stderr
    for line in done.stderr.splitlines():
        assert line.startswith(("undertone: ", "INFO: "))


@pytest.mark.parametrize("command", ["predict", "train", "evaluate", "models", "corpora"])
def test_every_command_explains_itself_with_examples(capsys, command):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"examples:\n  undertone {command}" in capsys.readouterr().out


def test_examples_of_the_help_can_be_parsed():
    parser = make_parser()
    (commands,) = parser._subparsers._group_actions
    for name, command in commands.choices.items():
        examples = command.epilog.partition("examples:")[2].split("\n  undertone ")[1:]
        assert examples, name
        for example in examples:
            words = shlex.split(re.split(r" [<>|] ", example)[0])
            assert parser.parse_args(words).run


def test_exit_codes_are_told(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert all(re.search(rf"^ +{code} ", told, re.MULTILINE) for code in (0, 1, 2, 130, 141))


def test_bash_completes_commands_and_options(tmp_path, capsys):
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "undertone.sh"
    script.write_text(capsys.readouterr().out)
    for words, found in (
        (["undertone", "pre"], "predict"),
        (["undertone", "predict", "--lab"], "--labels"),
        (["undertone", "predict", "--format", "js"], "json jsonl"),
    ):
        typed = " ".join(words)
        code = f"source {script}; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; "
        code += "_shtab_undertone; echo ${COMPREPLY[@]}"
        done = subprocess.run(["bash", "-c", code], capture_output=True, text=True)
        assert sorted(done.stdout.split()) == found.split(), done.stderr
