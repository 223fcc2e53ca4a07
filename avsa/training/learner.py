"""The networks and the optimizer of one stage of a run.

Encoders continue from stage to stage; each stage has a new task and a new optimizer. Initial
weights and dropout use the global generator of torch, which is seeded here with a key for each use.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from avsa.config.train_config import TrainConfig
from avsa.hub.saved import Saved
from avsa.models.compilation import compile_network
from avsa.models.compute import place_encoders
from avsa.models.encoders import Encoders
from avsa.training.curriculum import Stage
from avsa.training.distributed import World, gather_lists
from avsa.training.optimizer import (
    build_optimizer,
    learning_rate,
    set_learning_rate,
    step_if,
)
from yt360.errors import UserError
from yt360.files import write_json
from yt360.randomness import keyed_generator

FLOAT32_EPSILON = 2.0**-23


def build_encoders(config: TrainConfig, world: World, saved: Saved | None) -> Encoders:
    """Return the encoders on the device, with fresh weights or those of a checkpoint."""
    seed_torch(config.seed, "encoders")
    encoders = config.encoders.build(config.audio.num_channels)
    if saved:
        encoders.load_state_dict(saved.encoders)
    encoders = place_encoders(encoders, config.compute, world).train()
    compile_network(encoders, config.compute)
    return encoders


class Learner:
    """The networks of a stage and their optimizer.

    Args:
        config: The recipe.
        stage: The stage.
        encoders: From `build_encoders`.
        world: This process and the other ranks.
        saved: The checkpoint to resume from; ignored if it is of another stage.

    Attributes:
        encoders: The encoders.
        task: The networks of the task.
        shared_encoders: The encoders, wrapped by DDP if there are several ranks.
        shared_task: The task, wrapped by DDP if there are several ranks.
        optimizer: The optimizer of both.
    """

    def __init__(
        self,
        config: TrainConfig,
        stage: Stage,
        encoders: Encoders,
        world: World,
        saved: Saved | None = None,
    ) -> None:
        self.config, self.stage, self.world = config, stage, world
        seed_torch(config.seed, "task", stage.name)
        task = stage.config.task.build(config.encoders.feature_dim)
        self.encoders, self.task = encoders, task.to(world.device).train()
        self._parameters = [*encoders.parameters(), *self.task.parameters()]
        self.optimizer = build_optimizer(self._parameters, config.optimizer)
        if saved and saved.stage == stage.name:
            self.task.load_state_dict(saved.task or {})
            groups = self.optimizer.state_dict()["param_groups"]
            self.optimizer.load_state_dict({"state": saved.optimizer or {}, "param_groups": groups})
        self.shared_encoders: nn.Module = encoders
        self.shared_task: nn.Module = self.task
        if world.size > 1:
            self.shared_encoders = DistributedDataParallel(encoders)
            self.shared_task = DistributedDataParallel(self.task)
        else:  # among ranks, a task exchanges embeddings, which cannot be compiled
            compile_network(self.task, config.compute)

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step of the run, counted from 1."""
        first = self.stage.first_step
        return learning_rate(self.config.optimizer, step - 1 - first, self.stage.steps)

    def norms(self) -> dict[str, Tensor]:
        """Return the norms of gradient and weights: ``gradient_norm`` and ``weight_norm``."""
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        weights = [p.detach() for p in self._parameters]
        return {
            "gradient_norm": nn.utils.get_total_norm(gradients),
            "weight_norm": nn.utils.get_total_norm(weights),
        }

    def optimizer_step(self, rate: float, gradient_norm: Tensor, plausible: Tensor) -> None:
        """Clip the gradient, if the recipe has a limit, and update the weights if it is plausible.

        The host does not wait for the device (`step_if`).

        Args:
            rate: Learning rate.
            gradient_norm: From `norms`.
            plausible: From `is_plausible`.
        """
        if (longest := self.config.optimizer.max_grad_norm) > 0:
            nn.utils.clip_grads_with_norm_(self._parameters, longest, gradient_norm)
        set_learning_rate(self.optimizer, rate)
        step_if(plausible, self.optimizer)

    def state(self) -> dict[str, Any]:
        """Return the part of a checkpoint from which `Learner` can be restored."""
        return {
            "stage": self.stage.name,
            "encoders": self.encoders.state_dict(),
            "task": self.task.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }


def seed_torch(*key: int | str) -> None:
    """Seed torch's global generators with a key (`yt360.randomness.keyed_generator`)."""
    torch.manual_seed(int(keyed_generator(*key).integers(2**63)))


def is_plausible(loss: Tensor, gradient_norm: Tensor, weight_norm: Tensor) -> Tensor:
    """Return whether loss and gradient are finite and the gradient is plausible, as a boolean.

    A gradient is implausible if rounding the weights to float32, a relative change of 1.2e-7, could
    change the loss by more than its own size (and by more than 1). Kernels that read uninitialized
    memory give such gradients, and so does training that diverges.

    Args:
        loss: A scalar, as all; computed on its device.
        gradient_norm: Norm of the gradient.
        weight_norm: Norm of the weights.
    """
    change = gradient_norm.double() * weight_norm.double() * FLOAT32_EPSILON
    limit = loss.double().abs().clamp(min=1.0)
    return loss.isfinite() & (change <= limit)  # False for inf and NaN


def implausible_step(
    run: Path, world: World, step: int, record: Mapping[str, float], keys: list[str]
) -> UserError:
    """Save the clips of an implausible step; return the error to raise.

    Args:
        run: The run's folder, for ``implausible-step-N.json``.
        world: This process and the other ranks; a collective call.
        step: The step.
        record: Its ``loss``, ``gradient_norm`` and ``weight_norm``.
        keys: Clips of this rank.
    """
    path = run / f"implausible-step-{step:08d}.json"
    keys = gather_lists(keys)
    found = {name: str(record[name]) for name in ("loss", "gradient_norm", "weight_norm")}
    if world.is_first:
        write_json(path, {"step": step, **found, "keys": keys})
    values = ", ".join(f"{name} is {value}" for name, value in found.items())
    return UserError(
        f"{values} at step {step}: not finite, or far too large; the weights are unchanged and the "
        f"clips of the batch are in {path}; with bfloat16, resume with --set compute.bfloat16=off, "
        "else start a new run with a lower optimizer.lr or with optimizer.max_grad_norm",
        code="out-of-range",
        key="gradient_norm",
    )
