"""Runs of several ranks."""

import shutil
import socket

import pytest

from avsa.config.recipe import load_config, save_config
from avsa.training.loop import train
from avsa.training.metrics_log import read_log


@pytest.fixture
def start_two_ranks(start):
    """Return a function that starts two ranks and returns their exit codes and what they said."""

    def start_two(*arguments_of_each):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
        ranks = [
            start(arguments, RANK=str(rank), LOCAL_RANK=str(rank), **address)
            for rank, arguments in enumerate(arguments_of_each)
        ]
        for rank, _ in ranks:
            rank.join(200)
        return [rank.exitcode for rank, _ in ranks], [output.read_text() for _, output in ranks]

    return start_two


def test_ranks_with_different_folders_are_an_error(start_two_ranks, long_run, data, tmp_path):
    arguments = ["--data", data, "--recipe", shutil.copy(long_run / "config.yaml", tmp_path)]
    codes, outputs = start_two_ranks(arguments, [*arguments, "--out", tmp_path / "run"])
    assert codes == [2, 2], outputs
    assert "ranks disagree: --out is runs/config-" in outputs[0] + outputs[1]
    assert not (tmp_path / "run").exists()


def test_two_ranks_see_the_same_clips_and_one_rank_resumes(
    start_two_ranks, alone, long_run, data, tmp_path
):
    run, recipe = tmp_path / "run", shutil.copy(long_run / "config.yaml", tmp_path)
    arguments = ["--data", data, "--recipe", recipe, "--out", run, "--steps", 2]
    arguments += ["--set", "validation.every_steps=2", "--set", "validation.split=train"]
    codes, outputs = start_two_ranks(arguments, arguments)
    assert codes == [0, 0], outputs
    assert "step 2 of 2" in outputs[0]
    assert "val/avc_accuracy" in read_log(run)[1]
    train(load_config(recipe), data, run, alone, steps=4, resume=True, log_keys=True)
    ours, theirs = ([record["keys"] for record in read_log(path)] for path in (run, long_run))
    assert ours == theirs[:4]


def test_two_ranks_train_without_validation_clips(
    tiny_config, start_two_ranks, data, many_shards, tmp_path
):
    dataset = shutil.copytree(many_shards, tmp_path / "data")  # it has no test clips
    shutil.copy(data / "audio_stats.json", dataset)
    save_config(
        tiny_config("avsa-no-curriculum", "validation.every_steps=1"), tmp_path / "tiny.yaml"
    )
    arguments = ["--data", dataset, "--recipe", tmp_path / "tiny.yaml", "--out", tmp_path / "run"]
    codes, outputs = start_two_ranks(arguments, arguments)
    assert codes == [0, 0], outputs
