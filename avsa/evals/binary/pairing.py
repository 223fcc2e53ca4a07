"""All pairs of video and audio of a split.

Shapes: N samples of the split, M rows of audio, P pairs, K views, D features.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsa.evals.binary.heads import Pairs
from yt360.randomness import keyed_generator


@dataclass(frozen=True)
class FeaturePairs:
    """Pairs as rows of features.

    Attributes:
        video: (N, K, D).
        audio: (M, K, D).
        video_rows: (P,) row of the video of each pair.
        audio_rows: (P,) row of its audio.
        swapped_rows: (P,) row of the audio of another video, as a control.
        labels: (P,) int64, 1 where video and audio belong together and 0 where they do not.
        video_ids: Video of each pair.
    """

    video: Tensor
    audio: Tensor
    video_rows: Tensor
    audio_rows: Tensor
    swapped_rows: Tensor
    labels: Tensor
    video_ids: list[str]

    def batch(self, numbers: Tensor, device: torch.device) -> Pairs:
        """Return some of the pairs on a device."""
        video = self.video[self.video_rows[numbers]]
        audio = self.audio[self.audio_rows[numbers]]
        return Pairs(*(each.to(device) for each in (video, audio, self.labels[numbers])))


def shuffled_batches(
    pairs_of: Callable[[int], FeaturePairs],
    size: int,
    steps: int,
    first_step: int,
    seed: int,
    device: torch.device,
) -> Iterator[Pairs]:
    """Return batches of pairs without an end; each epoch has another order.

    Args:
        pairs_of: Returns the pairs of an epoch, at least ``size * steps``.
        size: Pairs of a batch.
        steps: Batches of an epoch; the pairs that are left over differ from epoch to epoch.
        first_step: Step to begin with.
        seed: Seed of the orders.
        device: Device of the batches.
    """
    for epoch in count(first_step // steps):
        pairs = pairs_of(epoch)
        order = keyed_generator(seed, "order of pairs", epoch).permutation(len(pairs.labels))
        numbers = torch.from_numpy(order[: size * steps]).view(steps, size)
        first = first_step % steps if epoch == first_step // steps else 0
        for row in numbers[first:]:
            yield pairs.batch(row, device)


def other_rows(groups: Sequence[Hashable], generator: np.random.Generator) -> Tensor:
    """Return for each row a row of another group, drawn uniformly from all of them.

    Args:
        groups: Group of each row, such as its video; there are two or more groups.
        generator: Source of randomness.

    Returns:
        (N,) int64.
    """
    _, codes, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    by_group: NDArray[np.int64] = np.argsort(codes, kind="stable")
    own_first, own = (np.cumsum(counts) - counts)[codes], counts[codes]
    place = generator.integers(0, len(codes) - own)
    place += own * (place >= own_first)  # skip the rows of the own group
    return torch.from_numpy(by_group[place])
