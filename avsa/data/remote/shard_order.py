"""The order in which shards will be read: one schedule per reader, extended step by step.

The schedule of the reader that advanced last has priority, because training waits during
validation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping

# Maximum number of steps that a schedule looks ahead.
LOOKAHEAD_STEPS = 2000

ShardsOfStep = Callable[[int], set[str]]


class Schedule:
    """The shards that one reader will read, starting at its current step.

    Args:
        sizes: Size in bytes of each shard, by name.
        shards_of_step: Returns the shards that a step reads; empty past the end.
        first_step: The first step.

    Attributes:
        next_step: The first step that is not in the schedule yet.
        uses: Steps that read each shard, in order.
        closed: Whether the reader is closed.
    """

    def __init__(
        self, sizes: Mapping[str, int], shards_of_step: ShardsOfStep, first_step: int
    ) -> None:
        self.shards_of_step, self.next_step = shards_of_step, first_step
        self.uses: dict[str, deque[int]] = {}
        self._sizes = sizes
        self._steps: deque[tuple[int, set[str]]] = deque()
        self._bytes = 0
        self._ended = False
        self.closed = False

    def wants_more(self, limit_bytes: int) -> bool:
        """Return whether more steps would change which shards are fetched or kept."""
        return not (
            self._ended
            or len(self._steps) >= LOOKAHEAD_STEPS
            or self._bytes > limit_bytes
            or len(self.uses) == len(self._sizes)
        )

    def add(self, step: int, names: set[str]) -> None:
        """Add the shards of `next_step`; empty names mark the end, other steps are ignored."""
        if step != self.next_step:
            return
        self._ended = not names
        self._steps.append((step, names))
        for name in names:
            if name not in self.uses:
                self.uses[name] = deque()
                self._bytes += self._sizes[name]
            self.uses[name].append(step)
        self.next_step += 1

    def drop_before(self, step: int) -> list[str]:
        """Remove the steps before `step`; return the shards that they read."""
        dropped: list[str] = []
        while self._steps and self._steps[0][0] < step:
            for name in self._steps.popleft()[1]:
                self.uses[name].popleft()
                if not self.uses[name]:
                    del self.uses[name]
                    self._bytes -= self._sizes[name]
                dropped.append(name)
        self.next_step = max(self.next_step, step)
        return dropped


class ShardOrder:
    """Order of future reads over all schedules, and of the most recent reads."""

    def __init__(self) -> None:
        self._schedules: list[Schedule] = []
        self._last_use: dict[str, int] = {}
        self._clock = 0

    @property
    def schedules(self) -> list[Schedule]:
        """The schedules; the reader that advanced last comes first."""
        return list(self._schedules)

    def add(self, schedule: Schedule) -> None:
        """Add a schedule at the front."""
        self._schedules.insert(0, schedule)

    def remove(self, schedule: Schedule) -> None:
        """Remove a schedule if present."""
        if schedule in self._schedules:
            self._schedules.remove(schedule)

    def advance_to(self, schedule: Schedule, step: int) -> None:
        """Drop the steps of a schedule before `step`, and move the schedule to the front."""
        if schedule in self._schedules:
            self._schedules.remove(schedule)
            self._schedules.insert(0, schedule)
        for name in schedule.drop_before(step):
            self.mark_used(name)

    def mark_used(self, name: str) -> None:
        """Make a shard the most recently used one."""
        self._clock += 1
        self._last_use[name] = self._clock

    def upcoming(self) -> list[str]:
        """Return the shards that will be read, next one first."""
        first_uses: dict[str, tuple[int, int]] = {}
        for rank, schedule in enumerate(self._schedules):
            for name, steps in schedule.uses.items():
                first_uses.setdefault(name, (rank, steps[0]))
        return sorted(first_uses, key=lambda name: (first_uses[name], name))

    def eviction_order(self, names: Iterable[str], upcoming: list[str]) -> list[str]:
        """Sort shards for eviction: unscheduled least recently used ones, then latest next use."""
        place = {name: number for number, name in enumerate(upcoming)}
        return sorted(
            names,
            key=lambda name: (
                -place.get(name, len(upcoming)),
                self._last_use.get(name, 0),
                name,
            ),
        )
