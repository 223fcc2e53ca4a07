"""An evaluation of several ranks."""

from __future__ import annotations

import json
import socket

import pytest
import torch
from helpers import processes

from avsa.evals.base import Context
from avsa.evals.fit import ScheduleConfig
from avsa.evals.segmentation.config import SegmentationConfig
from avsa.evals.subject import open_subject
from avsa.training.distributed import World

ALONE = World(0, 1, torch.device("cpu"))
SHORT = ScheduleConfig(epochs=1, lr=1e-3)
FEW = {"batch_size": 2, "views": 2, "schedule": SHORT}


def evaluate_on_a_rank(rank, ranks, port, run, dataset, folder):
    """Save the result of an evaluation; the function of a process."""
    if ranks > 1:
        address = f"tcp://127.0.0.1:{port}"
        torch.distributed.init_process_group(
            "gloo", init_method=address, rank=rank, world_size=ranks
        )
    world, work = World(rank, ranks, ALONE.device), folder / "work"
    context = Context(open_subject(str(run), "cpu"), dataset, world, work, work, folder, "x")
    result = SegmentationConfig(**FEW, inputs="video+audio+context").evaluate(context)
    metrics = {name: each.value for name, each in result.metrics.items()}
    (folder / f"{rank}.json").write_text(json.dumps([metrics, result.tables["epochs"][0]]))


@pytest.mark.slow
def test_two_ranks_find_what_one_finds(scene_run, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = {}
    for ranks in (1, 2):
        folder = tmp_path / str(ranks)
        folder.mkdir()
        arguments = (ranks, port, scene_run.run, scene_run.dataset, folder)
        started = [
            processes.start(__file__, "evaluate_on_a_rank", rank, *arguments)
            for rank in range(ranks)
        ]
        for each in started:
            each.join(300)
        assert not any(each.exitcode for each in started)
        found[ranks] = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(ranks)]
    ((metrics, epoch),) = found[1]
    for shared_metrics, shared_epoch in found[2]:
        assert shared_epoch == pytest.approx(epoch, rel=1e-4)
        assert shared_metrics == pytest.approx(metrics, abs=0.01)
