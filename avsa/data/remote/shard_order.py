"""Which shards will be used when, as far as plans tell: one course a reader, kept up step by step.

The reader that went on last goes first: while held-out clips are judged, training waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping

# How many steps ahead the order of use is looked at.
LOOKAHEAD_STEPS = 2000

ShardsOfStep = Callable[[int], set[str]]


class Course:
    """The shards that one reader will use, from its present step on.

    Args:
        sizes: Bytes of all shards that it may use, by name.
        shards_of_step: Shards that a step reads; none past the end.
        first_step: The first step.

    Attributes:
        next_step: The first step that is not known yet.
        uses: Steps of each shard that will be used, in order.
        closed: Whether its reader wants nothing any more.
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
        """Tell whether steps further ahead would say what to fetch, or what to keep."""
        return not (
            self._ended
            or len(self._steps) >= LOOKAHEAD_STEPS
            or self._bytes > limit_bytes
            or len(self.uses) == len(self._sizes)
        )

    def add(self, step: int, names: set[str]) -> None:
        """Learn what the next step reads; nothing is the end. Other steps are not heard of."""
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
        """Forget the steps before one; return the shards that they used."""
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


class OrderOfUse:
    """When shards will be used next, over all courses, and which ones were used last."""

    def __init__(self) -> None:
        self._courses: list[Course] = []
        self._last_use: dict[str, int] = {}
        self._clock = 0

    @property
    def courses(self) -> list[Course]:
        """The courses, the one that went on last first."""
        return list(self._courses)

    def begin(self, course: Course) -> None:
        """Take up a course, before all others."""
        self._courses.insert(0, course)

    def end(self, course: Course) -> None:
        """Forget a course."""
        if course in self._courses:
            self._courses.remove(course)

    def at_step(self, course: Course, step: int) -> None:
        """Hear that all steps of a course before this one are done with."""
        if course in self._courses:
            self._courses.remove(course)
            self._courses.insert(0, course)
        for name in course.drop_before(step):
            self.used(name)

    def used(self, name: str) -> None:
        """Hear that a shard was used."""
        self._clock += 1
        self._last_use[name] = self._clock

    def upcoming(self) -> list[str]:
        """Return the shards that will be used, soonest first."""
        first_uses: dict[str, tuple[int, int]] = {}
        for rank, course in enumerate(self._courses):
            for name, steps in course.uses.items():
                first_uses.setdefault(name, (rank, steps[0]))
        return sorted(first_uses, key=lambda name: (first_uses[name], name))

    def first_to_go(self, names: Iterable[str], upcoming: list[str]) -> list[str]:
        """Sort shards: those without a known use, longest unused first, then the last needed."""
        place = {name: number for number, name in enumerate(upcoming)}
        return sorted(
            names,
            key=lambda name: (
                -place.get(name, len(upcoming)),
                self._last_use.get(name, 0),
                name,
            ),
        )
