"""Jobs of Slurm, without Slurm."""

from __future__ import annotations

import subprocess

import pytest
from helpers.errors import user_error

from yt360.execution.engines.slurm import SlurmConfig, SlurmExecutor, SlurmJobs, sbatch_options


def test_options_become_those_of_submitit():
    config = SlurmConfig(
        cpus=4, gpus=1, memory_gb=8.0, minutes=30, setup=["module load x"], sbatch={"account": "a"}
    )
    assert sbatch_options(config, "gpu", 25) == {
        "time": 30,
        "cpus_per_task": 4,
        "array_parallelism": 25,
        "partition": "gpu",
        "mem": "8000MB",
        "gpus_per_node": 1,
        "setup": ["module load x"],
        "additional_parameters": {"account": "a"},
    }
    assert sbatch_options(SlurmConfig(), None, 1).keys() == {
        "time", "cpus_per_task", "array_parallelism"
    }  # fmt: skip


def test_jobs_are_asked_for_and_cancelled_by_the_name_of_the_run(tmp_path):
    commands = []

    def call(command):
        commands.append(command)
        return "12_0\n12_3\n14\n"

    jobs = SlurmJobs(tmp_path / "run-1", {}, call)
    assert jobs.alive() == {"12_0", "12_3", "14"}
    jobs.cancel()
    assert [command[0] for command in commands] == ["squeue", "scancel"]
    assert all("--name=yt360-run-1" in command for command in commands)


def test_commands_that_fail_are_no_answer(tmp_path):
    def call(command):
        raise subprocess.TimeoutExpired(command, 1)

    jobs = SlurmJobs(tmp_path, {}, call)
    with pytest.raises(OSError, match="timed out"):
        jobs.alive()
    jobs.cancel()


@pytest.mark.parametrize("partition", [None, "gpu", "gpu,cpu"])
def test_partitions_that_slurm_has_are_accepted(tmp_path, partition):
    SlurmExecutor(SlurmConfig(), partition, tmp_path, lambda _: "cpu\ngpu\n").require_answer()


@pytest.mark.parametrize("partition", ["gpus", "cpu,gpus"])
def test_a_partition_that_slurm_lacks_is_refused(tmp_path, partition):
    with user_error("unknown-name", "--executor"):
        SlurmExecutor(SlurmConfig(), partition, tmp_path, lambda _: "cpu\ngpu\n").require_answer()


def test_a_slurm_that_does_not_answer_is_named_with_what_it_says(tmp_path):
    def call(command):
        raise subprocess.CalledProcessError(1, command, stderr="no\ncontroller")

    with user_error("network", "--executor") as raised:
        SlurmExecutor(SlurmConfig(), None, tmp_path, call).require_answer()
    assert "no controller" in str(raised.value)


def test_a_job_without_a_log_has_an_empty_one(tmp_path):
    folder = tmp_path / "run-1" / "jobs"
    folder.mkdir(parents=True)
    (folder / "12_0_0_log.err").write_text("no module\n")
    jobs = SlurmJobs(tmp_path / "run-1", {}, lambda _: "")
    assert jobs.log("12_0") == "no module\n" and jobs.log("12_1") == ""


def test_jobs_that_slurm_does_not_take_stop_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no sbatch
    with user_error("system", "--executor"):
        SlurmJobs(tmp_path / "run-1", {}).submit([None])


def test_the_folder_of_jobs_may_be_chosen(tmp_path):
    executor = SlurmExecutor(SlurmConfig(folder=str(tmp_path / "shared")), None, tmp_path / "other")
    with pytest.raises(KeyError), executor.pool(1):
        assert [path.name for path in tmp_path.iterdir()] == ["shared"]
        raise KeyError
