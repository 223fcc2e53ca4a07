"""Reading frames of a video by time."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.action_videos import write_video
from helpers.errors import bad_item

from yt360.media.video.reader import open_video

GREY = (100, 100, 100)


@pytest.mark.parametrize(("fps", "b_frames"), [(10, 0), (16, 0), (30, 0), (25, 2)])
def test_frames_are_the_nearest_in_time(tmp_path, fps, b_frames):
    write_video(tmp_path / "v.avi", GREY, frames=40, fps=fps, b_frames=b_frames)
    with open_video(tmp_path / "v.avi") as video:
        duration_s = video.duration_s
        everything, _ = video.frames_at(np.arange(40) / fps)
    assert duration_s == pytest.approx(40 / fps) and everything.shape == (40, 24, 32, 3)
    assert np.abs(everything.mean((1, 2, 3)) - 100 - np.arange(40)).max() < 1.5
    times = np.random.default_rng(0).uniform(duration_s / 2, duration_s, (3, 5))
    with open_video(tmp_path / "v.avi") as video:
        frames, rows = video.frames_at(times)
    for index in np.ndindex(times.shape):
        nearest = np.abs(np.arange(40) / fps - times[index]).argmin()
        assert np.array_equal(frames[rows[index]], everything[nearest])
    assert len(frames) == len(np.unique(rows))


@pytest.mark.parametrize(("suffix", "start_s"), [("mp4", 0), ("mkv", 0), ("mkv", 3)])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_time_begins_with_the_video_in_containers_with_time_stamps(
    tmp_path, suffix, start_s, b_frames
):
    path = tmp_path / f"v.{suffix}"
    write_video(path, GREY, frames=40, fps=10, b_frames=b_frames, start_s=start_s)
    for first in (0, 13, 25):  # decoding begins at keyframes
        numbers = np.arange(first, 40, 7)
        with open_video(path) as video:
            frames, rows = video.frames_at(numbers / 10)
        assert np.abs(frames[rows].mean((1, 2, 3)) - 100 - numbers).max() < 1.5


def test_colours_are_rgb(tmp_path):
    write_video(tmp_path / "v.avi", (200, 120, 40), frames=1)
    with open_video(tmp_path / "v.avi") as video:
        frames, _ = video.frames_at(np.zeros(1))
    assert np.abs(frames[0].mean((0, 1)) - [200, 120, 40]).max() < 4


def test_a_cut_video_has_no_frames_past_its_end(tmp_path):
    path = tmp_path / "v.avi"
    write_video(path, GREY, frames=320)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with open_video(path) as video:
        video.frames_at(np.array([0.1]))
        with bad_item("truncated", "v.avi"):
            video.frames_at(np.array([0.1, 19.9]))


def test_other_files_are_no_videos(tmp_path):
    path = tmp_path / "v.avi"
    path.write_bytes(b"not a video" * 99)
    with bad_item("not-media"), open_video(path):
        pass
