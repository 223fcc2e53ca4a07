"""Clip windows of videos."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.action_videos import write_video

from avsa.evals.action.windows import ClipShape, even_starts, random_starts, read_windows
from yt360.media.video.reader import open_video
from yt360.randomness import keyed_generator

SHAPE = ClipShape(8, 16, 12, 16)


def test_even_windows_reach_from_the_first_to_the_last_start():
    last = SHAPE.last_start_s(3.0)
    starts = even_starts(last, 25)
    assert starts[0] == 0 and starts[-1] == last == 2.5
    assert np.allclose(np.diff(starts), 2.5 / 24)
    times = SHAPE.frame_times(starts, 3.0)
    assert times.shape == (25, 8) and times[-1, -1] == pytest.approx(3.0 - 1 / 16)


def test_random_windows_are_uniform_and_keyed():
    starts = random_starts(2.5, 20000, keyed_generator(0, "x"))
    assert starts.min() >= 0 and starts.max() <= 2.5
    assert np.abs(np.quantile(starts, [0.25, 0.5, 0.75]) / 2.5 - [0.25, 0.5, 0.75]).max() < 0.02
    assert np.array_equal(starts, random_starts(2.5, 20000, keyed_generator(0, "x")))
    assert not np.array_equal(starts, random_starts(2.5, 20000, keyed_generator(1, "x")))


def test_short_videos_repeat():
    assert SHAPE.last_start_s(0.25) == 0
    times = SHAPE.frame_times(np.zeros(1), 0.25)
    assert np.allclose(times[0], [0, 1 / 16, 2 / 16, 3 / 16] * 2)


@pytest.mark.parametrize(("frames", "fps"), [(40, 16), (40, 30), (4, 16), (1, 30)])
def test_windows_of_a_file(tmp_path, frames, fps):
    write_video(tmp_path / "v.avi", (100, 100, 100), frames, fps)
    windows = read_windows(tmp_path / "v.avi", SHAPE, lambda last: even_starts(last, 3))
    assert windows.rows.shape == (3, 8)
    shown = windows.frames[windows.rows].mean((2, 3, 4)) - 100
    times = SHAPE.frame_times(even_starts(SHAPE.last_start_s(frames / fps), 3), frames / fps)
    assert np.abs(shown - np.minimum(times * fps, frames - 1)).max() < 0.5 + 1.5


def test_test_frames_show_the_centre(tmp_path):
    assert ClipShape(8, 16, 112, 112).test_side == 128
    write_video(tmp_path / "v.avi", (100, 100, 100), ramp=True)
    shape = ClipShape(8, 16, 21, 21)  # the short side of 24 stays
    whole, centre = (
        read_windows(tmp_path / "v.avi", shape, lambda last: even_starts(last, 2), centre)
        for centre in (False, True)
    )
    assert shape.test_side == 24 and np.array_equal(whole.rows, centre.rows)
    assert np.array_equal(centre.frames, whole.frames[:, 1:22, 5:26])


def test_scaled_frames_are_those_of_area_averages(tmp_path):
    write_video(tmp_path / "v.avi", (100, 100, 100), ramp=True)
    with open_video(tmp_path / "v.avi") as video:
        whole, _ = video.frames_at(np.zeros(1))
        half, _ = video.frames_at(np.zeros(1), short_side=12)
    means = whole[0].astype(float).reshape(12, 2, 16, 2, 3).mean((1, 3))
    assert half.shape == (1, 12, 16, 3) and np.abs(half[0] - means)[1:-1, 1:-1].max() < 6
