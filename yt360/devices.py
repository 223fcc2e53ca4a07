"""Choose the device to compute on, and count the processor cores."""

from __future__ import annotations

import multiprocessing
import os
from typing import TYPE_CHECKING

from yt360.errors import UserError

if TYPE_CHECKING:
    import torch


def usable_cores() -> int:
    """Return the number of processor cores that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cores_per_process() -> int:
    """Return this process's part of the cores, at least 1, where torchrun starts several here."""
    return max(1, usable_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def device_of_worker(name: str = "auto") -> torch.device:
    """Return the device of a worker process; those of a machine take its GPUs in turn.

    Args:
        name: See `choose_device`, as for errors.
    """
    import torch

    process = multiprocessing.current_process().name.rpartition("-")[2]
    number = int(process) if process.isdecimal() else 0
    return choose_device(name, number % max(1, torch.cuda.device_count()))


def choose_device(name: str = "auto", index: int = 0) -> torch.device:
    """Return a device of this machine by name.

    Args:
        name: ``"auto"`` (a GPU if there is one, else the CPU), ``"cpu"``, ``"cuda"`` or
            ``"cuda:NUMBER"``.
        index: Number of the GPU if the name has none, such as the local rank.

    Raises:
        UserError: There is no such device.
    """
    import torch

    found = torch.cuda.device_count()
    if name == "auto":
        name = "cuda" if found else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UserError(
            f"device {name!r} is not supported; use auto, cpu, cuda or cuda:NUMBER",
            "unknown-name",
            "device",
        )
    if device.type == "cuda":
        device = torch.device("cuda", index if device.index is None else device.index)
        if device.index >= found:
            raise UserError(
                f"there is no GPU {str(device)!r} ({found} found); use another GPU, cpu or auto",
                "missing",
                "device",
            )
    return device
