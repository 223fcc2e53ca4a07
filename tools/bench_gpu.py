"""Speed of training steps on a GPU, in one command of a few minutes.

    python tools/bench_gpu.py                          # shards/, if it is there
    python tools/bench_gpu.py DATASET --json gpu.json
    python tools/bench_gpu.py --tiny --device cpu      # shows that the command works

For AVC (one view) and AVSA (four views) with the full networks it runs the loop of `avsa train`

- on one batch of views that stays on the device ("networks"),
- on random planes and audio in host memory, which are copied and cropped ("views"),
- on a dataset, which is read and decoded, again and again if it is small ("data"),

and the first of these with compiled networks. It prints samples and views per second, the fraction
of time in which the loop waits for data, the arithmetic rate, its fraction of the device's peak in
bfloat16 (MFU), and peak memory; then where the time of a step goes, and how long the device runs no
kernel.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import count, islice, repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# The repository: its packages need not be installed.
sys.path.insert(1, str(Path(__file__).parents[1]))

import torch
from benchmarks.results import Results
from torch.utils.flop_counter import FlopCounterMode

from avsa.config.recipe import load_config
from avsa.config.train_config import TrainConfig
from avsa.data.clips import clips_form, open_clips
from avsa.data.order import Draw, SequentialOrder
from avsa.data.raw import Buffer, RawBatch
from avsa.models.compilation import compile_errors, require_compilable
from avsa.profiling.recorder import StepProfiler, new_profile
from avsa.profiling.summary import Setting, summary
from avsa.profiling.trace import device_gaps, part_times
from avsa.training.curriculum import Stage, lay_out
from avsa.training.distributed import World
from avsa.training.learner import Learner, build_encoders
from avsa.training.loop import train_stage
from avsa.training.memory import sample_shapes
from avsa.training.metrics_log import RunLog, memory_mb
from avsa.training.signals import StopSignals
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.batch import Batch, batches, make_batches
from yt360.clip_codec.format import ClipFormat
from yt360.devices import choose_device
from yt360.errors import UserError
from yt360.shards.format.reader import ShardReader
from yt360.terminal.text import table

PEAK_TFLOPS = {"H200": 989.0, "H100": 989.0, "A100": 312.0}
"""Dense arithmetic in bfloat16, by a part of the name of the device (vendor's data sheets)."""
TINY = [
    "views.height=16",
    "views.width=16",
    "encoders.video={base_channels: 4, num_stages: 2, blocks_per_stage: 1}",
    "encoders.audio={base_channels: 4, num_stages: 2}",
    "stages.avc.batch_size=4",
    "stages.avsa.batch_size=4",
    "data.num_workers=1",
]
MAX_WARM_UP = 5
MAX_PROFILED = 5
LONG_GAP_S = 20e-6


@dataclass
class Case:
    """A stage in one of the ways to feed and to compile it.

    Attributes:
        feed: ``"networks"``, ``"views"`` or ``"data"``.
        config: The recipe.
        stage: The stage.
        form: Format of the clips.
        clips: The dataset, for ``"data"``.
    """

    feed: str
    config: TrainConfig
    stage: Stage
    form: ClipFormat
    clips: ShardReader | None = None

    @property
    def name(self) -> str:
        """Stage, feed, and whether networks are compiled."""
        compiled = self.config.compute.compile
        suffix = "" if compiled == "off" else f", compile={compiled}"
        return f"{self.stage.name}, {self.feed}{suffix}"

    @property
    def samples(self) -> int:
        """Clips in a batch."""
        return self.stage.config.batch_size

    @property
    def views(self) -> int:
        """Views of a clip."""
        return self.config.stage_views(self.stage.name).num_views

    def flops(self) -> int:
        """Return the floating-point operations of the networks in a step."""
        window = self.config.stage_data(self.stage.name).window_shape(self.form)
        shapes = sample_shapes(self.config, self.stage.name, window)
        dim = self.config.encoders.feature_dim
        with torch.device("meta"):
            encoders = self.config.encoders.build(self.config.audio.num_channels)
            inputs = [torch.empty(2, *shape) for shape in shapes]
        task = self.stage.config.task.build(dim)
        features = [torch.randn(2, 1, self.views, dim, requires_grad=True) for _ in inputs]
        with FlopCounterMode(display=False) as counter:
            sum(each.sum() for each in encoders(*inputs)).backward()
            task(*features, torch.randn(2, 1, self.views, 3))[0].backward()
        return int(counter.get_total_flops()) * self.samples // 2

    def batches(self, world: World) -> Iterator[Batch]:
        """Yield batches without an end."""
        data = self.config.stage_data(self.stage.name)
        views, audio = self.config.stage_views(self.stage.name), self.config.audio
        mean_db, std_db = torch.full((audio.n_mels,), -40.0), torch.full((audio.n_mels,), 20.0)
        statistics, seed = AudioStatistics(mean_db, std_db), self.stage.seed
        if self.clips is not None:
            order = Forever(len(self.clips), self.samples)
            return batches(self.clips, order, seed, data, views, audio, statistics, world)
        window = data.window_shape(self.form)
        pinned = world.device.type == "cuda"
        buffers = [Buffer.allocate(self.samples, self.form, window, pinned) for _ in range(2)]
        stored = random_batches(buffers)
        made = make_batches(stored, seed, views, audio, statistics, world.device)
        return repeat(next(made)) if self.feed == "networks" else made


class Forever(SequentialOrder):
    """Clips in the order of the index, from the beginning again after the last one."""

    def batch(self, step: int) -> list[Draw]:
        """Return the batch of a step; it is always full."""
        first = step * self.batch_size
        return [Draw(i, 0, i % self.num_clips) for i in range(first, first + self.batch_size)]


def random_batches(buffers: list[Buffer]) -> Iterator[RawBatch]:
    """Yield batches of noise in turn from each buffer, each with other positions."""
    generator = torch.Generator().manual_seed(0)
    for buffer in buffers:
        for tensor, low, high in (
            (buffer.luma, 0, 256),
            (buffer.chroma, 0, 256),
            (buffer.audio, -(2**15), 2**15),
        ):
            tensor.random_(low, high, generator=generator)
    for step in count():
        buffer = buffers[step % len(buffers)]
        rows = len(buffer.luma)
        draws = [Draw(step * rows + row, 0, row) for row in range(rows)]
        batch = RawBatch.to_fill(step, draws, 1, buffer)
        batch.keys = [f"noise-{row}" for row in range(rows)]
        yield batch


class Trainer:
    """Trains new networks on the batches of a case, by the loop of `avsa train`."""

    def __init__(self, case: Case, world: World) -> None:
        encoders = build_encoders(case.config, world, None)
        self._learner = Learner(case.config, case.stage, encoders, world)
        self._log = RunLog(Path("unused"), 0, 0, active=False)
        self.setting = Setting.of_process(case.config, world)
        self._profiler = StepProfiler(Path("unused"), 0, 0, 0, self.setting, self._log)
        self._upcoming, self.device = case.batches(world), world.device
        self._step, self.waited_s = case.stage.first_step, 0.0

    def run(self, steps: int) -> float:
        """Train for some steps; return the seconds of a step."""
        self.waited_s, started_at = 0.0, time.perf_counter()
        self._step, _ = train_stage(
            self._learner,
            self._noted(islice(self._upcoming, steps)),
            None,
            self._log,
            lambda step: None,  # noqa: ARG005 - nothing is saved
            StopSignals(),
            self._profiler,
            self._step,
        )
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return (time.perf_counter() - started_at) / steps

    def close(self) -> None:
        """Stop reading."""
        if hasattr(self._upcoming, "close"):
            self._upcoming.close()

    def _noted(self, upcoming: Iterator[Batch]) -> Iterator[Batch]:
        for batch in upcoming:
            self.waited_s += batch.raw.wait_s
            yield batch


def measure(case: Case, steps: int, world: World, peak_tflops: float | None) -> dict[str, Any]:
    """Return the figures of a case, where its time goes, and the lines of its summary."""
    if world.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(world.device)
    with compile_errors(case.config.compute), closing(Trainer(case, world)) as trainer:
        trainer.run(min(steps, MAX_WARM_UP))
        step_s = trainer.run(steps)
        waiting = trainer.waited_s / (step_s * steps)
        memory = memory_mb(world.device)
        profiled = min(steps, MAX_PROFILED)
        events = profiled_events(trainer, profiled)
    times, idle = part_times(events), device_gaps(events)
    tflops = case.flops() / step_s / 1e12
    return {
        "stage": case.stage.name,
        "feed": case.feed,
        "compile": case.config.compute.compile,
        "batch_size": case.samples,
        "step_ms": 1000 * step_s,
        "samples_per_s": case.samples / step_s,
        "views_per_s": case.samples * case.views / step_s,
        "waiting": waiting,
        "tflops": tflops,
        "mfu": tflops / peak_tflops if peak_tflops else None,
        "memory_mb": memory,
        "profiled": {part: seconds / profiled for part, seconds in times.parts.items()},
        "gaps": {
            "seconds_per_step": sum(end - start for start, end in idle) / profiled,
            "long_per_step": sum(end - start > LONG_GAP_S for start, end in idle) / profiled,
            "longest_s": max((end - start for start, end in idle), default=0.0),
        },
        "summary": summary(times, profiled, trainer.setting),
    }


def profiled_events(trainer: Trainer, steps: int) -> list[dict[str, Any]]:
    """Return the events of a trace of some steps."""
    with new_profile(trainer.device) as finished:
        trainer.run(steps)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        finished.export_chrome_trace(str(path))
        events: list[dict[str, Any]] = json.loads(path.read_bytes())["traceEvents"]
    return events


@dataclass
class Report:
    """All that was measured, which ``--json`` writes."""

    device: str
    origin: Results
    cases: dict[str, dict[str, Any]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Return the table, and what was skipped."""
        rows = [("case", "batch", "step", "samples/s", "views/s", "waiting", "TFLOP/s", "MFU",
                 "memory", "no kernel")]  # fmt: skip
        for name, case in self.cases.items():
            gaps = case["gaps"]["seconds_per_step"]
            rows.append((
                name,
                str(case["batch_size"]),
                f"{case['step_ms']:.1f} ms",
                f"{case['samples_per_s']:,.1f}",
                f"{case['views_per_s']:,.1f}",
                f"{case['waiting']:.1%}",
                f"{case['tflops']:.2f}",
                "-" if case["mfu"] is None else f"{case['mfu']:.1%}",
                f"{case['memory_mb']:,.0f} MiB",
                f"{1000 * gaps:.1f} ms" if gaps else "-",
            ))  # fmt: skip
        return [*table(rows, left=1), *(f"skipped {n}: {why}" for n, why in self.skipped.items())]


def cases(
    overrides: list[str], compiled: list[str], clips: ShardReader | None
) -> Iterator[tuple[str, Case]]:
    """Yield the cases, the most important ones first."""
    form = ClipFormat() if clips is None else clips_form(clips.info)
    for compile_ in ("off", *compiled):
        config = load_config("avsa", [*overrides, f"compute.compile={compile_}"])
        largest = max(stage.batch_size for stage in config.stages.values())
        stages = lay_out(config, [str(i) for i in range(largest)], [0] * largest, 1)
        for stage in reversed(stages):
            feeds: dict[str, ShardReader | None] = {"networks": None}
            if compile_ == "off":
                feeds |= {"views": None} | ({"data": clips} if clips else {})
            for feed, reader in feeds.items():
                case = Case(feed, config, stage, form, reader)
                yield case.name, case


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", nargs="?", type=Path, help="by default shards/, if it is there")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--steps", type=int, default=20, help="timed steps of a case")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of the recipe avsa")
    parser.add_argument(
        "--compile", nargs="*", default=["on", "cuda-graphs"], help="values of compute.compile"
    )
    parser.add_argument("--peak-tflops", type=float, help="of the device in bfloat16, for MFU")
    parser.add_argument("--budget-s", type=float, default=400.0, help="no case begins after this")
    parser.add_argument("--json", type=Path, help="file for the report")
    parser.add_argument("--tiny", action="store_true", help="tiny networks, nothing compiled")
    options = parser.parse_args(arguments)

    started_at = time.perf_counter()
    world = World(0, 1, choose_device(options.device))
    device = torch.cuda.get_device_name(world.device) if world.device.type == "cuda" else "cpu"
    known = next((peak for name, peak in PEAK_TFLOPS.items() if name in device), None)
    dataset = options.dataset or next((p for p in [Path("shards")] if p.is_dir()), None)
    clips = None if dataset is None else open_clips(dataset, "train")
    overrides = [*(TINY if options.tiny else []), *options.set]
    report = Report(device, Results.begin())
    for name, case in cases(overrides, [] if options.tiny else options.compile, clips):
        if time.perf_counter() - started_at > options.budget_s:
            report.skipped[name] = f"--budget-s {options.budget_s:g} is used up"
            continue
        try:
            require_compilable(case.config.compute, 1, world)
            report.cases[name] = measure(case, options.steps, world, options.peak_tflops or known)
        except UserError as error:
            report.skipped[name] = str(error)
            continue
        print(f"\n{name}", *report.cases[name]["summary"], sep="\n", flush=True)
    print("", device, *report.lines(), sep="\n")
    if clips is not None:
        clips.close()
    if options.json:
        options.json.write_text(json.dumps(asdict(report), indent=1) + "\n")


if __name__ == "__main__":
    main()
