"""Draw label maps: colors over an image, names, and a legend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from yt360.labels.classes import NAMES, NO_CLASS, palette
from yt360.labels.segments import Segment

OPACITY = 0.55
BORDER = (255, 255, 255)
NONE_NAME = "none"


def colored(joint: np.ndarray) -> np.ndarray:
    """Return the colors (..., 3) uint8 of joint class numbers (...)."""
    return palette()[joint]


def overlay(image: np.ndarray, joint: np.ndarray, ids: np.ndarray | None = None) -> np.ndarray:
    """Draw class colors over an image, with a thin line around every segment.

    Args:
        image: (H, W, 3) uint8.
        joint: (H, W) joint class numbers; 134 is not colored.
        ids: (H, W) segment ids whose borders are drawn; None draws the borders of classes.
    """
    mixed = image * (1 - OPACITY) + colored(joint) * OPACITY
    mixed = np.where((joint == NO_CLASS)[..., None], image, mixed)
    mixed[borders(joint if ids is None else ids)] = BORDER
    return mixed.round().astype(np.uint8)


def borders(ids: np.ndarray) -> np.ndarray:
    """Return a mask (H, W) of pixels whose right or lower neighbour has another value."""
    edge = np.zeros(ids.shape, dtype=bool)
    edge[:, :-1] |= ids[:, :-1] != ids[:, 1:]
    edge[:-1] |= ids[:-1] != ids[1:]
    return edge


def with_names(image: np.ndarray, ids: np.ndarray, segments: Sequence[Segment]) -> Image.Image:
    """Write names into the middle of segments, the largest first, if there is room.

    Args:
        image: (H, W, 3) uint8, such as an `overlay`.
        ids: (H, W) segment ids.
        segments: The segments of the ids.
    """
    drawn = Image.fromarray(image)
    draw = ImageDraw.Draw(drawn)
    size = max(10, round(min(ids.shape) / 36))
    font = ImageFont.load_default(size)
    taken: list[tuple[float, float, float, float]] = []
    for segment in sorted(segments, key=lambda segment: -segment.area):
        if segment.area < 40 * size:
            break
        text = NAMES[segment.joint] + (f" {segment.score:.0%}" if segment.is_thing else "")
        y, middle = _innermost(ids == segment.id)
        half = font.getlength(text) / 2 + 2
        if 2 * half > drawn.width:
            continue
        x = min(max(middle, half), drawn.width - half)
        box = (x - half, y - size * 0.7, x + half, y + size * 0.7)
        if any(_overlap(box, other) for other in taken):
            continue
        taken.append(box)
        stroke = max(1, size // 9)
        draw.text((x, y), text, "white", font, "mm", stroke_width=stroke, stroke_fill="black")
    return drawn


def legend(fractions: Sequence[tuple[int, float]], width: int, size: int = 14) -> Image.Image:
    """Draw color patches with names and fractions, in as many rows as they need.

    Args:
        fractions: (joint class, fraction of the pixels) in the order wanted.
        width: Width of the image in pixels.
        size: Height of the letters in pixels.
    """
    font = ImageFont.load_default(size)
    gap, row = size, round(size * 1.8)
    places: list[tuple[int, int, int, str]] = []
    x, y = gap, gap // 2
    for label, fraction in fractions:
        name = NAMES[label] if label != NO_CLASS else NONE_NAME
        text = f"{name} {fraction:.1%}" if fraction >= 0.001 else f"{name} <0.1%"
        needed = size + gap // 2 + round(font.getlength(text)) + gap
        if x > gap and x + needed > width:
            x, y = gap, y + row
        places.append((x, y, label, text))
        x += needed
    image = Image.new("RGB", (width, y + row), "white")
    draw = ImageDraw.Draw(image)
    for x, y, label, text in places:
        middle = y + row // 2
        patch = (x, middle - size // 2, x + size, middle + size // 2)
        draw.rectangle(patch, tuple(palette()[label].tolist()), "black")
        draw.text((x + size + gap // 2, middle), text, "black", font, anchor="lm")
    return image


def stacked(images: Sequence[Image.Image]) -> Image.Image:
    """Stack images of one width vertically."""
    sheet = Image.new("RGB", (images[0].width, sum(image.height for image in images)), "white")
    y = 0
    for image in images:
        sheet.paste(image, (0, y))
        y += image.height
    return sheet


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _innermost(mask: np.ndarray) -> tuple[int, int]:
    """Return row and column of the pixel farthest from the outside of a mask."""
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), mask.shape)
    return int(row), int(column)
