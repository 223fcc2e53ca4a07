"""Files, workers and disks that fail during a build."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest
from helpers.errors import user_error

from yt360.errors import UserError
from yt360.execution.local import Crashed
from yt360.media.ffmpeg import FfmpegDied
from yt360.shards.builder.clip_conversion import ConversionTask, stage_clips
from yt360.shards.builder.input_analysis import AnalysisTask
from yt360.shards.builder.staging import StagingFolder
from yt360.shards.format.dataset_info import DatasetInfo


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (lambda file: PermissionError(13, "Permission denied", str(file)), "unreadable"),
        (lambda file: OSError(5, "Input/output error", str(file)), "unreadable"),
        (lambda _: IndexError("list index out of range"), "unexpected-error"),
    ],
)
@pytest.mark.parametrize("function", ["open_source", "w_levels_dbfs", "convert_clips"])
def test_whatever_one_file_provokes_the_rest_goes_on(
    fake, media, dataset, tmp_path, monkeypatch, function, error, reason
):
    original = getattr(fake, function)

    def provoked(*arguments, **options):
        if "pauses" in str(arguments[0]):
            raise error(media / "pauses.mp4")
        return original(*arguments, **options)

    monkeypatch.setattr(fake, function, provoked)
    report = fake.build(media, tmp_path / "again")
    assert {item.reason for item in report.rejected if item.file == "pauses.mp4"} >= {reason}
    others = {key for key in fake.all_keys(dataset) if not key.startswith("pauses")}
    assert set(fake.all_keys(tmp_path / "again")) == others


def crashing_pool(inline, crashes, exit_code=-signal.SIGSEGV):
    """Return a maker of pools whose worker dies of the tasks that `crashes` picks."""

    class CrashingPool(inline):
        def run(self, function, tasks):
            while tasks:
                task = tasks.popleft()
                yield task, Crashed(exit_code) if crashes(task) else function(task)

    return CrashingPool


@pytest.mark.parametrize("when", ["__enter__", "run"])
def test_a_build_whose_workers_are_refused_leaves_nothing(fake, media, tmp_path, when):
    def refuse(*_):
        raise UserError("no cluster answers", code="network", key="--executor")

    pool = type("RefusedPool", (fake.pool,), {when: refuse})
    with user_error("network", "--executor"):
        fake.build(media, tmp_path / "new" / "again", make_pool=pool)
    assert not (tmp_path / "new" / "again").exists()


def test_workers_that_are_refused_after_a_result_leave_it(fake, media, dataset, tmp_path):
    class RefusedPool(fake.pool):
        def run(self, function, tasks):
            task = tasks.popleft()
            yield task, function(task)
            raise UserError("no cluster answers", code="network", key="--executor")

    with user_error("network", "--executor"):
        fake.build(media, tmp_path / "again", make_pool=RefusedPool)
    assert StagingFolder(tmp_path / "again").has_results()
    fake.build(media, tmp_path / "again")
    assert fake.all_keys(tmp_path / "again") == fake.all_keys(dataset)


def test_a_file_whose_probing_crashes_twice_is_left_out(fake, media, dataset, tmp_path):
    def crashes(task):
        return isinstance(task, AnalysisTask) and task.item.video_id == "pauses"

    pool = crashing_pool(fake.pool, crashes)
    report = fake.build(media, tmp_path / "again", make_pool=pool)
    found = [(item.reason, item.start_s) for item in report.rejected if item.file == "pauses.mp4"]
    assert found == [("crash", None)]
    others = {key for key in fake.all_keys(dataset) if not key.startswith("pauses")}
    assert set(fake.all_keys(tmp_path / "again")) == others


@pytest.mark.parametrize("kind", [AnalysisTask, ConversionTask])
def test_a_job_that_takes_too_long_is_not_tried_again(fake, media, dataset, tmp_path, kind):
    tries = []

    def hangs(task):
        found = isinstance(task, kind) and task.item.video_id == "pauses"
        found = found and not all(map(staged, getattr(task, "clips", [None])))
        tries.extend([task] * found)
        return found

    def staged(clip):
        return clip and StagingFolder(tmp_path / "again").find(f"pauses-{clip.start_s:05d}")

    pool = crashing_pool(fake.pool, hangs, -signal.SIGPROF)
    report = fake.build(media, tmp_path / "again", make_pool=pool)
    late = [item.file for item in report.rejected if item.reason == "timeout"]
    assert set(late) == {"pauses.mp4"}
    assert len(tries) == 1
    others = {key for key in fake.all_keys(dataset) if not key.startswith("pauses")}
    assert set(fake.all_keys(tmp_path / "again")) == others


def test_the_clip_that_crashes_is_left_out_and_its_neighbours_are_not(
    fake, media, dataset, tmp_path
):
    staging = StagingFolder(tmp_path / "again")

    def crashes(task):
        """The worker stages what comes before second 30 of pauses.mp4 and dies there."""
        if not isinstance(task, ConversionTask) or task.item.video_id != "pauses":
            return False
        before = tuple(clip for clip in task.clips if clip.start_s < 30)
        stage_clips(replace(task, clips=before))
        return any(clip.start_s == 30 for clip in task.clips) and not staging.find("pauses-00030")

    pool = crashing_pool(fake.pool, crashes)
    report = fake.build(media, tmp_path / "again", make_pool=pool)
    crashed = [item for item in report.rejected if item.reason == "crash"]
    assert [(item.file, item.start_s) for item in crashed] == [("pauses.mp4", 30)]
    assert set(fake.all_keys(dataset)) - set(fake.all_keys(tmp_path / "again")) == {"pauses-00030"}


def test_a_worker_that_dies_once_costs_nothing(fake, media, dataset, tmp_path):
    seen = set()

    def crashes(task):
        first = repr(task) not in seen
        seen.add(repr(task))
        return first

    report = fake.build(media, tmp_path / "again", make_pool=crashing_pool(fake.pool, crashes))
    assert report.info.num_clips == len(fake.all_keys(dataset))
    assert fake.tree(tmp_path / "again") == fake.tree(dataset)


@pytest.mark.parametrize("deaths", [1, 2, 1000])
def test_a_clip_that_ffmpeg_dies_of_is_tried_again_before_it_is_left_out(
    fake, media, dataset, tmp_path, monkeypatch, deaths
):
    convert_clips, left = fake.convert_clips, [deaths]

    def dying(source, requests, form, **more):
        for request in requests:
            if source.facts["name"] == "pauses" and request.start_s == 30 and left[0] > 0:
                left[0] -= 1
                raise FfmpegDied("crash", "killed", -9)
            yield from convert_clips(source, [request], form)

    monkeypatch.setattr(fake, "convert_clips", dying)
    report = fake.build(media, tmp_path / "again")
    if deaths <= 2:  # once among its neighbours, once alone
        assert fake.tree(tmp_path / "again") == fake.tree(dataset)
        return
    crashed = [each for each in report.rejected if each.reason == "crash"]
    assert [(each.file, each.start_s) for each in crashed] == [("pauses.mp4", 30)]
    assert "FFmpeg died of it (exit code -9, SIGKILL)" in crashed[0].detail
    assert set(fake.all_keys(dataset)) - set(fake.all_keys(tmp_path / "again")) == {"pauses-00030"}


@pytest.mark.parametrize("number", [28, 30, 122])
def test_trouble_with_the_output_is_no_fault_of_a_file(fake, media, tmp_path, monkeypatch, number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number), str(media / "pauses.mp4"))

    monkeypatch.setattr(fake, "convert_clips", fail)
    with pytest.raises((UserError, OSError)):
        fake.build(media, tmp_path / "data")
    assert not DatasetInfo.load(tmp_path / "data").complete
