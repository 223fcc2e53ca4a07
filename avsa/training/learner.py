"""What learns in one stage of a run: encoders, the task's networks, and their optimizer.

Encoders go on from stage to stage; the task's networks and the optimizer start anew. Initial
weights and dropout draw from torch's own generator, which is keyed here for every step.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from avsa.config.recipe import TrainConfig
from avsa.hub.saved import Saved
from avsa.models.model import Encoders, autocast, place_encoders
from avsa.tasks.tasks import Metrics, build_task
from avsa.training.curriculum import Stage
from avsa.training.distributed import World
from avsa.training.gradient_cache import Inputs, forward_backward
from avsa.training.optimizer import build_optimizer, learning_rate, set_learning_rate
from avsa.views.batch import Batch
from yt360.randomness import keyed_generator


def build_encoders(config: TrainConfig, world: World, saved: Saved | None) -> Encoders:
    """Return the encoders on the device, with fresh weights or those of a checkpoint."""
    _seed(config.seed, "encoders")
    encoders = Encoders(config.encoders.video, config.encoders.audio, config.audio.num_channels)
    if saved:
        encoders.load_state_dict(saved.encoders)
    return place_encoders(encoders, config.compute, world).train()


class Learner:
    """The networks of a stage and what moves them.

    Args:
        config: The recipe.
        stage: The stage.
        encoders: From `build_encoders`.
        world: This process among the ranks.
        saved: The checkpoint to go on from; what it says of another stage does not count.

    Attributes:
        encoders: As given.
        task: The task's networks.
    """

    def __init__(
        self,
        config: TrainConfig,
        stage: Stage,
        encoders: Encoders,
        world: World,
        saved: Saved | None = None,
    ) -> None:
        self._config, self._stage, self._world = config, stage, world
        _seed(config.seed, "task", stage.name)
        task = build_task(stage.config.task, config.encoders.video.feature_dim)
        self.encoders, self.task = encoders, task.to(world.device).train()
        self._parameters = [*encoders.parameters(), *self.task.parameters()]
        self._optimizer = build_optimizer(self._parameters, config.optimizer)
        if saved and saved.stage == stage.name:
            self.task.load_state_dict(saved.task or {})
            options = self._optimizer.state_dict()["param_groups"]
            state = {"state": saved.optimizer or {}, "param_groups": options}
            self._optimizer.load_state_dict(state)
        self._gradient_norm = torch.zeros(())
        self._shared = _share(encoders, world), _share(self.task, world)
        self._numerics = partial(autocast, config.compute, world.device)

    def learning_rate(self, step: int) -> float:
        """Return the rate of a step of the run, counted from 1."""
        first = self._stage.first_step
        return learning_rate(self._config.optimizer, step - 1 - first, self._stage.steps)

    def compute_gradients(self, batch: Batch, step: int) -> tuple[Tensor, Metrics]:
        """Set the gradients of a step; return its loss and metrics, detached, on the device.

        Among the metrics are ``gradient_norm`` and ``weight_norm``, the lengths of the gradient and
        of the weights.
        """
        _seed(self._config.seed, "step", step, self._world.rank)
        self._optimizer.zero_grad(set_to_none=True)
        inputs = Inputs(batch.video, batch.audio, batch.directions, batch.raw.moments)
        parts = self._config.optimizer.micro_batches
        encoders, task = self._shared
        loss, metrics = forward_backward(encoders, task, inputs, self._numerics, parts)
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        self._gradient_norm = nn.utils.get_total_norm(gradients)
        weight_norm = nn.utils.get_total_norm([p.detach() for p in self._parameters])
        return loss, metrics | {"gradient_norm": self._gradient_norm, "weight_norm": weight_norm}

    def move_weights(self, step: int) -> None:
        """Take the step along the gradients of `compute_gradients`."""
        if (most := self._config.optimizer.max_grad_norm) > 0:
            nn.utils.clip_grads_with_norm_(self._parameters, most, self._gradient_norm)
        set_learning_rate(self._optimizer, self.learning_rate(step))
        self._optimizer.step()

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint needs to go on."""
        return {
            "stage": self._stage.name,
            "encoders": self.encoders.state_dict(),
            "task": self.task.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }


def _share(module: nn.Module, world: World) -> nn.Module:
    """Return a module whose gradients are averaged over ranks, the same one on a single rank."""
    return module if world.size == 1 else DistributedDataParallel(module)


def _seed(*key: int | str) -> None:
    torch.manual_seed(int(keyed_generator(*key).integers(2**63)))
