"""Laws of builds with decisions of people."""

import json

import pytest
from helpers.fake_media import FakeMedia
from helpers.in_process import InlinePool

from yt360.errors import UserError
from yt360.review.applied import apply_decisions, find_decisions, read_decisions
from yt360.review.log import ReviewLog
from yt360.review.service import ReviewService
from yt360.shards.builder.build import build_shards
from yt360.shards.builder.clip_selection import REJECTED
from yt360.shards.builder.inputs.search import find_inputs
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.reader import ShardReader


def decide(folder, *requests):
    service = ReviewService(ReviewLog.of_folder(folder), clock=lambda: 1_800_000_000.0)
    for request in requests:
        assert service.decide(request)[0] == 200


def build(fake, media, out, **more):
    found = apply_decisions(find_inputs([media], exclude=out), find_decisions([media, out]))
    return build_shards(found, out, fake.options, make_pool=InlinePool, **more)


def facts_of(dataset, key):
    for split in ("train", "test"):
        reader = ShardReader(dataset, split)
        if key in reader.keys:
            return json.loads(bytes(reader.read(reader.keys.index(key), "json")))
    raise KeyError(key)


@pytest.fixture
def media(tmp_path, fake: FakeMedia):
    for name in ("one", "two"):
        fake.write(tmp_path / "media" / f"{name}.mp4", 35)
    return tmp_path / "media"


def test_a_rejected_clip_is_left_out_with_the_reason(tmp_path, fake, media):
    decide(media, {"key": "one-00010", "action": "reject", "note": "wind", "who": "Ann"})
    build(fake, media, tmp_path / "data")
    assert sorted(fake.all_keys(tmp_path / "data")) == [
        "one-00000", "one-00020", "two-00000", "two-00010", "two-00020",
    ]  # fmt: skip
    (loss,) = [each for each in DatasetInfo.load(tmp_path / "data").rejected if not each.is_rest]
    assert (loss.reason, loss.start_s, loss.lost_s) == (REJECTED, 10, 10)
    assert loss.detail == "rejected by Ann on 2027-01-15: wind"
    assert not fake.faults(tmp_path / "data")


def test_a_rejected_video_is_left_out(tmp_path, fake, media):
    decide(media, {"key": "two", "action": "reject"})
    report = build(fake, media, tmp_path / "data")
    assert {key[:3] for key in fake.all_keys(tmp_path / "data")} == {"one"}
    (loss,) = [each for each in report.rejected if each.reason == REJECTED]
    assert (loss.file, loss.start_s, loss.lost_s) == ("two.mp4", None, 30)


def test_a_kept_clip_of_a_rejected_video_stays(tmp_path, fake, media):
    decide(media, {"key": "two", "action": "reject"}, {"key": "two-00010", "action": "keep"})
    report = build(fake, media, tmp_path / "data")
    assert [key for key in fake.all_keys(tmp_path / "data") if key[:3] == "two"] == ["two-00010"]
    losses = [each for each in report.rejected if each.reason == REJECTED]
    assert [(each.start_s, each.lost_s) for each in losses] == [(0, 10), (20, 10)]


def test_an_undone_rejection_does_not_count(tmp_path, fake, media):
    decide(media, {"key": "one-00010", "action": "reject"})
    made = ReviewLog.of_folder(media).read()[0]
    decide(media, {"key": "one-00010", "action": "undo", "id": made.id})
    build(fake, media, tmp_path / "data")
    build(fake, media, tmp_path / "again")
    assert "one-00010" in fake.all_keys(tmp_path / "data")


def test_the_same_decisions_give_the_same_bytes(tmp_path, fake, media):
    decide(
        media,
        {"key": "one-00010", "action": "reject"},
        {"key": "two-00020", "action": "orientation", "value": 90},
    )
    log = ReviewLog.of_folder(media)
    for name in ("first", "second"):
        build(fake, media, tmp_path / name)
        lines = log.path.read_bytes().splitlines(keepends=True)
        log.path.write_bytes(b"".join(reversed(lines)))
    assert fake.tree(tmp_path / "first") == fake.tree(tmp_path / "second")
    before = fake.tree(tmp_path / "first")
    assert build(fake, media, tmp_path / "first").new_clips == 0
    assert fake.tree(tmp_path / "first") == before


def test_front_and_layout_reach_the_conversion_and_are_recorded(tmp_path, fake, media):
    fronts, layouts = {}, {}
    convert, open_source = fake.convert_clips, fake.open_source

    def convert_clips(source, requests, form, correction=None):
        for each in requests:
            fronts[source.facts["name"], each.start_s] = each.front_deg
        return convert(source, requests, form, correction)

    def opened(video, companions=(), **options):
        layouts[video.stem] = options["audio_layout"]
        return open_source(video, companions)

    fake.convert_clips, fake.open_source = convert_clips, opened
    decide(
        media,
        {"key": "one", "action": "orientation", "value": 20.0, "who": "Ann"},
        {"key": "one-00010", "action": "orientation", "value": -90.0},
        {"key": "two-00000", "action": "layout", "value": "n3d"},
        {"key": "two-00010", "action": "layout", "value": "fuma", "who": "Bob"},
    )
    build(fake, media, tmp_path / "data")
    assert fronts == {
        ("one", 0): 20, ("one", 10): -90, ("one", 20): 20,
        ("two", 0): 0, ("two", 10): 0, ("two", 20): 0,
    }  # fmt: skip
    assert layouts == {"one": None, "two": "fuma"}
    data = tmp_path / "data"
    assert facts_of(data, "one-00000")["review"] == ["front at azimuth 20.0° by Ann on 2027-01-15"]
    assert facts_of(data, "one-00010")["review"] == ["front at azimuth -90.0° on 2027-01-15"]
    assert facts_of(data, "two-00000")["review"] == ["audio layout fuma by Bob on 2027-01-15"]
    assert not fake.faults(data)


def test_a_build_without_decisions_records_none(tmp_path, fake, media):
    build(fake, media, tmp_path / "data")
    assert "review" not in facts_of(tmp_path / "data", "one-00000")


def test_decisions_about_other_videos_change_nothing(tmp_path, fake, media):
    build(fake, media, tmp_path / "data")
    decide(media, {"key": "three-00000", "action": "reject"}, {"key": "x", "action": "keep"})
    build(fake, media, tmp_path / "again")
    assert fake.tree(tmp_path / "data") == fake.tree(tmp_path / "again")


def test_a_decision_about_a_clip_that_is_not_cut_is_told(tmp_path, fake, media):
    decide(
        media, {"key": "one-00005", "action": "reject"}, {"key": "one-00010", "action": "reject"}
    )
    notes = build(fake, media, tmp_path / "data").notes
    assert [note for note in notes if "not cut" in note] == [
        "one.mp4: people decided about a clip at 5 s, which is not cut"
    ]


def test_clips_that_are_in_shards_already_are_told(tmp_path, fake, media):
    data = tmp_path / "data"
    build(fake, media, data)
    before = DatasetInfo.load(data)
    decide(data, {"key": "one-00010", "action": "reject"}, {"key": "two", "action": "reject"})
    report = build(fake, media, data)
    (note,) = [each for each in report.notes if "complete shards" in each]
    assert note.startswith("4 clips")
    assert DatasetInfo.load(data) == before
    assert not fake.faults(data)
    found = apply_decisions(find_inputs([media]), read_decisions(data))
    build_shards(found, tmp_path / "new", fake.options, make_pool=InlinePool)
    assert sorted(fake.all_keys(tmp_path / "new")) == ["one-00000", "one-00020"]


def test_a_place_without_decisions_is_refused(media):
    with pytest.raises(UserError) as caught:
        read_decisions(media)
    assert (caught.value.code, caught.value.key) == ("missing", "--review")
