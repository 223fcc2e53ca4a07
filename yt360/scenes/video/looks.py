"""The look of each class of objects: an outline, and a function that paints the inside.

A look is drawn in the object's own plane (see `yt360.scenes.video.shapes`). Its outline decides
which directions belong to the object, in frames and in class maps.
"""

from __future__ import annotations

from collections.abc import Callable
from colorsys import hsv_to_rgb
from dataclasses import dataclass

import numpy as np

from yt360.scenes.video.shapes import (
    Array,
    Canvas,
    Colour,
    box,
    capsule,
    circle,
    convex,
    ellipse,
    norm,
    union,
)

WHITE, BLACK, CREAM, GOLD = (0.97, 0.97, 0.95), (0.1, 0.1, 0.13), (1.0, 0.93, 0.78), (1.0, 0.8, 0.2)


@dataclass(frozen=True)
class Look:
    """The look of a class.

    Attributes:
        hue: Middle of the class's colour family, in turns of the colour circle.
        saturation: Saturation of the main colour.
        value: Brightness of the main colour.
        outline: Signed distance (n,) of points x, y to the object's outline.
        paint: Paints the inside on a canvas that is already filled with the main colour.
    """

    hue: float
    saturation: float
    value: float
    outline: Callable[[Array, Array], Array]
    paint: Callable[[Canvas], None]

    def draw(self, canvas: Canvas) -> Array:
        """Paint an object of the canvas's hue and return the cover (n,) of its outline."""
        canvas.rgb.T[:] = shade_of(canvas.hue, self.saturation, self.value)
        self.paint(canvas)
        canvas.shade()
        edge = self.outline(canvas.x, canvas.y)
        rim = np.clip((edge + np.float32(0.09)) / (np.float32(0.05) + canvas.softness), 0, 1)
        dark = shade_of(canvas.hue, self.saturation, 0.3 * self.value)
        canvas.blend(rim * np.float32(0.85), dark)
        return canvas.cover(edge)


def shade_of(hue: float, saturation: float, value: float) -> Colour:
    """Return the RGB colour of a hue in turns (any real number), saturation and value."""
    return hsv_to_rgb(hue % 1.0, saturation, value)


def _bird_outline(x: Array, y: Array) -> Array:
    return union(
        ellipse(x, y, -0.05, -0.12, 0.62, 0.52),
        circle(x, y, 0.35, 0.32, 0.38),
        convex(x, y, ((-0.95, 0.42), (-0.72, -0.1), (-0.3, -0.1), (-0.3, 0.15))),
        convex(x, y, ((0.66, 0.2), (0.98, 0.22), (0.66, 0.46))),
        capsule(x, y, (-0.08, -0.6), (-0.02, -0.9), 0.05),
        capsule(x, y, (0.14, -0.6), (0.2, -0.9), 0.05),
    )


def _paint_bird(canvas: Canvas) -> None:
    x, y = canvas.x, canvas.y
    canvas.paint(ellipse(x, y, 0.12, -0.3, 0.4, 0.3), CREAM)
    canvas.paint(convex(x, y, ((0.68, 0.1), (1.2, 0.22), (0.68, 0.56))), (1.0, 0.6, 0.1))
    canvas.paint(np.maximum(y + np.float32(0.62), -x - np.float32(0.3)), (1.0, 0.6, 0.1))
    flap = np.float32(0.16) * np.sin(canvas.phase * 3).astype(np.float32)
    wing = ellipse(x, y + flap * (x + np.float32(0.05)), -0.22, -0.05, 0.4, 0.24)
    canvas.paint(wing, shade_of(canvas.hue + 0.06, 0.9, 0.5))
    canvas.paint(circle(x, y, 0.45, 0.4, 0.13), WHITE)
    canvas.paint(circle(x, y, 0.49, 0.4, 0.075), BLACK)


def _dog_outline(x: Array, y: Array) -> Array:
    return union(
        ellipse(x, y, 0.0, -0.02, 0.66, 0.78),
        capsule(x, y, (-0.55, 0.5), (-0.72, -0.2), 0.24),
        capsule(x, y, (0.55, 0.5), (0.72, -0.2), 0.24),
    )


def _paint_dog(canvas: Canvas) -> None:
    x, y = canvas.x, canvas.y
    canvas.paint(circle(x, y, -0.26, 0.2, 0.27), shade_of(canvas.hue, 0.35, 0.32))
    ear = shade_of(canvas.hue, 0.4, 0.22)
    canvas.paint(capsule(x, y, (-0.57, 0.5), (-0.74, -0.2), 0.25), ear)
    canvas.paint(capsule(x, y, (0.57, 0.5), (0.74, -0.2), 0.25), ear)
    canvas.paint(capsule(x, y, (0.0, -0.45), (0.0, -0.62), 0.13), (0.95, 0.35, 0.42))
    canvas.paint(ellipse(x, y, 0.0, -0.3, 0.36, 0.24), WHITE)
    canvas.paint(ellipse(x, y, 0.0, -0.16, 0.17, 0.12), BLACK)
    for side in (-0.25, 0.25):
        canvas.paint(circle(x, y, side, 0.22, 0.1), BLACK)
        canvas.paint(circle(x, y, side + 0.03, 0.25, 0.035), WHITE)


def _car_outline(x: Array, y: Array) -> Array:
    return union(
        box(x, y, 0.0, -0.16, (0.97, 0.3), 0.18),
        convex(x, y, ((-0.72, 0.08), (0.64, 0.08), (0.34, 0.62), (-0.46, 0.62))),
        circle(x, y, -0.52, -0.46, 0.29),
        circle(x, y, 0.52, -0.46, 0.29),
    )


def _paint_car(canvas: Canvas) -> None:
    x, y = canvas.x, canvas.y
    glass = convex(x, y, ((-0.54, 0.13), (0.47, 0.13), (0.27, 0.5), (-0.39, 0.5)))
    canvas.paint(np.maximum(glass, np.float32(0.05) - np.abs(x + np.float32(0.04))), (0.7, 0.9, 1))
    canvas.paint(box(x, y, 0.0, -0.1, (0.9, 0.04), 0.02), WHITE)
    canvas.paint(circle(x, y, 0.84, -0.08, 0.12), GOLD)
    for wheel in (-0.52, 0.52):
        canvas.paint(circle(x, y, wheel, -0.46, 0.3), BLACK)
        canvas.paint(circle(x, y, wheel, -0.46, 0.14), (0.8, 0.82, 0.85))


def _train_outline(x: Array, y: Array) -> Array:
    return union(
        box(x, y, 0.15, 0.0, (0.75, 0.34), 0.2),
        box(x, y, -0.55, 0.14, (0.38, 0.56), 0.06),
        box(x, y, 0.55, 0.5, (0.15, 0.34), 0.04),
        box(x, y, 0.0, -0.36, (0.94, 0.12), 0.05),
        circle(x, y, -0.55, -0.52, 0.26),
        circle(x, y, 0.05, -0.52, 0.26),
        circle(x, y, 0.62, -0.52, 0.26),
    )


def _paint_train(canvas: Canvas) -> None:
    x, y = canvas.x, canvas.y
    canvas.paint(box(x, y, -0.55, 0.62, (0.5, 0.1), 0.04), BLACK)
    canvas.paint(box(x, y, -0.55, 0.28, (0.22, 0.18), 0.04), CREAM)
    canvas.paint(box(x, y, 0.55, 0.5, (0.16, 0.36), 0.02), BLACK)
    canvas.paint(box(x, y, 0.55, 0.72, (0.2, 0.07), 0.02), GOLD)
    for band in (0.0, 0.38):
        canvas.paint(box(x, y, band, 0.0, (0.045, 0.36), 0.01), GOLD)
    for wheel in (-0.55, 0.05, 0.62):
        canvas.paint(circle(x, y, wheel, -0.52, 0.27), (0.78, 0.12, 0.1))
        canvas.paint(circle(x, y, wheel, -0.52, 0.1), GOLD)


def _boat_outline(x: Array, y: Array) -> Array:
    return union(
        convex(x, y, ((-0.6, -0.75), (0.6, -0.75), (0.95, -0.28), (-0.95, -0.28))),
        convex(x, y, ((0.04, -0.22), (0.74, -0.22), (0.04, 0.95))),
        convex(x, y, ((-0.62, -0.22), (-0.06, -0.22), (-0.06, 0.72))),
        box(x, y, -0.01, 0.2, (0.06, 0.7), 0.02),
    )


def _paint_boat(canvas: Canvas) -> None:
    x, y = canvas.x, canvas.y
    canvas.paint(-y - np.float32(0.25), WHITE)
    canvas.paint(box(x, y, 0.3, 0.1, (0.45, 0.09), 0.01), shade_of(canvas.hue, 0.7, 0.9))
    canvas.paint(box(x, y, -0.01, 0.3, (0.055, 0.7), 0.02), (0.45, 0.28, 0.15))
    canvas.paint(box(x, y, 0.0, -0.42, (1.0, 0.05), 0.01), WHITE)


def _ball_outline(x: Array, y: Array) -> Array:
    return circle(x, y, 0.0, 0.0, 0.96)


def _paint_ball(canvas: Canvas) -> None:
    x, y = canvas.x, canvas.y
    # The panels meet off centre, as on a ball seen from the side.
    angle = np.arctan2(y - np.float32(0.25), x + np.float32(0.2)) + canvas.phase
    radius = norm(x + np.float32(0.2), y - np.float32(0.25))
    sector = np.cos(3 * angle).astype(np.float32)
    cover = np.clip(0.5 + sector * radius / (3 * canvas.softness), 0, 1)
    canvas.blend(cover.astype(np.float32), WHITE)
    canvas.paint(radius - np.float32(0.17), shade_of(canvas.hue + 0.45, 0.85, 0.75))


def _kite_outline(x: Array, y: Array) -> Array:
    return union(
        convex(x, y, ((0.0, -0.46), (0.78, 0.3), (0.0, 0.98), (-0.78, 0.3))),
        capsule(x, y, (0.0, -0.42), (0.14, -0.68), 0.05),
        capsule(x, y, (0.14, -0.68), (-0.02, -0.9), 0.05),
        ellipse(x, y, 0.12, -0.66, 0.24, 0.12),
        ellipse(x, y, -0.02, -0.87, 0.24, 0.12),
    )


def _paint_kite(canvas: Canvas) -> None:
    x, y = canvas.x, canvas.y
    quadrants = np.maximum(-x * (y - np.float32(0.3)), -y - np.float32(0.48))
    canvas.paint(quadrants * 2, GOLD)
    canvas.paint(np.abs(x) - np.float32(0.035), WHITE)
    canvas.paint(np.abs(y - np.float32(0.3)) - np.float32(0.035), WHITE)
    canvas.paint(y + np.float32(0.54), shade_of(canvas.hue + 0.5, 0.6, 0.85))


def _clock_outline(x: Array, y: Array) -> Array:
    return circle(x, y, 0.0, 0.0, 0.96)


def _paint_clock(canvas: Canvas) -> None:
    x, y = canvas.x, canvas.y
    canvas.paint(circle(x, y, 0.0, 0.0, 0.72), WHITE)
    radius, angle = norm(x, y), np.arctan2(y, x)
    around = np.abs((angle * (6 / np.pi) + 0.5) % 1.0 - 0.5) * radius * (np.pi / 6)
    ticks = np.maximum(around - 0.035, np.abs(radius - 0.6) - 0.07).astype(np.float32)
    canvas.paint(ticks, BLACK)
    for turns, length, width in ((1 / 12, 0.34, 0.075), (1.0, 0.52, 0.05)):
        turn = np.pi / 2 - canvas.phase * np.float32(turns)
        cos, sin = np.cos(turn).astype(np.float32), np.sin(turn).astype(np.float32)
        canvas.paint(
            capsule(cos * x + sin * y, cos * y - sin * x, (0, 0), (length, 0), width), BLACK
        )
    canvas.paint(circle(x, y, 0.0, 0.0, 0.1), shade_of(canvas.hue, 0.9, 0.8))


def _phone_outline(x: Array, y: Array) -> Array:
    return box(x, y, 0.0, 0.0, (0.5, 0.96), 0.14)


def _paint_phone(canvas: Canvas) -> None:
    x, y = canvas.x, canvas.y
    canvas.paint(box(x, y, 0.0, 0.08, (0.4, 0.68), 0.05), shade_of(canvas.hue, 0.75, 1.0))
    canvas.paint(box(x, y, 0.0, 0.44, (0.4, 0.32), 0.05), shade_of(canvas.hue + 0.1, 0.45, 1.0))
    for row in (-0.38, -0.12):
        for column in (-0.22, 0.0, 0.22):
            canvas.paint(box(x, y, column, row, (0.075, 0.09), 0.03), WHITE)
    canvas.paint(circle(x, y, 0.0, -0.77, 0.09), WHITE)


def _bear_outline(x: Array, y: Array) -> Array:
    return union(
        ellipse(x, y, 0.0, -0.14, 0.84, 0.76),
        circle(x, y, -0.6, 0.56, 0.33),
        circle(x, y, 0.6, 0.56, 0.33),
    )


def _paint_bear(canvas: Canvas) -> None:
    x, y = canvas.x, canvas.y
    for side in (-1.0, 1.0):
        canvas.paint(circle(x, y, side * 0.6, 0.56, 0.18), (1.0, 0.72, 0.6))
    canvas.paint(ellipse(x, y, 0.0, -0.14, 0.82, 0.74), shade_of(canvas.hue, 0.72, 0.86))
    canvas.paint(ellipse(x, y, 0.0, -0.4, 0.4, 0.3), CREAM)
    canvas.paint(ellipse(x, y, 0.0, -0.26, 0.17, 0.12), (0.25, 0.12, 0.08))
    for side in (-0.34, 0.34):
        canvas.paint(circle(x, y, side, 0.1, 0.11), BLACK)
        canvas.paint(circle(x, y, side - 0.03, 0.13, 0.04), WHITE)
        canvas.paint(circle(x, y, side * 1.6, -0.2, 0.11), (1.0, 0.55, 0.5))


def _umbrella_outline(x: Array, y: Array) -> Array:
    dome = np.maximum(circle(x, y, 0.0, 0.0, 0.95), np.float32(0.02) - y)
    return union(
        dome,
        box(x, y, 0.0, -0.4, (0.06, 0.45), 0.03),
        capsule(x, y, (0.0, -0.84), (0.2, -0.88), 0.06),
        capsule(x, y, (0.2, -0.88), (0.26, -0.72), 0.06),
    )


def _paint_umbrella(canvas: Canvas) -> None:
    x, y = canvas.x, canvas.y
    for side in (-0.5, 0.5):
        canvas.paint(ellipse(x, y, side, 0.0, 0.19, 0.86), shade_of(canvas.hue + 0.1, 0.35, 0.98))
    canvas.paint(ellipse(x, y, 0.0, 0.0, 0.12, 0.96), shade_of(canvas.hue + 0.1, 0.35, 0.98))
    canvas.paint(y + np.float32(0.01), (0.5, 0.32, 0.2))


def _donut_outline(x: Array, y: Array) -> Array:
    return np.abs(norm(x, y) - np.float32(0.62)) - np.float32(0.34)


def _paint_donut(canvas: Canvas) -> None:
    x, y = canvas.x, canvas.y
    radius, angle = norm(x, y), np.arctan2(y, x)
    wave = np.float32(0.04) * np.sin(7 * angle)
    icing = np.abs(radius - np.float32(0.6)) - np.float32(0.22) + wave
    canvas.paint(icing.astype(np.float32), shade_of(canvas.hue + 0.86, 0.5, 1.0))
    for ring, count in ((0.5, 7), (0.7, 11)):
        near = np.abs((angle * count / (2 * np.pi) + ring) % 1.0 - 0.5) * 2 * np.pi * radius / count
        dot = np.maximum(near - 0.06, np.abs(radius - ring) - 0.035).astype(np.float32)
        canvas.paint(dot, CREAM)


def _sign_outline(x: Array, y: Array) -> Array:
    turns = [(k + 0.5) * np.pi / 4 for k in range(8)]
    return convex(x, y, tuple((0.95 * float(np.cos(t)), 0.95 * float(np.sin(t))) for t in turns))


def _paint_sign(canvas: Canvas) -> None:
    x, y = canvas.x, canvas.y
    canvas.paint(np.abs(_sign_outline(x, y) + np.float32(0.14)) - np.float32(0.05), WHITE)
    canvas.paint(box(x, y, 0.0, 0.0, (0.56, 0.14), 0.03), WHITE)


def _plant_outline(x: Array, y: Array) -> Array:
    return union(
        convex(x, y, ((-0.34, -0.95), (0.34, -0.95), (0.46, -0.3), (-0.46, -0.3))),
        box(x, y, 0.0, -0.32, (0.54, 0.12), 0.04),
        ellipse(x, y, 0.0, 0.4, 0.24, 0.56),
        *(_leaf(x, y, side, tilt) for side in (-1, 1) for tilt in (0.55, 1.1)),
    )


def _leaf(x: Array, y: Array, side: int, tilt: float) -> Array:
    cos, sin = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))
    across = side * x * cos - (y + np.float32(0.2)) * sin
    along = side * x * sin + (y + np.float32(0.2)) * cos
    return ellipse(across, along, 0.0, 0.5, 0.17, 0.5)


def _paint_plant(canvas: Canvas) -> None:
    x, y = canvas.x, canvas.y
    canvas.paint(np.abs(x) - np.float32(0.03) + np.maximum(-y, 0), shade_of(canvas.hue, 0.5, 0.9))
    for side in (-1, 1):
        canvas.paint(_leaf(x, y, side, 1.1) + np.float32(0.09), shade_of(canvas.hue, 0.55, 0.85))
    pot = union(
        convex(x, y, ((-0.34, -0.95), (0.34, -0.95), (0.46, -0.3), (-0.46, -0.3))),
        box(x, y, 0.0, -0.32, (0.54, 0.12), 0.04),
    )
    canvas.paint(pot, (0.82, 0.42, 0.26))
    canvas.paint(box(x, y, 0.0, -0.46, (0.5, 0.03), 0.01), (0.6, 0.28, 0.17))


LOOKS = {
    "bird": Look(0.56, 0.75, 0.92, _bird_outline, _paint_bird),
    "dog": Look(0.08, 0.12, 0.93, _dog_outline, _paint_dog),
    "car": Look(0.99, 0.85, 0.9, _car_outline, _paint_car),
    "train": Look(0.38, 0.75, 0.45, _train_outline, _paint_train),
    "boat": Look(0.75, 0.65, 0.75, _boat_outline, _paint_boat),
    "sports ball": Look(0.13, 0.9, 1.0, _ball_outline, _paint_ball),
    "kite": Look(0.9, 0.75, 0.95, _kite_outline, _paint_kite),
    "clock": Look(0.11, 0.8, 0.85, _clock_outline, _paint_clock),
    "cell phone": Look(0.48, 0.45, 0.22, _phone_outline, _paint_phone),
    "teddy bear": Look(0.07, 0.75, 0.75, _bear_outline, _paint_bear),
    "umbrella": Look(0.68, 0.7, 0.85, _umbrella_outline, _paint_umbrella),
    "donut": Look(0.09, 0.6, 0.85, _donut_outline, _paint_donut),
    "stop sign": Look(0.0, 0.9, 0.75, _sign_outline, _paint_sign),
    "potted plant": Look(0.32, 0.75, 0.6, _plant_outline, _paint_plant),
}
