"""What processes that are thought to be lost may still do to the staging folder."""

from __future__ import annotations

import pytest

from yt360.shards.builder.staging import StagingFolder, member_file, new_run
from yt360.shards.format.schema import CLIP_MEMBERS


def converted(staging: StagingFolder, content: bytes):
    folder = staging.scratch()
    for member in CLIP_MEMBERS:
        member_file(folder, member).write_bytes(content)
    return folder


def test_the_first_of_two_processes_that_convert_a_clip_wins(tmp_path):
    (tmp_path / ".staging").mkdir()  # as the lock does
    staging = StagingFolder(tmp_path, new_run())
    staging.prepare({})
    first, second = converted(staging, b"first"), converted(staging, b"second")
    staging.publish("clip-00000", first)
    staging.publish("clip-00000", second)
    assert set(staging.members("clip-00000").values()) == {b"first"}
    assert not first.exists() and not second.exists()


def test_processes_of_a_killed_build_cannot_write_any_more(tmp_path):
    (tmp_path / ".staging").mkdir()
    killed = StagingFolder(tmp_path, new_run())
    killed.prepare({})
    killed.publish("clip-00000", converted(killed, b"kept"))
    late = converted(killed, b"late")
    StagingFolder(tmp_path, new_run()).prepare({})
    with pytest.raises(FileNotFoundError):
        killed.publish("clip-00010", late)
    with pytest.raises(FileNotFoundError):
        killed.scratch()
    with pytest.raises(FileNotFoundError):
        killed.discard(["clip-00000"])
    assert StagingFolder(tmp_path).find("clip-00000") and not late.exists()
    assert [path.name for path in (tmp_path / ".staging").glob("old-work-*")] == []
