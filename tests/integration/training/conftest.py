"""Runs at tiny widths, and what starts and compares them."""

import shutil

import pytest
import torch
from click.testing import CliRunner
from helpers import processes

from avsa.commands.train import command as train_command
from avsa.config.recipe import load_config
from avsa.training.distributed import World
from avsa.training.loop import train
from avsa.training.metrics_log import read_log
from avsa.views.audio_statistics import measure_statistics, save_statistics

TIMES = ("step_s", "views_per_s", "data_wait_s", "memory_mb")


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """Sums depend on how many threads share them: here always one, in other processes too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def tiny():
    """Changes that make any recipe tiny."""
    return [
        "views.height=16",
        "views.width=16",
        "audio.n_mels=16",
        "audio.hop_length=240",
        "encoders.video={base_channels: 2, num_stages: 2, blocks_per_stage: 1}",
        "encoders.audio={base_channels: 2, num_stages: 2}",
        "data.video_duration_s=0.125",
        "data.num_workers=1",
        "data.window_gap_s=0.5",
        "checkpoint.every_steps=3",
        "validation.every_steps=0",
    ]


@pytest.fixture(scope="package")
def alone():
    """The only rank."""
    return World(0, 1, torch.device("cpu"))


@pytest.fixture(scope="package")
def data(tiny, tiny_dataset, tmp_path_factory):
    """A copy of the tiny dataset, with audio statistics of few samples."""
    folder = shutil.copytree(tiny_dataset, tmp_path_factory.mktemp("data") / "tiny")
    for recipe in ("small", "avsa-published"):
        audio = load_config(recipe, tiny).audio
        save_statistics(
            measure_statistics(folder, audio, samples=8), folder, audio, samples=8, seed=0
        )
    return folder


@pytest.fixture(scope="package")
def tiny_config(tiny):
    """Return a function that makes a recipe at tiny widths; stages take `steps` steps each."""

    def make(recipe, *overrides, steps=2, batch_size=4):
        stages = []
        for name in load_config(recipe).stages:
            key = f"stages.{name}"
            stages += [f"{key}.epochs=0", f"{key}.steps={steps}", f"{key}.batch_size={batch_size}"]
        return load_config(recipe, [*tiny, *stages, *overrides])

    return make


@pytest.fixture(scope="package")
def comparable():
    """Return a function that reads a log without what depends on the clock."""

    def compare(run):
        return [
            {key: value for key, value in record.items() if key not in TIMES}
            for record in read_log(run)
        ]

    return compare


@pytest.fixture(scope="package")
def undisturbed(tiny_config, alone, data, tmp_path_factory):
    """A run through a change of stage and of epoch, with dropout, that nothing disturbed."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    config = tiny_config("avsa", "stages.avc.steps=4", "stages.avsa.steps=6")
    train(config, data, run, alone, log_keys=True)
    return config, run


@pytest.fixture(scope="package")
def long_run(tiny_config, alone, data, tmp_path_factory):
    """A run of one stage that nothing disturbed, to compare with."""
    run = tmp_path_factory.mktemp("long") / "run"
    config = tiny_config("avc", "compute.bfloat16=off", steps=10)  # without steps that test the CPU
    train(config, data, run, alone, log_keys=True)
    return run


@pytest.fixture
def start(tmp_path):
    """Return a function that starts ``avsa train`` in a process of its own, with a file of what it
    prints."""

    def begin(arguments, **environment):
        output = tmp_path / f"output{environment.get('RANK', '')}.txt"
        words = map(str, arguments)
        return processes.start(
            processes.__file__, "train_command", *words, output=output, **environment
        ), output

    return begin


@pytest.fixture(scope="package")
def invoke():
    """Return a function that calls ``avsa train``."""

    def run(*arguments):
        return CliRunner().invoke(
            train_command, [str(a) for a in arguments], catch_exceptions=False
        )

    return run
