"""Benchmark of the data path on one core: this package and other implementations.

    PYTHONPATH=tools python -m bench
    PYTHONPATH=tools python -m bench --runs 30 --core 1 --only crops
    PYTHONPATH=tools python -m bench --media FOLDER

Everything runs on one core with one thread; the implementations of a case alternate. The table
shows medians over the runs, in milliseconds of CPU time per input. Material is rendered from
synthetic scenes, or taken from 10 s videos with separate audio files.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import click
import cv2
import torch

from avsa.data.decoder_process import DECODERS
from bench.cases import Case, Run, cases
from bench.material import make_material, render_scenes

PACKAGES = (
    "torch", "torchaudio", "torchvision", "av", "numpy", "librosa", "opencv-python-headless",
    "pillow", "webdataset",
)  # fmt: skip


@click.command()
@click.option("--runs", default=15, show_default=True, help="Runs of each way.")
@click.option("--inputs", default=4, show_default=True, help="Random inputs of a run.")
@click.option("--core", default=0, show_default=True, help="Core to run on.")
@click.option("--scenes", default=4, show_default=True, help="Clips to render.")
@click.option("--only", default="", help="Cases whose name holds this.")
@click.option("--media", type=click.Path(path_type=Path), help="Folder of videos, no scenes.")
def main(runs: int, inputs: int, core: int, scenes: int, only: str, media: Path | None) -> None:
    """Time the data path on one core and print a table."""
    _bind(core)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="avsa-bench-") as folder:
        click.echo("making the material ...", err=True)
        material = make_material(Path(folder), media or render_scenes(Path(folder), scenes))
        _print_machine(core)
        print(f"{'':60}{'ms':>9}  {'ratio':>7}  {'target':>7}  aim")
        for case in cases(material):
            if only in case.name:
                _print_case(case, runs, inputs)


def _bind(core: int) -> None:
    """Start this program again with one thread for each library, on one core.

    Libraries read these variables when they are loaded and then create their threads. Threads that
    spin would count as work.
    """
    if os.environ.get("OMP_NUM_THREADS") != "1":
        names = ("OMP", "OPENBLAS", "MKL", "NUMBA")
        os.environ.update({f"{name}_NUM_THREADS": "1" for name in names})
        os.execv(sys.executable, [sys.executable, "-m", "bench", *sys.argv[1:]])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def _print_case(case: Case, runs: int, inputs: int) -> None:
    ways = {"": case.ours, **case.theirs}
    for way in ways.values():
        _cpu_time(way, range(2))  # to warm up
    times: dict[str, list[float]] = {name: [] for name in ways}
    for run in range(runs):
        for name, way in ways.items():
            times[name].append(_cpu_time(way, range(run * inputs, (run + 1) * inputs)))
    ours = statistics.median(times[""])
    print(f"{case.name:60}{ours * 1e3:9.2f}")
    for number, name in enumerate(case.theirs):
        median = statistics.median(times[name])
        ratio = statistics.median(a / b for a, b in zip(times[name], times[""], strict=True))
        target, aim = (case.at_least, case.aim) if number == 0 else (None, "")
        wanted = f"{target:g}x" if target else ""
        print(f"  {name:58}{median * 1e3:9.2f}  {ratio:6.2f}x  {wanted:>7}  {aim}")


def _cpu_time(way: Run, inputs: range) -> float:
    """Return the mean seconds that an implementation takes for one input."""
    started = time.process_time() + _decoders_cpu_time()
    for number in inputs:
        way(number)
    return (time.process_time() + _decoders_cpu_time() - started) / len(inputs)


def _decoders_cpu_time() -> float:
    """Return the seconds that decoder processes have computed (Linux)."""
    files = (Path(f"/proc/{pid}/schedstat") for pid in DECODERS.idle_processes)
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def _print_machine(core: int) -> None:
    print(
        f"{_processor()}, {os.cpu_count()} cores, core {core} used; load {os.getloadavg()[0]:.1f}"
    )
    print(
        f"Python {platform.python_version()}, " + ", ".join(f"{p} {version(p)}" for p in PACKAGES)
    )
    print(time.strftime("%Y-%m-%d"))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))


if __name__ == "__main__":
    main()
