"""A training step of the full networks on a CPU, in float32 and as `compute.bfloat16` decides."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.case import Case, Ratio, Skipped
from benchmarks.commands import run_python
from benchmarks.material import Material
from benchmarks.meters import result

UNITS = {"avx512_bf16", "amx_bf16", "bf16"}
"""Flags of processors with instructions for bfloat16 (x86, Arm)."""
STEPS = 4
"""Steps of a run; the first is not counted."""


def cases(material: Material) -> Iterator[Case | Skipped]:
    """Yield the case, if the processor has units."""
    name = "step of the recipe avsa, 2 clips, by the clock"
    if not has_bfloat16() and not material.tiny:
        yield Skipped(name, "this processor has no instructions for bfloat16")
        return
    yield Case(
        name,
        {
            "default": lambda _: step_ms(material, "auto"),
            "float32": lambda _: step_ms(material, "off"),
        },
        [Ratio("default", "float32", at_most=0.55)],
        meter=result,
        runs=3,
        inputs=1,
        warm_up=0,
    )


def has_bfloat16() -> bool:
    """Return whether the processor has instructions for bfloat16 (Linux)."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return bool(UNITS & set(flags.split()))


def step_ms(material: Material, bfloat16: str) -> float:
    """Train for some steps; return the median milliseconds of a step without waiting for data."""
    recipe = "small" if material.tiny else "avsa"
    with tempfile.TemporaryDirectory(prefix="avsa-bench-") as folder:
        run = Path(folder) / "run"
        dataset = material.many_clips(material.dataset, 200)
        options = {
            "stages.avsa.batch_size": "2",
            "compute.bfloat16": f'"{bfloat16}"',
            "validation.every_steps": "0",
        }
        if recipe == "avsa":
            options["stages.avc"] = "null"
        run_python(
            "-m", "avsa", "train", "--data", str(dataset), "--recipe", recipe,
            "--steps", str(2 if material.tiny else STEPS), "--device", "cpu", "--out", str(run),
            *(word for key, value in options.items() for word in ("--set", f"{key}={value}")),
        )  # fmt: skip
        records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    steps = [record for record in records if "step_s" in record][1:]
    return 1e3 * statistics.median(record["step_s"] - record["data_wait_s"] for record in steps)
