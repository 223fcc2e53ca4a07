"""A lock has one holder at a time, whoever comes, goes or is killed meanwhile."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys

import pytest

from yt360.errors import UserError
from yt360.locks import Locked, exclusive_lock

HOLDER = """
import sys, time
from pathlib import Path
from yt360.locks import exclusive_lock
with exclusive_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(("mask", "left"), [(0o002, 0o664), (0o022, 0o644), (0o077, 0o600)])
def test_the_umask_decides_who_else_may_lock(tmp_path, mask, left):
    before = os.umask(mask)
    try:
        with exclusive_lock(tmp_path / "lock"):
            assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == left
    finally:
        os.umask(before)


def test_a_lock_is_held_by_one_process_and_freed_by_its_death(tmp_path):
    path = tmp_path / "data" / ".staging" / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        message = f"data is in use by process {holder.pid} on"
        with pytest.raises(Locked, match=message), exclusive_lock(path, "data"):
            pass
        holder.send_signal(signal.SIGKILL)
    with exclusive_lock(path):
        assert str(os.getpid()) in path.read_text()


def test_a_lock_whose_file_is_deleted_does_not_keep_others_out_for_ever(tmp_path):
    path = tmp_path / "data" / ".staging" / "lock"
    with exclusive_lock(path):
        path.unlink()
        path.parent.rmdir()
    with exclusive_lock(path), pytest.raises(Locked), exclusive_lock(path):
        pass


def test_a_lock_is_not_made_through_a_link(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "lock").symlink_to(victim)
    with pytest.raises(OSError) as refused, exclusive_lock(tmp_path / "lock"):
        pass
    assert refused.value.errno == errno.ELOOP and victim.read_text() == "mine"


def test_a_fifo_is_no_lock_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(UserError, match="not a regular file"), exclusive_lock(tmp_path / "lock"):
        pass


def test_a_full_disk_names_the_lock(tmp_path, file_size_limit):
    with file_size_limit(0), pytest.raises(OSError) as full, exclusive_lock(tmp_path / "lock"):
        pass
    assert full.value.filename == str(tmp_path / "lock")
