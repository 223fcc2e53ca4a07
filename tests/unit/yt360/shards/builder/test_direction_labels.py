"""Labelled directions of sources: from CSV files into clips."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers.errors import bad_item, user_error
from helpers.in_process import InlinePool

from yt360.commands.dataset.build_shards import command
from yt360.shards.builder.build import build_shards
from yt360.shards.builder.direction_labels import (
    part_of_clip,
    read_direction_labels,
    with_directions,
    without_video,
)
from yt360.shards.builder.inputs.search import find_inputs
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.directions import (
    ClipDirections,
    SourceLabel,
    may_have_directions,
    parse_directions,
)
from yt360.shards.format.reader import ShardReader

# Frame, class, source, azimuth, elevation, distance in centimetres.
LINES = "0,8,0,-31,4,182\n5,1,0,190,-90,250\n5,0,1,90,0,100\n105,8,0,-180,90,0\n"


@pytest.fixture
def labels(tmp_path):
    (tmp_path / "a.csv").write_text(LINES)
    return read_direction_labels(tmp_path / "a.csv")


def test_labels_are_sorted_with_azimuth_to_the_left_and_distance_in_metres(labels):
    assert [tuple(row) for row in labels.rows] == [
        (0, 8, 0, -31.0, 4.0, 1.82),
        (5, 0, 1, 90.0, 0.0, 1.0),
        (5, 1, 0, -170.0, -90.0, 2.5),
        (105, 8, 0, -180.0, 90.0, 0.0),
    ]


def test_the_distance_may_be_missing_and_a_header_is_skipped(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("frame,class,source,azimuth,elevation\r\n3,2,0,10,-5\r\n")
    (row,) = read_direction_labels(path).rows
    assert tuple(row) == (3, 2, 0, 10.0, -5.0, None)


@pytest.mark.parametrize(
    "line",
    ["0,1,0,10", "0,1,0,10,5,100,7", "-1,1,0,0,0", "0.5,1,0,0,0", "0,1,0,361,0", "0,1,0,0,91",
     "0,1,0,nan,0", "0,1,0,0,0,-1", "0,1,0,0,"],
)  # fmt: skip
def test_lines_that_are_no_labels_are_refused(tmp_path, line):
    path = tmp_path / "a.csv"
    path.write_text(f"0,1,0,0,0\n{line}\n")
    with bad_item("bad-directions"):
        read_direction_labels(path)


def test_each_label_is_in_the_clip_at_its_time(labels):
    first, second, third = (part_of_clip(labels, start_s, 10) for start_s in (0, 10, 20))
    assert [row.frame for row in first.rows] == [0, 5, 5]
    assert [row.frame for row in second.rows] == [5] and not third.rows
    assert (
        [row.class_number for row in first.at(0.5)]
        == [0, 1]
        == [row.class_number for row in first.at(0.5999)]
    )
    assert first.at(0.4999) == [] == first.at(0.6)
    # Sums of frames are rounded: none may fall into the frame before.
    for frame in range(1000):
        moved = part_of_clip(replace(labels, rows=(labels.rows[0]._replace(frame=frame),)), 0, 100)
        assert moved.at(frame * 0.1) and moved.at(frame / 10) and not moved.at(frame / 10 + 0.1)


def test_what_is_stored_comes_back(labels):
    content = json.dumps({"video_id": "a", "directions": labels.to_json()}).encode()
    assert parse_directions(content) == labels
    assert parse_directions(b'{"video_id": "a"}') is None


@pytest.mark.parametrize(
    "directions",
    [[], {"frame_s": 0.1}, {"frame_s": 0, "rows": []}, {"frame_s": 5e-324, "rows": []},
     {"frame_s": 0.1, "rows": [[0, 1, 0, 0, 0]]},
     {"frame_s": 0.1, "rows": [[-1, 1, 0, 0, 0, None]]},
     {"frame_s": 0.1, "rows": [[0, 1, 0, 181, 0, None]]},
     {"frame_s": 0.1, "rows": [[0, 1, 0, "left", 0, None]]}],
)  # fmt: skip
def test_stored_directions_that_are_out_of_range_are_refused(directions):
    with pytest.raises(ValueError, match="directions"):
        parse_directions(json.dumps({"directions": directions}).encode())


def build(fake, media, out, **options):
    found = with_directions(find_inputs([media], exclude=out))
    options = replace(fake.options, directions=True, **options)
    return build_shards(found, out, options, make_pool=InlinePool)


def directions_of(dataset):
    found = {}
    for split in ("train", "test"):
        clips = ShardReader(dataset, split)
        for clip, key in enumerate(clips.keys):
            found[key] = parse_directions(clips.read(clip, "json"))
    return found


def test_a_build_stores_the_labels_beside_each_video(fake, tmp_path):
    media, out = tmp_path / "media", tmp_path / "data"
    for name in ("room1", "room2"):
        fake.write(media / f"{name}.mp4", 20)
    (media / "room1.csv").write_text(LINES)
    build(fake, media, out)
    found = directions_of(out)
    assert [len(found[f"room1-{start:05d}"].rows) for start in (0, 10)] == [3, 1]
    assert found["room1-00010"].at(0.5)[0].azimuth_deg == -180
    assert found["room2-00000"] is None
    assert may_have_directions(DatasetInfo.load(out)) and fake.faults(out) == []
    before = fake.tree(out)
    build(fake, media, out)
    assert fake.tree(out) == before


class CountedPath(type(Path())):
    """A path that counts how often the system is asked about it."""

    uses = 0

    def __fspath__(self):
        CountedPath.uses += 1
        return str(self)


def test_labels_are_read_as_often_for_many_clips_as_for_one(fake, tmp_path):
    uses = []
    for count in (1, 3):
        media = tmp_path / f"media{count}"
        fake.write(media / "a.mp4", 10 * count)
        (media / "a.csv").write_text(LINES)
        found = with_directions(find_inputs([media]))
        (video,) = found.videos
        found = replace(found, videos=(replace(video, directions=CountedPath(media / "a.csv")),))
        CountedPath.uses = 0
        options = replace(fake.options, directions=True)
        build_shards(found, tmp_path / f"data{count}", options, make_pool=InlinePool)
        uses.append(CountedPath.uses)
        assert len(directions_of(tmp_path / f"data{count}")) == count
    assert uses[0] == uses[1] > 0


def test_bad_labels_leave_their_video_out(fake, tmp_path):
    media = tmp_path / "media"
    for name in ("good", "bad"):
        fake.write(media / f"{name}.mp4", 10)
        (media / f"{name}.csv").write_text(LINES if name == "good" else "0,1\n")
    report = build(fake, media, tmp_path / "data")
    assert [(each.file, each.reason) for each in report.rejected] == [("bad.mp4", "bad-directions")]
    (media / "bad.csv").write_text(LINES)  # repaired: the video is another one now
    assert not build(fake, media, tmp_path / "data").rejected


def test_a_dataset_without_labels_does_not_take_labels(fake, tmp_path):
    media, out = tmp_path / "media", tmp_path / "data"
    fake.write(media / "a.mp4", 10)
    fake.build(media, out)
    assert "directions" not in DatasetInfo.load(out).options
    (media / "a.csv").write_text(LINES)
    with user_error("conflict", "--out"):
        build(fake, media, out)


def test_labels_that_no_video_has_are_an_error(fake, tmp_path):
    fake.write(tmp_path / "a.mp4", 10)
    (tmp_path / "b.csv").write_text(LINES)
    with user_error("missing", "--directions"):
        with_directions(find_inputs([tmp_path]))


def test_labels_without_a_video_are_found(fake, tmp_path):
    fake.write(tmp_path / "a.mp4", 10)
    for name in ("a.csv", "b.csv", "c.CSV"):
        (tmp_path / name).write_text(LINES)
    found = with_directions(find_inputs([tmp_path]))
    assert without_video(found) == [tmp_path / "b.csv", tmp_path / "c.CSV"]
    assert found.ignored == 2


def test_the_command_counts_labels_without_a_video(tmp_path):
    media = tmp_path / "media"
    media.mkdir()
    for name in ("a.mp4", "a.csv", "b.csv", "c.csv"):
        (media / name).write_text(LINES)
    words = [str(media), "--out", str(tmp_path / "data"), "--directions", "--workers", "1"]
    done = CliRunner().invoke(command, words)
    assert "2 CSV files" in done.stderr and "b.csv" in done.stderr
    assert done.exception.code == "empty"  # what is called a.mp4 is no video


def test_labels_turn_with_the_clip():
    row = SourceLabel(0, 1, 0, 100.0, -20.0, None)
    labels = ClipDirections(frame_s=0.1, rows=(row, row._replace(azimuth_deg=-100.0)))
    turned = labels.turned_to(90.0)
    assert [each.azimuth_deg for each in turned.rows] == [10.0, 170.0]
    assert {each.elevation_deg for each in turned.rows} == {-20.0}
    assert labels.turned_to(0.0) == labels
