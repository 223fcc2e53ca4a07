"""A lock has one holder at a time, whoever comes, goes or is killed meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from yt360.locks import Locked, exclusive_lock

HOLDER = """
import sys, time
from pathlib import Path
from yt360.locks import exclusive_lock
with exclusive_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


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
