"""Draw how a panorama is labelled: outlines of the views, their segmentations, the fused map.

The segmenter returns the ground truth of a synthetic scene in each view.

    python tools/draw_label_views.py --out docs/images/label-views.png
"""

from __future__ import annotations

import argparse
import colorsys
import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from yt360.labels.overlay import overlay, stacked
from yt360.labels.segmenters.base import Segmentation
from yt360.labels.sphere.fusion import fuse, make_fusion_table, render_views
from yt360.labels.sphere.views import DEFAULT_VIEWS, VIEW_SETS, ViewSet
from yt360.scenes.video.frames import render
from yt360.scenes.world.parameters import PRESETS
from yt360.scenes.world.sampling import sample_scene
from yt360.sphere import direction_to_equirect

WIDTH, SIDE, GAP = 1200, 320, 10


def outlined(panorama: np.ndarray, views: ViewSet) -> Image.Image:
    """Draw the rim of every view onto a panorama (H, W, 3)."""
    image = Image.fromarray(panorama)
    draw = ImageDraw.Draw(image)
    side = 400
    for number, directions in enumerate(views.directions(side)):
        rim = torch.cat([directions[0], directions[:, -1], directions[-1], directions[:, 0]])
        uv = direction_to_equirect(rim) * torch.tensor([image.width, image.height])
        for x, y in uv.tolist():
            draw.ellipse((x - 1.5, y - 1.5, x + 1.5, y + 1.5), fill=view_color(number, len(views)))
    return image


def view_color(number: int, of: int) -> tuple[int, int, int]:
    """Return a distinct colour for each view."""
    red, green, blue = colorsys.hsv_to_rgb(number / of, 0.85, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def strip(images: Tensor, answers: list[Segmentation], width: int) -> Image.Image:
    """Arrange views with their segmentations and coloured borders in rows of four."""
    rows = -(-len(answers) // 4)
    size = (width - 3 * GAP) // 4
    sheet = Image.new("RGB", (width, rows * (size + GAP)), "white")
    for number, (image, answer) in enumerate(zip(images, answers, strict=True)):
        drawn = overlay(image.numpy(), answer.classes.numpy())
        tile = Image.fromarray(drawn).resize((size, size), Image.Resampling.LANCZOS)
        frame = ImageDraw.Draw(tile)
        frame.rectangle((0, 0, size - 1, size - 1), outline=view_color(number, len(answers)),
                        width=5)  # fmt: skip
        row, column = divmod(number, 4)
        sheet.paste(tile, (column * (size + GAP), row * (size + GAP)))
    return sheet


def title(text: str) -> Image.Image:
    """Return a line of text."""
    image = Image.new("RGB", (WIDTH, 34), "white")
    draw = ImageDraw.Draw(image)
    draw.text((0, 20), text, "black", ImageFont.load_default(18), anchor="lm")
    return image


def main() -> None:
    """Draw the figure and save it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--views", default=DEFAULT_VIEWS, choices=list(VIEW_SETS))
    parser.add_argument("--scene", type=int, default=0)
    parser.add_argument("--at-s", type=float, default=2.0)
    arguments = parser.parse_args()
    views = VIEW_SETS[arguments.views]
    scene = sample_scene(0, arguments.scene, PRESETS["default"], 10.0)
    times = np.array([arguments.at_s])
    frame = torch.from_numpy(np.stack(list(render(scene, times, WIDTH // 2, WIDTH))))
    directions = views.directions(SIDE)
    images = render_views(frame, directions)[0]
    answers = []
    for each in directions.float():
        classes = torch.from_numpy(scene.class_at(each.numpy(), arguments.at_s))
        nothing = torch.zeros(classes.shape, dtype=torch.int32)
        answers.append(Segmentation(classes, torch.ones(classes.shape), nothing))
    found = fuse(answers, make_fusion_table(views, SIDE, WIDTH // 2, WIDTH))
    panorama = frame[0].numpy()
    sheet = stacked(
        [
            title(f"The views {views.name!r} on the panorama"),
            outlined(panorama, views),
            title("Each view and its answer"),
            strip(images, answers, WIDTH),
            title("The answers fused on the sphere"),
            Image.fromarray(overlay(panorama, found.classes.numpy())),
        ]
    )
    buffer = io.BytesIO()
    sheet.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(
        buffer, "PNG", optimize=True
    )
    arguments.out.write_bytes(buffer.getvalue())


if __name__ == "__main__":
    main()
