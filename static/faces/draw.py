"""The faces of the site: one line drawing, nine expressions, as GIF loops and PNG stills.

``python static/faces/draw.py`` writes every file beside this script. Lengths are in pixels of
the 512 px canvas, which pages show at half its size or less; x grows to the viewer's right and
y downwards, and the face's own coordinates start between the eyes.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image, ImageDraw

SIZE = 512
SUPERSAMPLING = 4
DISC_RADIUS = 254
LINE = 9.5
FRAMES = 32
FRAME_MS = 60

Point = tuple[float, float]
Value = tuple[float, ...]
Keys = tuple[tuple[float, Value], ...]
Place = Callable[[Point], Point]
Colour = tuple[int, int, int]

INK: Colour = (38, 38, 46)
PAPER: Colour = (255, 253, 249)
CENTRE: Point = (256, 226)
NECK: Point = (0, 190)  # what the head tilts around


@dataclass(frozen=True)
class Face:
    """One moment of the face. Left and right are the viewer's; negative y is up.

    Lines that come and go (`lip`, `cheek`, the folds) have a strength from 0 to 1.
    """

    head: Value = (0, 0)  # x, y
    tilt: Value = (0,)  # degrees, positive to the right
    shoulders: Value = (0,)
    brow_l: Value = (-50, -62, -50)  # y of the inner end, the arch, the outer end
    brow_r: Value = (-50, -62, -50)
    brow_gap: Value = (30,)  # from the middle of the face to each inner end
    eye_l: Value = (18, 13)  # upper lid over, lower lid under the line between the corners
    eye_r: Value = (18, 13)
    rim: Value = (0,)  # 1 draws the lower lids
    slant: Value = (0,)  # how far the outer corners of the eyes hang
    blink: Value = (0,)  # 1 is shut
    gaze: Value = (0, 0)
    pupil: Value = (12,)
    nose: Value = (0, 0)  # lift, width added by the nostrils
    mouth: Value = (0, 106, 45)  # x, y of the middle, half width
    corners: Value = (0, 0)  # y of the left and the right one
    upper: Value = (0, 0)  # y of the upper lip's edge left and right of the middle
    lower: Value = (0, 0)
    roundness: Value = (0.5,)  # how far the lips' handles keep towards the corners
    waver: Value = (0, 0)  # height of the mouth's waves, their phase in turns
    lip: Value = (0,)
    cheek: Value = (0,)
    fold: Value = (0, 0)  # beside the nose, left and right
    furrow: Value = (0,)  # between the brows
    wrinkle: Value = (0,)  # across the nose


@dataclass(frozen=True)
class Emotion:
    """A colour, the face at rest, and what moves: field -> (share of the loop, change)."""

    colour: Colour
    face: Face
    moves: Mapping[str, Keys] = field(default_factory=dict)


def breath(depth: float) -> dict[str, Keys]:
    """One breath in each loop, seen in the shoulders."""
    return {"shoulders": ((0, (0,)), (0.45, (-depth,)), (1, (0,)))}


def blink(start: float) -> dict[str, Keys]:
    """One blink of a third of a second that begins at `start`."""
    shut, held, end = start + 0.06, start + 0.09, start + 0.17
    return {"blink": ((0, (0,)), (start, (0,)), (shut, (1,)), (held, (1,)), (end, (0,)))}


def there_and_back(change: Value, leave: float, arrive: float, turn: float, back: float) -> Keys:
    """Move by `change` between two shares of the loop, hold, and come back."""
    rest = (0.0,) * len(change)
    return ((0, rest), (leave, rest), (arrive, change), (turn, change), (back, rest))


FACES = {
    "neutral": Emotion(
        colour=(122, 122, 122),
        face=Face(),
        moves=breath(4) | blink(0.55),
    ),
    "calm": Emotion(
        colour=(86, 180, 233),
        face=Face(
            brow_l=(-46, -60, -42),
            brow_r=(-46, -60, -42),
            brow_gap=(33,),
            blink=(1,),
            mouth=(0, 106, 42),
            corners=(-9, -9),
            upper=(4, 4),
            lower=(4, 4),
            shoulders=(4,),
        ),
        moves=breath(10)
        | {
            "head": ((0, (0, 0)), (0.45, (0, -4)), (1, (0, 0))),
            "corners": ((0, (0, 0)), (0.5, (-3, -3)), (1, (0, 0))),
        },
    ),
    "happy": Emotion(
        colour=(236, 178, 36),
        face=Face(
            brow_l=(-58, -74, -56),
            brow_r=(-58, -74, -56),
            brow_gap=(32,),
            eye_l=(15, -9),
            eye_r=(15, -9),
            mouth=(0, 90, 62),
            corners=(-8, -8),
            upper=(6, 6),
            lower=(48, 48),
            cheek=(1,),
        ),
        moves=breath(5)
        | {
            "mouth": there_and_back((0, 0, 5), 0.05, 0.25, 0.4, 0.65),
            "corners": there_and_back((-5, -5), 0.05, 0.25, 0.4, 0.65),
            "lower": there_and_back((7, 7), 0.05, 0.25, 0.4, 0.65),
            "brow_l": there_and_back((-5, -6, -3), 0.05, 0.25, 0.4, 0.65),
            "brow_r": there_and_back((-5, -6, -3), 0.05, 0.25, 0.4, 0.65),
        },
    ),
    "sad": Emotion(
        colour=(0, 114, 178),
        face=Face(
            head=(0, 8),
            shoulders=(12,),
            brow_l=(-70, -60, -42),
            brow_r=(-70, -60, -42),
            brow_gap=(27,),
            eye_l=(9, 16),
            eye_r=(9, 16),
            slant=(5,),
            gaze=(0, 5),
            mouth=(0, 110, 38),
            corners=(11, 11),
            upper=(-8, -8),
            lower=(-8, -8),
        ),
        moves={
            "shoulders": ((0, (0,)), (0.35, (-7,)), (0.8, (0,))),
            "head": ((0, (0, 0)), (0.4, (0, 4)), (1, (0, 0))),
            "blink": there_and_back((1,), 0.15, 0.4, 0.5, 0.8),
            "brow_l": there_and_back((-4, -1, 0), 0.05, 0.4, 0.55, 0.9),
            "brow_r": there_and_back((-4, -1, 0), 0.05, 0.4, 0.55, 0.9),
            "corners": there_and_back((4, 4), 0.1, 0.4, 0.5, 0.9),
        },
    ),
    "angry": Emotion(
        colour=(213, 94, 0),
        face=Face(
            head=(0, 4),
            shoulders=(-6,),
            brow_l=(-24, -45, -56),
            brow_r=(-24, -45, -56),
            brow_gap=(22,),
            eye_l=(12, 9),
            eye_r=(12, 9),
            slant=(-6,),
            nose=(0, 5),
            mouth=(0, 102, 42),
            corners=(6, 6),
            upper=(-2, -2),
            lower=(-2, -2),
            lip=(1,),
            furrow=(1,),
        ),
        moves=breath(5)
        | {
            "brow_l": there_and_back((6, 4, -1), 0.1, 0.3, 0.5, 0.75),
            "brow_r": there_and_back((6, 4, -1), 0.1, 0.3, 0.5, 0.75),
            "eye_l": there_and_back((-2, -2), 0.1, 0.3, 0.5, 0.75),
            "eye_r": there_and_back((-2, -2), 0.1, 0.3, 0.5, 0.75),
            "nose": there_and_back((0, 4), 0.15, 0.35, 0.45, 0.7),
            "mouth": there_and_back((0, -2, 3), 0.1, 0.3, 0.5, 0.75),
        },
    ),
    "fearful": Emotion(
        colour=(126, 87, 170),
        face=Face(
            head=(0, 4),
            shoulders=(-22,),
            brow_l=(-84, -78, -56),
            brow_r=(-84, -78, -56),
            brow_gap=(24,),
            eye_l=(25, 17),
            eye_r=(25, 17),
            pupil=(8,),
            rim=(1,),
            mouth=(0, 108, 46),
            corners=(6, 6),
            upper=(-11, -11),
            lower=(15, 15),
            roundness=(0.85,),
            waver=(3, 0),
        ),
        moves={
            "gaze": (
                (0, (0, 0)),
                (0.2, (0, 0)),
                (0.26, (-8, 0)),
                (0.5, (-8, 0)),
                (0.57, (7, 0)),
                (0.82, (7, 0)),
                (0.9, (0, 0)),
            ),
            "waver": ((0, (0, 0)), (1, (0, 2))),
            "shoulders": ((0, (0,)), (0.25, (-4,)), (0.5, (0,)), (0.75, (-4,)), (1, (0,))),
            "brow_l": there_and_back((-4, -3, 0), 0.15, 0.25, 0.75, 0.95),
            "brow_r": there_and_back((-4, -3, 0), 0.15, 0.25, 0.75, 0.95),
        },
    ),
    "disgust": Emotion(
        colour=(0, 158, 115),
        face=Face(
            head=(-4, 2),
            tilt=(-5,),
            brow_l=(-30, -46, -46),
            brow_r=(-32, -50, -50),
            brow_gap=(26,),
            eye_l=(10, 1),
            eye_r=(12, 2),
            gaze=(0, -8),
            pupil=(10,),
            nose=(5, 5),
            mouth=(-2, 110, 42),
            corners=(6, 11),
            upper=(-20, -2),
            lower=(5, -1),
            fold=(1, 0),
            wrinkle=(1,),
        ),
        moves={
            "upper": there_and_back((-7, -2), 0.1, 0.3, 0.55, 0.8),
            "nose": there_and_back((4, 2), 0.1, 0.3, 0.55, 0.8),
            "eye_l": there_and_back((-3, -2), 0.1, 0.3, 0.55, 0.8),
            "eye_r": there_and_back((-2, -2), 0.1, 0.3, 0.55, 0.8),
            "brow_l": there_and_back((4, 3, 0), 0.1, 0.3, 0.55, 0.8),
            "brow_r": there_and_back((4, 3, 0), 0.1, 0.3, 0.55, 0.8),
            "head": there_and_back((-4, 0), 0.1, 0.35, 0.55, 0.85),
        },
    ),
    "surprised": Emotion(
        colour=(214, 112, 152),
        face=Face(
            shoulders=(-6,),
            brow_l=(-76, -99, -76),
            brow_r=(-76, -99, -76),
            brow_gap=(34,),
            eye_l=(27, 20),
            eye_r=(27, 20),
            pupil=(10,),
            rim=(1,),
            mouth=(0, 112, 27),
            upper=(-25, -25),
            lower=(30, 30),
            roundness=(1,),
        ),
        moves={
            "brow_l": there_and_back((-6, -8, -5), 0.05, 0.2, 0.45, 0.7),
            "brow_r": there_and_back((-6, -8, -5), 0.05, 0.2, 0.45, 0.7),
            "lower": there_and_back((9, 9), 0.05, 0.2, 0.45, 0.7),
            "mouth": there_and_back((0, 1, 3), 0.05, 0.2, 0.45, 0.7),
            "shoulders": there_and_back((-8,), 0.05, 0.25, 0.45, 0.8),
        },
    ),
    "unsure": Emotion(
        colour=(168, 140, 104),
        face=Face(
            tilt=(5,),
            brow_l=(-44, -52, -44),
            brow_r=(-66, -88, -68),
            eye_l=(14, 11),
            eye_r=(18, 12),
            gaze=(10, -2),
            mouth=(7, 108, 35),
            corners=(7, -10),
            upper=(2, 0),
            lower=(2, 0),
        ),
        moves=breath(4)
        | blink(0.4)
        | {
            "gaze": there_and_back((-19, 1), 0.42, 0.52, 0.82, 0.92),
            "brow_r": there_and_back((7, 8, 5), 0.4, 0.55, 0.75, 0.95),
            "corners": there_and_back((-2, 4), 0.4, 0.55, 0.8, 0.95),
        },
    ),
}


def between(first: Value, second: Value, share: float) -> Value:
    """Point at `share` of the way from `first` to `second`."""
    return tuple(a + (b - a) * share for a, b in zip(first, second, strict=True))


def change_at(keys: Keys, time: float) -> Value:
    """Change at `time` (share of the loop), slow at each key and quick between them."""
    for (t0, v0), (t1, v1) in itertools.pairwise(keys):
        if t0 <= time < t1:
            return between(v0, v1, (1 - math.cos(math.pi * (time - t0) / (t1 - t0))) / 2)
    return keys[-1][1]


def face_at(emotion: Emotion, time: float) -> Face:
    """The face at `time` (share of the loop, 0 to 1)."""
    moved = {
        name: tuple(
            a + b for a, b in zip(getattr(emotion.face, name), change_at(keys, time), strict=True)
        )
        for name, keys in emotion.moves.items()
    }
    # What shifts long lines moves in whole pixels, the head in whole pixels of the shown size:
    # in between, every edge would change in every frame for less than the eye can see.
    for name, step in {"head": 2, "shoulders": 1}.items():
        if name in moved:
            moved[name] = tuple(step * round(value / step) for value in moved[name])
    return replace(emotion.face, **moved)


def tinted(colour: Colour, share: float, base: Colour = PAPER) -> Colour:
    """`share` of `colour` on `base`."""
    red, green, blue = (round(value) for value in between(base, colour, share))
    return red, green, blue


def bezier(*points: Point, steps: int = 24) -> list[Point]:
    """A cubic curve through the first and the last of four points, as a fine polyline."""
    curve = []
    for step in range(steps + 1):
        t = step / steps
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
        x, y = (sum(w * p[axis] for w, p in zip(weights, points, strict=True)) for axis in (0, 1))
        curve.append((x, y))
    return curve


def mirrored(points: list[Point]) -> list[Point]:
    """The same line on the other half of the face."""
    return [(-x, y) for x, y in points]


def dense(points: list[Point], step: float = 3) -> list[Point]:
    """The same polyline with a point at least every `step`."""
    line = []
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        count = math.ceil(math.hypot(x1 - x0, y1 - y0) / step) or 1
        line += [(x0 + (x1 - x0) * i / count, y0 + (y1 - y0) * i / count) for i in range(count)]
    return line + points[-1:]


@dataclass(frozen=True)
class Pen:
    """Draws on a supersampled canvas, through a function that places points on it."""

    draw: ImageDraw.ImageDraw
    place: Place

    def _pixels(self, points: list[Point]) -> list[Point]:
        return [(x * SUPERSAMPLING, y * SUPERSAMPLING) for x, y in map(self.place, points)]

    def line(self, points: list[Point], strength: float = 1) -> None:
        """Draw a round-ended line; a weaker one is shorter, from its first point."""
        kept = points[: round(len(points) * strength)]
        radius = LINE * SUPERSAMPLING / 2
        for x, y in dense(self._pixels(kept)):
            self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=INK)

    def shape(self, points: list[Point], colour: Colour) -> None:
        """Fill a closed shape."""
        self.draw.polygon(self._pixels(points), fill=colour)


def placing_body(face: Face) -> Place:
    """Where a point of the body lands on the canvas."""
    return lambda point: (CENTRE[0] + point[0], CENTRE[1] + point[1] + face.shoulders[0])


def placing_head(face: Face) -> Place:
    """Where a point of the head lands on the canvas."""
    sine, cosine = math.sin(math.radians(face.tilt[0])), math.cos(math.radians(face.tilt[0]))

    def place(point: Point) -> Point:
        x, y = point[0] - NECK[0], point[1] - NECK[1]
        return (
            CENTRE[0] + face.head[0] + NECK[0] + x * cosine - y * sine,
            CENTRE[1] + face.head[1] + NECK[1] + x * sine + y * cosine,
        )

    return place


def draw_body(pen: Pen, skin: Colour, cloth: Colour) -> None:
    """Neck and shoulders, cut off by the edge of the disc."""
    neck = bezier((52, 130), (52, 170), (50, 190), (56, 212), steps=12)
    shoulder = bezier((56, 212), (80, 236), (170, 226), (214, 300))
    collar = bezier((-56, 212), (-30, 246), (30, 246), (56, 212))
    body = [(-214, 340), *mirrored(shoulder)[::-1], *collar, *shoulder, (214, 340)]
    pen.shape([*neck, *collar[::-1], *mirrored(neck)[::-1]], skin)
    pen.shape(body, cloth)
    for side in (neck, shoulder, mirrored(neck), mirrored(shoulder), collar):
        pen.line(side)


def draw_hair(pen: Pen, colour: Colour) -> None:
    """Short hair, parted on one side."""
    crown = bezier((-142, -34), (-168, -150), (-92, -204), (-4, -200), steps=40)
    crown += bezier((-4, -200), (92, -206), (168, -150), (142, -34), steps=40)
    fringe = bezier((142, -34), (138, -76), (122, -104), (92, -116))
    fringe += bezier((92, -116), (20, -104), (-30, -116), (-66, -146))
    fringe += bezier((-66, -146), (-88, -126), (-130, -104), (-142, -34))
    pen.shape([*crown, *fringe], colour)
    pen.line([*crown, *fringe])


def draw_head(pen: Pen, skin: Colour) -> None:
    """Ears and the outline."""
    half = bezier((0, -172), (84, -172), (142, -116), (142, -26), steps=40)
    half += bezier((142, -26), (142, 88), (92, 172), (0, 172), steps=40)
    ear = bezier((139, -20), (172, -40), (172, 34), (135, 44))
    for side in (ear, mirrored(ear)):
        pen.shape(side, skin)
        pen.line(side)
    outline = [*half, *mirrored(half)[::-1]]
    pen.shape(outline, skin)
    pen.line(outline)


def draw_brow(pen: Pen, side: int, brow: Value, gap: float) -> None:
    """One brow; `side` is -1 on the left and 1 on the right."""
    inner, arch, outer = brow
    x = (gap, gap + 20, gap + 44, gap + 68)
    ys = (inner, (inner + 2 * arch) / 3, arch, outer)
    pen.line(bezier(*((side * a, b) for a, b in zip(x, ys, strict=True))))


def draw_eye(pen: Pen, side: int, eye: Value, face: Face) -> None:
    """Lids, and the pupil as far as they leave it free."""
    middle, half = 62 * side, 33
    shut = face.blink[0]
    # Shut, both lids meet in one soft line that hangs a little.
    upper = eye[0] + (-9 - eye[0]) * shut
    under = -eye[1] + (-9 + eye[1]) * shut
    inner, outer = (middle - side * half, 0.0), (middle + side * half, face.slant[0])

    def lid(height: float) -> list[Point]:
        reach = side * half * 0.45
        return bezier(
            inner,
            (inner[0] + reach, -height * 4 / 3),
            (outer[0] - reach, outer[1] - height * 4 / 3),
            outer,
        )

    over, below = lid(upper), lid(under)
    pen.shape([*over, *below[::-1]], PAPER)
    if upper - under > LINE:
        pen.shape(pupil(middle, face, over, below), INK)
        if face.rim[0]:
            pen.line(below)
    pen.line(over)


def pupil(middle: float, face: Face, over: list[Point], below: list[Point]) -> list[Point]:
    """Outline of the pupil, held between the upper and the lower lid."""
    points = []
    for step in range(48):
        turn = 2 * math.pi * step / 48
        x = middle + face.gaze[0] + face.pupil[0] * math.cos(turn)
        y = face.gaze[1] - 2 + face.pupil[0] * math.sin(turn)
        top, bottom = (min(lid, key=lambda p: abs(p[0] - x))[1] for lid in (over, below))
        points.append((x, min(max(y, top), bottom)))
    return points


def draw_nose(pen: Pen, face: Face) -> None:
    """Base of the nose, with the wrinkles that lift it."""
    lift, flare = face.nose
    width, y = 15 + flare, 52 - lift
    pen.line(bezier((-width, y - 6), (-width + 4, y + 7), (width - 4, y + 7), (width, y - 6)))
    for height in (-13, 3):
        wrinkle = bezier((-10, height), (-4, height - 5), (4, height - 5), (10, height))
        pen.line(wrinkle, strength=face.wrinkle[0])


def waves(along: float, phase: float) -> float:
    """Waves that die away towards both corners of the mouth."""
    return math.sin(math.pi * along) * math.sin(2 * math.pi * (2 * along + phase))


def draw_mouth(pen: Pen, face: Face, inside: Colour) -> None:
    """Both edges of the mouth; one line where they meet."""
    x, y, half = face.mouth
    left, right = (x - half, y + face.corners[0]), (x + half, y + face.corners[1])
    reach = half * face.roundness[0]

    def edge(heights: Value) -> list[Point]:
        handles = ((x - reach, y + heights[0] * 4 / 3), (x + reach, y + heights[1] * 4 / 3))
        height, phase = face.waver
        return [
            (px, py + height * waves(step / 24, phase))
            for step, (px, py) in enumerate(bezier(left, *handles, right))
        ]

    upper, lower = edge(face.upper), edge(face.lower)
    pen.shape([*upper, *lower[::-1]], inside)
    pen.line(upper)
    pen.line(lower)
    under = y + max(face.lower) + 26
    pen.line([(x - 20, under), (x, under + 1), (x + 20, under)], strength=face.lip[0])


def draw_folds(pen: Pen, face: Face) -> None:
    """Furrow between the brows, cheeks and the folds beside the nose."""
    furrow = bezier((0, -24), (-2, -32), (-2, -40), (0, -48))
    cheek = bezier((80, 62), (91, 70), (95, 82), (91, 96))
    fold = bezier((35, 40), (51, 50), (63, 66), (67, 86))
    pen.line(furrow, strength=face.furrow[0])
    for side in (cheek, mirrored(cheek)):
        pen.line(side, strength=face.cheek[0])
    pen.line(mirrored(fold), strength=face.fold[0])
    pen.line(fold, strength=face.fold[1])


def draw_face(face: Face, colour: Colour) -> Image.Image:
    """One frame in full colour, without the transparent corners."""
    canvas = Image.new("RGB", (SIZE * SUPERSAMPLING,) * 2, tinted(colour, 0.45))
    skin, draw = tinted(colour, 0.07), ImageDraw.Draw(canvas)
    draw_body(Pen(draw, placing_body(face)), skin, tinted(colour, 0.8))
    pen = Pen(draw, placing_head(face))
    draw_head(pen, skin)
    draw_hair(pen, tinted(colour, 0.8))
    for side, brow, eye in ((-1, face.brow_l, face.eye_l), (1, face.brow_r, face.eye_r)):
        draw_eye(pen, side, eye, face)
        draw_brow(pen, side, brow, face.brow_gap[0])
    draw_folds(pen, face)
    draw_nose(pen, face)
    teeth = face.waver[0] > 0  # a tense mouth shows them
    draw_mouth(pen, face, PAPER if teeth else tinted(colour, 0.8))
    return canvas.reduce(SUPERSAMPLING)


def palette(colour: Colour) -> list[Colour]:
    """The flat colours of an emotion and their mixtures with ink, for the edges of lines."""
    flats = [tinted(colour, share) for share in (0.45, 0.07, 0.8)]
    mixtures = [tinted(INK, step / 4, flat) for flat in flats for step in range(4)]
    return [INK, PAPER, tinted(INK, 0.5, PAPER), *mixtures]


def indexed(frame: Image.Image, colours: list[Colour]) -> Image.Image:
    """`frame` in `colours` and, outside of the disc, one transparent entry more."""
    reference = Image.new("P", (1, 1))
    reference.putpalette([channel for colour in colours for channel in colour])
    outside = Image.new("1", frame.size, 1)
    margin = SIZE / 2 - DISC_RADIUS
    ImageDraw.Draw(outside).ellipse((margin, margin, SIZE - 1 - margin, SIZE - 1 - margin), fill=0)
    result = frame.quantize(palette=reference, dither=Image.Dither.NONE)
    result.paste(len(colours), mask=outside)
    result.putpalette([channel for colour in [*colours, PAPER] for channel in colour])
    result.info["transparency"] = len(colours)
    return result


def frames(emotion: Emotion) -> list[Image.Image]:
    """All frames of the loop; the first is the face at rest."""
    colours = palette(emotion.colour)
    return [
        indexed(draw_face(face_at(emotion, number / FRAMES), emotion.colour), colours)
        for number in range(FRAMES)
    ]


def write(name: str, folder: Path) -> None:
    """Write ``<name>.gif``, which loops for ever, and its first frame as ``<name>.png``."""
    first, *others = frames(FACES[name])
    first.save(folder / f"{name}.png", optimize=True)
    first.save(
        folder / f"{name}.gif",
        save_all=True,
        append_images=others,
        duration=FRAME_MS,
        loop=0,
        disposal=1,
        optimize=True,
    )


if __name__ == "__main__":
    for each in FACES:
        write(each, Path(__file__).parent)
