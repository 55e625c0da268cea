"""The nine faces: complete, small, looping smoothly, told apart by their lines, and up to date."""

import runpy
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from ml.labels import LABELS

FOLDER = Path(__file__).parent.parent / "static" / "faces"
NAMES = (*LABELS, "unsure")


def moments(path):
    """Each frame of a GIF as RGBA pixels, with its duration in ms."""
    with Image.open(path) as image:
        return [
            (np.asarray(frame.convert("RGBA")), frame.info["duration"])
            for frame in ImageSequence.Iterator(image)
        ]


def changed(first, second):
    """How many pixels differ."""
    return int((first != second).any(axis=-1).sum())


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(FOLDER / "draw.py"))


def test_every_emotion_and_the_unsure_face_are_there(script):
    assert set(script["FACES"]) == set(NAMES)
    assert {path.stem for path in FOLDER.glob("*.gif")} == set(NAMES)
    assert {path.stem for path in FOLDER.glob("*.png")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_face_is_large_small_in_bytes_and_loops_for_ever(name):
    path = FOLDER / f"{name}.gif"
    with Image.open(path) as image:
        assert image.info["loop"] == 0
        assert min(image.size) >= 256
    assert path.stat().st_size < 120_000
    durations = [duration for _, duration in moments(path)]
    assert 1500 <= sum(durations) <= 2000
    assert min(durations) >= 40  # 25 frames a second at most


@pytest.mark.parametrize("name", NAMES)
def test_a_face_moves_and_its_end_joins_its_beginning(name):
    frames = [frame for frame, _ in moments(FOLDER / f"{name}.gif")]
    steps = [changed(before, after) for before, after in pairwise(frames)]
    assert len({frame.tobytes() for frame in frames}) > 8
    assert max(steps) > 500  # enough to be seen
    assert changed(frames[-1], frames[0]) <= max(steps)


@pytest.mark.parametrize("name", NAMES)
def test_the_still_is_the_first_frame(name):
    first, _ = moments(FOLDER / f"{name}.gif")[0]
    with Image.open(FOLDER / f"{name}.png") as image:
        assert np.array_equal(np.asarray(image.convert("RGBA")), first)


@pytest.mark.parametrize("name", NAMES)
def test_the_disc_is_opaque_and_the_corners_are_clear(name):
    for frame, _ in moments(FOLDER / f"{name}.gif"):
        alpha = frame[..., 3]
        assert alpha[0, 0] == alpha[0, -1] == alpha[-1, 0] == alpha[-1, -1] == 0
        middle = len(alpha) // 2
        assert alpha[middle, 4:-4].min() == alpha[4:-4, middle].min() == 255


def test_lines_alone_tell_any_two_faces_apart_at_96_px():
    def lines(name):
        with Image.open(FOLDER / f"{name}.png") as image:
            grey = image.convert("RGBA").convert("L").resize((96, 96), Image.Resampling.BOX)
        face = np.asarray(grey, dtype=float)[28:76, 26:70]  # brows to chin
        return face < 150

    drawn = {name: lines(name) for name in NAMES}
    for one, other in combinations(NAMES, 2):
        differing = (drawn[one] != drawn[other]).sum()
        assert differing > 0.4 * drawn[one].sum(), f"{one} looks like {other}"


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_face_is_what_the_script_draws(script, name):
    kept = [
        frame
        for frame, duration in moments(FOLDER / f"{name}.gif")
        for _ in range(duration // script["FRAME_MS"])
    ]
    drawn = script["frames"](script["FACES"][name])
    assert len(kept) == len(drawn)
    # Another machine's sine may round a point of a line to the next pixel, no more.
    for before, now in zip(kept, drawn, strict=True):
        assert changed(before, np.asarray(now.convert("RGBA"))) <= 20


def test_drawing_twice_gives_the_same_bytes(script, tmp_path):
    written = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        script["write"]("neutral", folder)
        written.append([path.read_bytes() for path in sorted(folder.iterdir())])
    assert len(written[0]) == 2
    assert written[0] == written[1]
