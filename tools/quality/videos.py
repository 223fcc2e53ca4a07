"""Labelled synthetic 360° video, moving and still.

Every maker returns a function from time to a luma image in [0, 255], for any frame rate. In real
recordings objects, the camera or the light move, and there is noise; a photo in a video is moved
and faded as a whole, or lies under graphics or grain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter, zoom

Image = NDArray[np.float32]
Film = Callable[[float], Image]

HEIGHT, WIDTH = 240, 480


@dataclass(frozen=True)
class VideoExample:
    """One labelled video.

    Attributes:
        kind: A key of `KINDS`.
        film: Time in seconds -> luma (240, 480) float32 in [0, 255].
        duration_s: Its length.
        still: Whether it is a photo; None if undefined (black).
        picture: The reason that the picture check should give; None if it depends on the random
            settings.
    """

    kind: str
    film: Film
    duration_s: float
    still: bool | None
    picture: str | None


def panorama(rng: np.random.Generator) -> Image:
    """Return a static world: octaves of noise, a horizon, and many objects with edges."""
    image = np.zeros((HEIGHT, WIDTH))
    for octave in range(2, 7):
        coarse = rng.standard_normal((2**octave, 2 ** (octave + 1)))
        factors = (HEIGHT / 2**octave, WIDTH / 2 ** (octave + 1))
        image += zoom(coarse, factors, order=1, mode="grid-wrap", grid_mode=True) * 0.65**octave
    image = 110 + rng.uniform(20, 60) * image
    image[: HEIGHT // 2] += rng.uniform(0, 60)
    for _ in range(int(rng.integers(15, 60))):
        _paint(image, rng, rng.uniform(4, 60), rng.uniform(4, 60))
    return np.clip(gaussian_filter(image, 0.6, mode=("nearest", "wrap")), 0, 255).astype(np.float32)


def _paint(
    image: NDArray[np.floating], rng: np.random.Generator, width: float, height: float
) -> None:
    top, left = int(rng.integers(HEIGHT - 4)), int(rng.integers(WIDTH))
    columns = np.arange(left, left + int(width)) % WIDTH
    rows = slice(top, min(top + int(height), HEIGHT))
    image[rows, columns] = rng.uniform(0, 255) + rng.uniform(-3, 3, (1, len(columns)))


def _photo(rng: np.random.Generator, duration_s: float) -> Film:  # noqa: ARG001
    image = panorama(rng)
    return lambda _: image


def _zoomed(rng: np.random.Generator, duration_s: float) -> Film:
    """A slow zoom into a photo, as slide shows have."""
    image = spline_filter(panorama(rng).astype(np.float64))
    rate = rng.uniform(0.03, 0.3) / duration_s * rng.choice([-1, 1])
    centre = rng.uniform(0.35, 0.65, 2) * [HEIGHT, WIDTH]
    start = 1.0 if rate > 0 else 1.3

    def film(time_s: float) -> Image:
        rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
        scale = start + rate * time_s
        at = [centre[0] + (rows - centre[0]) / scale, centre[1] + (columns - centre[1]) / scale]
        zoomed = map_coordinates(image, at, order=3, mode="nearest", prefilter=False)
        return np.clip(zoomed, 0, 255).astype(np.float32)

    return film


def _turned(rng: np.random.Generator, duration_s: float) -> Film:  # noqa: ARG001
    """A photo that slowly turns around the viewer."""
    spectrum = np.fft.rfft(panorama(rng), axis=1)
    speed = rng.uniform(0.5, 6) / 360
    waves = np.arange(spectrum.shape[1])

    def film(time_s: float) -> Image:
        turned = np.fft.irfft(
            spectrum * np.exp(-2j * np.pi * waves * speed * time_s), n=WIDTH, axis=1
        )
        return np.clip(turned, 0, 255).astype(np.float32)

    return film


def _with_logo(rng: np.random.Generator, duration_s: float) -> Film:
    """A photo with a small animated sign on it."""
    photo = _photo(rng, duration_s)(0.0)
    height, width = int(rng.integers(15, 45)), int(rng.integers(20, 90))
    top, left = int(rng.integers(HEIGHT - height)), int(rng.integers(WIDTH - width))

    def film(time_s: float) -> Image:
        image = photo.copy()
        bars = 128 + 100 * np.sin(np.arange(width) / 4 + 5 * time_s)
        image[top : top + height, left : left + width] = bars
        return image

    return film


def _with_bars(rng: np.random.Generator, duration_s: float) -> Film:
    """A photo under an equalizer of up to half of its width, as music videos have."""
    photo = _photo(rng, duration_s)(0.0)
    height, bar, count = int(rng.integers(30, 80)), int(rng.integers(3, 12)), 20
    top, left = int(rng.integers(HEIGHT - height)), int(rng.integers(WIDTH - bar * count))
    beats, phases = rng.uniform(2, 9, count), rng.uniform(0, 2 * np.pi, count)

    def film(time_s: float) -> Image:
        image = photo.copy()
        for number, level in enumerate(0.5 + 0.5 * np.sin(beats * time_s + phases)):
            columns = slice(left + number * bar, left + (number + 1) * bar - 1)
            image[top + int((1 - level) * height) : top + height, columns] = 235
        return image

    return film


def _with_grain(rng: np.random.Generator, duration_s: float) -> Film:
    """A photo under film grain."""
    photo, grain = _photo(rng, duration_s)(0.0), rng.uniform(2, 6)
    return lambda time_s: _noisy(photo, grain, time_s)


def _faded(rng: np.random.Generator, duration_s: float) -> Film:
    """A photo that comes out of the dark and goes back; some breathe a little on the way."""
    photo = _photo(rng, duration_s)(0.0)
    depth = float(rng.choice([0.0, 0.1]))

    def film(time_s: float) -> Image:
        edge = min(time_s, duration_s - time_s) / 2
        light = min(edge, 1.0) * (1 - depth * (0.5 + 0.5 * np.sin(0.7 * time_s)))
        return photo * np.float32(light)

    return film


def _slides(rng: np.random.Generator, duration_s: float) -> Film:
    """Photos that follow each other, by cuts or by dissolves."""
    each_s = rng.uniform(4, 8)
    dissolve_s = float(rng.choice([0.0, 1.0]))
    photos = [panorama(rng) for _ in range(int(duration_s / each_s) + 2)]

    def film(time_s: float) -> Image:
        index, into = int(time_s / each_s), time_s % each_s
        weight = max(0.0, 1 - (each_s - into) / dissolve_s) if dissolve_s else 0.0
        return (1 - weight) * photos[index] + weight * photos[index + 1]

    return film


def _movers(rng: np.random.Generator, duration_s: float) -> Film:  # noqa: ARG001
    """A camera on a tripod and some people or cars, the smallest 8° wide.

    There are at least two of them; a lone one is `_performer`'s case.
    """
    background = panorama(rng)
    count = int(rng.integers(2, 7))
    sizes = rng.integers(11, 40, (count, 2))
    tops = rng.integers(HEIGHT // 3, 2 * HEIGHT // 3, count)
    lefts = rng.uniform(0, WIDTH, count)
    speeds = rng.uniform(4, 40, count) * rng.choice([-1, 1], count)
    lights = rng.uniform(0, 100, count)
    grain = rng.uniform(0, 2)

    def film(time_s: float) -> Image:
        image = background.copy()
        for size, top, left, speed, light in zip(sizes, tops, lefts, speeds, lights, strict=True):
            columns = (int(left + speed * time_s) + np.arange(size[1])) % WIDTH
            image[top : top + size[0], columns] = light + 150 * (np.arange(size[1]) % 6 < 3)
        return _grainy(image, grain, time_s)

    return film


def _performer(rng: np.random.Generator, duration_s: float) -> Film:  # noqa: ARG001
    """A tripod in a room where one person sways on the spot."""
    background = panorama(rng)
    height, width = int(rng.integers(30, 70)), int(rng.integers(12, 30))
    top, left = int(rng.integers(HEIGHT // 3, HEIGHT // 2)), int(rng.integers(WIDTH))
    body = rng.uniform(20, 230, (height, width))
    sway, beat = rng.uniform(2, 6), rng.uniform(1.5, 4)
    grain = rng.uniform(1.0, 2.5)

    def film(time_s: float) -> Image:
        image = background.copy()
        shift = round(sway * np.sin(beat * time_s))
        image[top : top + height, (left + shift + np.arange(width)) % WIDTH] = body
        return _grainy(image, grain, time_s)

    return film


def _walk(rng: np.random.Generator, duration_s: float) -> Film:  # noqa: ARG001
    """A camera that is carried through a world with depth."""
    image = panorama(rng)
    depth_m = 1.5 + 8 * gaussian_filter(rng.random((HEIGHT, WIDTH)), 12, mode="wrap") ** 2 * 6
    speed = rng.uniform(0.15, 1.0)
    heading = rng.uniform(-np.pi, np.pi)
    elevation = (0.5 - (np.arange(HEIGHT) + 0.5) / HEIGHT)[:, None] * np.pi
    azimuth = (0.5 - (np.arange(WIDTH) + 0.5) / WIDTH)[None] * 2 * np.pi
    ray = np.stack(np.broadcast_arrays(
        np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)
    ))  # fmt: skip
    grain = rng.uniform(0, 1.5)

    def film(time_s: float) -> Image:
        step = speed * (time_s % 4.0) * np.array([np.cos(heading), np.sin(heading), 0.0])
        point = ray * depth_m + step[:, None, None]
        point /= np.linalg.norm(point, axis=0)
        rows = (0.5 - np.arcsin(point[2]) / np.pi) * HEIGHT - 0.5
        columns = (0.5 - np.arctan2(point[1], point[0]) / (2 * np.pi)) * WIDTH - 0.5
        drawn = map_coordinates(image, [rows, columns], order=1, mode="grid-wrap")
        return _grainy(drawn, grain, time_s)

    return film


def _empty_room(rng: np.random.Generator, duration_s: float) -> Film:  # noqa: ARG001
    """A tripod in a room without people."""
    room, grain = panorama(rng), rng.uniform(1.0, 2.5)
    return lambda time_s: _grainy(room, grain, time_s)


def _waves(rng: np.random.Generator, duration_s: float) -> Film:  # noqa: ARG001
    """A tripod in nature: water or leaves move in a part of the image."""
    image = panorama(rng)
    top, bottom = sorted(rng.choice(np.arange(20, HEIGHT - 20), 2, replace=False))
    bottom = max(bottom, top + 15)
    texture = gaussian_filter(rng.standard_normal((HEIGHT, WIDTH)), 1.5, mode="wrap")
    texture *= rng.uniform(15, 50) / texture.std()
    beat = rng.uniform(1, 3)
    grain = rng.uniform(0, 2)

    def film(time_s: float) -> Image:
        drawn = image.copy()
        drift = np.roll(texture, int(6 * time_s), axis=1) * np.sin(beat * time_s)
        drawn[top:bottom] += drift[top:bottom]
        return _grainy(drawn, grain, time_s)

    return film


def _handheld(rng: np.random.Generator, duration_s: float) -> Film:
    """A camera that turns while people move."""
    movers = _movers(rng, duration_s)
    speed, sway = rng.uniform(2, 15), rng.uniform(0, 6)

    def film(time_s: float) -> Image:
        shift = (speed * time_s + sway * np.sin(2 * time_s)) / 360 * WIDTH
        return np.roll(movers(time_s), round(shift), axis=1)

    return film


def _black(rng: np.random.Generator, duration_s: float) -> Film:  # noqa: ARG001
    level = rng.uniform(0, 6)
    return lambda _: np.full((HEIGHT, WIDTH), level, np.float32)


def _half_black(rng: np.random.Generator, duration_s: float) -> Film:
    moving = _movers(rng, duration_s)
    dark = np.zeros((HEIGHT, WIDTH), np.float32)
    return lambda time_s: moving(time_s) if time_s < 0.4 * duration_s else dark


def _frozen(rng: np.random.Generator, duration_s: float) -> Film:
    """A recording whose image freezes while time goes on."""
    moving = _handheld(rng, duration_s)
    stop_s = rng.uniform(0.25, 0.5) * duration_s
    return lambda time_s: moving(min(time_s, stop_s))


KINDS: dict[str, tuple[Callable[[np.random.Generator, float], Film], bool | None, str | None]] = {
    "photo": (_photo, True, "frozen"),
    "photo-zoom": (_zoomed, True, None),
    "photo-turning": (_turned, True, None),
    "photo-logo": (_with_logo, True, "moving"),
    "photo-fade": (_faded, True, None),
    "slides": (_slides, True, None),
    "photo-bars": (_with_bars, True, "moving"),
    "photo-grain": (_with_grain, True, None),
    "movers": (_movers, False, "moving"),
    "performer": (_performer, False, "moving"),
    "empty-room": (_empty_room, False, None),
    "walk": (_walk, False, "moving"),
    "waves": (_waves, False, "moving"),
    "handheld": (_handheld, False, "moving"),
    "frozen-tail": (_frozen, False, "frozen"),
    "half-black": (_half_black, False, "black"),
    "black": (_black, None, "black"),
}


def make_video(kind: str, rng: np.random.Generator, duration_s: float) -> VideoExample:
    """Return one labelled video."""
    maker, still, picture = KINDS[kind]
    return VideoExample(kind, maker(rng, duration_s), duration_s, still, picture)


def _grainy(image: NDArray[np.floating], sigma: float, time_s: float) -> Image:
    """Add what cameras see: noise, and light that drifts slowly.

    In recordings from a tripod, the means of small blocks change by 0.1 to 3 levels in a second.
    """
    drift = 1 + 0.015 * np.sin(0.9 * time_s + 2 * np.pi * np.arange(WIDTH) / WIDTH)
    return _noisy(image * drift, sigma, time_s)


def _noisy(image: NDArray[np.floating], sigma: float, time_s: float) -> Image:
    """Add noise that depends on the time alone."""
    rng = np.random.default_rng(int(time_s * 1e6) + 1)
    noisy = image + np.float32(sigma) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.asarray(np.clip(noisy, 0, 255), dtype=np.float32)
