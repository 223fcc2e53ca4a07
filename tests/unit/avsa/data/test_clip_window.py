from __future__ import annotations

from dataclasses import replace
from math import factorial

import numpy as np
import pytest

from avsa.data.clip_window import WindowShape, draw_clip_windows, has_room

SHAPE = WindowShape(num_frames=8, num_samples=24000, fps=16, sample_rate_hz=24000)
KEY = 0, "test"


def draw(shape, duration_s, count, gap_s, draws):
    return draw_clip_windows(
        shape, [duration_s] * draws, count, gap_s, *KEY, positions=range(draws)
    )


def test_windows_cover_all_of_a_clip_and_nothing_else():
    windows = draw(SHAPE, 3.0, 1, 0.0, 400)
    assert set(windows.frames.ravel().tolist()) == set(range(4, 37)) and windows.fits.all()
    assert (windows.samples == windows.frames * 1500 - 6000).all()
    assert windows.samples.min() == 0 and windows.samples.max() + 24000 == 72000


def test_each_first_frame_is_equally_likely():
    counts = np.bincount(draw(SHAPE, 3.0, 1, 0.0, 33000).frames.ravel())[4:]
    assert (abs(counts - 1000) < 5 * np.sqrt(1000)).all()


@pytest.mark.parametrize("count", [2, 3, 5])
def test_windows_keep_their_distance(count):
    windows = draw(SHAPE, 10.0, count, 1.5, 2000)
    firsts = np.sort(windows.frames)
    assert firsts.shape == (2000, count) and (np.diff(firsts) >= 24).all()
    assert firsts.min() >= 4 and firsts.max() <= 148
    # The windows of a clip are in all possible orders.
    assert len(set(map(tuple, np.argsort(windows.frames).tolist()))) == factorial(count)


def test_a_random_video_position_is_a_whole_frame_inside_the_audio():
    shape = replace(SHAPE, video_position="random")
    windows, plain = draw(shape, 3.0, 1, 0.0, 300), draw(SHAPE, 3.0, 1, 0.0, 300)
    assert (windows.samples == plain.samples).all()  # the audio is that of a centred video
    # 0 to 0.5 s in steps of a frame
    places = set((windows.frames * 1500 - windows.samples).ravel().tolist())
    assert places == {1500 * frame for frame in range(9)}


def test_video_as_long_as_its_audio_has_one_position():
    shape = replace(SHAPE, num_frames=16, video_position="random")
    windows = draw(shape, 3.0, 1, 0.0, 20)
    assert (windows.frames * 1500 == windows.samples).all()


def test_a_clip_has_the_same_windows_alone_and_among_others():
    durations = [10.0, 3.0, 2.0, 7.5]
    positions = [7, 1000, 3, 12]
    shape = replace(SHAPE, video_position="random")
    together = draw_clip_windows(shape, durations, 2, 1.0, *KEY, positions=positions)
    assert together.fits.tolist() == [True, True, True, True]
    for row, (duration_s, position) in enumerate(zip(durations, positions, strict=True)):
        alone = draw_clip_windows(shape, [duration_s], 2, 1.0, *KEY, positions=[position])
        assert (alone.frames == together.frames[row]).all()
        assert (alone.samples == together.samples[row]).all()


def test_clips_without_room_are_marked_and_change_no_others():
    windows = draw_clip_windows(SHAPE, [0.5, 3.0], 1, 0.0, *KEY, positions=[0, 1])
    assert windows.fits.tolist() == [False, True]
    alone = draw_clip_windows(SHAPE, [3.0], 1, 0.0, *KEY, positions=[1])
    assert alone.frames[0] == windows.frames[1]
    assert not has_room(SHAPE, 3.0, 4, 1.0) and has_room(SHAPE, 3.0, 3, 1.0)
