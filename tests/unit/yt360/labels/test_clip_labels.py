"""Stages that overlap give the labels of one stage after the other."""

import threading
from contextlib import closing

import pytest
import torch

from yt360.errors import BadItem
from yt360.labels.clip_labels import PARTS_AHEAD, PARTS_BEHIND, label_clips
from yt360.labels.format.maps import encode_labels
from yt360.labels.segmenters.base import Segmentation

FPS = 4.0
WAIT_S = 20
KEYS = {3: "a-00000", 5: "b-00000", 6: "c-00000", 9: "d-00000"}


def decode(clip):
    if clip == 5:
        raise BadItem("undecodable", "not a video")
    return torch.full((clip, 8, 16, 3), clip, dtype=torch.uint8)


class Labeller:
    """Labels every pixel by clip and time, and notes what is under way."""

    def __init__(self, frames_at_once=2, fits=True):
        self.frames_at_once, self.fits = frames_at_once, fits
        self.cut_frames, self.started, self.finished, self.most_ahead = 0, 0, 0, 0
        self.threads = set()

    def cut(self, frames):
        self.cut_frames += 1
        self.most_ahead = max(self.most_ahead, self.cut_frames - self.started)
        return frames if self.fits else None

    def _maps(self, frames, times_s):
        for frame, time_s in zip(frames, times_s, strict=True):
            classes = frame[..., 0] + torch.tensor(4 * time_s).to(torch.uint8)
            yield Segmentation(classes, torch.ones(8, 16), torch.zeros(8, 16, dtype=torch.int32))

    def start(self, images, keys, times_s, *, instances):
        assert not instances and len(keys) == len(images) <= self.frames_at_once
        self.started += 1
        assert self.started - self.finished <= PARTS_BEHIND + 1
        self.threads.add(("network", threading.current_thread().name))

        def finish():
            self.threads.add(("merge", threading.current_thread().name))
            self.finished += 1
            return list(self._maps(images, times_s))

        return finish

    def segment(self, frames, keys, times_s, *, instances):
        return self.start(frames, keys, times_s, instances=instances)()


def expected(clip):
    return encode_labels(
        torch.stack([torch.full((8, 16), clip + n, dtype=torch.uint8) for n in range(clip)]).numpy()
    )


@pytest.mark.parametrize("labeller", [Labeller(), Labeller(100), Labeller(1, fits=False)])
def test_labels_are_those_of_one_stage_after_the_other(labeller):
    parts = list(label_clips(KEYS, decode, FPS, labeller))
    results = {part.key: part.result for part in parts if part.result is not None}
    assert results.pop("b-00000").reason == "undecodable"
    assert results == {KEYS[clip]: expected(clip) for clip in (3, 6, 9)}
    made = {clip: sum(part.num_maps for part in parts if part.clip == clip) for clip in KEYS}
    assert made == {3: 3, 5: 0, 6: 6, 9: 9}


def test_a_bounded_number_of_parts_is_under_way():
    labeller = Labeller(1)
    list(label_clips(KEYS, decode, FPS, labeller))
    assert labeller.started == labeller.finished == 18
    assert labeller.most_ahead <= PARTS_AHEAD + 2  # queued, being cut, and about to be started


def test_the_network_runs_in_the_caller_s_thread_while_another_one_merges():
    class Overlapping(Labeller):
        """Merging a part waits until the network has begun the next one."""

        def start(self, images, keys, times_s, *, instances):
            finish = super().start(images, keys, times_s, instances=instances)
            wanted = self.started + 1

            def late():
                while self.started < min(wanted, 9) and not alarm.wait(0.01):
                    pass
                return finish()

            return late

    alarm, labeller = threading.Event(), Overlapping()
    timer = threading.Timer(WAIT_S, alarm.set)
    timer.start()
    list(label_clips(KEYS, decode, FPS, labeller))
    timer.cancel()
    timer.join()
    assert not alarm.is_set()
    assert ("network", threading.current_thread().name) in labeller.threads
    assert len(labeller.threads) == 2


def stages_since(before):
    """Return the threads of stages that were started since, by name."""
    names = [thread.name for thread in set(threading.enumerate()) - before]
    return [name for name in names if "produce" in name or "merge-labels" in name]


@pytest.mark.parametrize("stage", ["decode", "cut", "start", "finish"])
def test_an_error_of_any_stage_comes_out_and_leaves_no_thread(stage):
    class Broken(Labeller):
        def cut(self, frames):
            return self.fail() if stage == "cut" and self.started else super().cut(frames)

        def start(self, images, keys, times_s, *, instances):
            if stage == "start" and self.started == 2:
                self.fail()
            finish = super().start(images, keys, times_s, instances=instances)
            return self.fail if stage == "finish" and self.started == 2 else finish

        def fail(self):
            raise OSError("broken")

    def broken_decode(clip):
        return decode(clip) if stage != "decode" or clip == 3 else Broken().fail()

    keys = KEYS | {clip: f"{clip}-00000" for clip in range(10, 40)}  # more than is decoded ahead
    before = set(threading.enumerate())
    with pytest.raises(OSError, match="broken") as caught:
        list(label_clips(keys, broken_decode, FPS, Broken()))
    assert caught.tb is not None  # refers to the generators, which are not collected yet
    assert not stages_since(before)


def test_a_consumer_that_stops_leaves_no_thread():
    before = set(threading.enumerate())
    with closing(label_clips(KEYS, decode, FPS, Labeller())) as parts:
        next(parts)
    assert not stages_since(before)
