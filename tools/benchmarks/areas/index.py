"""Commands on datasets with an index of a million clips, which share the bytes of a few."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from benchmarks.case import Case, Limit, Ratio
from benchmarks.commands import Cost, run_python
from benchmarks.material import Material
from benchmarks.meters import result

STATS, START = "yt360 stats", "start of training, until its first batch"
STEP = "avsa train --steps 1"


def cases(material: Material) -> Iterator[Case]:
    """Yield the cases."""
    yield from command_cases(material, STATS, _stats, limit_s=3)
    if not material.tiny:
        yield from command_cases(material, START, _start, limit_s=6, limit_mib=819)
        yield from command_cases(material, STEP, _step)


def command_cases(
    material: Material,
    name: str,
    command: Callable[[Path], Cost],
    limit_s: float | None = None,
    limit_mib: float | None = None,
) -> Iterator[Case]:
    """Run a command on a small and a large dataset."""
    sizes = [1000, 2000] if material.tiny else [1000, 1_000_000]
    datasets = {f"{n:,} clips": material.many_clips(material.small_dataset, n) for n in sizes}
    small, large = datasets
    for dataset in [] if material.tiny else datasets.values():
        command(dataset)  # fills caches: the first training measures statistics of the audio

    @cache  # for both cases
    def run(size: str, _: int) -> Cost:
        return command(datasets[size])

    yield Case(
        f"{name}, CPU time",
        {
            large: lambda number: run(large, number).cpu_s,
            small: lambda number: run(small, number).cpu_s,
        },
        [Ratio(large, small)],
        [Limit(large, at_most=limit_s)] if limit_s else [],
        unit="s",
        meter=result,
        runs=3,
        inputs=1,
        warm_up=0,
    )
    yield Case(
        f"{name}, peak memory of a process",
        {
            large: lambda number: run(large, number).peak_mib,
            small: lambda number: run(small, number).peak_mib,
        },
        [Ratio(large, small)],
        [Limit(large, at_most=limit_mib)] if limit_mib else [],
        unit="MiB",
        meter=result,
        runs=1,
        inputs=1,
        warm_up=0,
    )


def _stats(dataset: Path) -> Cost:
    return run_python("-m", "yt360", "stats", str(dataset))


def _start(dataset: Path) -> Cost:
    """Start training small networks, until the first batch is ready."""
    return _train(dataset, "tools.benchmarks.training_start")


def _step(dataset: Path) -> Cost:
    """Start a training run of small networks, and make one step."""
    return _train(dataset, "avsa", "train")


def _train(dataset: Path, *command: str) -> Cost:
    with tempfile.TemporaryDirectory(prefix="avsa-bench-") as out:
        return run_python(
            "-m", *command, "--data", str(dataset), "--recipe", "small",
            "--set", "stages.avsa.batch_size=2", "--set", "validation.every_steps=0",
            "--steps", "1", "--device", "cpu", "--out", f"{out}/run",
        )  # fmt: skip
