"""The optimizer and its learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from avsa.config.typed import require_at_most
from yt360.errors import UserError


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """How weights move. The defaults are the paper's; every stage starts anew with them."""

    kind: Literal["adam", "adamw"] = "adam"
    """adam: decay is added to the gradient, as in the paper; adamw: decay acts on the weight."""
    lr: float = 1e-4
    """Learning rate after the warm-up."""
    weight_decay: float = 1e-5
    """Strength of weight decay."""
    warmup_steps: int = 0
    """Steps over which the rate grows linearly from 0."""
    schedule: Literal["constant", "cosine"] = "constant"
    """constant, or cosine: falls from `lr` to `final_lr_fraction` of it at the stage's end."""
    final_lr_fraction: float = 0.0
    """What is left of `lr` at the end of the cosine."""
    max_grad_norm: float = 0.0
    """Longest gradient, over all weights together (0: any length)."""
    micro_batches: int = 1
    """Parts in which a rank's batch goes through the encoders, to save memory. The proposals stay
    those of the whole batch; batch norm sees a part at a time."""

    def __post_init__(self) -> None:
        limits = {"lr": 1e6, "weight_decay": 1e6, "warmup_steps": 1e9, "max_grad_norm": 1e9}
        require_at_most("optimizer", self, **limits, micro_batches=1e6)
        if not 0 < self.lr < math.inf:
            raise UserError(f"optimizer lr is {self.lr}; it must be above 0")
        for name in ("weight_decay", "warmup_steps", "max_grad_norm"):
            if getattr(self, name) < 0:
                raise UserError(f"optimizer {name} is {getattr(self, name)}; it must be 0 or more")
        if not 0 <= self.final_lr_fraction <= 1:
            raise UserError(f"optimizer final_lr_fraction is {self.final_lr_fraction}; use 0 to 1")
        if self.micro_batches < 1:
            raise UserError(f"optimizer micro_batches is {self.micro_batches}; use 1 or more")


def build_optimizer(
    parameters: Iterable[nn.Parameter], config: OptimizerConfig
) -> torch.optim.Optimizer:
    """Return Adam or AdamW over `parameters`."""
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return kinds[config.kind](parameters, lr=config.lr, weight_decay=config.weight_decay)


def learning_rate(config: OptimizerConfig, step: int, steps: int) -> float:
    """Return the rate of a step, counted from 0, in a stage of `steps` steps."""
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return config.lr
    progress = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
    share = (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return config.lr * (config.final_lr_fraction + (1 - config.final_lr_fraction) * share)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every parameter group the same rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate
