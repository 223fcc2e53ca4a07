"""The pairs of video and audio in the test.

Shapes: N samples of the test split, M rows of audio, P pairs, K views, D features.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class TestPairs:
    """All pairs of a test, as rows of features.

    Attributes:
        video: (N, K, D).
        audio: (M, K, D).
        video_rows: (P,) row of the video of each pair.
        audio_rows: (P,) row of its audio.
        swapped_rows: (P,) row of the audio of another video, as a control.
        labels: (P,) int64, 1 where video and audio belong together and 0 where they do not.
        video_ids: Video of each pair.
    """

    __test__ = False  # not a test of pytest

    video: Tensor
    audio: Tensor
    video_rows: Tensor
    audio_rows: Tensor
    swapped_rows: Tensor
    labels: Tensor
    video_ids: list[str]


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
