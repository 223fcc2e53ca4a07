"""`tools/engines` kills a job in the middle of a run, and notices what differs."""

from __future__ import annotations

import signal

import pytest
from engines.slurm_jobs import kill_one
from engines.trials import copy_damaged_dataset, make_catalog, outcome
from helpers.in_process import InlinePool
from kill.compare import differences

from yt360.catalog import Catalog
from yt360.shards.check.dataset import check_dataset


class FakeCluster:
    """Says what jobs do, one look after the other."""

    def __init__(self, looks, hosts):
        self.looks, self.processes, self.cancelled = list(looks), hosts, []

    def states(self):
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def hosts(self, job):
        return self.processes.get(job, [])

    def cancel(self, job):
        self.cancelled.append(job)


OLD = {"1_0": "COMPLETED", "1_1": "RUNNING"}
LOOKS = [
    OLD,
    OLD | {"2_0": "RUNNING", "2_1": "RUNNING"},
    OLD | {"2_0": "COMPLETED", "2_1": "RUNNING", "2_2": "RUNNING"},
]


def kill(cluster, how, is_running=lambda: True):
    signals = []
    job = kill_one(
        cluster, set(OLD), how, is_running, lambda *each: signals.append(each), lambda _: None
    )
    return job, signals


@pytest.mark.parametrize(
    ("hosts", "job"), [({"2_1": [21], "2_2": [22]}, "2_2"), ({"1_1": [11], "2_1": [21]}, "2_1")]
)
def test_the_newest_job_that_has_a_worker_is_killed_when_another_has_completed(hosts, job):
    cluster = FakeCluster(LOOKS, hosts)
    assert kill(cluster, "scancel") == (job, []) and cluster.cancelled == [job]
    cluster = FakeCluster(LOOKS, hosts)
    assert kill(cluster, "SIGKILL") == (job, [(*hosts[job], signal.SIGKILL)])
    assert not cluster.cancelled


def test_a_command_that_ends_first_has_no_job_killed():
    answers = iter([True, True, False])
    cluster = FakeCluster(LOOKS[:2], {"2_0": [20]})
    assert kill(cluster, "scancel", lambda: next(answers)) == (None, [])


def test_outcomes_differ_by_exit_code_output_and_files_but_not_by_speed(tmp_path):
    def ended(name, printed, content, code=0):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "made").write_text(content)
        folder.with_suffix(".out").write_text(printed)
        return outcome(folder, code)

    one = ended("one", "3 clips\n0.1 s of a worker per panorama\n", "x")
    assert ended("same", "3 clips\n0.2 s of a worker per panorama\n", "x") == one
    for name, other in (
        ("printed", ended("two", "4 clips\n", "x")),
        ("made", ended("three", "3 clips\n", "y")),
        ("exit code", ended("four", "3 clips\n", "x", code=1)),
    ):
        (line,) = differences(one, other)
        assert line.startswith(f"{name}: ")


def test_a_catalog_of_scenes_waits_for_its_inspection(tmp_path):
    for number in range(5):
        for suffix in (".mp4", ".flac"):
            (tmp_path / f"scene-{number}{suffix}").write_bytes(b"x")
    make_catalog(tmp_path, tmp_path)
    with Catalog(tmp_path / "my.catalog") as catalog:
        assert catalog.claims.waiting("inspect") == 3


def test_each_shard_of_a_damaged_dataset_has_a_fault(tiny_dataset, tmp_path):
    copy_damaged_dataset(tiny_dataset, tmp_path)
    for dataset, damaged in ((tiny_dataset, 0), (tmp_path / "data", 3)):
        faults = list(check_dataset(dataset, quick=True, make_pool=InlinePool))
        assert sum("SHA-256" in fault for fault in faults) == damaged
