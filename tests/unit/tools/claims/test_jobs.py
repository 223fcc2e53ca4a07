"""Jobs are run once, resumed and skipped."""

from __future__ import annotations

from itertools import count

import pytest
from claims.jobs import Job, Runner, duration, times


class Calls:
    """Runs jobs without doing anything, except to fail where it is told."""

    def __init__(self, failing=()):
        self.failing, self.arguments = set(failing), []

    def __call__(self, job, _):
        self.arguments.append(job.arguments())
        return 1 if job.name in self.failing else 0


@pytest.fixture
def runner_of(tmp_path):
    def make(calls, lines=None):
        clock, say = count(), ([] if lines is None else lines).append
        return Runner(tmp_path, 1, calls, lambda: next(clock), say)

    return make


JOBS = [Job("part/a", ("a", "1")), Job("part/b", ("b",))]


def test_what_is_done_is_skipped(runner_of):
    first, second = Calls(), Calls()
    assert runner_of(first).run("part", JOBS) == [] and len(first.arguments) == 2
    assert runner_of(second).run("part", JOBS) == [] and second.arguments == []
    assert runner_of(second).run("part", JOBS, again=True) == [] and len(second.arguments) == 2


def test_a_job_with_another_command_is_run_again(runner_of):
    runner_of(Calls()).run("part", JOBS)
    calls = Calls()
    runner_of(calls).run("part", [Job("part/a", ("a", "2")), JOBS[1]])
    assert calls.arguments == [["a", "2"]]


def test_a_failure_does_not_stop_the_others_and_is_tried_again(runner_of):
    calls, again, lines = Calls({"part/a"}), Calls(), []
    assert runner_of(calls, lines).run("part", JOBS) == ["part/a"] and len(calls.arguments) == 2
    assert any("part/a failed" in line for line in lines)
    assert runner_of(again).run("part", JOBS) == [] and again.arguments == [["a", "1"]]


def test_an_interrupted_job_is_resumed(runner_of, tmp_path):
    job, calls = Job("train", ("train",), ("--resume",), tmp_path / "begun"), Calls({"train"})
    runner_of(calls).run("part", [job])
    job.partial.touch()
    runner_of(calls).run("part", [job])
    assert calls.arguments == [["train"], ["train", "--resume"]]


def test_times_are_summed_over_the_jobs_of_a_part(runner_of, tmp_path):
    runner_of(Calls()).run("part", JOBS)
    runner_of(Calls()).run("other", [Job("c", ("c",))])
    assert times(tmp_path) == {"part": (2, 2.0), "other": (1, 1.0)}


def test_times_of_a_job_that_ran_with_another_command_count(runner_of, tmp_path):
    for command in ("1", "2", "2"):
        runner_of(Calls()).run("part", [Job("a", (command,))])
    assert times(tmp_path) == {"part": (1, 2.0)}
    for _ in range(2):
        runner_of(Calls()).run("report", [Job("b", ("b",))], again=True)
    assert times(tmp_path)["report"] == (1, 1.0)


def test_lines_tell_the_time_that_is_left(runner_of):
    lines = []
    runner_of(Calls(), lines).run("part", JOBS)
    assert "about 1 s left" in lines[1] and "left" not in lines[2]
    assert [duration(s) for s in (45, 600, 7200)] == ["45 s", "10 min", "2.0 h"]
