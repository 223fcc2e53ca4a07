"""The rows of a catalog."""

import pytest
from helpers.explore import MARKUP, InProcess
from helpers.memory_buckets import Memory, memory_bucket

from yt360.catalog.catalog import Catalog
from yt360.catalog.records import STATES as VIDEO_STATES
from yt360.catalog.records import Clip, MediaFile, Verdict
from yt360.explore.sources.catalog import CatalogSource
from yt360.explore.sources.source import STATES, VIDEO

IDS = [f"video00000{n}" for n in range(4)]


class Named(InProcess):
    """Returns what would be converted, as text."""

    def call(self, _item, function, *args):
        recording, *times = args
        return f"{function.__name__} {recording.video.name} {times}".encode()


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "my.catalog"
    with Catalog(path, create=True) as catalog:
        for number, video_id in enumerate(IDS):
            catalog.videos.add(video_id, title=f"{MARKUP} {number}", channel="c", duration_s=33.5)
        catalog.clips.put(
            IDS[0],
            Clip(start_s=0),
            Clip(start_s=10, kept=False, reason="still"),
            Clip(start_s=20),
        )
        catalog.verdicts.put(
            IDS[0],
            Verdict(kind="silence", verdict="ok", numbers={"level_dbfs": -20.5, "detail": "loud"}),
        )
        catalog.verdicts.put(IDS[1], Verdict(kind="silence", verdict="not ok"))
        catalog.clips.put(IDS[2], Clip(start_s=5))
        for video_id, state in ((IDS[0], "accepted"), (IDS[2], "accepted")):
            catalog.videos.settle(video_id, state, None, None)
        catalog.videos.settle(IDS[1], "rejected", "silence", "W is silent")
        media = catalog.make_media()
        for number in (0, 1):
            name = f"{IDS[number]}.mp4"
            (media / name).write_bytes(b"media")
            catalog.files.put(IDS[number], MediaFile(role="both", path=name, bytes=5))
    return path


def test_kept_clips_come_first_and_everything_else_has_a_reason(path):
    source = CatalogSource(path, Named())
    rows = source.rows(0, 100)
    assert (source.num_clips, source.num_rejected) == (3, 3)
    clips = [(IDS[0], 0), (IDS[0], 20), (IDS[2], 5), (IDS[0], 10), (IDS[1], 0), (IDS[3], 0)]
    assert [*zip(rows["video"], rows["start_s"], strict=True)] == clips
    assert rows["key"] == [source.key(row) for row in range(6)]
    assert [STATES[each] for each in rows["state"]] == ["in"] * 3 + ["left out"] * 3
    reasons = source.columns[10].values
    assert [None if n is None else reasons[n] for n in rows["reason"]] == [
        None, None, None, "still", "silence", "found",
    ]  # fmt: skip
    assert [VIDEO_STATES[n] for n in rows["video_state"][3:]] == ["accepted", "rejected", "found"]


def test_verdicts_and_their_numbers_are_columns(path):
    source = CatalogSource(path, Named())
    columns = {column.name: column for column in source.columns}
    rows = source.rows(0, 6)
    outcomes = columns["check silence"].values
    shown = [None if n is None else outcomes[n] for n in rows["check silence"]]
    assert shown == ["ok", "ok", None, "ok", "not ok", None]
    assert rows["silence: level_dbfs"] == [-20.5, -20.5, None, -20.5, None, None]
    assert columns["silence: level_dbfs"].unit == "dBFS"


def test_parts_of_the_list_join_to_the_list(path):
    source = CatalogSource(path, Named())
    whole = source.rows(0, 6)
    assert list(whole) == [column.name for column in source.columns]
    for name, column in whole.items():
        assert [value for n in range(6) for value in source.rows(n, n + 1)[name]] == column


def test_a_clip_has_the_facts_of_its_video(path):
    facts = CatalogSource(path, Named()).facts(1)
    assert (facts["key"], facts["title"]) == (f"{IDS[0]}-00020", f"{MARKUP} 0")
    assert facts["media"] and facts["reason"] is None and facts["duration_s"] == 10
    assert {"name": "silence", "value": None, "unit": "", "text": "ok: loud"} in facts["verdicts"]


def test_media_are_converted_where_the_clip_is(path):
    source = CatalogSource(path, Named())
    member = source.member(1, VIDEO)
    assert bytes(member.read(0, member.size)) == f"excerpt_video {IDS[0]}.mp4 [20.0, 10.0]".encode()
    assert source.thumbnail(1) == f"excerpt_thumbnail {IDS[0]}.mp4 [25.0]".encode()


def test_a_rejected_video_can_be_seen_if_its_media_is_here(path):
    source = CatalogSource(path, Named())
    assert source.facts(4)["media"] and source.member(4, VIDEO) is not None
    assert not source.facts(5)["media"] and source.member(5, VIDEO) is None


def test_a_clip_without_media_here_names_the_bucket_that_has_it(path, tmp_path, monkeypatch):
    monkeypatch.setenv("YT360_CACHE", str(tmp_path / "cache"))
    with Catalog(path) as catalog:
        files = catalog.files.of(IDS[0])
        for video_id in IDS:
            catalog.files.clear(video_id)
        memory = Memory()
        catalog.set_media("memory://bucket/media", lambda url: memory_bucket(url, memory))
        catalog.files.put(IDS[0], *files)
    source = CatalogSource(path, Named())
    for row, url in ((1, "memory://bucket/media"), (5, None)):
        facts = source.facts(row)
        assert not facts["media"] and facts["media_url"] == url


def test_rows_stay_the_same_while_videos_are_added(path):
    source = CatalogSource(path, Named())
    before = source.rows(0, 6)
    with Catalog(path) as catalog:
        catalog.videos.add("another0000")
        catalog.clips.put(IDS[3], Clip(start_s=0))
    assert source.rows(0, 6) == before


def test_damaged_values_are_unknown(path):
    with Catalog(path) as catalog:
        catalog.execute("UPDATE videos SET title = x'00', duration_s = 'long' WHERE number = 4")
        catalog.execute("UPDATE verdicts SET numbers = '[' WHERE video = 1")
    rows = CatalogSource(path, Named()).rows(0, 6)
    assert rows["title"][5] is None and rows["duration_s"][5] is None
