"""The order in which a loader reads clips, the orders of testing, and the parts of ranks.

The order of training is in `avsa.data.training_order`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from yt360.errors import UserError


@dataclass(frozen=True, slots=True)
class Draw:
    """One sample of an order.

    Attributes:
        position: Number of the sample in the run; with seed and epoch it is the key of all random
            draws for the sample.
        epoch: Epoch of the sample.
        clip: Row of the clip in the index.
    """

    position: int
    epoch: int
    clip: int


class Order(Protocol):
    """An order in which a loader reads clips.

    Attributes:
        batch_size: Clips in a global batch.
        full_batches: Whether every batch must be full.
    """

    batch_size: int
    full_batches: bool

    def batch(self, step: int) -> list[Draw]:
        """Return the global batch of a step; empty past the end."""

    def replacements(self, draw: Draw) -> Iterator[int]:
        """Return the clips to try, in this order, if the drawn one cannot be read."""


class SequentialOrder:
    """Every clip once, in the order of the index; the last batch may be partial.

    A clip that cannot be read has no replacement: a loader leaves it out and reports it.

    Args:
        num_clips: Clips in the index.
        batch_size: Clips in a batch.
    """

    full_batches = False

    def __init__(self, num_clips: int, batch_size: int) -> None:
        self.num_clips, self.batch_size = num_clips, batch_size

    def batch(self, step: int) -> list[Draw]:
        """Return the batch of a step; empty past the last clip."""
        first = step * self.batch_size
        return [Draw(i, 0, i) for i in range(first, min(first + self.batch_size, self.num_clips))]

    def replacements(self, draw: Draw) -> Iterator[int]:  # noqa: ARG002 - the protocol's signature
        """Return nothing: clips are not replaced."""
        return iter(())


class DrawnOrder(SequentialOrder):
    """Every clip of a split `draws` times, each time in the order of the index; never replaced.

    The position of a sample, by which its views are drawn, is ``draw * num_clips + clip``.

    Args:
        num_clips: Clips of the split.
        draws: Draws of each clip.
        batch_size: Samples in a batch; the last one may be smaller.
        steps: The batches to take; by default all.
    """

    def __init__(
        self, num_clips: int, draws: int, batch_size: int, steps: Sequence[int] | None = None
    ) -> None:
        super().__init__(num_clips, batch_size)
        self.draws = draws
        self.steps = range(-(-num_clips * draws // batch_size)) if steps is None else steps

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.steps)

    def batch(self, step: int) -> list[Draw]:
        """Return the samples of a batch; empty past the end."""
        if step >= len(self.steps):
            return []
        first = self.steps[step] * self.batch_size
        last = min(first + self.batch_size, self.num_clips * self.draws)
        # One epoch: a batch may have samples of two draws, and has one epoch.
        return [Draw(i, 0, i % self.num_clips) for i in range(first, last)]


def rank_part(draws: list[Draw], rank: int, world: int) -> list[Draw]:
    """Return a rank's contiguous part of a global batch.

    Raises:
        UserError: The ranks cannot share the batch evenly.
    """
    if len(draws) % world:
        raise UserError(
            f"a global batch of {len(draws)} clips cannot be shared by {world} ranks; set "
            f"batch_size to a multiple of {world}",
            code="conflict",
            key="batch_size",
        )
    size = len(draws) // world
    return draws[rank * size : (rank + 1) * size]
