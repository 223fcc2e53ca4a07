"""The optimizer and its learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn

from yt360.config import config_class


@config_class
class OptimizerConfig:
    """How weights are updated. The defaults are the paper's; every stage starts with a new one."""

    kind: Literal["adam", "adamw"] = "adam"
    """adam: weight decay is added to the gradient, as in the paper; adamw: it is decoupled."""
    lr: Annotated[float, Field(gt=0, le=1e6)] = 1e-4
    """Learning rate after the warm-up."""
    weight_decay: Annotated[float, Field(ge=0, le=1e6)] = 1e-5
    """Strength of weight decay."""
    warmup_steps: Annotated[int, Field(ge=0, le=10**9)] = 0
    """Steps over which the learning rate grows linearly from 0."""
    schedule: Literal["constant", "cosine"] = "constant"
    """constant; or cosine: from `lr` to `final_lr_fraction` of it at the end of the stage."""
    final_lr_fraction: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Fraction of `lr` that is left at the end of the cosine."""
    max_grad_norm: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    """Gradients are scaled down to this norm, over all weights together; 0: never."""
    micro_batches: Annotated[int, Field(ge=1, le=10**6)] = 1
    """Parts in which a rank's batch passes the encoders, to save memory. Negatives still come from
    the whole batch; batch norm sees one part at a time."""


def build_optimizer(
    parameters: Iterable[nn.Parameter], config: OptimizerConfig
) -> torch.optim.Optimizer:
    """Return Adam or AdamW over `parameters`."""
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return kinds[config.kind](parameters, lr=config.lr, weight_decay=config.weight_decay)


def learning_rate(config: OptimizerConfig, step: int, steps: int) -> float:
    """Return the learning rate of a step, counted from 0, in a stage of `steps` steps."""
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return config.lr
    progress = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
    fraction = (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return config.lr * (config.final_lr_fraction + (1 - config.final_lr_fraction) * fraction)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every parameter group the same rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate
