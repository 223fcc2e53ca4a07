"""Profiling some steps of a run: a trace in its folder, and a summary."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import warnings
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, schedule

from avsa.profiling.summary import Setting, summary
from avsa.profiling.trace import Times, part_times
from avsa.training.metrics_log import RunLog
from yt360.files import atomic_write

# The first steps of a run allocate memory and choose kernels, and the last one validates and saves:
# they are not profiled if there are enough others.
WARM_UP = 5


class StepProfiler(AbstractContextManager["StepProfiler"]):
    """Profiles some steps after the first ones of a run. It does not change what they compute.

    The trace is ``trace-step-N.json.gz`` in the folder of the run, N being its first step. If a run
    ends early, the trace has fewer steps.

    Args:
        run: The run's folder.
        steps: Steps to profile; 0 for none.
        first_step: Number of steps done.
        last_step: The step at which this call stops. If there are few steps, fewer are left out
            before the profile begins, and the last one is profiled.
        setting: What the advice depends on.
        log: Prints the summary; nothing is profiled if it is not active.
    """

    def __init__(
        self, run: Path, steps: int, first_step: int, last_step: int, setting: Setting, log: RunLog
    ) -> None:
        self._run, self._setting, self._log, self._step = run, setting, log, first_step
        spare = max(0, last_step - first_step - steps)
        skipped = min(WARM_UP, spare - 1 if spare > 1 else spare)
        self._begin = first_step + skipped
        self._profile: profile | None = None
        if steps and log.active:
            warm_up = min(skipped, 1)
            with warnings.catch_warnings():  # that the first steps of a short run are not warm
                warnings.simplefilter("ignore")
                when = schedule(wait=skipped - warm_up, warmup=warm_up, active=steps, repeat=1)
            self._profile = new_profile(
                setting.world.device, schedule=when, on_trace_ready=self._write
            )

    def __enter__(self) -> StepProfiler:
        if self._profile is not None:
            self._profile.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._profile is not None:
            if self._step == self._begin:
                self._profile.on_trace_ready = None  # no step has ended
            self._profile.stop()

    def step(self) -> None:
        """End a step; after the last step of the profile, write the trace and print the summary."""
        self._step += 1
        if self._profile is not None:
            self._profile.step()

    def _write(self, finished: profile) -> None:
        path = self._run / f"trace-step-{self._begin + 1:08d}.json.gz"
        with TemporaryDirectory() as folder:
            plain = Path(folder) / "trace.json"
            finished.export_chrome_trace(str(plain))
            with (
                plain.open("rb") as trace,
                atomic_write(path) as file,
                gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed,
            ):
                shutil.copyfileobj(trace, packed)
        self._profile = None
        for line in summary(read_times(path), self._step - self._begin, self._setting):
            self._log.note(line)
        self._log.note(f"trace: {path} (open it at https://ui.perfetto.dev)")


def new_profile(device: torch.device, **options: Any) -> profile:
    """Return a profile of the CPU and, if it is one, of a CUDA device; `options` as of torch."""
    # Otherwise kineto prints what it could not find. The trace has what matters.
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    return profile(activities=activities, **options)


def read_times(trace: Path) -> Times:
    """Return the time of each part of the steps in a trace that `StepProfiler` wrote."""
    with gzip.open(trace) as file:
        return part_times(json.load(file)["traceEvents"])
