"""What a profile says, on one screen: a table of a step's parts, and what to change."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from avsa.config.train_config import TrainConfig
from avsa.models.compute import is_on
from avsa.profiling.phases import Phase
from avsa.profiling.trace import COPIES, IDLE, Times
from avsa.training.distributed import World
from yt360.devices import usable_cores
from yt360.terminal.text import table

NETWORKS = (Phase.ENCODERS, Phase.TASK, Phase.BACKWARD)


@dataclass(frozen=True)
class Setting:
    """What advice depends on.

    Attributes:
        config: The recipe, as used.
        world: This process and the other ranks.
        threads: Threads of torch in this process.
        cores: Cores that this process may use.
    """

    config: TrainConfig
    world: World
    threads: int
    cores: int

    @classmethod
    def of_process(cls, config: TrainConfig, world: World) -> Setting:
        """Return the setting of this process."""
        return cls(config, world, torch.get_num_threads(), usable_cores())


def summary(times: Times, steps: int, setting: Setting) -> list[str]:
    """Return the lines of a summary.

    Args:
        times: Of all profiled steps.
        steps: Number of profiled steps.
        setting: What the advice depends on.
    """
    rows = [
        (part, f"{1000 * seconds / steps:.1f} ms", f"{times.share(part):.1%}")
        for part, seconds in sorted(times.parts.items(), key=lambda item: -item[1])
    ]
    where = "the device" if times.on_device else "this process"
    counted = "1 step" if steps == 1 else f"{steps} steps"
    head = f"{counted} of {1000 * times.wall_s / steps:.1f} ms; time of {where} in each part:"
    return [
        head,
        *(f"  {line}" for line in table(rows, left=1)),
        *(f"- {line}" for line in advice(times, setting)),
    ]


def advice(times: Times, setting: Setting) -> list[str]:
    """Return what to change, the largest gain first; at least one line."""
    compute, optimizer = setting.config.compute, setting.config.optimizer
    device, data = setting.world.device, setting.config.data
    found: list[tuple[float, str]] = []

    def add(share: float, least: float, text: str) -> None:
        if share >= least:
            found.append((share, text))

    cores = max(1, setting.cores // setting.world.size)
    workers = data.num_workers or cores
    more = "set data.num_workers=0, which uses all" if workers < cores else "give it more cores"
    add(
        times.share(Phase.DATA),
        0.05,
        f"waiting for data: clips decoded at a time: {workers}, cores of a rank: {cores}; {more}, "
        "keep the dataset on a local disk, and raise data.prefetch_batches if only some steps wait",
    )
    add(
        times.share(IDLE),
        0.1,
        "the device waits for the host to queue kernels: raise the batch size of a rank, or try "
        "compute.compile=on or cuda-graphs",
    )
    add(
        times.share(COPIES),
        0.05,
        "copies are not hidden behind kernels: check that the device has all of its PCIe lanes "
        "(nvidia-smi -q -d PERFORMANCE), or use smaller batches per rank",
    )
    networks = sum(times.share(part) for part in NETWORKS)
    if device.type == "cuda" and not is_on(compute.bfloat16, device):
        add(networks, 0.3, "the networks compute in float32: compute.bfloat16=on halves their time")
    if device.type == "cpu" and setting.threads < cores:
        add(
            networks + times.share(Phase.VIEWS),
            0.3,
            f"torch uses fewer threads than the {cores} cores of a rank: set "
            f"OMP_NUM_THREADS={cores}, not {setting.threads}",
        )
    if optimizer.micro_batches > 1:
        add(
            networks,
            0.3,
            f"optimizer.micro_batches={optimizer.micro_batches} computes the forward pass twice: "
            "lower it if memory allows (memory_mb in the log)",
        )
    add(
        times.share(Phase.LOG),
        0.05,
        "logging, validation and checkpoints: raise validation.every_steps and "
        "checkpoint.every_steps (the last step always has both; profile fewer steps than --steps)",
    )
    if not found and networks >= 0.5:
        return ["the networks are what limits this run, as they should be"]
    return [text for _, text in sorted(found, reverse=True)] or ["nothing stands out"]
