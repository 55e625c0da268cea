"""Draws the icons of the installed site from the word mark: ``python static/icons/draw.py``."""

import math
from pathlib import Path

from PIL import Image, ImageDraw

HERE = Path(__file__).parent
DISC, TONE = "#33408f", "#faf8f3"
SCALE = 4
"""Drawn so much larger, then made smaller, for smooth edges."""


def draw(size: int, mark: float, whole: bool) -> Image.Image:
    """Draw the mark on its disc; `whole` fills the square, for masks that cut it to any shape."""
    side = size * SCALE
    image = Image.new("RGBA", (side, side), DISC if whole else (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    if not whole:
        pen.ellipse((0, 0, side - 1, side - 1), fill=DISC)
    unit = mark * side / 32
    middle = side / 2
    width = round(2.6 * unit)

    def line(points: list[tuple[float, float]]) -> None:
        placed = [(middle + (x - 16) * unit, middle + (y - 16) * unit) for x, y in points]
        pen.line(placed, fill=TONE, width=width, joint="curve")
        for x, y in (placed[0], placed[-1]):
            pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=TONE)

    line([(8, 12.5), (24, 12.5)])
    line([(8 + t / 4, 20 - 3.3 * math.sin(math.pi * t / 32)) for t in range(65)])
    return image.resize((size, size), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    for name, size, mark, whole in (
        ("icon-192", 192, 1.0, False),
        ("icon-512", 512, 1.0, False),
        ("maskable-512", 512, 0.75, True),
    ):
        draw(size, mark, whole).save(HERE / f"{name}.png", optimize=True)
