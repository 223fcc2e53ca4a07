"""What a benchmark compares: several ways to do one job, and the ratios of their costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.meters import Meter, Way, cpu_ms


@dataclass(frozen=True)
class Ratio:
    """The cost of one way over the cost of another.

    Attributes:
        of: Name of the way in the numerator.
        over: Name of the way in the denominator.
        at_most: Target of a ratio that should be small.
        at_least: Target of a ratio that should be large.
        higher_is_better: Direction of a ratio without a target; `at_least` implies it.
    """

    of: str
    over: str
    at_most: float | None = None
    at_least: float | None = None
    higher_is_better: bool = False

    @property
    def name(self) -> str:
        """What the ratio divides."""
        return f"{self.of} / {self.over}"

    @property
    def is_reward(self) -> bool:
        """Whether a larger ratio is better."""
        return self.higher_is_better or self.at_least is not None


@dataclass(frozen=True)
class Limit:
    """A target for the cost of one way itself, in the unit of its case.

    Attributes:
        of: Name of the way.
        at_most: Target of a cost.
        at_least: Target of a rate.
    """

    of: str
    at_most: float | None = None
    at_least: float | None = None


@dataclass(frozen=True)
class Case:
    """One job, done in several ways with the same input.

    Attributes:
        name: The job.
        ways: Implementations by name, this package's first. The argument is the number of the
            random input.
        ratios: Ratios of their costs; these are kept and compared.
        limits: Targets of costs, which depend on the machine and are not compared.
        unit: Unit of the costs.
        meter: Runs a way with some inputs and returns its mean cost.
        prepare: Called with each input before the ways, unmeasured.
        runs: Maximum number of runs of each way.
        inputs: Inputs of a run, if not those that the user asks for.
        warm_up: Inputs to run before anything is measured.
    """

    name: str
    ways: Mapping[str, Way]
    ratios: Sequence[Ratio] = ()
    limits: Sequence[Limit] = ()
    unit: str = "ms"
    meter: Meter = cpu_ms
    prepare: Way | None = None
    runs: int = 1000
    inputs: int | None = None
    warm_up: int = 2


@dataclass(frozen=True)
class Skipped:
    """A case that cannot be measured here, and the reason or remedy."""

    name: str
    reason: str
