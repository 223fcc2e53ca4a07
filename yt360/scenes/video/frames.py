"""Render a scene as equirectangular frames: the background once, then the objects per frame.

Objects are painted on their fragments, the pixels whose directions lie within an angle of the
object's direction. The seam and the poles are no special cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yt360.scenes.video.grounds import EYE_HEIGHT_M
from yt360.scenes.video.shapes import Canvas, norm
from yt360.scenes.world.objects import SceneObject, object_plane
from yt360.scenes.world.scene import Scene
from yt360.sphere import equirect_grid

Array = NDArray[np.floating]
Image = NDArray[np.uint8]
PIXELS_PER_CHUNK = 2_000_000
OVERSAMPLING = 2
HALO = 1.55


class Fragments(NamedTuple):
    """Pixels (n,) of several frames: index of the frame, and of the pixel in the flat frame."""

    frame: NDArray[np.intp]
    pixel: NDArray[np.intp]


def render(scene: Scene, times: Array, height: int, width: int) -> Iterator[Image]:
    """Yield the RGB frame (height, width, 3) of a scene at each of `times` (T,) in seconds."""
    times = np.asarray(times, dtype=np.float64)
    background = render_background(scene, height, width)
    grid = equirect_grid(height, width).numpy().reshape(-1, 3)
    step = max(1, PIXELS_PER_CHUNK // (height * width))
    for start in range(0, len(times), step):
        chunk = times[start : start + step]
        frames = np.repeat(background[None], len(chunk), axis=0)
        flat = frames.reshape(len(chunk), -1, 3)
        order = scene.back_to_front()
        if scene.place.casts_shadows:
            for item in order:
                _paint_shadow(flat, scene, item, chunk, grid, height, width)
        for item in order:
            _paint_object(flat, scene, item, chunk, grid, height, width)
        yield from frames


def render_background(scene: Scene, height: int, width: int) -> Image:
    """Return a frame (height, width, 3) of a scene without its objects, anti-aliased."""
    fine = OVERSAMPLING
    grid = equirect_grid(height * fine, width * fine).numpy()
    colours = np.zeros((height, width, 3), dtype=np.float32)
    for row in range(fine):
        for column in range(fine):
            colours += scene.paint_background(grid[row::fine, column::fine], np.pi / height / fine)
    return np.rint(colours * (255 / fine**2)).astype(np.uint8)


def render_classes(scene: Scene, times: Array, height: int, width: int) -> Image:
    """Return the class maps (T, height, width) of a scene, exact at pixel centres."""
    grid = equirect_grid(height, width).numpy()
    background = scene.background_classes(grid)
    maps = np.repeat(background[None], len(times), axis=0)
    flat_maps, flat_grid = maps.reshape(len(times), -1), grid.reshape(-1, 3)
    for item in scene.back_to_front():
        fragments, x, y, _ = _fragments(scene, item, times, flat_grid, (height, width), 1.1)
        inside = item.kind.look.outline(x, y) < 0
        flat_maps[fragments.frame[inside], fragments.pixel[inside]] = item.kind.number
    return maps


def cap_fragments(directions: Array, radii: Array, height: int, width: int) -> Fragments:
    """Return the pixels that may lie within a cap on the sphere, for caps in several frames.

    Args:
        directions: (T, 3) centres of the caps.
        radii: (T,) angular radii in radians; a cap of 0 or less is empty.
        height: Rows of the frame.
        width: Columns of the frame.
    """
    elevation = np.arcsin(np.clip(directions[:, 2], -1, 1))[:, None]
    azimuth = np.arctan2(directions[:, 1], directions[:, 0])
    rows = (0.5 - (np.arange(height) + 0.5) / height) * np.pi
    cap, row = np.nonzero(np.abs(rows - elevation) <= radii[:, None])
    # The circle of a cap meets a row of elevation e where cos(radius) = sin e sin e0 +
    # cos e cos e0 cos(difference of azimuths).
    top = np.cos(radii[cap]) - np.sin(rows[row]) * np.sin(elevation[cap, 0])
    bottom = np.maximum(np.cos(rows[row]) * np.cos(elevation[cap, 0]), 1e-9)
    half_width = np.arccos(np.clip(top / bottom, -1, 1)) * (width / (2 * np.pi))
    centre = (0.5 - azimuth[cap] / (2 * np.pi)) * width
    first = np.ceil(centre - half_width - 0.5).astype(np.intp)
    count = np.floor(centre + half_width - 0.5).astype(np.intp) - first + 1
    count = np.clip(count, 0, width)
    starts = np.cumsum(count) - count
    within = np.arange(count.sum()) - np.repeat(starts, count)
    columns = (np.repeat(first, count) + within) % width
    return Fragments(np.repeat(cap, count), np.repeat(row * width, count) + columns)


def _fragments(
    scene: Scene,
    item: SceneObject,
    times: Array,
    grid: NDArray[np.float32],
    size: tuple[int, int],
    margin: float | Array,
) -> tuple[Fragments, NDArray[np.float32], NDArray[np.float32], Array]:
    """Return an object's fragments, their positions x, y in its plane, and its radii (T,)."""
    axes = scene.axes_of(item, times)
    radii = item.radius_at(times)
    fragments = cap_fragments(axes.forward, radii * margin, *size)
    points = grid[fragments.pixel]
    ahead, right, up = (
        np.einsum("ij,ij->i", points, axis.astype(np.float32)[fragments.frame]) for axis in axes
    )
    x, y = object_plane(right, up, ahead, radii.astype(np.float32)[fragments.frame])
    return fragments, x, y, radii


def _paint_object(
    frames: Image,
    scene: Scene,
    item: SceneObject,
    times: Array,
    grid: NDArray[np.float32],
    height: int,
    width: int,
) -> None:
    """Paint an object over `frames` (T, H * W, 3)."""
    flash = item.flash(times).astype(np.float32)
    pixel = np.pi / height
    margin = np.where(flash > 0.02, HALO, 1.0) + pixel / item.radius
    fragments, x, y, radii = _fragments(scene, item, times, grid, (height, width), margin)
    phase = (item.spin * times).astype(np.float32)[fragments.frame]
    hue = item.kind.look.hue + item.hue_shift
    softness = (pixel / radii).astype(np.float32)[fragments.frame]
    canvas = Canvas(x, y, phase, hue, softness, np.empty((3, len(x)), np.float32))
    cover = item.kind.look.draw(canvas)
    if item.flashing:
        glow = flash[fragments.frame]
        canvas.blend(np.float32(0.4) * glow, (1.0, 1.0, 1.0))
        # Outside its outline the object is a soft halo.
        reach = np.clip(1 - norm(x, y) / np.float32(HALO), 0, 1)
        halo = (1 - cover) * np.minimum(1.6 * glow * reach * reach, np.float32(0.75))
        canvas.blend(halo / np.maximum(cover + halo, np.float32(1e-6)), (1.0, 0.98, 0.84))
        cover = cover + halo
    _blend(frames, fragments, canvas.rgb, cover)


def _paint_shadow(
    frames: Image,
    scene: Scene,
    item: SceneObject,
    times: Array,
    grid: NDArray[np.float32],
    height: int,
    width: int,
) -> None:
    """Darken the ground below an object, as under light from the zenith."""
    position = scene.axes_of(item, times).forward * item.distance_m
    rise = position[:, 2] + EYE_HEIGHT_M
    size = item.distance_m * np.tan(item.radius) * (0.8 + 0.12 * rise)
    foot = np.stack([position[:, 0], position[:, 1], np.full(len(times), -EYE_HEIGHT_M)], -1)
    reach = np.linalg.norm(foot, axis=-1)
    radii = np.arcsin(np.clip(size / reach, 0, 1)) * 1.02
    fragments = cap_fragments(foot / reach[:, None], radii, height, width)
    points = grid[fragments.pixel]
    drop = np.maximum(-points[:, 2], np.float32(1e-3))
    ground = points[:, :2] * (np.float32(EYE_HEIGHT_M) / drop)[:, None]
    foot_x, foot_y = foot[:, :2].T.astype(np.float32)
    off = norm(ground[:, 0] - foot_x[fragments.frame], ground[:, 1] - foot_y[fragments.frame])
    soft = np.clip(1 - off / size.astype(np.float32)[fragments.frame], 0, 1)
    depth = (0.5 / (1 + 0.35 * rise)).astype(np.float32)[fragments.frame]
    cover = np.where(points[:, 2] < 0, depth * soft * (2 - soft), np.float32(0))
    _blend(frames, fragments, np.zeros((3, 1), dtype=np.float32), cover)


def _blend(
    frames: Image, fragments: Fragments, rgb: NDArray[np.float32], cover: NDArray[np.float32]
) -> None:
    """Mix colours (3, n), 0 to 1, into frames (T, H * W, 3) by their cover (n,)."""
    flat = frames.reshape(-1, 3)
    pixels = fragments.frame * frames.shape[1] + fragments.pixel
    below = flat[pixels]
    for channel, plane in enumerate(rgb):
        colour = below[:, channel].astype(np.float32)
        colour += cover * (plane * 255 - colour)
        # Rounds, because the conversion truncates.
        below[:, channel] = np.clip(colour + np.float32(0.5), 0, 255).astype(np.uint8)
    flat[pixels] = below
