"""Distributed training: the ranks, and collective operations with gradients.

``torchrun`` starts the ranks; without it there is one rank and nothing here communicates.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from yt360.devices import choose_device
from yt360.errors import BadItem, UserError

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """This process and the number of ranks.

    Attributes:
        rank: Number of this process, from 0.
        size: Number of ranks.
        device: Device of this process.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which writes the files."""
        return self.rank == 0


@contextmanager
def joined_world(device: str = "auto", timeout_s: float = 600.0) -> Iterator[World]:
    """Join the ranks that ``torchrun`` started, or return a world of one rank.

    Args:
        device: ``"auto"`` (CUDA if available), ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
        timeout_s: Timeout of waiting for other ranks.

    Raises:
        UserError: The device does not exist, or the connection to another rank was lost.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    place = choose_device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if size == 1:
        yield World(0, 1, place)
        return
    if place.type == "cuda":
        torch.cuda.set_device(place)
    backend = "nccl" if place.type == "cuda" else "gloo"
    try:
        dist.init_process_group(backend, timeout=timedelta(seconds=timeout_s))
    except (dist.DistError, RuntimeError, ValueError) as error:
        raise UserError(
            f"rank {rank} could not join the other {size - 1}: {str(error).splitlines()[0]}; start "
            "every rank with torchrun, and see the message of the missing rank",
            code="network",
        ) from error
    try:
        yield World(rank, size, place)
    except (dist.DistError, RuntimeError) as error:
        if not _is_lost_connection(error):
            raise
        raise UserError(
            f"rank {rank} lost the connection to another rank; see the message of that rank, then "
            "start again (`avsa train` with --resume)",
            code="network",
        ) from error
    finally:
        dist.destroy_process_group()


def gather(tensor: Tensor) -> Tensor:
    """Return (R * b, ...): the ranks' tensors (b, ...) in order of rank, with gradients.

    Tensors travel in their own precision, such as bfloat16, and are returned in float32 or better;
    gradients are summed over ranks in the precision of the result.

    The gradient of a rank's part is the sum of its gradients on all ranks. If the loss of each rank
    is the mean over its part and gradients are then averaged over ranks (as by DDP), the result is
    the gradient of the mean over the whole batch.
    """
    if _is_distributed():
        gathered: Tensor = _GatherWithGradient.apply(tensor)
        return gathered
    return tensor.to(_precise(tensor))


def rank() -> int:
    """Return the number of this process, 0 if it is the only one."""
    return dist.get_rank() if _is_distributed() else 0


def mean_over_ranks(tensor: Tensor) -> Tensor:
    """Return the elementwise mean of the ranks' tensors, without gradients."""
    tensor = tensor.detach()
    if not _is_distributed():
        return tensor
    total = tensor.clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


def copied_to_host(tensor: Tensor) -> Callable[[], list[float]]:
    """Queue a copy (N,) to the host; the function that is returned waits for it."""
    if tensor.device.type != "cuda":
        return tensor.tolist
    copy = tensor.to("cpu", non_blocking=True)  # into page-locked memory
    copied = torch.cuda.Event()
    copied.record()

    def wait() -> list[float]:
        copied.synchronize()
        return copy.tolist()

    return wait


def from_first_rank(value: Any) -> Any:
    """Return rank 0's `value` (anything that pickles) on every rank."""
    if not _is_distributed():
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def on_first_rank(world: World, work: Callable[[], T]) -> T:
    """Return the result of `work` on rank 0 on every rank, or raise its error on every rank."""
    result: T | None = None
    error: UserError | BadItem | OSError | None = None
    if world.is_first:
        try:
            result = work()
        except (UserError, BadItem, OSError) as caught:
            error = caught
    result, error = from_first_rank((result, error))
    if error is not None:
        raise error
    return cast(T, result)


def gather_lists(values: list[T]) -> list[T]:
    """Return the lists of all ranks, in order of rank, as one; the values must pickle."""
    if not _is_distributed():
        return values
    gathered: list[list[T]] = [[]] * dist.get_world_size()
    dist.all_gather_object(gathered, values)
    return [value for part in gathered for value in part]


def require_agreement(values: Mapping[str, Any]) -> None:
    """Check that all ranks have the same values.

    Raises:
        UserError: They differ; the message names the first difference.
    """
    if not _is_distributed():
        return
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, dict(values))
    for number, others in enumerate(everyone):
        for name in [*everyone[0], *others]:
            first, other = everyone[0].get(name), others.get(name)
            if first != other:
                raise UserError(
                    f"ranks disagree: {name} is {first} on rank 0 and {other} on rank {number}; "
                    "start every rank with the same command on the same files",
                    code="conflict",
                    key=name,
                )


class _GatherWithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        ctx.rows, ctx.dtype = tensor.shape[0], tensor.dtype
        parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, tensor.contiguous())
        return torch.cat(parts).to(_precise(tensor))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total[dist.get_rank() * ctx.rows :][: ctx.rows].to(ctx.dtype)


def _precise(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)


def _is_distributed() -> bool:
    return dist.is_available() and dist.is_initialized()


def _is_lost_connection(error: Exception) -> bool:
    text = str(error).lower()
    signs = ("connection closed", "connection reset", "timed out", "timeout", "broken pipe", "nccl")
    return isinstance(error, dist.DistError) or any(sign in text for sign in signs)
