"""What a profile says, on one screen."""

import pytest
import torch

from avsa.config.recipe import load_config
from avsa.profiling.phases import Phase
from avsa.profiling.summary import Setting, advice, summary
from avsa.profiling.trace import COPIES, IDLE, Times
from avsa.training.distributed import World


def times(**shares):
    names = {phase.name: phase for phase in Phase} | {"COPIES": COPIES, "IDLE": IDLE}
    parts = {names[name]: share * 2.0 for name, share in shares.items()}
    return Times(2.0, parts, on_device=True)


def setting(*overrides, device="cpu", threads=8, ranks=1):
    world = World(0, ranks, torch.device(device))
    return Setting(load_config("avsa", overrides), world, threads, 8 * ranks)


@pytest.mark.parametrize(
    ("shares", "where", "words"),
    [
        ({"DATA": 0.4, "BACKWARD": 0.6}, {}, ["give it more cores"]),
        ({"DATA": 0.01, "BACKWARD": 0.99}, {}, ["as they should be"]),
        ({"COPIES": 0.1, "IDLE": 0.3}, {"device": "cuda"}, ["compute.compile", "PCIe"]),
        ({"ENCODERS": 0.2, "BACKWARD": 0.5}, {"threads": 1}, ["OMP_NUM_THREADS=8, not 1"]),
        ({"LOG": 0.1}, {}, ["checkpoint.every_steps"]),
        ({"VIEWS": 0.2}, {}, ["nothing stands out"]),
    ],
)
def test_advice_follows_from_the_shares(shares, where, words):
    lines = advice(times(**shares), setting(**where))
    assert len(lines) == len(words)
    for line, word in zip(lines, words, strict=True):
        assert word in line


def test_advice_depends_on_the_recipe():
    busy = times(ENCODERS=0.3, BACKWARD=0.6)
    overrides = ["compute.bfloat16=off", "optimizer.micro_batches=4"]
    lines = advice(busy, setting(*overrides, device="cuda"))
    assert any("compute.bfloat16=on" in line for line in lines)
    assert any("optimizer.micro_batches=4" in line for line in lines)
    assert not any("bfloat16" in line for line in advice(busy, setting(device="cuda")))


def test_waiting_with_idle_cores_is_cured_by_more_workers():
    waiting = times(DATA=0.5, BACKWARD=0.5)
    assert "data.num_workers=0" in advice(waiting, setting("data.num_workers=2", ranks=2))[0]
    assert "more cores" in advice(waiting, setting("data.num_workers=8", ranks=2))[0]


def test_a_summary_is_a_table_of_shares_on_one_screen():
    lines = summary(times(DATA=0.25, BACKWARD=0.5, ENCODERS=0.25), 4, setting())
    assert lines[0] == "4 steps of 500.0 ms; time of the device in each part:"
    assert lines[1].split() == ["backward", "250.0", "ms", "50.0%"]
    assert summary(times(DATA=1.0), 1, setting())[0].startswith("1 step of 2000.0 ms;")
    assert len(lines) < 24 and all(line.isprintable() for line in lines)
