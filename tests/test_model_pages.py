"""The pages of the models, and the choice among several: real network, made-up cards."""

import importlib
import io
import re
from datetime import UTC, datetime

import pytest
from cards import copy_bundle, full_card, measures
from clips import VOICE
from predictions import prediction, segment

import ml
import ml.bundle
from webapp import cards, create_app, words
from webapp.archive import Analysis
from webapp.samples import samples
from webapp.sections import ABSENT, comparisons, matrix, reproduction, sections
from webapp.settings import Settings

# By its name: in the package, "pages" is the blueprint.
pages = importlib.import_module("webapp.results")

NBSP = "\N{NO-BREAK SPACE}"
FREE = {"licence": "CC BY 4.0", "corpora": [{"licence": "ODbL 1.0"}]}


def plain(text: str) -> str:
    return text.replace(NBSP, " ")


def said(section) -> str:
    return plain(" ".join(section.paragraphs))


@pytest.fixture
def several(tmp_path, monkeypatch):
    """Three models: the default with a full card, one that votes, one of open corpora."""
    full = full_card()
    emodb = [corpus for corpus in full["corpora"] if corpus["name"] == "emodb"]
    copy_bundle(tmp_path, ml.DEFAULT_MODEL, **{key: full[key] for key in full if key != "name"})
    sure = {"temperature": 1.0, "threshold": 0.0}
    copy_bundle(tmp_path, "voting", rule="majority", calibration=sure, title="One that votes")
    parts = (
        "provenance",
        "groups",
        "gaps",
        "votes",
        "intensity",
        "speed",
        "robustness",
        "left_out",
    )
    unmeasured: dict[str, object] = {part: {} for part in parts}
    copy_bundle(tmp_path, "open", corpora=emodb, licence="CC BY 4.0", metrics={}, **unmeasured)
    monkeypatch.setattr(ml.bundle, "BUNDLES", tmp_path)


@pytest.fixture
def client(several):
    return create_app(Settings(storage="memory")).test_client()


@pytest.fixture(scope="module")
def real_client():
    return create_app(Settings(storage="memory")).test_client()


def send(client, **fields: str):
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/").text)[1]
    return client.post("/analyses", data={"csrf_token": token, **fields})


@pytest.mark.parametrize(
    ("licence", "corpus", "allowed"),
    [
        ("CC BY 4.0", "ODbL 1.0", True),
        ("CC BY-NC-SA 4.0", "CC BY 4.0", False),
        ("CC BY 4.0", "CC BY-NC-SA 4.0", False),
        ("CC BY 4.0", "on request, for research", False),
        ("ODbL 1.0 (learnt from corpora under ODbL 1.0)", "ODbL 1.0", True),
    ],
)
def test_commercial_use_takes_every_licence_to_allow_it(licence, corpus, allowed):
    card = {"licence": licence, "corpora": [{"licence": corpus}]}
    assert cards.commercial_use(card) is allowed


def test_a_card_in_a_few_words():
    card = full_card()
    assert cards.summary(card) == (
        "Made up for a test. It tells eight emotions apart and learned from "
        + words.listed(corpus["title"] for corpus in card["corpora"])
        + "."
    )
    assert plain(cards.speed(card)) == "7 ms for 3 s of sound, on one core"
    assert cards.speed({}) == ""
    assert plain(cards.parameters({"parameters": 2_603_144})) == "2.6 million"
    assert plain(cards.parameters({"parameters": 671_126})) == "671 thousand"
    assert plain(cards.with_interval(measures(0.64), "wa")) == "64 % (58 to 70)"


def test_a_full_card_has_every_part_and_a_bare_one_only_what_it_knows():
    full = [section.id for section in sections(full_card())]
    assert full == [
        *("training", "accuracy", "confusion", "left-out", "abstention", "calibration"),
        *("robustness", "groups", "votes", "intensity", "nonspeech"),
    ]
    bare = {"labels": ["sad", "angry"], "corpora": [], "metrics": {}}
    bare["calibration"] = {"temperature": 1.0, "threshold": 0.0}
    assert [section.id for section in sections(bare)] == ["training", "abstention"]
    assert reproduction(bare) is None


def test_the_parts_say_what_was_measured():
    parts = {section.id: section for section in sections(full_card())}
    assert "noise under 10 dB aside, is Pink noise, 10 dB SNR on CREMA-D: 9 points fewer" in said(
        parts["robustness"]
    )
    assert "unheard speakers (150 of CREMA-D), sent" in said(parts["robustness"])
    assert parts["robustness"].tables[0].rows[1][0] == "MP3, 32 kbit/s"
    gap = "CREMA-D, by sex: female 9 points over male (95 % interval \N{MINUS SIGN}2 to 20; that"
    assert gap in said(parts["groups"])
    assert "under 45 %" in said(parts["abstention"])
    rows = [tuple(map(plain, row)) for row in parts["abstention"].tables[0].rows]
    assert rows == [("CREMA-D", "83 %", "76 %"), ("RAVDESS, never heard", "80 %", "66 %")]
    assert "temperature 1.25" in said(parts["calibration"])
    assert parts["calibration"].tables[0].rows[0][2] == "0.51"
    assert parts["intensity"].tables[0].rows == [("CREMA-D", "0.47", "80", "12")]
    assert "in 55 % of the clips; a single listener does so in 62 %" in said(parts["votes"])


def test_a_confusion_matrix_shows_shares_of_what_was_meant():
    found = matrix("A", ("sad", "disgust"), [[6, 3, 1], [0, 4, 0]])
    assert found.columns == ["sad", "disgusted", "no answer"]
    assert [[cell.percent for cell in cells] for _, cells in found.rows] == [
        [60, 30, 10],
        [0, 100, 0],
    ]
    assert found.rows[1][1][1].shade == 10
    assert matrix("A", ("sad", "angry"), [[1, 0, 0], [0, 1, 0]]).columns == ["sad", "angry"]
    empty = matrix("A", ("sad", "angry"), [[0, 0, 0], [0, 1, 0]])
    assert [cell.percent for cell in empty.rows[0][1]] == [0, 0]


def test_models_side_by_side_leave_gaps_where_nothing_was_measured():
    first = {"name": "a", "metrics": {"cremad": measures(0.64)}}
    second = {"name": "b", "metrics": {"emodb": measures(0.8)}}
    accuracy, recalls, calibration = comparisons([first, second])
    assert [table.rows[0][0] for table in recalls.tables] == ["a", "a"]
    assert plain(recalls.tables[1].rows[1][2]) == "78 %"
    assert accuracy.tables[0].heads == ("Model", "CREMA-D", "EmoDB")
    assert accuracy.tables[0].rows[0][2] == ABSENT
    assert [tuple(map(plain, row)) for row in calibration.tables[0].rows] == [
        ("a", "4 %", ABSENT),
        ("b", ABSENT, "4 %"),
    ]
    assert comparisons([{"name": "c", "metrics": {}}]) == []


def test_networks_stand_side_by_side_with_what_they_cost():
    card = full_card()
    (row,) = comparisons([card])[0].tables[0].rows
    assert [plain(cell) for cell in row] == [
        card["name"],
        card["title"],
        plain(cards.parameters(card)),
        plain(cards.megabytes(card)),
        "7.4 ms",
    ]


def test_what_a_random_split_claims_stands_beside_new_voices():
    claimed = {"seed": 1, "metrics": {"cremad": measures(0.91)}}
    (*_others, part) = comparisons([full_card() | {"random_split": claimed}])
    assert part.id == "random-split"
    (row,) = part.tables[0].rows
    assert [plain(cell) for cell in row[1:]] == ["CREMA-D", "64 % (58 to 70)", "91 %"]
    assert all(found.id != "random-split" for found in comparisons([full_card()]))


def test_all_models_are_shown_with_what_one_may_do_with_them(client):
    page = plain(client.get("/models").text)
    for name in (ml.DEFAULT_MODEL, "voting", "open"):
        assert f'href="/models/{name}"' in page
    assert page.count("<dt>Commercial use</dt><dd>no</dd>") == 2
    assert page.count("<dt>Commercial use</dt><dd>yes</dd>") == 1
    assert "64 % (58 to 70)" in page and 'id="left-out"' in page


def test_a_model_has_a_page_made_from_its_card(client):
    page = plain(client.get(f"/models/{ml.DEFAULT_MODEL}").text)
    for section in sections(full_card()):
        assert f'id="{section.id}"' in page
    for corpus in full_card()["corpora"]:
        assert corpus["licence"] in page and corpus["title"] in page
    assert "python -m ml train --model cnn-gru --seed 3" in page and "abcdef1" in page
    assert "What it must not be used for" in page and "It heard English, German and Polish." in page
    assert "Where two talk at once" in page


def test_a_page_leaves_out_what_was_not_measured(client):
    page = client.get("/models/open").text
    assert 'id="training"' in page
    for part in ("accuracy", "confusion", "robustness", "groups", "again"):
        assert f'id="{part}"' not in page


@pytest.mark.parametrize("name", ["none", "<b>x</b>", "..", "x" * 300])
def test_an_unknown_model_is_not_found_and_the_others_are_named(client, name):
    answer = client.get(f"/models/{name}")
    if "/" in name or name == "..":
        assert answer.status_code in (301, 302, 308, 404)
        return
    assert answer.status_code == 404
    assert "No such model" in answer.text and 'href="/models/voting"' in answer.text


@pytest.mark.parametrize("name", ml.bundle_names())
def test_every_model_that_ships_has_a_page_and_answers_with_its_labels(real_client, name):
    assert f"<h1>{name}</h1>" in real_client.get(f"/models/{name}").text
    labels = ml.read_bundle(name).labels
    for asked, wanted in (("", labels), ("&labels=8", labels), ("&labels=4", ml.LABEL_SETS["4"])):
        file = (io.BytesIO(VOICE.read_bytes()), "voice.flac")
        answer = real_client.post(f"/predict?model={name}{asked}", data={"file": file}).json
        assert set(answer["probabilities"]) == set(wanted) & set(labels)
        assert answer["model"]["name"] == name


def test_the_form_offers_the_models_with_the_default_chosen(client):
    page = client.get("/").text
    chosen = re.findall(r'<input type="radio"[^>]*value="([^"]+)"( checked)?', page)
    assert sorted(chosen) == [(ml.DEFAULT_MODEL, " checked"), ("open", ""), ("voting", "")]
    assert "One that votes" in page


def test_one_model_is_no_choice(tmp_path, monkeypatch):
    copy_bundle(tmp_path, ml.DEFAULT_MODEL)
    monkeypatch.setattr(ml.bundle, "BUNDLES", tmp_path)
    page = create_app(Settings(storage="memory")).test_client().get("/").text
    assert "More options" not in page


def test_the_chosen_model_answers_and_its_vote_is_shown_as_such(client):
    longest = max(samples(), key=lambda sample: sample.seconds * bool(sample.intended))
    page = plain(client.get(send(client, sample=longest.id, model="voting").location).text)
    assert 'Answered by <a href="/models/voting">voting</a>' in page
    vote = re.search(r"(\d+) of (\d+) windows sound (\w+)\. Confidence (\d+|under 1) %\.", page)
    assert 1 <= int(vote[1]) <= int(vote[2])
    assert f">Sounds {vote[3]}</h1>" in page


def test_an_unknown_model_is_an_error_that_names_those_that_exist(client):
    answer = send(client, sample=samples()[0].id, model="no-such")
    assert answer.status_code == 400
    file = {"file": (io.BytesIO(VOICE.read_bytes()), "voice.flac")}
    refused = client.post("/api/v1/analyses?model=no-such", data=file)
    assert refused.status_code == 400 and refused.json["error"]["code"] == "unknown_model"
    for text in (answer.text, refused.json["error"]["hint"]):
        assert ml.DEFAULT_MODEL in text and "voting" in text and "open" in text


def test_the_api_lists_what_the_models_are(client):
    body = client.get("/api/v1/models").json
    assert body["default"] == ml.DEFAULT_MODEL
    found = {model["name"]: model for model in body["models"]}
    assert [found[name]["commercial_use"] for name in (ml.DEFAULT_MODEL, "open")] == [False, True]
    assert found["voting"]["rule"] == "majority" and found["voting"]["title"] == "One that votes"
    assert found[ml.DEFAULT_MODEL]["left_out"]["ravdess"]["wa"] == 0.52
    assert found[ml.DEFAULT_MODEL]["speed"]["window_ms"] == 7.4


def shown(client, given: dict) -> str:
    """Render the result page of a made-up prediction."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    analysis = Analysis("a" * 22, now, "clip.wav", None, given, (), None, now)
    with client.application.test_request_context("/"):
        return plain(pages._result(analysis, "/"))


def test_intensity_is_a_scale_with_words(client):
    page = shown(client, prediction(angry=0.7) | {"intensity": 0.8})
    assert "How strong it sounds: <strong>strong</strong>" in page
    assert "80 % of the way from calm to strong" in page and 'cx="80.0%"' in page
    assert "How strong it sounds" not in shown(client, prediction(angry=0.7))


def test_a_vote_that_chose_another_than_led_marks_its_own_row(client):
    segments = (segment(0, 3, angry=0.4), segment(2, 5, angry=0.4), segment(4, 7, sad=0.9))
    given = prediction(segments=segments, sad=0.5, angry=0.3) | {"label": "angry"}
    given |= {"confidence": 0.3, "model": given["model"] | {"name": "voting"}}
    page = shown(client, given)
    assert "2 of 3 windows sound angry. Confidence 30 %." in page
    assert re.search(r'<tr class="first">\s*<th scope="row">angry</th>', page)


def test_an_answer_outlives_its_model(client):
    gone = prediction(angry=0.7)
    gone["model"] |= {"name": "gone"}
    page = shown(client, gone)
    assert "Answered by gone, version 1" in page and "/models/gone" not in page


def four(given: dict) -> dict:
    """Make a prediction of the labels that the set of four has."""
    labels = ml.LABEL_SETS["4"]
    for part in (given, *given["segments"]):
        part["probabilities"] = {label: part["probabilities"][label] for label in labels}
    given["model"]["labels"] = list(labels)
    return given


def test_a_model_of_four_labels_shows_its_four(client):
    given = four(prediction(segments=(segment(0, 3, angry=0.8), segment(2, 5, sad=0.6)), angry=0.7))
    assert words.ranking(given)[0][0] == "angry"
    assert len(words.ranking(given)) == 4
    assert "calm" not in words.certainty(given) and "calm" not in words.timeline_summary(given)
    assert shown(client, given).partition('id="time"')[0].count('<svg class="bar') == 4
