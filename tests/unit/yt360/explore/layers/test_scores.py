"""Scores of all clips: computed once, kept, told step by step, and stopped at any time."""

import threading

import pytest

from yt360.errors import BadItem
from yt360.explore.layers.model_lock import ModelLock
from yt360.explore.layers.scores import Scores


class Clips:
    """Four clips, the third of which is elsewhere, and rows of something that was left out."""

    num_clips = 4

    def key(self, row):
        return f"clip-{row:05d}"

    def split(self, row):
        return "test" if row < self.num_clips else None

    def is_local(self, row):
        return row != 2


class Run:
    """Scores a clip by its number; the last one cannot be read."""

    identity = "weights"

    def __init__(self):
        self.asked = []

    def score(self, key, _split):
        self.asked.append(key)
        number = int(key[-1])
        if number == 3:
            raise BadItem("shard-truncated", "the shard ends before it")
        return number / 10


class Without(Run):
    """Has no scores."""

    identity = "no heads"

    def score(self, key, _split):
        self.asked.append(key)


@pytest.fixture
def made(tmp_path):
    def make(runs, dataset="clips"):
        return Scores(Clips(), runs, ModelLock(), tmp_path / "scores", dataset)

    return make


def test_each_clip_at_hand_is_scored_once_and_rows_that_are_no_clips_have_none(made):
    run = Run()
    scores = made({"small": run})
    assert scores.rows(0, 6) == {"score small": [None] * 6}
    scores.compute()
    assert scores.rows(0, 6) == {"score small": [0.0, 0.1, None, None, None, None]}
    assert scores.rows(1, 2) == {"score small": [0.1]}
    assert scores.rows(4, 6) == {"score small": [None, None]}
    scores.compute()
    assert run.asked == [f"clip-0000{n}" for n in (0, 1, 3)]


def test_the_next_server_computes_only_what_failed(made):
    made({"small": Run()}).compute()
    again, other = Run(), Run()
    scores = made({"renamed": again})
    scores.compute()
    assert again.asked == ["clip-00003"]
    assert scores.rows(0, 2) == {"score renamed": [0.0, 0.1]}
    made({"small": other}, "other clips").compute()
    assert len(other.asked) == 3


def test_a_reader_gets_every_score_once_in_however_many_steps(made):
    scores = made({"a": Run(), "b": Run()})
    empty = scores.since(0)
    assert (empty["next"], empty["done"], empty["total"]) == (0, 0, 8)
    assert not empty["complete"] and empty["scores"] == {}
    scores.compute()
    first = scores.since(0)
    assert first["complete"] and first["next"] == first["done"] == 6
    assert first["scores"] == {"score a": ([0, 1], [0.0, 0.1]), "score b": ([0, 1], [0.0, 0.1])}
    assert scores.since(2)["scores"] == {"score a": ([1], [0.1]), "score b": ([1], [0.1])}
    for number in (6, 99, -5):
        assert scores.since(number)["next"] == 6


def test_a_run_without_scores_is_asked_once(made):
    run = Without()
    scores = made({"small": run})
    scores.compute()
    assert run.asked == ["clip-00000"]
    assert scores.since(0)["complete"]


def test_a_score_that_the_page_of_a_clip_needed_is_not_computed_again(made):
    run = Run()
    scores = made({"small": run})
    scores.note(0, 1, 0.5)
    scores.note(0, 2, 0.25)
    scores.note(0, 0, None)
    scores.compute()
    assert run.asked == ["clip-00000", "clip-00003"]
    assert scores.rows(0, 3) == {"score small": [0.0, 0.5, 0.25]}
    again = Run()
    made({"small": again}).compute()
    assert again.asked == ["clip-00003"]


def test_it_stops_after_the_clip_that_is_computed_now(made):
    begun, stopping = threading.Event(), threading.Event()

    class Slow(Run):
        def score(self, key, split):
            begun.set()
            stopping.wait(10)
            return super().score(key, split)

    run = Slow()
    scores = made({"small": run})
    scores.start()
    assert begun.wait(10)
    scores.stop(timeout_s=0)
    stopping.set()
    scores.stop()
    assert run.asked == ["clip-00000"]


def test_without_runs_nothing_starts(made):
    scores = made({})
    scores.start()
    assert scores._thread is None and not scores.columns and scores.since(0)["complete"]
