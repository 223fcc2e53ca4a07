"""Runs that stop, by whatever, and go on exactly."""

import errno
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
from helpers import processes
from helpers.errors import user_error
from helpers.memory_buckets import Memory, memory_bucket

from avsa.config.recipe import load_config
from avsa.hub.run_copy import run_copy
from avsa.tasks.contrastive import ProjectionTask
from avsa.training.checkpoint import checkpoints_of, load_checkpoint
from avsa.training.distributed import World
from avsa.training.loop import train
from avsa.training.metrics_log import RunLog, read_log
from avsa.training.request import Outcome, resolve_request
from avsa.training.run_folder import LOCK_FILE, run_lock
from avsa.training.signals import StopSignals
from avsa.views.audio_statistics import measure_statistics, save_statistics
from yt360.locks import Locked
from yt360.shards.format.schema import AUDIO_STATS_FILE


@pytest.mark.parametrize("stop_at", [2, 4, 7])  # in an epoch, between stages, in the last stage
def test_a_stopped_run_resumes_to_the_bit(comparable, alone, undisturbed, data, tmp_path, stop_at):
    config, whole = undisturbed
    train(config, data, tmp_path / "run", alone, steps=stop_at, log_keys=True)
    train(config, data, tmp_path / "run", alone, resume=True, log_keys=True)
    assert comparable(tmp_path / "run") == comparable(whole)
    ours, theirs = (load_checkpoint(run) for run in (tmp_path / "run", whole))
    torch.testing.assert_close(ours["encoders"], theirs["encoders"], rtol=0, atol=0)
    torch.testing.assert_close(ours["optimizer"], theirs["optimizer"], rtol=0, atol=0)


def test_a_run_in_a_bucket_resumes_on_another_machine_to_the_bit(
    comparable, alone, undisturbed, data, tmp_path
):
    config, whole = undisturbed
    bucket = memory_bucket("memory://bucket/run", Memory())
    for machine, steps, resume in (("one", 4, False), ("two", None, True)):
        with run_copy(bucket.url, tmp_path / machine, resume, bucket) as copy:
            train(
                config, data, copy.run, alone, steps=steps, resume=resume, log_keys=True,
                after_save=copy.push,
            )  # fmt: skip
    assert comparable(copy.run) == comparable(whole)
    assert f"checkpoints/{checkpoints_of(whole)[-1].name}" in bucket.sizes()


def train_and_wait(recipe, data, run, waiting):
    """Train in a process of its own, and wait in the sixth step to be killed."""
    whole, calls = ProjectionTask.forward, iter(range(10))

    def wait(*arguments):
        if next(calls) == 5:
            waiting.touch()
            time.sleep(600)
        return whole(*arguments)

    ProjectionTask.forward = wait
    train(load_config(recipe), data, run, World(0, 1, torch.device("cpu")), log_keys=True)


def test_a_killed_run_resumes_to_the_bit(comparable, alone, long_run, data, tmp_path):
    run, recipe, waiting = tmp_path / "run", str(long_run / "config.yaml"), tmp_path / "waiting"
    process = processes.start(__file__, "train_and_wait", recipe, data, run, waiting)
    while process.is_alive() and not waiting.exists():
        time.sleep(0.01)
    process.kill()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert len(read_log(run)) == 5 and load_checkpoint(run)["step"] == 3
    train(load_config(recipe), data, run, alone, resume=True, log_keys=True)
    assert comparable(run) == comparable(long_run)


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_a_signal_saves_the_step_and_ends_cleanly(
    comparable, alone, long_run, data, tmp_path, monkeypatch, number
):
    config, run = load_config(str(long_run / "config.yaml")), tmp_path / "run"
    whole, calls = ProjectionTask.forward, iter(range(40))

    def interrupted(*arguments):
        if next(calls) == 4:
            os.kill(os.getpid(), number)
        return whole(*arguments)

    monkeypatch.setattr(ProjectionTask, "forward", interrupted)
    before = signal.getsignal(number)
    outcome = train(config, data, run, alone, log_keys=True)
    assert signal.getsignal(number) == before
    assert load_checkpoint(run)["step"] == outcome.step == 5
    message = "\n".join(outcome.lines(run))
    assert f"stopped by {number.name}, step 5 of 10" in message
    assert outcome.exit_code == 128 + number
    assert f"resume: avsa train --out {run} --resume" in message
    assert train(config, data, run, alone, resume=True, log_keys=True).exit_code == 0
    assert comparable(run) == comparable(long_run)


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGINT]
)
def test_a_stopped_command_does_not_exit_as_if_it_were_done(
    start, long_run, data, tmp_path, number
):
    arguments = ["--data", data, "--recipe", long_run / "config.yaml", "--out", tmp_path / "run"]
    process, output = start([*arguments, "--set", "stages.avc.steps=1000"])
    log = tmp_path / "run" / "log.jsonl"
    while process.is_alive() and not (log.exists() and log.stat().st_size):
        time.sleep(0.01)
    os.kill(process.pid, number)
    process.join(60)
    assert process.exitcode == 128 + number, output.read_text()
    assert f"stopped by {number.name}" in output.read_text()


def test_a_run_resumes_after_a_full_disk(
    comparable, alone, undisturbed, data, tmp_path, file_size_limit, capsys
):
    config, whole = undisturbed
    run = tmp_path / "run"
    train(config, data, run, alone, steps=4, log_keys=True)
    (*_, newest) = checkpoints_of(run)
    with file_size_limit(newest.stat().st_size // 2), pytest.raises(OSError) as full:
        train(config, data, run, alone, resume=True, log_keys=True)
    assert (full.value.errno, full.value.filename) == (
        errno.EFBIG,
        str(run / "checkpoints" / "step-00000006.pt"),
    )
    assert checkpoints_of(run)[-1] == newest
    train(config, data, run, alone, resume=True, log_keys=True)
    assert comparable(run) == comparable(whole)
    assert "Traceback" not in capsys.readouterr().err


def test_a_log_that_cannot_be_written_is_one_error_that_names_the_run(
    tmp_path, file_size_limit, capsys
):
    with file_size_limit(2000), pytest.raises(OSError) as full, RunLog(tmp_path, 0, 100) as log:
        for step in range(1, 1000):
            log.step(step, "avc", 0, {"loss": 1.0})
            time.sleep(0.001)
    assert (full.value.errno, full.value.filename) == (errno.EFBIG, str(tmp_path))
    assert "Traceback" not in capsys.readouterr().err


def test_a_rank_that_stops_with_another_one_has_an_exit_code():
    assert Outcome(3, 4, Path("c.pt"), None).exit_code == 143
    assert Outcome(4, 4, Path("c.pt"), "SIGINT").exit_code == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_second_signal_stops_at_once(number):
    calls = []
    before = signal.signal(number, lambda number, _: calls.append(number))
    try:
        with StopSignals() as stop:
            signal.raise_signal(number)
            assert stop.name == number.name and not calls
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
    finally:
        signal.signal(number, before)
    assert calls == [number]


def test_a_resumed_run_keeps_the_statistics_that_it_began_with(
    comparable, alone, undisturbed, data, tmp_path
):
    config, whole = undisturbed
    dataset = shutil.copytree(data, tmp_path / "data")
    train(config, dataset, tmp_path / "run", alone, steps=4, log_keys=True)
    save_statistics(
        measure_statistics(dataset, config.audio, samples=3, seed=9),
        dataset, config.audio, samples=3, seed=9,
    )  # fmt: skip
    train(config, dataset, tmp_path / "run", alone, steps=7, resume=True, log_keys=True)
    (dataset / AUDIO_STATS_FILE).write_text("{")  # not even looked at
    train(config, dataset, tmp_path / "run", alone, resume=True, log_keys=True)
    assert comparable(tmp_path / "run") == comparable(whole)


def test_a_resumed_run_keeps_the_batches_that_several_ranks_began_with(
    invoke, alone, tiny, data, tmp_path
):
    run, recipe = tmp_path / "run", ("--recipe", "small", "--data", data)
    three = resolve_request(data, "small", tiny, run, resume=False, ranks=3).config
    assert three.stages["avsa"].batch_size == 6
    train(three, data, run, alone, steps=1)
    tiny = [part for text in tiny for part in ("--set", text)]
    for request, step in (((), 2), ((*recipe, *tiny), 3)):
        result = invoke("--out", run, "--resume", *request, "--steps", step)
        assert result.exit_code == 0, result.output
        assert load_checkpoint(run)["step"] == step
    assert "batch_size 6, as at the start of the run" in result.output
    with user_error("conflict", "stages.avsa.batch_size"):
        invoke("--out", run, "--resume", *recipe, *tiny, "--set", "stages.avsa.batch_size=8")


def test_a_run_is_neither_overwritten_nor_resumed_by_mistake(
    invoke, alone, undisturbed, data, tmp_path
):
    config, run = undisturbed
    unmeasured = tmp_path / "unmeasured"
    shutil.copytree(data, unmeasured)
    (unmeasured / AUDIO_STATS_FILE).unlink()
    with user_error("exists", "--out"):
        train(config, unmeasured, run, alone)
    assert not (unmeasured / AUDIO_STATS_FILE).exists()
    with user_error("missing", "--out"):
        train(config, data, tmp_path / "none", alone, resume=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    with user_error("exists", "--out"):
        train(config, data, tmp_path / "other", alone)
    with user_error("conflict", "optimizer.lr"):
        invoke("--out", run, "--resume", "--set", "optimizer.lr=0.1")
    with user_error("missing", "--out"):
        invoke("--resume")
    with user_error("missing", "--recipe"):
        invoke("--data", data)


def test_a_run_is_not_resumed_with_other_clips(alone, undisturbed, many_shards):
    config, run = undisturbed
    with user_error("conflict", "--data"):
        train(config, many_shards, run, alone, resume=True)


def test_a_run_is_trained_by_one_process_at_a_time(alone, undisturbed, data, tmp_path):
    config, whole = undisturbed
    run = shutil.copytree(whole, tmp_path / "run")
    last = checkpoints_of(run)[-1]
    last.unlink()
    log = (run / "log.jsonl").read_bytes()
    with run_lock(run), pytest.raises(Locked):
        train(config, data, run, alone, resume=True)
    assert (run / "log.jsonl").read_bytes() == log and not last.exists()
    train(config, data, run, alone, resume=True)
    assert last.exists() and not (run / LOCK_FILE).exists()
