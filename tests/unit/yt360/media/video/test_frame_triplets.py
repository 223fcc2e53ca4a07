"""A few small frames from all over a video, at regular times."""

from pathlib import Path

import numpy as np
import pytest
from helpers.errors import bad_item
from quality.videos import make_video
from quality.writing import write_video_example
from scipy.ndimage import zoom

from yt360.media.video.frame_triplets import (
    HEIGHT,
    SMALL_HEIGHT,
    SMALL_WIDTH,
    WIDTH,
    FrameTriplet,
    read_frame_triplets,
    triplet_interval_s,
)
from yt360.quality.signal.blocks import changed_blocks
from yt360.randomness import keyed_generator


def small(image: np.ndarray) -> np.ndarray:
    factors = (HEIGHT / image.shape[0], WIDTH / image.shape[1])
    return np.asarray(zoom(image, factors, order=1), dtype=np.float32)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("films") / "film.mkv"
    example = make_video("movers", keyed_generator(5, "film"), 16.0)
    write_video_example(path, example, frame_rate=10, gop=40)
    return path


def test_triplets_are_regular_and_true_to_the_video(film: Path) -> None:
    example = make_video("movers", keyed_generator(5, "film"), 16.0)
    triplets = list(read_frame_triplets(film))
    times = np.array([triplet.time_s for triplet in triplets])
    assert len(triplets) >= 7
    assert {triplet.frames.shape for triplet in triplets} == {(3, HEIGHT, WIDTH)}
    assert (np.diff(times) < 2.6).all()
    for triplet in triplets[::3]:
        expected = small(example.film(triplet.time_s))
        error = np.abs(triplet.frames[0] - expected).mean()
        # Range and scaling differ a little; another time differs by far more in the moving parts.
        assert error < 12
        changed = changed_blocks(triplet.small[0], triplet.small[2], 1.5, 0.25).mean()
        assert changed > 0


def test_small_frames_are_means_over_squares() -> None:
    frames = keyed_generator(6, "small").uniform(0, 255, (3, HEIGHT, WIDTH)).astype(np.float32)
    triplet = FrameTriplet(0.0, frames)
    assert triplet.small.shape == (3, SMALL_HEIGHT, SMALL_WIDTH)
    assert triplet.small[1, 2, 3] == pytest.approx(frames[1, 6:9, 9:12].mean())


def test_rare_triplets_begin_at_key_frames(film: Path) -> None:
    times = [triplet.time_s for triplet in read_frame_triplets(film, interval_s=6.0)]
    assert times == pytest.approx([0.0, 8.0], abs=0.05)


def test_triplets_start_again_at_a_key_frame(film: Path) -> None:
    times = [triplet.time_s for triplet in read_frame_triplets(film, interval_s=1.85)]
    assert times[:4] == pytest.approx([0.0, 1.9, 4.0, 5.9], abs=0.05)


def test_large_frames_are_read_less_often() -> None:
    small_s, large_s = triplet_interval_s(640, 320, 30), triplet_interval_s(3840, 1920, 30)
    assert 1.0 <= small_s < 2.0
    assert 1.0 < triplet_interval_s(1920, 960, 30) < large_s <= 20.0
    assert triplet_interval_s(3840, 1920, 30, duration_s=16.0) == 2.0


def test_a_file_without_video_is_a_bad_item(tmp_path: Path) -> None:
    path = tmp_path / "empty.mkv"
    path.write_bytes(b"")
    with bad_item("empty-file"):
        next(read_frame_triplets(path))
