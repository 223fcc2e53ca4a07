"""The order of testing: every clip equally often, and none replaced."""

from __future__ import annotations

from collections.abc import Sequence

from avsa.data.order import Draw, SequentialOrder


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
