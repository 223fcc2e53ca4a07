"""The order in which a reader will read shards, a limited number of steps ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

LOOKAHEAD_STEPS = 2000
"""Maximum number of steps that a schedule looks ahead."""
ShardsOfStep = Callable[[int], set[str]]


class Schedule:
    """The shards that one reader will read, from its current step on.

    The reader sets `step` and `closed`; only one other thread may look ahead.

    Args:
        sizes: Size in bytes of each shard, by name.
        shards_of_step: Returns the shards that a step reads; empty past the end.
        first_step: The first step.

    Attributes:
        step: The current step.
        closed: Whether the reader is closed.
    """

    def __init__(
        self, sizes: Mapping[str, int], shards_of_step: ShardsOfStep, first_step: int
    ) -> None:
        self.step, self.closed = first_step, False
        self._sizes, self._shards_of_step = sizes, shards_of_step
        self._ahead: deque[tuple[int, list[str]]] = deque()

    def upcoming(self, limit_bytes: int) -> list[str]:
        """Return the next shards, the first one first; more would not change what is cached.

        Args:
            limit_bytes: Maximum total size of cached shards.
        """
        while self._ahead and self._ahead[0][0] < self.step:
            self._ahead.popleft()
        known = dict.fromkeys(name for _, names in self._ahead for name in names)
        size = sum(self._sizes[name] for name in known)
        step = self._ahead[-1][0] + 1 if self._ahead else self.step
        while (
            size <= limit_bytes
            and len(known) < len(self._sizes)
            and len(self._ahead) < LOOKAHEAD_STEPS
            and not self.closed
            and (names := sorted(self._shards_of_step(step)))
        ):
            self._ahead.append((step, names))
            size += sum(self._sizes[name] for name in names if name not in known)
            known |= dict.fromkeys(names)
            step += 1
        return list(known)
