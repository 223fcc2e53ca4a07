"""Media files of one's own."""

import pytest
from helpers.errors import user_error
from helpers.explore import InProcess
from helpers.paths import REPOSITORY

from yt360.clips import DEFAULT_CLIP_S
from yt360.errors import BadItem
from yt360.explore.sources.excerpts import FORM, RecordingFacts, recording_facts
from yt360.explore.sources.folder import FolderSource
from yt360.explore.sources.source import AUDIO, VIDEO
from yt360.shards.format.reader import ShardReader

NAME = "<b>my clip"


@pytest.fixture(scope="module")
def members():
    reader = ShardReader(REPOSITORY / "shards", "test")
    return {member: bytes(reader.read(0, member)) for member in ("mp4", "flac")}


@pytest.fixture
def folder(tmp_path, members):
    for member, content in members.items():
        (tmp_path / f"{NAME}.{member}").write_bytes(content)
    (tmp_path / "broken.mp4").write_bytes(members["mp4"][:3000])
    return tmp_path


class Long(InProcess):
    """Says that every file is longer than it is, or cannot be opened."""

    def call(self, item, function, *args, **kwargs):
        if function is not recording_facts:
            return super().call(item, function, *args, **kwargs)
        if item.startswith("broken"):
            raise BadItem("crash", "it crashed")
        return RecordingFacts(0.4, 35.0, {"sound": {"doubts": [{"code": "w-gain"}]}})


def test_a_file_becomes_the_clips_that_a_build_would_cut(folder):
    source = FolderSource(folder, Long())
    rows = source.rows(0, 100)
    assert source.num_clips == 3 and source.num_rejected == 1
    assert rows["start_s"][:3] == [1, 11, 21] and rows["duration_s"][:3] == [DEFAULT_CLIP_S] * 3
    assert rows["key"][:3] == [source.key(row) for row in range(3)]
    assert source.facts(1)["verdicts"][0]["name"] == "w-gain"
    assert rows["title"][0] == f"{NAME}.mp4"


def test_a_file_that_cannot_be_used_is_listed_with_the_reason(folder):
    source = FolderSource(folder, Long())
    facts = source.facts(3)
    assert (facts["reason"], facts["media"], facts["title"]) == ("crash", False, "broken.mp4")
    assert source.member(3, VIDEO) is None and source.thumbnail(3) is None


def test_a_short_recording_is_left_out_and_can_be_seen_and_heard(folder, members):
    source = FolderSource(folder, InProcess())
    row = next(row for row in range(2) if source.facts(row)["title"].startswith(NAME))
    facts = source.facts(row)
    assert (facts["reason"], facts["media"], facts["duration_s"]) == ("too-short", True, 2.0)
    video, audio = (source.member(row, name) for name in (VIDEO, AUDIO))
    assert bytes(video.read(4, 8)) == b"ftyp" and bytes(audio.read(0, 4)) == b"fLaC"
    assert facts["width"] == FORM.width and facts["sample_rate"] == FORM.sample_rate_hz
    assert source.thumbnail(row).startswith(b"\xff\xd8")


def test_a_changed_file_is_converted_again(folder):
    source = FolderSource(folder, Fixed())
    before = source.member(0, AUDIO)
    assert source.member(0, AUDIO).tag == before.tag
    (folder / f"{NAME}.mp4").write_bytes(b"other")
    assert source.member(0, AUDIO).tag != before.tag


class Fixed(Long):
    def call(self, item, function, *args, **kwargs):
        if function is recording_facts:
            return super().call(item, function, *args, **kwargs)
        return b"content"


def test_without_media_there_is_nothing_to_see(tmp_path):
    with user_error("empty"):
        FolderSource(tmp_path, InProcess())
