"""Every parser of our own on whatever comes: its documented error or a value, and back again."""

import csv
import io
import json
import re
import socket
import string
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import ml
from ml import codecs, comparison, errors
from ml.commands import arguments
from ml.corpora import read_clips, read_speakers
from ml.rows import TABLE_FORMATS
from webapp import create_app, streaming
from webapp.access import listed
from webapp.analysis import LIVE_BYTES, display_name
from webapp.arrived import Arrived
from webapp.settings import Settings, SettingsError, read_settings
from webapp.storage import AnalysisNotFoundError, check_id

settings.register_profile(
    "parsers",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("parsers")

TEXT = st.text(max_size=60)
LATIN = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=60)
NAMES = st.sampled_from([*ml.LABELS, "joy", "", " ", "8"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(NAMES, max_size=9).map(",".join) | st.sampled_from("468") | TEXT)
def test_labels(spec):
    try:
        found = ml.parse_labels(spec)
    except errors.UnknownLabelsError as error:
        assert str(error)
        return
    assert 2 <= len(found) <= 8 and len(set(found)) == len(found)
    assert list(found) == [label for label in ml.LABELS if label in found]
    assert ml.parse_labels(",".join(found)) == found


ENVS = [field.metadata["env"] for field in Settings.__dataclass_fields__.values()]
VALUES = TEXT | st.integers().map(str) | st.sampled_from(["off", "local", "azure", "1 per day"])


@given(st.dictionaries(st.sampled_from(ENVS), VALUES, max_size=4))
@example({"SER_RATE_LIMIT": "1\u0663 per minute"})
@example({"PORT": "\u0668\u0660"})
def test_settings(tmp_path, environ):
    try:
        found = read_settings(environ, tmp_path / ".env")
    except SettingsError as error:
        assert error.params["env"] in ENVS
        return
    assert 1 <= found.port <= 65_535 and found.workers >= 0
    assert re.fullmatch(r"off|[0-9]+ per [a-z]+", found.rate_limit)
    assert all(listed(found.cors_origins)) or not found.cors_origins


@given(st.text(st.characters(), max_size=300) | st.text("./\\\0\r\n a\u202e", max_size=20))
def test_names_to_show(name):
    shown = display_name(name)
    assert 1 <= len(shown) <= 120 and shown == shown.strip()
    assert not set(shown) & set("/\\\0\r\n\t\u202e\u200b")
    assert display_name(shown) == shown


@given(TEXT | st.text(string.ascii_letters + "_-", min_size=10, max_size=70))
@example("a" * 16 + "\n")
def test_ids(id):
    try:
        assert check_id(id) == id
    except AnalysisNotFoundError:
        return
    assert set(id) <= {*string.ascii_letters, *string.digits, "_", "-"} and 16 <= len(id) <= 64


@pytest.fixture(scope="module")
def app():
    return create_app(Settings(storage="memory", model="mfcc-cnn", rate_limit="off"))


@given(TEXT | st.text("/\\.\t\r\n @:%ae", max_size=12))
@example("/\t/evil.example")
@example("/\n/evil.example")
@example("/\\evil.example")
def test_nobody_is_sent_elsewhere(app, place):
    response = app.test_client().get("/language/de", query_string={"to": place})
    assert response.status_code == 303
    # As a browser reads an address: it leaves tabs and line breaks out, and turns \ into /.
    seen = re.sub(r"[\t\r\n]", "", response.headers["Location"].strip()).replace("\\", "/")
    assert seen.startswith("/") and not urlsplit(seen).netloc and not seen.startswith("//")


@settings(max_examples=40)
@given(TEXT.filter(lambda text: text.strip("./")))
def test_addresses_with_names_in_them(app, name):
    asker = app.test_client()
    for path in ("/api/v1/analyses/{}", "/samples/{}", "/models/{}", "/analyses/{}/audio"):
        response = asker.get(path.format(name.replace("?", "").replace("#", "")))
        assert response.status_code in (200, 303, 308, 404, 405)
    assert asker.get("/analyses/" + "a" * 22, query_string={"key": name}).status_code == 404


@given(LATIN)
@example("application/x-ndjson;q=\xb2")
@example("*/*;q=nan, application/x-ndjson")
def test_what_is_accepted(app, accept):
    with app.test_request_context("/predict", headers={"Accept": accept}):
        assert streaming.wanted() in (True, False)
    page = app.test_client().get("/offline", headers={"Accept-Language": accept})
    assert page.status_code == 200 and re.search(r'<html lang="(en|de|pl)"', page.text)


@given(
    LATIN | st.sampled_from(["audio/L16;rate=16000", "audio/L16;rate=\xb2", "audio/L16"]),
    st.binary(max_size=40) | st.just(bytes(LIVE_BYTES + 2)),
)
def test_live_sound(app, media, sound):
    response = app.test_client().post("/api/v1/live", data=sound, content_type=media)
    assert response.status_code in (200, 400)
    if response.status_code == 400:
        assert response.json["error"]["code"] == "bad_live_sound"


@given(LATIN)
@example("Bearer \xff")
@example("Basic \xb2")
@example("Digest a=")
def test_secrets_in_headers(app, secret):
    for name in ("Authorization", "X-API-Key", "X-CSRFToken", "X-Request-ID", "Cookie"):
        response = app.test_client().get("/api/v1/analyses/" + "a" * 22, headers={name: secret})
        assert response.status_code == 404


SIGNATURES = st.sampled_from(
    [
        *(b"RIFF\0\0\0\0WAVE", b"OggS", b"fLaC", b"ID3", b"ID3\3\0\0\x7f\x7f\x7f\x7f", b"\xff\xfb"),
        *(b"\0\0\0\x20ftyp", b"\x1aE\xdf\xa3", b"#!AMR", b"\xff\xf1", b"RIFF\0\0\0\0WAVEfmt "),
    ]
)
RECORDING = st.builds(bytes.__add__, SIGNATURES | st.just(b""), st.binary(max_size=300))


@given(RECORDING)
def test_kinds_of_recordings(data):
    try:
        found = codecs.identify(io.BytesIO(data))
    except errors.UnsupportedFormatError as error:
        assert str(error)
        return
    assert found.name and found.demuxer


@given(st.binary(max_size=8) | st.binary(max_size=5).map(b"\xff".__add__))
def test_frames_of_mpeg_audio(header):
    assert 0 <= codecs._frame_length(header) < 1 << 14


@given(st.binary(max_size=80))
def test_lengths_of_wav(tmp_path, rest):
    """A length of nought becomes the greatest, and nothing else changes."""
    data = b"RIFF\0\0\0\0WAVEfmt " + rest
    with codecs._with_length(io.BytesIO(data), tmp_path / "repaired") as file:
        found = file.read()
    assert len(found) == len(data)
    places = [place for place in range(len(data)) if found[place] != data[place]]
    assert len(places) <= 8 and all(found[place] == 0xFF for place in places)


SCORES = st.lists(st.floats(0, 1), min_size=8, max_size=8)
SEGMENT = st.builds(
    lambda start, length, scores, named: {
        "start_s": start,
        "end_s": start + length,
        "outcome": "emotion" if named else "no_speech",
        "label": ml.LABELS[scores.index(max(scores))] if named else None,
        "confidence": max(scores) if named else None,
        "probabilities": dict(zip(ml.LABELS, scores, strict=True)) if named else {},
    },
    st.floats(0, 90_000),
    st.floats(0.001, 10),
    SCORES,
    st.booleans(),
)
SILENT = {
    "start_s": 0.0,
    "end_s": 1.0,
    "outcome": "no_speech",
    "label": None,
    "confidence": None,
    "probabilities": {},
}
PREDICTION = st.builds(
    lambda segments, file: {
        "segments": segments,
        "model": {"labels": list(ml.LABELS)},
        **({} if file is None else {"file": file}),
    },
    st.lists(SEGMENT, max_size=4).map(lambda found: sorted(found, key=lambda one: one["start_s"])),
    st.none() | TEXT.filter(lambda text: "\0" not in text),
)


@given(PREDICTION)
@example({"segments": [SILENT], "model": {"labels": []}, "file": "\r"})
def test_formats_can_be_read_back(prediction):
    written = {name: row.render(prediction) for name, row in ml.FORMATS.items()}
    assert json.loads(written["json"]) == prediction
    rows = list(csv.DictReader(io.StringIO(written["csv"], newline="")))
    tracks = [line.split("\t") for line in written["audacity"].splitlines()]
    cues = re.findall(r"(\d+):(\d\d):(\d\d\.\d{3}) --> \S+\n(.+)\n", written["vtt"])
    assert len(rows) == len(tracks) == len(cues) == len(prediction["segments"])
    for segment, row, track, cue in zip(prediction["segments"], rows, tracks, cues, strict=True):
        assert float(row["start_s"]) == segment["start_s"]
        assert row.get("file") == prediction.get("file")
        assert {name: float(row[name]) for name in segment["probabilities"]} == (
            segment["probabilities"]
        )
        assert abs(float(track[0]) - segment["start_s"]) < 1e-5
        assert (
            abs(int(cue[0]) * 3600 + int(cue[1]) * 60 + float(cue[2]) - segment["start_s"]) < 0.01
        )
        shown = segment["label"] or "no speech"
        assert track[2] == shown and cue[3].startswith(shown)


@given(
    st.binary(max_size=200)
    | st.lists(st.lists(TEXT, min_size=3, max_size=5), max_size=4)
    .map(lambda rows: "path,label,speaker,age\n" + "\n".join(map(",".join, rows)))
    .map(str.encode)
)
@example(b"path,label,speaker\n\xff,happy,a\n")
@example(b"path,label,speaker\na\0b,happy,a\n")
@example(b"path,label,speaker\n" + b"a" * 5000 + b",happy,a\n")
@example(b'path,label,speaker\n"' + b"a" * 200_000 + b'",happy,a\n')
@example(b"path,label,speaker,age\nmine.csv,happy,a,\xc2\xb2\n")
def test_tables_of_an_own_corpus(tmp_path, content):
    table = tmp_path / "mine.csv"
    table.write_bytes(content)
    for read in (read_clips, read_speakers):
        try:
            list(read("csv", table))
        except (errors.CorpusTableError, errors.CorpusLayoutError) as error:
            assert "mine.csv" in str(error)


@given(JSON.map(json.dumps) | TEXT, st.binary(max_size=4))
@example("[" * 100_000, b"")
@example("{}", b"\xff")
def test_descriptions_of_models(tmp_path, description, more):
    (tmp_path / "bundle.json").write_bytes(description.encode("utf-8", "replace") + more)
    with pytest.raises(errors.CorruptBundleError):
        ml.read_bundle(tmp_path)


WHOLE_LINE = {
    "schema": 1,
    "duration_s": 3.0,
    "quality": {name: 1.0 for name in comparison.BANDS if name != "duration_s"},
    "champion": {
        "outcome": "emotion",
        "label": "happy",
        "name": "a",
        "version": "1",
        "sha256": "0",
    },
    "challenger": {
        "outcome": "no_speech",
        "label": None,
        "name": "b",
        "version": "1",
        "sha256": "0",
    },
}


@given(
    JSON.map(json.dumps)
    | TEXT
    | st.builds(
        lambda key, value: json.dumps(WHOLE_LINE | {key: value}),
        st.sampled_from([*WHOLE_LINE]),
        JSON,
    )
)
@example(json.dumps(WHOLE_LINE))
@example(json.dumps(WHOLE_LINE | {"duration_s": 10**400}))
@example("[" * 100_000)
def test_lines_of_a_trial(text):
    try:
        assert comparison.read_line(text, 7).champion.answer
    except errors.LogLineError as error:
        assert error.params["line"] == 7


@given(TEXT | st.integers().map(str))
def test_numbers_of_the_command_line(text):
    try:
        assert arguments.positive(text) >= 1
    except arguments.argparse.ArgumentTypeError as error:
        assert text in str(error)


@given(st.text("cremad:=,/ab\n", max_size=20) | TEXT)
def test_corpora_of_the_command_line(text):
    try:
        name, path = arguments._corpus(text)
    except arguments.argparse.ArgumentTypeError:
        return
    assert text.startswith(f"{name}=") and isinstance(path, Path)


@given(TEXT)
def test_names_of_corpora(text):
    with pytest.raises((errors.UnknownCorpusError, errors.CorpusOptionError)):
        read_speakers(f"cremad:{text}=" if text else "", ".")


ROW = st.fixed_dictionaries({"file": TEXT, "start_s": st.none() | st.floats(0, 1e6)})


@given(st.lists(ROW, max_size=4))
@example([{"file": "a\u2028b\x85c\r\nd", "start_s": 0.5}])
def test_rows_of_an_archive(rows):
    form = TABLE_FORMATS["jsonl"]
    assert form.decode(form.encode(rows, None)) == rows


HEADS = st.sampled_from(
    [
        *(b"GET / HTTP/1.1\r\n", b"POST /predict HTTP/1.1\r\nContent-Length: 5\r\n", b"\r\n"),
        *(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", b"Content-Length: x\r\n"),
    ]
)
REQUEST = st.builds(lambda head, rest: head + b"\r\n" + rest, HEADS, st.binary(max_size=60))


@given(REQUEST | st.binary(max_size=80), st.lists(st.integers(1, 40), max_size=20))
@example(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", [1] * 70)
def test_requests_arrive_in_any_pieces(data, pieces):
    """What a thread reads is what came, and when a request is whole does not depend on pieces."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        arrived, at_once = Arrived(ours), Arrived(ours)
        at_once.add(data)
        place = 0
        for size in [*pieces, len(data)]:
            if piece := data[place : place + size]:
                arrived.add(piece)
            place += size
        assert (arrived.wanted, arrived.whole) == (at_once.wanted, at_once.whole)
        assert arrived.path.startswith("/") and arrived.deadline_s > arrived.began_s
        arrived.content.seek(0)
        assert arrived.read(len(data) or 1) == data if data else True
