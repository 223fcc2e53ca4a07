"""The optimizer and its learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from inspect import unwrap
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

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


class Adam(torch.optim.Adam):
    """`torch.optim.Adam`, or with ``decoupled_weight_decay`` `torch.optim.AdamW`.

    Optimizers of torch exclude their methods from compilation, and import its compiler for that
    (sympy, triton and 800 other modules: 1.1 s and 110 MiB). Here no optimizer is called by
    compiled code.
    """

    add_param_group = unwrap(torch.optim.Adam.add_param_group)
    load_state_dict = unwrap(torch.optim.Adam.load_state_dict)
    state_dict = unwrap(torch.optim.Adam.state_dict)
    step = torch.no_grad()(unwrap(torch.optim.Adam.step))
    zero_grad = unwrap(torch.optim.Adam.zero_grad)


def build_optimizer(
    parameters: Iterable[nn.Parameter], config: OptimizerConfig, fused: bool | None = None
) -> torch.optim.Optimizer:
    """Return Adam or AdamW over `parameters`.

    Args:
        parameters: All on one device.
        config: The recipe's.
        fused: Whether one kernel updates all weights, which gives the same up to rounding; by
            default on CUDA devices. (On CPUs an update is less than a hundredth of a step.)
    """
    parameters = list(parameters)
    if fused is None:
        fused = parameters[0].device.type == "cuda"
    return Adam(
        parameters,
        lr=config.lr,
        weight_decay=config.weight_decay,
        decoupled_weight_decay=config.kind == "adamw",
        fused=fused or None,
    )


def step_if(allowed: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """Update the weights if `allowed`, and else leave weights, moments and step counts as they are.

    A CUDA device decides when it comes to the update: the host does not wait for it.

    Args:
        allowed: A boolean on the device of the weights.
        optimizer: From `build_optimizer`.
    """
    if optimizer.defaults["fused"]:
        # Fused kernels read the flag that `torch.amp.GradScaler` sets for infinite gradients.
        optimizer.found_inf = (~allowed).float()  # type: ignore[attr-defined]
        optimizer.step()
    elif allowed:
        optimizer.step()


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
