"""Only regular files are opened, inside their folder, up to a length."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from yt360.untrusted.files import open_regular, read_limited


def test_a_fifo_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError):
        open_regular(tmp_path / "pipe")


@pytest.mark.parametrize("target", ["/dev/zero", "/"])
def test_links_to_devices_and_folders_are_refused(tmp_path, target):
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(ValueError):
        open_regular(tmp_path / "link")


def test_a_link_must_not_leave_the_folder_that_is_named(tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    folder.mkdir()
    outside.write_bytes(b"secret")
    (folder / "within").write_bytes(b"open")
    (folder / "link").symlink_to(outside)
    (folder / "inner").symlink_to("within")
    with pytest.raises(ValueError):
        open_regular(folder / "link", inside=folder)
    assert read_limited(folder / "link", 10) == b"secret"
    assert read_limited(folder / "inner", 10, inside=folder) == b"open"


def test_a_folder_that_is_reached_by_a_link_is_inside_itself(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x").write_bytes(b"x")
    (tmp_path / "named").symlink_to("real")
    assert read_limited(tmp_path / "named" / "x", 1, inside=tmp_path / "named") == b"x"


def test_more_bytes_than_allowed_are_refused(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert read_limited(path, 5) == b"12345"
    with pytest.raises(ValueError):
        read_limited(path, 4)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_no_descriptor_is_left_open_by_a_refusal(tmp_path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(8):
        with pytest.raises(ValueError):
            open_regular(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
