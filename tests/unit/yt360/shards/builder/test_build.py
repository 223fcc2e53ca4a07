"""What a build puts into a dataset, and what further builds add to it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from helpers.fake_media import fake_convert_clips
from helpers.paths import REPOSITORY

from yt360.clips import key_order, parse_key
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.reader import ShardReader
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


def test_a_dataset_without_shards_takes_other_options(fake, tmp_path):
    fake.write(tmp_path / "m" / "a.mp4", 35, silent=list(range(35)))
    assert fake.build(tmp_path / "m", tmp_path / "data").info.num_clips == 0
    options = replace(fake.options, min_level_dbfs=-200.0)
    assert fake.build(tmp_path / "m", tmp_path / "data", options).info.num_clips == 3
    assert DatasetInfo.load(tmp_path / "data").options["min_level_dbfs"] == -200.0


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


@pytest.fixture
def scans(fake, monkeypatch) -> list[str]:
    """Names of the videos that are scanned, each time that one is."""
    names: list[str] = []
    original = fake.open_source

    def listed(video, *arguments, **options):
        names.append(video.name)
        return original(video, *arguments, **options)

    monkeypatch.setattr(fake, "open_source", listed)
    return names


def test_a_build_scans_a_source_once_whatever_its_length(fake, scans, tmp_path):
    fake.write(tmp_path / "m" / "long.mp4", 1000)
    fake.write(tmp_path / "m" / "short.mp4", 20)
    fake.build(tmp_path / "m", tmp_path / "data")
    assert sorted(scans) == ["long.mp4", "short.mp4"]


def test_a_continued_build_scans_only_what_it_has_to_convert(fake, scans, tmp_path, monkeypatch):
    fake.write(tmp_path / "m" / "a.mp4", 1000)
    fake.write(tmp_path / "m" / "b.mp4", 20)

    def stop_at_a(source, requests, *arguments, **options):
        if source.facts["name"] == "a":
            raise KeyboardInterrupt
        yield from fake_convert_clips(source, requests, *arguments, **options)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(fake, "convert_clips", stop_at_a)
        fake.build(tmp_path / "m", tmp_path / "data")
    scans.clear()
    fake.build(tmp_path / "m", tmp_path / "data")
    assert scans == ["a.mp4"]


def test_neither_a_build_nor_its_workers_load_torch_and_only_workers_load_decoders():
    script = (
        "import sys, yt360.shards.builder.build, yt360.shards.format.writer\n"
        "assert not {'torch', 'webdataset', 'av', 'scipy'} & set(sys.modules)\n"
        "import yt360.media.convert, yt360.media.source\n"
        "assert not {'torch', 'webdataset'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_process_that_hands_out_tasks_does_not_load_decoders(tmp_path):
    """It passes on what the workers found; nor does it load other engines, or pandas."""
    clips = ShardReader(REPOSITORY / "shards", "train")
    (tmp_path / "m").mkdir()
    for member in ("mp4", "flac"):
        (tmp_path / "m" / f"a.{member}").write_bytes(clips.read(0, member))
    arguments = ["build-shards", str(tmp_path / "m"), "--out", str(tmp_path / "data")]
    script = (
        "import sys\n"
        "from yt360.cli import cli\n"
        f"cli.main({[*arguments, '--clip-s', '1', '--workers', '1']}, standalone_mode=False)\n"
        "unwanted = {'av', 'pandas', 'scipy', 'yt360.catalog.catalog', 'ruamel.yaml'}\n"
        "assert not unwanted & set(sys.modules), unwanted & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert DatasetInfo.load(tmp_path / "data").num_clips
