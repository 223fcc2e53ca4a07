"""The projection of frames is recognized from their pixels, whatever was assumed."""

from pathlib import Path

import numpy as np
import pytest
from quality import layouts
from quality.layouts import LAYOUTS, draw_layout
from quality.videos import VideoExample, panorama
from quality.writing import write_video_example

from yt360.media.probe import probe
from yt360.media.video.continuity import wrap_continuity
from yt360.media.video.cube_faces import CUBES, shared_edges
from yt360.media.video.frame_sample import FrameSample
from yt360.media.video.pixel_layout import (
    HEIGHT,
    WIDTH,
    LayoutThresholds,
    PixelLayout,
    measure_layout,
    recognize,
    reduced,
)
from yt360.media.video.projection import resolve_projection
from yt360.randomness import keyed_generator

THRESHOLDS = LayoutThresholds()


def stored(image: np.ndarray) -> np.ndarray:
    """Return a frame (240, 480) as a reduced one (1, 144, 288)."""
    return np.round(layouts.scaled(image, HEIGHT, WIDTH))[None].astype(np.uint8)


def seen(frames: np.ndarray) -> PixelLayout:
    return recognize(measure_layout(frames), THRESHOLDS)


@pytest.mark.parametrize("kind", LAYOUTS)
def test_every_layout_is_recognized(kind):
    found = seen(stored(draw_layout(kind, keyed_generator(3, kind))))
    if LAYOUTS[kind].expected == "ok":
        assert found.wrongness("equirectangular", "mono", THRESHOLDS.wrong_guess) < 0.2
    else:
        assert (found.kind, found.eyes) == LAYOUTS[kind].looks_like
        assert found.wrongness("equirectangular", "mono", THRESHOLDS.wrong_guess) > 0.65


@pytest.mark.parametrize("kind", CUBES)
def test_pixels_on_both_sides_of_an_edge_are_neighbours_on_the_sphere(kind):
    size = 24
    directions = getattr(layouts, kind)(size).reshape(-1, 3)
    edges = shared_edges(kind, 2 * size, 3 * size)
    # Twelve edges of the cube, of which four or fewer join faces side by side in the frame.
    assert len(edges) >= 8
    one, one_inside, other, other_inside = directions[edges].transpose(1, 0, 2, 3)
    step = np.linalg.norm(one - one_inside, axis=-1).max() * 1.5
    assert np.linalg.norm(one - other, axis=-1).max() < step
    assert np.linalg.norm(other - other_inside, axis=-1).max() < step


def test_a_panorama_may_be_turned_about_the_vertical():
    frame = stored(panorama(keyed_generator(1))).astype(np.float32)
    for shift in range(0, WIDTH, 37):
        assert wrap_continuity(np.roll(frame, shift, axis=2)).gap < 0.2
    assert wrap_continuity(frame[:, :, : WIDTH * 2 // 3]).gap > 0.7


@pytest.mark.parametrize("luma", [0, 7, 200])
def test_frames_without_content_change_no_belief(luma):
    found = seen(np.full((3, HEIGHT, WIDTH), luma, np.uint8))
    for wrong in (0.02, 0.1, 0.5):
        assert found.wrongness("equirectangular", "mono", wrong) == pytest.approx(wrong)
        assert found.wrongness("eac", "mono", wrong) == pytest.approx(wrong)


def test_either_eye_may_be_first():
    found = seen(stored(draw_layout("half-sbs", keyed_generator(5))))
    for eyes, right in (("left-right", True), ("right-left", True), ("top-bottom", False)):
        assert (found.wrongness("equirectangular", eyes, 0.1) < 0.1) is right


def test_reducing_is_averaging():
    frame = np.arange(4 * HEIGHT * WIDTH, dtype=np.float32).reshape(1, 2 * HEIGHT, 2 * WIDTH) % 251
    squares = frame.reshape(HEIGHT, 2, WIDTH, 2).mean((1, 3))
    assert np.abs(reduced(frame)[0] - squares).max() <= 0.5


@pytest.mark.parametrize("count", [0, 1, 4, 5, 9, 100])
def test_a_sample_is_spread_evenly(count):
    sample = FrameSample(4)
    for number in range(count):
        sample.add(np.full((HEIGHT, WIDTH), number, np.float32))
    kept = sample.frames[:, 0, 0].astype(int)
    assert len(kept) <= 4 and (len(kept) > 2 or count <= 4)
    assert list(kept) == list(range(0, count, max(kept[1], 1)) if len(kept) > 1 else range(count))


@pytest.mark.parametrize("kind", ["eac", "half-tb", "equirectangular"])
def test_files_are_probed_with_a_look_at_their_pixels(tmp_path: Path, kind):
    image = draw_layout(kind, keyed_generator(4, kind))
    path = tmp_path / "film.mkv"
    write_video_example(path, VideoExample(kind, lambda _: image, 1.0, None, None))
    resolved = resolve_projection(probe(path).video[0], spatial_audio=False)
    assert (resolved.kind, resolved.stereo_mode) == LAYOUTS[kind].looks_like
