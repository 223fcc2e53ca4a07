"""What the split never tears apart, and the warning where names suggest that it did."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.errors import user_error
from helpers.in_process import InlinePool

from yt360.duplicates.groups import GROUPS_FILE, write_groups
from yt360.shards.builder.build import build_shards
from yt360.shards.builder.inputs.search import find_inputs
from yt360.shards.builder.splits.groups import check_grouping, group_of, warn_of_similar_names

PIECES = [f"tAiVUt5vE34l_{number}" for number in range(10, 130, 10)]


def splits_of(fake, dataset: Path, names: list[str]) -> set[str]:
    keys = fake.keys(dataset)
    return {split for split, held in keys.items() for n in names if f"{n}-00000" in held}


def write_pieces(fake, folder: Path) -> Path:
    for name in [*PIECES, *(f"another{number}" for number in range(6))]:
        fake.write(folder / f"{name}.webm", 10)
    return folder


def test_pieces_of_one_recording_stay_together_when_asked(fake, tmp_path):
    media = write_pieces(fake, tmp_path / "media")
    torn = fake.build(media, tmp_path / "torn")
    assert splits_of(fake, tmp_path / "torn", PIECES) == {"train", "test"}
    (warning,) = torn.notes
    assert "12 videos" in warning and "'tAiVUt5vE34l...'" in warning and "--group-by" in warning
    options = replace(fake.options, split_by="(.+)_[0-9]+")
    whole = fake.build(media, tmp_path / "whole", options)
    assert len(splits_of(fake, tmp_path / "whole", PIECES)) == 1
    assert whole.notes == ()


def test_a_piece_that_comes_later_follows_those_in_shards(fake, tmp_path):
    options = replace(fake.options, split_by="(.+)_[0-9]+")
    splits = set()
    for recording in range(8):
        media = tmp_path / f"media{recording}"
        fake.write(media / f"r{recording}_1.webm", 10)
        fake.build(media, tmp_path / "data", options)
        first = splits_of(fake, tmp_path / "data", [f"r{recording}_1"])
        (media / f"r{recording}_1.webm").unlink()
        fake.write(media / f"r{recording}_2.webm", 10)
        fake.build(media, tmp_path / "data", options)
        assert splits_of(fake, tmp_path / "data", [f"r{recording}_2"]) == first
        splits |= first
    assert splits == {"train", "test"}


def test_videos_can_be_grouped_by_any_fact(fake, tmp_path):
    for number in range(12):
        fake.write(tmp_path / "media" / f"v{number}.mp4", 10)
        facts = {"title": "one concert", "channel_id": f"UC{number}"}
        (tmp_path / "media" / f"v{number}.info.json").write_text(json.dumps(facts))
    names = [f"v{number}" for number in range(12)]
    fake.build(tmp_path / "media", tmp_path / "a", replace(fake.options, split_by="title"))
    assert len(splits_of(fake, tmp_path / "a", names)) == 1
    fake.build(tmp_path / "media", tmp_path / "b", replace(fake.options, split_by="channel"))
    assert len(splits_of(fake, tmp_path / "b", names)) == 2


def build_with(fake, media: Path, out: Path, duplicates: tuple, **more):
    found = replace(find_inputs([media]), duplicates=duplicates)
    return build_shards(found, out, fake.options, make_pool=InlinePool, **more)


def test_duplicates_share_a_split_and_connect_their_channels(fake, tmp_path):
    names = [f"v{number}" for number in range(12)]
    for number, name in enumerate(names):
        fake.write(tmp_path / "media" / f"{name}.mp4", 10)
        facts = {"channel_id": f"UC{number // 2}"}
        (tmp_path / "media" / f"{name}.info.json").write_text(json.dumps(facts))
    build_with(fake, tmp_path / "media", tmp_path / "apart", ())
    assert splits_of(fake, tmp_path / "apart", names) == {"train", "test"}
    pairs = tuple((names[n], names[n + 1]) for n in range(1, 11, 2))
    build_with(fake, tmp_path / "media", tmp_path / "joined", pairs)
    assert len(splits_of(fake, tmp_path / "joined", names)) == 1


def test_a_new_duplicate_follows_the_one_in_shards(fake, tmp_path):
    splits = set()
    for number in range(8):
        media = tmp_path / f"media{number}"
        old, new = f"a{number}", f"b{number}"
        fake.write(media / f"{old}.mp4", 10)
        build_with(fake, media, tmp_path / "data", ())
        fake.write(media / f"{new}.mp4", 10)
        # As `yt360 dedup` stores them in the dataset.
        (tmp_path / "data" / "duplicates").mkdir(exist_ok=True)
        write_groups(tmp_path / "data" / "duplicates" / GROUPS_FILE, "same-footage", ((old, new),))
        report = build_with(fake, media, tmp_path / "data", ())
        assert len(splits_of(fake, tmp_path / "data", [old, new])) == 1
        assert report.notes == ()
        splits |= splits_of(fake, tmp_path / "data", [old])
    assert splits == {"train", "test"}


def test_duplicates_that_cross_the_split_already_are_said_by_name(fake, tmp_path):
    names = [f"v{number}" for number in range(8)]
    for name in names:
        fake.write(tmp_path / "media" / f"{name}.mp4", 10)
    build_with(fake, tmp_path / "media", tmp_path / "data", ())
    fake.write(tmp_path / "media" / "late.mp4", 10)
    before = fake.keys(tmp_path / "data")
    report = build_with(fake, tmp_path / "media", tmp_path / "data", ((*names, "late"),))
    assert all(name in report.notes[0] for name in [*names, "late"]) and len(report.notes) == 2
    after = fake.keys(tmp_path / "data")
    assert set(after["train"]) == set(before["train"])  # a new video of it goes to test
    assert "late-00000" in after["test"]


def test_saying_that_each_video_stands_for_itself_ends_the_warning(fake, tmp_path):
    media = write_pieces(fake, tmp_path / "media")
    report = fake.build(media, tmp_path / "data", replace(fake.options, split_by="video"))
    assert report.notes == ()


@pytest.mark.parametrize(
    ("names", "warns"),
    [
        (["a_1", "a_2"], True),
        (["a (1)", "a (2)"], True),
        (["folder/a-1", "folder/a-2"], True),
        (["folder/a-1", "other/a-2"], False),
        (["a1", "a2"], False),
        (["a", "b"], False),
    ],
)
def test_names_begin_alike_where_only_a_number_at_the_end_differs(names, warns):
    splits = dict(zip((f"{name}.mp4" for name in names), ("train", "test"), strict=True))
    assert bool(list(warn_of_similar_names(splits))) is warns
    assert not list(warn_of_similar_names(dict.fromkeys(splits, "train")))


def test_a_regular_expression_is_searched_in_the_name_without_suffix():
    assert group_of("(.+)[ _.-]", "x/take_2.webm", {}) == "x/take"
    assert group_of("(.+)[ _.-]", "take.webm", {}) is None
    assert group_of("^([0-9]*)", "take.webm", {}) is None


@pytest.mark.parametrize("group_by", ["colour", "(a)(b)", "(", "a.*b"])
def test_what_groups_nothing_is_refused_with_what_does(group_by):
    with user_error("invalid", key="split_by"):
        check_grouping(group_by)
