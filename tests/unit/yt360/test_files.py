"""A final name never stands for half a file."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from yt360.files import append_lines, atomic_write, private_folder, resolved, sha256_of, write_json


def test_content_appears_under_the_final_name_only_when_whole(tmp_path):
    target = tmp_path / "clip.bin"
    with atomic_write(target) as file:
        file.write(b"half")
        file.flush()
        assert not target.exists()
        file.write(b"whole")
    assert target.read_bytes() == b"halfwhole"
    assert [path.name for path in tmp_path.iterdir()] == ["clip.bin"]


def test_a_failed_write_leaves_the_old_content_and_no_litter(tmp_path):
    target = tmp_path / "clip.bin"
    target.write_bytes(b"old")
    with pytest.raises(OSError, match="disk"), atomic_write(target) as file:
        file.write(b"new")
        raise OSError("disk full")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["clip.bin"]


def test_a_full_disk_names_the_file_that_was_being_written(tmp_path, file_size_limit):
    target = tmp_path / "clip.bin"
    with (
        file_size_limit(1000),
        pytest.raises(OSError) as full,
        atomic_write(target) as file,
    ):
        file.write(bytes(2000))
    assert (full.value.errno, full.value.filename) == (errno.EFBIG, str(target))
    assert not list(tmp_path.iterdir())


def test_an_error_of_the_disk_that_a_library_hides_is_found(tmp_path):
    with pytest.raises(OSError) as full, atomic_write(tmp_path / "x.pt"):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        finally:
            raise RuntimeError("unexpected pos 704 vs 598")
    assert (full.value.errno, full.value.filename) == (errno.ENOSPC, str(tmp_path / "x.pt"))


def test_errors_of_the_content_stay_what_they_are(tmp_path):
    with pytest.raises(ConnectionResetError) as lost, atomic_write(tmp_path / "shard.tar"):
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
    assert lost.value.filename is None
    with pytest.raises(ZeroDivisionError), atomic_write(tmp_path / "shard.tar"):
        raise ZeroDivisionError


def test_a_folder_that_cannot_take_a_file_is_told_by_the_final_name(tmp_path):
    with pytest.raises(FileNotFoundError) as missing, atomic_write(tmp_path / "none" / "a"):
        pass
    assert missing.value.filename == str(tmp_path / "none" / "a")
    with pytest.raises(OSError) as long, atomic_write(tmp_path / ("a" * 300)):
        pass
    assert long.value.filename == str(tmp_path / ("a" * 300))


def test_json_bytes_depend_on_the_value_alone(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": ["é", None]})
    write_json(tmp_path / "b.json", {"a": ["é", None], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {
        "a": ["é", None],
        "b": 1,
    }


def test_json_refuses_what_json_does_not_know(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"level_dbfs": float("-inf")})
    assert list(tmp_path.iterdir()) == []


def test_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "x").write_bytes(b"ambisonics" * 1000)
    assert sha256_of(tmp_path / "x") == hashlib.sha256(b"ambisonics" * 1000).hexdigest()


def test_writers_of_one_file_never_share_its_half_written_content(tmp_path):
    target = tmp_path / "clip.bin"
    with atomic_write(target) as first:
        first.write(b"first")
        with atomic_write(target) as second:  # elsewhere, say, with the same process number
            second.write(b"second")
        assert target.read_bytes() == b"second"
        first.write(b", whole")
    assert target.read_bytes() == b"first, whole"
    assert [path.name for path in tmp_path.iterdir()] == ["clip.bin"]


KILLED_WHILE_WRITING = """
import os, pathlib, signal, sys
from yt360.files import atomic_write
with atomic_write(pathlib.Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_goes_when_the_file_is_written_again(tmp_path):
    target = tmp_path / "clip.bin"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(target)])
    assert len(list(tmp_path.iterdir())) == 1, "a second kill leaves no second file"
    with atomic_write(target) as file:
        file.write(b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["clip.bin"]


@pytest.mark.parametrize("plant", [Path.mkdir, os.mkfifo])
def test_what_has_the_name_of_a_temporary_file_and_is_none_does_not_matter(tmp_path, plant):
    plant(tmp_path / ".clip.bin.0.tmp")
    with atomic_write(tmp_path / "clip.bin") as file:
        file.write(b"whole")
    assert (tmp_path / "clip.bin").read_bytes() == b"whole"


def test_a_file_that_is_not_to_be_replaced_stays(tmp_path):
    for content in (b"first", b"second"):
        with atomic_write(tmp_path / "clip.bin", replace=False) as file:
            file.write(content)
    assert (tmp_path / "clip.bin").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["clip.bin"]


def test_a_half_written_file_has_a_name_that_cleaning_finds(tmp_path):
    with atomic_write(tmp_path / "clip.bin"):
        (half,) = tmp_path.iterdir()
        assert half.match(".clip.bin.*.tmp")


@pytest.mark.parametrize("path", [".", "/"])
def test_a_path_without_a_name_is_a_folder(path):
    with pytest.raises(IsADirectoryError) as trouble, atomic_write(Path(path)):
        pass
    assert trouble.value.filename == path


@contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def permissions(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(("mask", "left"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_what_the_umask_leaves(tmp_path, mask, left):
    with umask(mask), atomic_write(tmp_path / "a") as file:
        file.write(b"x")
    assert permissions(tmp_path / "a") == left


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o444])
def test_a_file_that_is_written_anew_keeps_its_permissions_from_the_beginning(tmp_path, kept):
    target = tmp_path / "a"
    target.write_bytes(b"old")
    target.chmod(kept)
    with umask(0o022), atomic_write(target) as file:
        (half,) = set(tmp_path.iterdir()) - {target}
        assert permissions(half) == kept
        file.write(b"new")
    assert (permissions(target), target.read_bytes()) == (kept, b"new")


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / "a").symlink_to(victim)
    with atomic_write(tmp_path / "a") as file:
        file.write(b"new")
    assert victim.read_bytes() == b"mine"
    assert not (tmp_path / "a").is_symlink() and (tmp_path / "a").read_bytes() == b"new"


def test_a_planted_link_is_not_written_to(tmp_path):
    victim = tmp_path / "victim"
    (tmp_path / ".a.0.tmp").symlink_to(victim)
    with atomic_write(tmp_path / "a") as file:
        file.write(b"x")
    assert not victim.exists()


def test_lines_are_not_appended_through_a_link(tmp_path):
    (tmp_path / "log").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError) as refused:
        append_lines(tmp_path / "log")
    assert refused.value.errno == errno.ELOOP and not (tmp_path / "victim").exists()


@pytest.mark.parametrize("mask", [0, 0o022])
def test_a_private_folder_is_its_owners_alone_but_one_that_is_there_stays(tmp_path, mask):
    with umask(mask):
        private_folder(tmp_path / "new" / "cache")
        (tmp_path / "shared").mkdir(0o755)
        private_folder(tmp_path / "shared")
    assert permissions(tmp_path / "new" / "cache") == 0o700
    assert permissions(tmp_path / "shared") == 0o755


def test_a_loop_of_links_is_a_path_of_its_own(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to(tmp_path)
    assert resolved(tmp_path / "loop") == resolved(tmp_path) / "loop"
    assert resolved(tmp_path / "link" / "new") == resolved(tmp_path) / "new"
