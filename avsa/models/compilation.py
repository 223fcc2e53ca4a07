"""Compiling networks with torch.compile, with CUDA graphs if asked for.

Shapes are fixed: every shape of a batch, such as that of validation, is compiled once.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from avsa.models.compute import ComputeConfig
from avsa.training.distributed import World
from yt360.errors import UserError

Find = Callable[[str], str | None]
KEY = "compute.compile"


def require_compilable(
    compute: ComputeConfig, micro_batches: int, world: World, find: Find = shutil.which
) -> None:
    """Check that networks can be compiled as `compute` asks for.

    Args:
        compute: The options.
        micro_batches: Parts in which a batch passes the encoders.
        world: This process and the other ranks.
        find: Finds a program.

    Raises:
        UserError: ``"dependency"``: There is no compiler. ``"conflict"``: CUDA graphs do not go
            with the device, or with other options.
    """
    if compute.compile == "off":
        return
    on_cpu = world.device.type == "cpu"
    names = (os.environ.get("CXX", "g++"),) if on_cpu else (os.environ.get("CC", "gcc"), "clang")
    if not any(map(find, names)):
        raise UserError(
            f"{KEY}={compute.compile} needs the compiler {' or '.join(names)}, which is not on the "
            f"PATH; install it, or set {KEY}=off",
            "dependency",
            KEY,
        )
    if compute.compile == "on":
        return
    reasons = {
        f"a CUDA device, not {world.device}": world.device.type != "cuda",
        f"optimizer.micro_batches=1, not {micro_batches}: parts would overwrite each other's "
        "features": micro_batches > 1,
        f"one rank, not {world.size}": world.size > 1,
    }
    for reason, applies in reasons.items():
        if applies:
            raise UserError(f"{KEY}=cuda-graphs needs {reason}; set {KEY}=on", "conflict", KEY)


def compile_network(
    network: nn.Module, compute: ComputeConfig, backend: str = "inductor"
) -> nn.Module:
    """Let a network compile itself in its first call, if asked for; names of weights stay.

    Args:
        network: The network, which is changed in place.
        compute: The options.
        backend: Backend of torch.compile; ``"aot_eager"`` needs no compiler.
    """
    if compute.compile != "off":
        mode = "reduce-overhead" if compute.compile == "cuda-graphs" else None
        network.compile(dynamic=False, mode=mode, backend=backend)
    return network


def begin_step(compute: ComputeConfig) -> None:
    """Tell CUDA graphs that results of the last step are no longer used."""
    if compute.compile == "cuda-graphs":
        torch.compiler.cudagraph_mark_step_begin()


@contextmanager
def compile_errors(compute: ComputeConfig) -> Iterator[None]:
    """Raise errors of the compiler in the block as a `UserError` (``"unsupported"``)."""
    if compute.compile == "off":
        yield
        return
    from torch._dynamo.exc import TorchDynamoException  # imports for a second

    try:
        yield
    except TorchDynamoException as error:
        raise UserError(
            f"the networks cannot be compiled: {str(error).strip().splitlines()[0]}; set {KEY}=off",
            "unsupported",
            KEY,
        ) from error
