"""A closer look at a window: whose it is, which window, what it says, and that nothing is kept."""

import io
import re

import numpy as np
import pytest
from clips import VOICE, silence
from forms import clip, post

import ml
from webapp import create_app
from webapp.closer import ModelChangedError, NoWindowError, look_closer
from webapp.pictures import COLOURS, curve, heatmap, ramp
from webapp.settings import Settings
from webapp.words import checked, parts_rows

MODEL = "mfcc-cnn"


@pytest.fixture(scope="module")
def app():
    return create_app(Settings(storage="memory", model=MODEL))


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture(scope="module")
def recognizer():
    return ml.load(MODEL)


@pytest.fixture(scope="module")
def waveform():
    return ml.decode(VOICE)


@pytest.fixture(scope="module")
def prediction(recognizer, waveform):
    return ml.to_dict(recognizer.recognize(waveform))


@pytest.fixture(scope="module")
def closer(recognizer, waveform, prediction):
    return look_closer(recognizer, waveform, prediction)


def explanation(reliable: bool = True, chosen: tuple = ((1, 2), (0, 0))) -> ml.Explanation:
    return ml.Explanation(
        probability=0.7,
        edges_s=(0.0, 0.25, 0.5, 0.75),
        edges_hz=(60.0, 492.0, 924.0),
        drops=((0.004, 0.0, 0.0), (0.0, 0.0, 0.2)),
        chosen=chosen,
        drop=0.6 if chosen else 0.0,
        random_drops=(0.1, 0.3) if chosen else (),
        reliable=reliable,
    )


def test_the_page_shows_what_was_heard_and_why(client):
    address = post(client, "/analyses", file=clip(VOICE.read_bytes())).location
    assert f'href="{address}/explanation"' in client.get(address).text
    page = client.get(f"{address}/explanation")
    assert page.status_code == 200
    assert page.text.count("data:image/png;base64,") == 2
    assert page.text.count("data:audio/wav;base64,") in (1, 2)
    assert re.search(r"Checked on this clip|Not reliable for this clip|No part matters", page.text)
    assert "Window after" in page.text and "Window before" not in page.text


def test_each_window_has_its_page_and_no_other(client):
    address = post(client, "/analyses", file=clip(VOICE.read_bytes())).location
    last = client.get(f"{address}/explanation?window=2").text
    assert "window 2 of 2" in last and "Window before" in last and "Window after" not in last
    beyond = client.get(f"{address}/explanation?window=3")
    assert beyond.status_code == 404
    assert "There is no window 3; the recording has 2." in beyond.text


def test_it_opens_for_its_owner_only(app, client):
    address = post(client, "/analyses", file=clip(VOICE.read_bytes())).location
    assert app.test_client().get(f"{address}/explanation").status_code == 404


def test_a_clip_that_was_not_kept_is_sent_again_and_not_kept_again(app, client):
    kept = app.extensions["analyser"].archive._storage._kept
    before = len(kept)
    page = post(client, "/analyses/explanation", file=clip(VOICE.read_bytes()))
    assert page.status_code == 200 and "What it heard" in page.text
    assert "voice.flac" in page.text and "Back to the answer" not in page.text
    assert len(kept) == before
    assert client.post("/analyses/explanation").status_code == 400


def test_silence_is_shown_but_has_no_reasons(client):
    address = post(client, "/analyses", file=clip(silence(3.0))).location
    page = client.get(f"{address}/explanation").text
    assert "there is no answer to explain" in page
    assert page.count("data:image/png;base64,") == 2 and 'class="part"' not in page


def test_the_window_that_bears_the_answer_most_is_chosen(closer, prediction):
    shares = [segment["probabilities"].get(closer.label, 0) for segment in prediction["segments"]]
    assert closer.window == 1 + int(np.argmax(shares)) and closer.count == len(shares)
    assert closer.explanation.probability == pytest.approx(max(shares), abs=0.05)
    assert len(ml.decode(closer.wav).samples) == round(16_000 * (closer.end_s - closer.start_s))


def test_an_answer_by_another_model_is_not_explained(recognizer, waveform, prediction):
    other = prediction | {"model": prediction["model"] | {"sha256": "0", "version": "1999"}}
    with pytest.raises(ModelChangedError, match="version 1999"):
        look_closer(recognizer, waveform, other)
    with pytest.raises(NoWindowError, match="no window 0"):
        look_closer(recognizer, waveform, prediction, 0)


def test_the_check_is_told_with_its_figures():
    said = checked(explanation()).replace("\N{NO-BREAK SPACE}", " ")
    assert said.startswith("Checked on this clip.")
    assert "falls from 70 % to 10 %" in said and "to 50 % on average" in said
    assert checked(explanation(reliable=False)).startswith("Not reliable for this clip")
    assert checked(explanation(False, ())).startswith("No part matters by itself")


def test_parts_are_told_in_the_time_of_the_recording():
    first, second = parts_rows(explanation(), start_s=1.5)
    assert [cell.replace("\N{NO-BREAK SPACE}", " ") for cell in first] == [
        *("2.00 to 2.25 s", "490 to 920 Hz", "20 points")
    ]
    assert second.worth == "under 1 point"
    assert len(parts_rows(explanation(), 0.0, most=1)) == 1


def test_the_colours_grow_lighter_step_by_step():
    colours = np.frombuffer(ramp(), np.uint8).reshape(COLOURS, 3) / 255
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    lightness = 116 * np.cbrt(luminance) - 16
    assert np.all(np.diff(luminance) > 0) and lightness[-1] - lightness[0] > 80
    assert np.ptp(np.diff(lightness[4:])) < 1.5


def test_a_matrix_is_drawn_from_the_bottom():
    from base64 import b64decode

    from PIL import Image

    address = heatmap(np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 9.0]]), 0, 4)
    image = Image.open(io.BytesIO(b64decode(address.partition(",")[2])))
    assert image.size == (2, 3)
    steps = np.asarray(image)
    assert steps.tolist() == [[63, 63], [32, 47], [0, 16]]


def test_a_curve_spans_the_width_and_is_cut_to_its_range():
    drawn = curve([0, 5, 10, 20], 0, 10, height=12)
    assert 'points="0.0,11.0 333.3,6.0 666.7,1.0 1000.0,1.0"' in drawn
    assert "0.0,11.0" in curve([0], 0, 0, height=12)
