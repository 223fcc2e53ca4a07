"""The test of trained heads: their accuracies, and those of the controls.

Shapes: P pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsa.evals.binary.heads import AUDIO, BOTH, VIDEO, Heads, decide
from avsa.evals.binary.pairing import FeaturePairs
from avsa.evals.bootstrap import mean_metric, video_table
from avsa.evals.result import Metric, Row

CHUNK = 4096
"""Pairs, or samples, that are computed at a time."""
SWAPPED, SIMILARITY = "swapped", "similarity"
MEANINGS = {
    BOTH: "of the head that sees video and audio",
    AUDIO: "of a head that sees the audio alone",
    VIDEO: "of a head that sees the video alone",
    SWAPPED: "of the first head, with the audio of another video",
    SIMILARITY: "without heads, by what is more similar to the video: its audio, or turned audio",
}
"""What the accuracies are of."""

PairValues = tuple[NDArray[np.float64], Sequence[str]]
"""1 for each decision that is right and 0 for each that is not, and the videos of the decisions."""


def score(
    heads: Heads,
    pairs: FeaturePairs,
    label_names: Sequence[str],
    seed: int,
    further: Mapping[str, PairValues],
) -> tuple[dict[str, Metric], dict[str, tuple[Row, ...]]]:
    """Return the accuracies of the heads and of the controls, and the tables of the test.

    Args:
        heads: Trained heads.
        pairs: Pairs of the test.
        label_names: Words for the labels 0 and 1.
        seed: Seed of intervals.
        further: Decisions that were made without heads, by the name of their accuracy.
    """
    decisions = {
        name: decisions_of(heads, name, pairs, pairs.audio_rows) for name in (BOTH, AUDIO, VIDEO)
    }
    decisions[SWAPPED] = decisions_of(heads, BOTH, pairs, pairs.swapped_rows)
    right: dict[str, PairValues] = {
        name: ((decided == pairs.labels).double().numpy(), pairs.video_ids)
        for name, decided in decisions.items()
    }
    right |= further
    metrics = {name: mean_metric(*each, chance=0.5, seed=seed) for name, each in right.items()}
    counts = torch.bincount(2 * pairs.labels + decisions[BOTH], minlength=4).view(2, 2)
    confusion = tuple(
        {"target": name, **dict(zip(label_names, row.tolist(), strict=True))}
        for name, row in zip(label_names, counts, strict=True)
    )
    return metrics, {"confusion": confusion, **video_table(right)}


@torch.no_grad()
def decisions_of(heads: Heads, name: str, pairs: FeaturePairs, audio_rows: Tensor) -> Tensor:
    """Return the decisions (P,) of a head.

    Args:
        heads: Trained heads.
        name: Name of the head.
        pairs: Pairs of the test.
        audio_rows: (P,) row of the audio of each pair.
    """
    device = next(heads.parameters()).device
    decisions = []
    for rows in zip(pairs.video_rows.split(CHUNK), audio_rows.split(CHUNK), strict=True):
        video, audio = pairs.video[rows[0]].to(device), pairs.audio[rows[1]].to(device)
        decisions.append(decide(heads.logits(name, video, audio)).cpu())
    return torch.cat(decisions)
