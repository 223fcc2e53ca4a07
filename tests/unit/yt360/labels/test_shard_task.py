"""Shards that several processes label: one at a time, whatever becomes of the others."""

import signal
import subprocess
import sys

import pytest

from yt360.files import atomic_write
from yt360.labels.shard_task import remove_leftovers, shard_tasks

HOLDER = """
import sys, time
from pathlib import Path
from yt360.locks import exclusive_lock
with exclusive_lock(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def tasks(dataset):
    return list(shard_tasks(dataset, ["train"]))


def hidden(dataset):
    return {path.name for path in dataset.rglob(".*")}


def test_a_lock_excludes_others_and_ends_with_its_block(dataset, tasks):
    with tasks[0].locked("panoptic") as ours:
        assert ours
        with tasks[0].locked("panoptic") as again:
            assert not again
        with tasks[0].locked("other") as other_set, tasks[1].locked("panoptic") as other_shard:
            assert other_set and other_shard
    assert hidden(dataset) == set()


def test_an_error_releases_the_lock(dataset, tasks):
    with pytest.raises(RuntimeError), tasks[0].locked("panoptic"):
        raise RuntimeError
    assert hidden(dataset) == set()


def test_the_lock_of_a_killed_process_is_free(dataset, tasks):
    path = dataset / "train" / ".panoptic-000000.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "locked\n"
        with tasks[0].locked("panoptic") as ours:
            assert not ours
        remove_leftovers(dataset, tasks, "panoptic")
        assert path.exists(), "its process lives"
        holder.send_signal(signal.SIGKILL)
    assert path.exists()
    with tasks[0].locked("panoptic") as ours:
        assert ours


def test_leftovers_of_killed_processes_are_removed_and_files_in_use_are_not(dataset, tasks):
    names = [".panoptic-000000.tar.0a1b2c3d.tmp", ".panoptic-000000.lock"]
    left = [dataset / ".labels-panoptic.json.0.tmp", *(dataset / "train" / each for each in names)]
    others = [dataset / "train" / each.replace("panoptic", "released") for each in names]
    for path in (*left, *others):
        path.write_bytes(b"half a shard")
    in_use = dataset / "train" / "panoptic-000001.tar"
    with atomic_write(in_use) as first, atomic_write(in_use) as second:
        remove_leftovers(dataset, tasks, "panoptic")
        assert not any(path.exists() for path in left)
        assert hidden(dataset) == {path.name for path in others} | {
            file.name.rpartition("/")[2] for file in (first, second)
        }
