from __future__ import annotations

import json
import os
import shutil
import signal
from contextlib import ExitStack
from dataclasses import replace

import pytest
from helpers.errors import user_error

from yt360.clips import key_order, parse_key
from yt360.errors import UserError
from yt360.execution.local import Crashed
from yt360.locks import exclusive_lock
from yt360.media.ffmpeg import FfmpegDied
from yt360.shards.builder.clip_conversion import ConversionTask, stage_clips
from yt360.shards.builder.input_analysis import AnalysisTask
from yt360.shards.builder.staging import StagingFolder
from yt360.shards.format.schema import DatasetInfo
from yt360.splits import split_of


def test_every_whole_clip_of_every_good_file_is_in_the_dataset(fake, media, tmp_path):
    fake.build(media, tmp_path / "data")
    keys = {parse_key(key) for split in fake.keys(tmp_path / "data").values() for key in split}
    assert len(keys) == 2 + 4 + 6 + 8 + 10 + 12 + 4 + 5 + 2 + 1
    assert {start for video, start in keys if video == "pauses"} == {0, 30, 40, 60}
    assert {start for video, start in keys if video == "holes"} == {0, 10, 30, 50, 60}
    assert {start for video, start in keys if video == "kqAZkf5Odyw"} == {10, 80, 90}
    assert fake.faults(tmp_path / "data") == []


def test_what_is_left_out_is_recorded_with_its_reason(fake, media, tmp_path):
    report = fake.build(media, tmp_path / "data")
    found = {(it.file, it.start_s): it.reason for it in report.rejected if not it.is_rest}
    assert found == {
        ("flat.mp4", None): "not-360",
        ("short.mp4", None): "too-short",
        ("silent.mp4", None): "silent",
        ("pauses.mp4", 10): "silent",
        ("pauses.mp4", 50): "silent",
        ("holes.mp4", 20): "corrupt",
        ("holes.mp4", 40): "corrupt",
    }
    content = json.loads((tmp_path / "data" / "dataset.json").read_text())
    assert content["rejected_by_reason"] == {
        "remainder": 9,
        "silent": 3,
        "corrupt": 2,
        "not-360": 1,
        "too-short": 1,
    }


def test_a_clip_is_silent_by_its_mean_power(fake, media, tmp_path):
    fake.write(tmp_path / "m" / "a.mp4", 10, silent=list(range(9)))  # 1 s of -20 dBFS: -30 dBFS
    for threshold, clips in ((-30.1, 1), (-29.9, 0)):
        options = replace(fake.options, min_level_dbfs=threshold)
        report = fake.build(tmp_path / "m", tmp_path / f"data{clips}", options)
        assert report.info.num_clips == clips


def test_stretches_without_usable_samples_are_told(fake, tmp_path):
    media = tmp_path / "m"
    fake.write(media / "some.mp4", 60, nan=[12, 25, 59], silent=list(range(30, 40)))
    fake.write(media / "mixed.mp4", 30, nan=[0, 10], silent=list(range(20, 30)))
    fake.write(media / "all.mp4", 30, nan=[1, 11, 21])
    report = fake.build(media, tmp_path / "data")
    assert fake.all_keys(tmp_path / "data") == ["some-00000", "some-00040"]
    assert [(each.file, each.start_s, each.reason) for each in report.rejected] == [
        ("all.mp4", None, "bad-samples"),
        ("mixed.mp4", 0, "bad-samples"),
        ("mixed.mp4", 20, "silent"),
        ("some.mp4", 10, "bad-samples"),
        ("some.mp4", 30, "silent"),
        ("some.mp4", 50, "bad-samples"),
    ]
    assert "from 10 s to 30 s holds samples" in report.rejected[3].detail


def test_splits_are_by_video_and_shards_are_in_order(fake, media, tmp_path):
    fake.build(media, tmp_path / "data")
    for split, keys in fake.keys(tmp_path / "data").items():
        assert keys == sorted(keys, key=key_order)
        assert {split_of(parse_key(key)[0], 0.4) for key in keys} == {split}


def test_a_shard_is_never_larger_than_asked_unless_one_clip_is(fake, tmp_path):
    for number in range(9):
        fake.write(tmp_path / "m" / f"v{number}.mp4", 60, size=150_000 if number == 4 else 9_000)
    info = fake.build(tmp_path / "m", tmp_path / "data").info
    shards = [shard for split in info.splits.values() for shard in split.shards]
    assert len([shard for shard in shards if shard.clips > 1]) > 4
    tail = 10240  # a tar ends with empty blocks up to a multiple of this
    assert all(shard.bytes <= 100_000 + tail or shard.clips == 1 for shard in shards)


def test_the_same_inputs_give_the_same_bytes_in_another_folder(fake, media, tmp_path):
    fake.build(media, tmp_path / "one")
    (tmp_path / "deeper").mkdir()
    moved = media.rename(tmp_path / "deeper" / "media")
    fake.build(moved, tmp_path / "two")
    assert fake.tree(tmp_path / "one") == fake.tree(tmp_path / "two")


def stamp(path):
    facts = path.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def test_a_second_run_changes_nothing_not_even_times(fake, media, dataset):
    data = dataset
    before = {path: stamp(path) for path in [data, *data.rglob("*")]}
    assert fake.build(media, data).new_clips == 0
    assert {path: stamp(path) for path in [data, *data.rglob("*")]} == before


def test_added_videos_get_new_shards_and_old_shards_stay(fake, media, dataset):
    data = dataset
    before, keys = fake.tree(data), fake.keys(data)
    for number in range(5):
        fake.write(media / f"added{number}.mp4", 45)
    assert fake.build(media, data).new_clips == 20
    after = fake.tree(data)
    assert {
        name: content for name, content in after.items() if name in before and ".tar" in name
    } == {name: content for name, content in before.items() if ".tar" in name}
    for split, old in keys.items():
        assert fake.keys(data)[split][: len(old)] == old
    assert fake.faults(data) == []


def test_adding_keeps_what_was_rejected_before(fake, media, tmp_path):
    data = tmp_path / "data"
    before = fake.build(media, data).info.rejected
    extra = fake.write(tmp_path / "extra" / "more.mp4", 20)
    assert fake.build(extra, data).info.rejected == before


def test_a_mended_file_is_taken_on_the_next_run(fake, media, dataset):
    data = dataset
    fake.write(media / "flat.mp4", 35)
    report = fake.build(media, data)
    assert report.new_clips == 3
    assert "not-360" not in report.info.rejected_by_reason()


def test_an_unchanged_rejected_file_is_tried_again_only_on_request(
    fake, media, tmp_path, monkeypatch
):
    data = tmp_path / "data"
    fake.build(media, data)
    monkeypatch.setattr("yt360.shards.builder.clip_selection.clip_level", lambda *_: -20.0)
    assert fake.build(media, data).new_clips == 0
    report = fake.build(media, data, retry=True)
    assert report.new_clips == 3 + 3  # silent.mp4, and the silent stretches of pauses.mp4
    assert "silent" not in report.info.rejected_by_reason()
    assert fake.faults(data) == []


def test_what_is_rejected_again_leaves_the_dataset_as_it_was(fake, media, dataset):
    before = fake.tree(dataset)
    assert fake.build(media, dataset, retry=True).new_clips == 0
    assert fake.tree(dataset) == before


def test_other_options_are_refused_and_nothing_is_touched(fake, media, dataset):
    data = dataset
    before = fake.tree(data)
    with user_error("conflict", key="--out"):
        fake.build(media, data, replace(fake.options, clip_s=5))
    with user_error("conflict", key="--out"):
        fake.build(media, data, replace(fake.options, form=replace(fake.options.form, crf=30)))
    assert fake.tree(data) == before


def test_a_dataset_without_shards_takes_other_options(fake, tmp_path):
    fake.write(tmp_path / "m" / "a.mp4", 35, silent=list(range(35)))
    assert fake.build(tmp_path / "m", tmp_path / "data").info.num_clips == 0
    options = replace(fake.options, min_level_dbfs=-200.0)
    assert fake.build(tmp_path / "m", tmp_path / "data", options).info.num_clips == 3
    assert DatasetInfo.load(tmp_path / "data").options["min_level_dbfs"] == -200.0


def test_a_folder_with_other_files_is_refused_and_left_alone(fake, media, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years of work")
    with user_error("exists", key="--out"):
        fake.build(media, tmp_path / "home")
    assert fake.tree(tmp_path / "home") == {"thesis.tex": b"years of work"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"format": "other"}', "does not describe a dataset"),
        ('{"format": "yt360-shards", "format_version": 2}', "format version 2"),
        ('{"format": "yt360-shards", "format_version": 1}', "damaged"),
        ("{", "damaged"),
        ("[]", "damaged"),
    ],
)
def test_a_foreign_dataset_file_is_refused(fake, media, tmp_path, content, message):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dataset.json").write_text(content)
    with pytest.raises(UserError, match=message):
        fake.build(media, tmp_path / "data")


def test_an_output_that_is_a_file_is_refused(fake, media, tmp_path):
    (tmp_path / "data").write_text("")
    with user_error("exists", key="--out"):
        fake.build(media, tmp_path / "data")


def test_the_output_may_lie_inside_the_input(fake, media):
    fake.build(media, media / "data")
    assert fake.build(media, media / "data").new_clips == 0


def test_a_whole_video_added_behind_one_of_its_clips_gives_the_rest(fake, tmp_path):
    fake.write(tmp_path / "m" / "kqAZkf5Odyw-20.mp4", 10)
    fake.build(tmp_path / "m", tmp_path / "data")
    fake.write(tmp_path / "m" / "kqAZkf5Odyw-0.mp4", 50)
    assert fake.build(tmp_path / "m", tmp_path / "data").new_clips == 4
    keys = fake.all_keys(tmp_path / "data")
    assert sorted(parse_key(key)[1] for key in keys) == [0, 10, 20, 30, 40]
    assert fake.faults(tmp_path / "data") == []


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


@pytest.mark.parametrize(
    "change",
    [
        {"clip_s": 0},
        {"test_fraction": 1.5},
        {"min_level_dbfs": 3.0},
        {"min_level_dbfs": float("nan")},
        {"shard_mb": 0.0},
        {"shard_mb": float("nan")},
        {"shard_mb": float("inf")},
        {"shard_mb": 1e308},
        {"split_by": "colour"},
    ],
)
def test_options_out_of_range_are_refused(fake, change):
    with pytest.raises(UserError):
        replace(fake.options, **change)


def test_a_second_build_at_the_same_time_is_refused_and_harmless(fake, media, tmp_path):
    data = tmp_path / "data"
    staging = StagingFolder(data)
    with exclusive_lock(staging.lock):
        with pytest.raises(UserError, match="data is in use by process"):
            fake.build(media, data)
        assert [path.name for path in data.rglob("*") if path.is_file()] == ["lock"]
    assert fake.build(media, data).info.complete


def test_a_build_that_cleans_up_leaves_the_next_ones_staging_alone(fake, tmp_path, monkeypatch):
    first, second = StagingFolder(tmp_path), StagingFolder(tmp_path)
    rmtree, entered = shutil.rmtree, []

    def slow_rmtree(folder, **options):
        if not entered:  # while the first cleans up, the second begins
            entered.append(stack.enter_context(exclusive_lock(second.lock)))
            second.prepare({})
            (second.scratch() / "clip.mp4").write_text("made")
        rmtree(folder, **options)

    with ExitStack() as stack:
        with exclusive_lock(first.lock):
            first.prepare({})
            monkeypatch.setattr(shutil, "rmtree", slow_rmtree)
            first.remove()
        assert entered
        assert [path.name for path in tmp_path.iterdir()] == [".staging"]
        assert len(list(tmp_path.glob(".staging/work/*/clip.mp4"))) == 1
        with pytest.raises(UserError, match="is in use by"), exclusive_lock(first.lock):
            pass


def test_less_than_one_worker_is_refused(fake, media, tmp_path):
    with user_error("out-of-range", key="--workers"):
        fake.build(media, tmp_path / "data", workers=0)
    assert not (tmp_path / "data").exists()
