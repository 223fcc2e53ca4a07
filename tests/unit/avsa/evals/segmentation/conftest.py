"""The run on scenes as evaluations get it."""

from __future__ import annotations

import pytest
import torch

from avsa.evals.base import Context
from avsa.evals.subject import open_subject
from avsa.training.distributed import World

ALONE = World(0, 1, torch.device("cpu"))


@pytest.fixture
def context(scene_run, tmp_path):
    subject = open_subject(str(scene_run.run), "cpu")
    return Context(subject, scene_run.dataset, ALONE, tmp_path / "work", tmp_path / "features",
                   tmp_path, "x")  # fmt: skip
