"""Results of a benchmark: measure cases, keep the results as JSON, compare them with kept ones."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.case import Case, Ratio

PACKAGES = (
    "torch", "torchaudio", "torchvision", "av", "numpy", "pyarrow", "librosa",
    "opencv-python-headless", "pillow", "webdataset", "torchcodec", "decord", "wids",
    "mosaicml-streaming",
)  # fmt: skip
REGRESSION = 1.2
"""A ratio that is worse by more than this factor is a regression."""


@dataclass(frozen=True)
class RatioResult:
    """A measured ratio.

    Attributes:
        value: Median of the ratios of the runs, which are taken in turns.
        is_reward: Whether a larger value is better.
        target: The wanted limit of the value, if there is one.
    """

    value: float
    is_reward: bool = False
    target: float | None = None


@dataclass(frozen=True)
class CaseResult:
    """A measured case.

    Attributes:
        area: Name of its area.
        unit: Unit of the costs.
        costs: Median cost of each way.
        ratios: Ratios by name.
    """

    area: str
    unit: str
    costs: dict[str, float]
    ratios: dict[str, RatioResult]


@dataclass
class Results:
    """All that a run of the benchmark measured.

    Attributes:
        commit: Commit of the repository, if it is one.
        dirty: Whether files differed from the commit.
        date: Day of the run.
        machine: Processor, cores, load and versions.
        cases: Results by the name of the case.
        skipped: Reason by the name of a case that was not measured.
    """

    commit: str = ""
    dirty: bool = False
    date: str = ""
    machine: dict[str, Any] = field(default_factory=dict)
    cases: dict[str, CaseResult] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    @classmethod
    def begin(cls) -> Results:
        """Return empty results that name commit, day and machine."""
        return cls(
            commit=_git("rev-parse", "HEAD"),
            dirty=bool(_git("status", "--porcelain", "--untracked-files=no")),
            date=time.strftime("%Y-%m-%d"),
            machine=_machine(),
        )

    def save(self, path: Path) -> None:
        """Write the results as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read results that `save` wrote."""
        stored = json.loads(path.read_text())
        cases = {
            name: CaseResult(
                **case | {"ratios": {key: RatioResult(**r) for key, r in case["ratios"].items()}}
            )
            for name, case in stored.pop("cases").items()
        }
        return cls(**stored, cases=cases)


@dataclass(frozen=True)
class Change:
    """A ratio now and in kept results.

    Attributes:
        case: Name of the case.
        ratio: Name of the ratio.
        now: Its value now.
        kept: Its kept value.
        is_reward: Whether a larger value is better.
    """

    case: str
    ratio: str
    now: float
    kept: float
    is_reward: bool

    @property
    def worse_by(self) -> float:
        """Factor by which the ratio has become worse; below 1 if it is better."""
        return self.kept / self.now if self.is_reward else self.now / self.kept

    @property
    def is_regression(self) -> bool:
        """Whether the ratio is worse by more than `REGRESSION`."""
        return self.worse_by > REGRESSION


def changes(now: Results, kept: Results) -> Iterator[Change]:
    """Yield every ratio that both results have."""
    for case, result in now.cases.items():
        if case in kept.cases:
            for name, ratio in result.ratios.items():
                if name in kept.cases[case].ratios:
                    before = kept.cases[case].ratios[name].value
                    yield Change(case, name, ratio.value, before, ratio.is_reward)


def measure(area: str, case: Case, runs: int, inputs: int) -> CaseResult:
    """Run the ways of a case in turns; return medians of costs and of ratios.

    Args:
        area: Name of the area.
        case: The case.
        runs: Runs of each way.
        inputs: Inputs of a run, unless the case has a number of its own.
    """
    inputs = case.inputs or inputs
    if case.warm_up:
        _prepare(case, range(case.warm_up))
        for way in case.ways.values():
            case.meter(way, range(case.warm_up))
    costs: dict[str, list[float]] = {name: [] for name in case.ways}
    for run in range(min(runs, case.runs)):
        numbers = range(run * inputs, (run + 1) * inputs)
        _prepare(case, numbers)
        for name, way in case.ways.items():
            costs[name].append(case.meter(way, numbers))
    return CaseResult(
        area=area,
        unit=case.unit,
        costs={name: statistics.median(values) for name, values in costs.items()},
        ratios={ratio.name: _ratio(ratio, costs) for ratio in case.ratios},
    )


def _prepare(case: Case, numbers: range) -> None:
    if case.prepare is not None:
        for number in numbers:
            case.prepare(number)


def _ratio(ratio: Ratio, costs: dict[str, list[float]]) -> RatioResult:
    pairs = zip(costs[ratio.of], costs[ratio.over], strict=True)
    return RatioResult(
        value=statistics.median(a / b for a, b in pairs),
        is_reward=ratio.is_reward,
        target=ratio.at_least if ratio.at_least is not None else ratio.at_most,
    )


def _machine() -> dict[str, Any]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))


def _git(*arguments: str) -> str:
    """Return the output of a command of git in this repository, or nothing."""
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
