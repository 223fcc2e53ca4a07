"""Draw the scene overview of docs/scenes.md: one scene of each place.

python tools/draw_scenes.py docs/images/scenes.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from yt360.scenes.video.frames import render
from yt360.scenes.world.parameters import PLACES, choose_parameters
from yt360.scenes.world.sampling import sample_scene

WIDTH, HEIGHT, GAP = 512, 256, 6
SEED, MOMENT_S = 3, 2.0


def draw_overview() -> Image.Image:
    """Return the places in three rows of two."""
    columns, rows = 2, len(PLACES) // 2
    size = (columns * (WIDTH + GAP) - GAP, rows * (HEIGHT + GAP) - GAP)
    sheet = Image.new("RGB", size, "white")
    for number, place in enumerate(PLACES):
        parameters = choose_parameters("default", [f"places={place}", "sources=3"])
        scene = sample_scene(SEED, number, parameters, duration_s=4.0)
        image = next(render(scene, np.array([MOMENT_S]), HEIGHT, WIDTH))
        row, column = divmod(number, columns)
        sheet.paste(Image.fromarray(image), (column * (WIDTH + GAP), row * (HEIGHT + GAP)))
    return sheet


if __name__ == "__main__":
    draw_overview().save(Path(sys.argv[1]), optimize=True)
