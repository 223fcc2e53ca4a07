"""An evaluation that caches features and trains a head, and can kill its process on the way."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from torch import nn
from torch.nn.functional import l1_loss, mse_loss

from avsa.evals import EVALUATIONS
from avsa.evals.base import Context, EvaluationConfig
from avsa.evals.feature_cache import plain_spec, view_features
from avsa.evals.fit import Fit, ScheduleConfig
from avsa.evals.result import Metric, Result
from yt360.config import config_class
from yt360.randomness import keyed_generator

KILL = "TEST_KILL_AT"
"""Environment variable: ``features:2``: the process dies by SIGKILL after two batches."""


class Killer:
    """Counts events, and kills the process at one of them."""

    identity: ClassVar = {}

    def __init__(self):
        self.counts = {}

    def passed(self, place):
        self.counts[place] = self.counts.get(place, 0) + 1
        if os.environ.get(KILL) == f"{place}:{self.counts[place]}":
            os.kill(os.getpid(), signal.SIGKILL)

    def __call__(self, model, batch):  # noqa: ARG002
        self.passed("features")
        return {}


@EVALUATIONS.register
@config_class
class HeadConfig(EvaluationConfig):
    """Regression of the directions of views."""

    kind: Literal["head"] = "head"
    schedule: ScheduleConfig = ScheduleConfig(epochs=3, lr=0.01, milestones=(2,))
    dropout: float = 0.0

    def evaluate(self, context: Context) -> Result:
        killer = Killer()
        config = context.subject.require_model().config
        spec = replace(plain_spec(config, "train", 2, self.seed), draws=4)
        features = view_features(context, spec, killer)
        inputs, targets = features.audio.flatten(0, 1), features.directions.flatten(0, 1)
        network = nn.Sequential(nn.Dropout(self.dropout), nn.Linear(inputs.shape[1], 3)).train()
        nn.init.zeros_(network[1].weight)
        nn.init.zeros_(network[1].bias)
        world = context.world

        def batches(first):
            for step in range(first, 12):
                order = keyed_generator(self.seed, "head", step).permutation(len(inputs))[:8]
                yield torch.from_numpy(order[world.rank :: world.size].copy())

        def loss_of(rows):
            killer.passed("training")
            output = network(inputs[rows])
            return mse_loss(output, targets[rows]), {"error": l1_loss(output, targets[rows])}

        fitting = Fit("head", network, self.schedule, 4, self.seed, world, context.work)
        epochs = fitting.run(batches, loss_of)
        with torch.no_grad():
            error = mse_loss(network.eval()(inputs), targets).item()
        return Result(metrics={"error": Metric(value=error, unit="")}, tables={"epochs": epochs})
