"""Labelled frames in the layouts in which 360° and other video is stored.

Directions are unit vectors (x front, y left, z up); every frame is scaled to 2:1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, map_coordinates, zoom

from quality.videos import HEIGHT, WIDTH, Image, panorama

Directions = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """A way to store a panorama.

    Attributes:
        draw: Draws a panorama (240, 480) in this layout.
        looks_like: The projection and the eyes that the pixels show.
        expected: ``"ok"``, or the reason of the defect, if the frame is untagged.
    """

    draw: Callable[[Image, np.random.Generator], Image]
    looks_like: tuple[str, str]
    expected: str


def equirectangular(height: int, width: int, part: float = 1.0) -> Directions:
    """Return the directions (H, W, 3) of an image, or of the middle `part` of the horizon."""
    azimuth = (0.5 - (np.arange(width) + 0.5) / width) * 2 * np.pi * part
    elevation = (0.5 - (np.arange(height) + 0.5) / height)[:, None] * np.pi
    parts = (
        np.cos(elevation) * np.cos(azimuth),
        np.cos(elevation) * np.sin(azimuth),
        np.sin(elevation),
    )
    return np.stack(np.broadcast_arrays(*parts), axis=-1)


def cube_faces(size: int, *, equi_angular: bool = False) -> dict[str, Directions]:
    """Return the directions of each face's pixels, seen from inside: right and down in the face."""
    step = (np.arange(size) + 0.5) / size * 2 - 1
    if equi_angular:
        step = np.tan(step * np.pi / 4)
    right, down = np.meshgrid(step, step)
    one = np.ones_like(right)
    faces = {
        "front": (one, -right, -down),
        "back": (-one, right, -down),
        "left": (right, one, -down),
        "right": (-right, -one, -down),
        # Looking up with the back at the face's top, and down with the front at its top.
        "up": (down, -right, one),
        "down": (-down, -right, -one),
    }
    return {name: _unit(np.stack(parts, axis=-1)) for name, parts in faces.items()}


def c3x2(size: int) -> Directions:
    """Return the directions of FFmpeg's cubemap."""
    f = cube_faces(size)
    return _grid([f["right"], f["left"], f["up"]], [f["down"], f["front"], f["back"]])


def cubemap(size: int) -> Directions:
    """As the RFC has it: the top of the up face is in front, that of the down face behind."""
    f = cube_faces(size)
    up, down = np.rot90(f["up"], 2), np.rot90(f["down"], 2)
    return _grid([f["right"], f["left"], up], [down, f["front"], f["back"]])


def eac(size: int) -> Directions:
    """As YouTube has it: left, front, right; below down, back, up, turned to join each other."""
    f = cube_faces(size, equi_angular=True)
    lower = [np.rot90(f["down"]), np.rot90(f["back"], -1), np.rot90(f["up"])]
    return _grid([f["left"], f["front"], f["right"]], lower)


def flat(height: int, width: int, hfov_deg: float) -> Directions:
    """Return the directions of a pinhole camera that looks to the front."""
    half = np.tan(np.radians(hfov_deg) / 2)
    right, down = np.meshgrid(
        ((np.arange(width) + 0.5) / width * 2 - 1) * half,
        ((np.arange(height) + 0.5) / height * 2 - 1) * half * height / width,
    )
    return _unit(np.stack([np.ones_like(right), -right, -down], axis=-1))


def fisheye(size: int, fov_deg: float) -> tuple[Directions, NDArray[np.bool_]]:
    """Return the directions of an equidistant lens that looks to the front, and its circle."""
    step = (np.arange(size) + 0.5) / size * 2 - 1
    right, down = np.meshgrid(step, step)
    radius = np.hypot(right, down)
    angle = radius * np.radians(fov_deg) / 2
    side = np.sinc(angle / np.pi) * np.radians(fov_deg) / 2
    return np.stack([np.cos(angle), -right * side, -down * side], axis=-1), radius <= 1


def sample(image: Image, directions: Directions) -> Image:
    """Return a panorama's luma in some directions (..., 3)."""
    height, width = image.shape
    x, y, z = np.moveaxis(directions, -1, 0)
    columns = (0.5 - np.arctan2(y, x) / (2 * np.pi)) * width - 0.5
    rows = np.clip((0.5 - np.arcsin(np.clip(z, -1, 1)) / np.pi) * height - 0.5, 0, height - 1)
    return np.asarray(map_coordinates(image, [rows, columns], order=1, mode="grid-wrap"))


def scaled(image: Image, height: int = HEIGHT, width: int = WIDTH) -> Image:
    """Scale an image."""
    factors = (height / image.shape[0], width / image.shape[1])
    return np.asarray(zoom(image, factors, order=1, mode="nearest", grid_mode=True))


def draw_layout(kind: str, rng: np.random.Generator) -> Image:
    """Return a random panorama (240, 480) in a layout of `LAYOUTS`."""
    drawn = LAYOUTS[kind].draw(_with_poles(panorama(rng)), rng)
    return np.clip(drawn, 0, 255).astype(np.float32)


def _with_poles(image: Image) -> Image:
    """Blur rows, which hold less detail the nearer they are to a pole."""
    result = image.copy()
    for row in range(HEIGHT):
        cosine = np.cos((0.5 - (row + 0.5) / HEIGHT) * np.pi)
        result[row] = gaussian_filter1d(image[row], 1 / cosine - 1, mode="wrap")
    return result


def _unit(vectors: Directions) -> Directions:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _grid(*rows: list[Directions]) -> Directions:
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


def _backwards(directions: Directions) -> Directions:
    return directions * np.array([-1.0, -1.0, 1.0])


def _other_eye(image: Image, rng: np.random.Generator) -> Image:
    """Shift parts of a panorama by the disparity of things at different distances."""
    degrees = scaled(rng.uniform(0.3, 4, (4, 8)).astype(np.float32))
    columns = (np.arange(WIDTH) + degrees * WIDTH / 360) % WIDTH
    rows = np.broadcast_to(np.arange(HEIGHT)[:, None], columns.shape)
    return np.asarray(map_coordinates(image, [rows, columns], order=1, mode="grid-wrap"))


def _logo(image: Image, rng: np.random.Generator) -> Image:
    """Cover the ground by a sign that is not drawn as seen from the camera."""
    result = image.copy()
    result[-HEIGHT // 8 :] = 128 + 100 * np.sin(np.arange(WIDTH) / rng.uniform(3, 20))
    return result


def _black_poles(image: Image, rng: np.random.Generator) -> Image:
    result = image.copy()
    result[: int(rng.uniform(0.1, 0.3) * HEIGHT)] = 0
    result[-int(rng.uniform(0.1, 0.3) * HEIGHT) :] = 0
    return result


def _stitched(image: Image, rng: np.random.Generator) -> Image:
    """Two lenses of different exposure, which do not quite fit at the left and right edge."""
    gain = np.linspace(1, rng.uniform(0.96, 1.04), WIDTH)
    result = np.clip(image * gain, 0, 255)
    half = WIDTH // 2
    result[:, half:] = np.roll(result[:, half:], int(rng.integers(-1, 2)), axis=0)
    return np.asarray(result)


def _dark(image: Image, rng: np.random.Generator) -> Image:
    """A view at night, which is dark around the edges."""
    distance = np.abs(np.arange(WIDTH) - WIDTH / 2) / (WIDTH / 2)
    return np.asarray(image * np.clip(1 - 1.3 * distance, 0.015, 1) * rng.uniform(0.3, 1))


def _dual_fisheye(image: Image, rng: np.random.Generator) -> Image:
    directions, circle = fisheye(HEIGHT, rng.uniform(183, 215))
    ground = rng.choice([0.0, 1.0])  # cameras leave the rest black; FFmpeg's v360 does not
    lenses = [sample(image, directions), sample(image, _backwards(directions))]
    return np.concatenate([np.where(circle, lens, ground * lens) for lens in lenses], axis=1)


def _eyes(axis: int, part: float) -> Callable[[Image, np.random.Generator], Image]:
    def draw(image: Image, rng: np.random.Generator) -> Image:
        seen = equirectangular(HEIGHT, WIDTH, part)
        both = [sample(eye, seen) for eye in (image, _other_eye(image, rng))]
        return scaled(np.concatenate(both, axis=axis))

    return draw


def _film(image: Image, rng: np.random.Generator) -> Image:
    return sample(image, flat(HEIGHT, WIDTH, rng.uniform(50, 100)))


def _letterbox(image: Image, rng: np.random.Generator) -> Image:
    return np.pad(scaled(_film(image, rng), HEIGHT - 60), ((30, 30), (0, 0)))


def _pillarbox(image: Image, rng: np.random.Generator) -> Image:
    return np.pad(scaled(_film(image, rng), HEIGHT, WIDTH - 80), ((0, 0), (40, 40)))


def _through(directions: Directions) -> Callable[[Image, np.random.Generator], Image]:
    return lambda image, _: scaled(sample(image, directions))


_WHOLE = ("equirectangular", "mono")
LAYOUTS: dict[str, Layout] = {
    "equirectangular": Layout(lambda image, _: image, _WHOLE, "ok"),
    "logo": Layout(_logo, _WHOLE, "ok"),
    "black-poles": Layout(_black_poles, _WHOLE, "ok"),
    "stitched": Layout(_stitched, _WHOLE, "ok"),
    "dark-edges": Layout(_dark, _WHOLE, "ok"),
    "eac": Layout(_through(eac(120)), ("eac", "mono"), "other-projection"),
    "cubemap": Layout(_through(cubemap(120)), ("cubemap", "mono"), "other-projection"),
    "c3x2": Layout(_through(c3x2(120)), ("c3x2", "mono"), "other-projection"),
    "half-sbs": Layout(_eyes(1, 1.0), ("equirectangular", "left-right"), "other-projection"),
    "half-tb": Layout(_eyes(0, 1.0), ("equirectangular", "top-bottom"), "other-projection"),
    "dual-fisheye": Layout(_dual_fisheye, ("dual-fisheye", "mono"), "dual-fisheye"),
    "vr180-sbs": Layout(_eyes(1, 0.5), ("part", "left-right"), "vr180"),
    "vr180": Layout(_through(equirectangular(HEIGHT, WIDTH, 0.5)), ("part", "mono"), "partial-360"),
    "flat": Layout(_film, ("flat", "mono"), "flat-film"),
    "letterbox": Layout(_letterbox, ("flat", "mono"), "flat-film"),
    "pillarbox": Layout(_pillarbox, ("part", "mono"), "partial-360"),
}
