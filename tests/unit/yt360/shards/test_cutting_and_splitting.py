"""Which clips of which files a dataset gets, and in which split."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from helpers.errors import user_error

from yt360.clips import TimeRange, parse_key
from yt360.shards.builder.build import build_shards
from yt360.shards.builder.clip_selection import SelectedClip
from yt360.shards.builder.inputs.input_video import FoundInputs, InputVideo, fingerprint_of
from yt360.shards.builder.staging import InputAnalysis, StagingFolder
from yt360.shards.format.reader import ShardReader
from yt360.splits import split_of


def stretches(*starts_s: int, clip_s: float = 10.0) -> tuple[TimeRange, ...]:
    return tuple(TimeRange(start_s, clip_s) for start_s in starts_s)


def test_a_video_stays_in_its_split_when_its_channel_becomes_known(fake, tmp_path):
    media = tmp_path / "m"
    first = fake.write(media / "kqAZkf5Odyw-0.mp4", 10)
    fake.build(media, tmp_path / "data")
    split = split_of("kqAZkf5Odyw", 0.4)
    other = next(name for name in "abcdef" if split_of(name, 0.4) != split)
    fake.write(media / "kqAZkf5Odyw-10.mp4", 10)
    for name in (first.stem, "kqAZkf5Odyw-10"):
        (media / f"{name}.info.json").write_text(json.dumps({"channel": other}))
    fake.build(media, tmp_path / "data")
    assert fake.keys(tmp_path / "data")[split] == ["kqAZkf5Odyw-00000", "kqAZkf5Odyw-00010"]


def test_known_segments_are_cut_and_those_that_cannot_be_are_told(fake, tmp_path):
    file = fake.write(tmp_path / "m" / "part.mp4", 50)
    item = InputVideo(
        video_id="kqAZkf5Odyw",
        video=file,
        name="part.mp4",
        start_s=100,
        segments=stretches(103, 141, 90, 118, 125, 140),
        split="test",
        facts={"url": "http://u", "license": "CC"},
    )
    found = FoundInputs((item,), (), 0)
    report = build_shards(found, tmp_path / "data", fake.options, make_pool=fake.pool)
    assert fake.keys(tmp_path / "data") == {
        "train": [],
        "test": [f"kqAZkf5Odyw-{start:05d}" for start in (103, 118, 140)],
    }
    assert [(each.start_s, each.reason, each.lost_s) for each in report.rejected] == [
        (90, "clip-outside", 0.0),
        (100, "unlisted", 13.0),  # 100 to 103, 113 to 118, 135 to 140
        (125, "overlap", 7.0),
        (141, "clip-outside", 0.0),
    ]
    reader = ShardReader(tmp_path / "data", "test")
    source = json.loads(bytes(reader.read(0, "json")))["source"]
    assert source == {"url": "http://u", "license": "CC", "file": "part.mp4", "file_start_s": 100}


def test_what_is_stated_of_an_input_goes_before_the_options(fake, tmp_path, monkeypatch):
    asked: dict[str, tuple] = {}
    open_source = fake.open_source

    def watch(video, companions=(), **options):
        asked[video.stem] = (options["audio_layout"], options["projection"])
        return open_source(video, companions, **options)

    monkeypatch.setattr(fake, "open_source", watch)
    stated = {"a": ("n3d", None), "b": (None, "eac"), "c": (None, None)}
    items = tuple(
        InputVideo(
            video_id=name,
            video=fake.write(tmp_path / "m" / f"{name}.mp4", 10),
            name=name,
            audio_layout=layout,
            projection=projection,
        )
        for name, (layout, projection) in stated.items()
    )
    options = replace(fake.options, sound_layout="fuma", projection="c3x2")
    build_shards(FoundInputs(items, (), 0), tmp_path / "data", options, make_pool=fake.pool)
    assert asked == {"a": ("n3d", "c3x2"), "b": ("fuma", "eac"), "c": ("fuma", "c3x2")}


def test_an_input_that_is_read_otherwise_is_looked_at_again(fake, tmp_path):
    item = InputVideo(video_id="a", video=fake.write(tmp_path / "a.mp4", 10))
    prints = [
        fingerprint_of(each)
        for each in (
            item,
            replace(item, audio_layout="n3d"),
            replace(item, projection="eac"),
            replace(item, segments=stretches(0, 10)),
            replace(item, segments=stretches(0, 10, clip_s=5)),
            replace(item, segments=stretches(0, 100)),
        )
    ]
    assert len(set(prints)) == 6
    assert fingerprint_of(replace(item, segments=stretches(10, 0))) == prints[3]


def build_segments(fake, tmp_path, *segments: int):
    path = tmp_path / "m" / "part.mp4"
    item = InputVideo(
        video_id="kqAZkf5Odyw",
        video=path if path.exists() else fake.write(path, 50, silent=list(range(20, 30))),
        name="part.mp4",
        segments=stretches(*segments),
        split="test",
    )
    return build_shards(
        FoundInputs((item,), (), 0), tmp_path / "data", fake.options, make_pool=fake.pool
    )


def test_clips_that_are_wanted_later_are_cut_later(fake, tmp_path):
    assert build_segments(fake, tmp_path, 0, 20).new_clips == 1
    assert build_segments(fake, tmp_path, 0, 20, 30).new_clips == 1
    keys = fake.keys(tmp_path / "data")["test"]
    assert keys == ["kqAZkf5Odyw-00000", "kqAZkf5Odyw-00030"]
    before = fake.tree(tmp_path / "data")
    assert build_segments(fake, tmp_path, 0, 20, 30).new_clips == 0
    assert build_segments(fake, tmp_path, 0, 30).new_clips == 0
    assert fake.tree(tmp_path / "data") == before


def test_a_rejected_input_of_which_other_clips_are_wanted_is_looked_at_again(fake, tmp_path):
    assert build_segments(fake, tmp_path, 20).info.num_clips == 0
    report = build_segments(fake, tmp_path, 20, 40)
    assert report.new_clips == 1
    found = [(each.start_s, each.reason) for each in report.rejected]
    assert found == [(0, "unlisted"), (20, "silent")]


def test_a_killed_build_does_not_go_on_with_clips_that_are_no_longer_wanted(fake, tmp_path):
    staging = StagingFolder(tmp_path / "data")
    staging.folder.mkdir(parents=True)
    staging.prepare(fake.options.to_json())
    file = fake.write(tmp_path / "m" / "part.mp4", 50)
    item = InputVideo(
        video_id="kqAZkf5Odyw", video=file, name="part.mp4", segments=stretches(0, 10)
    )
    staging.save_analysis(
        item, InputAnalysis(fingerprint_of(item), (SelectedClip(0, 10.0, -20.0),), ())
    )
    build_segments(fake, tmp_path, 10, 40)
    keys = fake.keys(tmp_path / "data")["test"]
    assert keys == ["kqAZkf5Odyw-00010", "kqAZkf5Odyw-00040"]


def test_videos_of_a_channel_share_a_split(fake, tmp_path):
    for number in range(12):
        fake.write(tmp_path / "m" / f"v{number}.mp4", 10)
        content = json.dumps({"channel": "one", "title": "T"})
        (tmp_path / "m" / f"v{number}.info.json").write_text(content)
    fake.build(tmp_path / "m", tmp_path / "data")
    assert sorted(map(len, fake.keys(tmp_path / "data").values())) == [0, 12]


def test_new_videos_of_a_channel_follow_those_whose_split_is_known(fake, tmp_path):
    videos = {
        "kqAZkf5Odyw": ("one", "train"),
        "aaaaaaaaaaa": ("two", "test"),
        "bbbbbbbbbbb": ("one", None),
        "ccccccccccc": ("two", None),
    }
    items = tuple(
        InputVideo(
            video_id=video_id,
            video=fake.write(tmp_path / "m" / f"{video_id}.mp4", 10),
            name=f"{video_id}.mp4",
            channel=channel,
            split=split,
        )
        for video_id, (channel, split) in videos.items()
    )
    build_shards(FoundInputs(items, (), 0), tmp_path / "data", fake.options, make_pool=fake.pool)
    assert fake.keys(tmp_path / "data") == {
        "train": ["bbbbbbbbbbb-00000", "kqAZkf5Odyw-00000"],
        "test": ["aaaaaaaaaaa-00000", "ccccccccccc-00000"],
    }


def of_one_channel(fake, tmp_path, split_of_a):
    """Return two inputs of a channel whose hash says train; the first may have a split."""
    channel = next(name for name in "abcdef" if split_of(name, 0.4) == "train")
    return tuple(
        InputVideo(
            video_id=name,
            video=fake.write(tmp_path / "m" / f"{name}.mp4", 10),
            name=name,
            channel=channel,
            split=split,
            facts={"channel": "Name", "channel_id": channel},
        )
        for name, split in (("A", split_of_a), ("B", None))
    )


def build_inputs(fake, out, *items):
    found = FoundInputs(tuple(items), (), 0)
    return build_shards(found, out, fake.options, make_pool=fake.pool)


@pytest.mark.parametrize("is_usable", [True, False])
def test_a_finished_video_still_tells_the_split_of_its_channel(fake, tmp_path, is_usable):
    a, b = of_one_channel(fake, tmp_path, "test")
    if not is_usable:
        fake.write(a.video, reason="not-360")
    build_inputs(fake, tmp_path / "whole", a, b)
    build_inputs(fake, tmp_path / "data", a)
    build_inputs(fake, tmp_path / "data", a, b)
    for data in ("whole", "data"):
        assert fake.keys(tmp_path / data) == {
            "train": [],
            "test": ["A-00000", "B-00000"] if is_usable else ["B-00000"],
        }


def test_a_channel_is_known_by_its_clips_when_their_files_are_gone(fake, tmp_path):
    a, b = of_one_channel(fake, tmp_path, "test")
    build_inputs(fake, tmp_path / "data", a)
    build_inputs(fake, tmp_path / "data", b)
    assert fake.keys(tmp_path / "data")["test"] == ["A-00000", "B-00000"]


def test_a_shard_that_does_not_tell_its_channels_is_no_reason_to_tear_one(fake, tmp_path):
    a, b = of_one_channel(fake, tmp_path, "test")
    build_inputs(fake, tmp_path / "data", a)
    (tmp_path / "data" / "test" / "clips-000000.tar").rename(tmp_path / "elsewhere.tar")
    with user_error("invalid"):
        build_inputs(fake, tmp_path / "data", b)
    unknown = replace(b, channel=None, facts={})  # whose channel could be that of none
    assert build_inputs(fake, tmp_path / "data", unknown).new_clips == 1


def test_two_files_that_cover_the_same_time_give_it_once(fake, tmp_path):
    fake.write(tmp_path / "m" / "kqAZkf5Odyw-0.mp4", 30)
    fake.write(tmp_path / "m" / "kqAZkf5Odyw-15.mp4", 30)
    report = fake.build(tmp_path / "m", tmp_path / "data")
    keys = fake.all_keys(tmp_path / "data")
    assert keys == [f"kqAZkf5Odyw-{start:05d}" for start in (0, 10, 20, 35)]
    assert [(item.start_s, item.reason) for item in report.rejected] == [
        (15, "overlap"),
        (25, "overlap"),
    ]


def test_clips_of_two_files_of_a_video_stand_in_order_of_time(fake, tmp_path):
    fake.write(tmp_path / "m" / "kqAZkf5Odyw-0.mp4", 90, silent=list(range(30, 60)))
    fake.write(tmp_path / "m" / "kqAZkf5Odyw-35.mp4", 20)
    fake.build(tmp_path / "m", tmp_path / "data")
    starts = [parse_key(key)[1] for key in fake.all_keys(tmp_path / "data")]
    assert starts == [0, 10, 20, 35, 45, 60, 70, 80]
    assert fake.faults(tmp_path / "data") == []
