"""Frames at the labels' rate, and decoding ahead."""

import threading

import numpy as np
import pytest
from helpers.errors import bad_item

from yt360.errors import BadItem
from yt360.labels.frames import ahead, clip_frames


def test_frames_are_those_shown_at_the_labels_moments(clips):
    mp4, _ = clips["-video_id_0-00000"]
    every = clip_frames(mp4, 8, 1.0)
    assert every.shape == (8, 32, 64, 3)
    assert np.array_equal(clip_frames(mp4, 4, 1.0), every[::2])
    assert np.array_equal(clip_frames(mp4, 1, 1.0), every[:1])
    assert np.array_equal(clip_frames(mp4, 16, 1.0), every.repeat(2, 0))
    thirds = clip_frames(mp4, 3, 1.0)  # seconds 0, 1/3, 2/3 of a clip of 8 frames a second
    assert np.array_equal(thirds, every[[0, 2, 5]])


@pytest.mark.parametrize("content", [b"", b"no video", b"\0" * 5000])
def test_what_is_no_video_is_a_bad_item(content):
    with pytest.raises(BadItem) as caught:
        clip_frames(content, 4, 1.0)
    assert caught.value.reason == "undecodable"


def test_a_clip_cut_short_is_a_bad_item(clips):
    mp4, _ = clips["-video_id_0-00000"]
    with bad_item("undecodable", "4 of 8"):
        clip_frames(mp4, 4, 2.0)


def test_work_is_done_ahead_and_in_order():
    done = []
    second = threading.Event()

    def work(job):
        done.append(job)
        if job == 1:
            second.set()
        if job == 2:
            raise BadItem("bad", "as wanted")
        return job * 10

    results = ahead(range(4), work)
    assert next(results) == (0, 0)
    assert second.wait(10)  # job 1 is worked on though nobody asked for it
    rest = list(results)
    assert [job for job, _ in rest] == [1, 2, 3]
    assert rest[0][1] == 10
    assert isinstance(rest[1][1], BadItem)


def test_other_errors_come_out():
    def work(job):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(ahead([1], work))


def test_a_consumer_that_stops_leaves_no_thread_behind():
    workers = set()

    def work(job):
        workers.add(threading.current_thread())
        return job

    results = ahead(range(1000), work, depth=1)
    next(results)
    results.close()
    (worker,) = workers
    worker.join(10)
    assert worker is not threading.current_thread() and not worker.is_alive()
