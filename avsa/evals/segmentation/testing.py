"""Confusion matrices of the test split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from avsa.data.order import Draw, DrawnOrder
from avsa.evals.segmentation.metrics import Numbers, batch_metrics, confusion_matrices
from avsa.evals.segmentation.targets import NUM_TARGETS, Sample
from avsa.training.distributed import World
from yt360.terminal.progress import Progress


class SharedOrder(DrawnOrder):
    """The batches of `DrawnOrder` of which a rank takes every R-th, R ranks.

    So batches, by which the published metrics are averaged, do not depend on the number of ranks.
    """

    def __init__(self, num_clips: int, draws: int, batch_size: int, world: World) -> None:
        super().__init__(num_clips, draws, batch_size)
        self.world = world

    def batch(self, step: int) -> list[Draw]:
        """Return a batch of this rank; empty past the end."""
        return super().batch(step * self.world.size + self.world.rank)


@dataclass(frozen=True)
class Tested:
    """Result of a test; equal on all ranks.

    Attributes:
        videos: Ids of the videos of the split, sorted.
        confusion: (V, classes, classes) of each video.
        pixel_accuracy: Mean over batches of that of the batch.
        image_iou: Mean over batches of the mean over (image, class).
        clips: Number of samples, clips times draws.
        without_classes: Number of samples with none of the classes on the panorama.
        pixels: Number of pixels of views, with and without targets.
    """

    videos: tuple[str, ...]
    confusion: Numbers
    pixel_accuracy: float
    image_iou: float
    clips: int
    without_classes: int
    pixels: int


@torch.no_grad()
def test(
    samples: Iterator[Sample],
    predict: Callable[[Sample], Tensor],
    video_of: Mapping[str, str],
    batches: int,
    world: World,
) -> Tested:
    """Compare predictions with targets.

    Args:
        samples: This rank's batches.
        predict: Returns classes (B, K, h, w).
        video_of: Video of each clip of the split.
        batches: Number of batches of this rank, for the progress.
        world: This process and the other ranks.
    """
    videos = {video: number for number, video in enumerate(sorted(set(video_of.values())))}
    confusion = np.zeros((len(videos), NUM_TARGETS, NUM_TARGETS))
    counts = np.zeros(6)  # sums over batches, batches, clips, clips without classes, pixels
    progress = Progress("testing segmentation", batches, "batches")
    with closing(samples), progress:  # type: ignore[type-var]
        for sample in samples:
            matrices = _matrices(predict(sample), sample.targets)
            views = sample.targets.shape[1]
            rows = np.repeat([videos[video_of[key]] for key in sample.batch.raw.keys], views)
            np.add.at(confusion, rows, matrices)
            if (found := batch_metrics(matrices)) is not None:
                counts[:3] += found.pixel_accuracy, found.image_iou, 1
            counts[3:] += (
                len(sample.labelled),
                sample.labelled.count(False),
                sample.targets.numel(),
            )
            if world.is_first:
                progress.advance()
    confusion, counts = _summed([confusion, counts], world)
    means = counts[:2] / counts[2] if counts[2] else np.full(2, np.nan)
    return Tested(tuple(videos), confusion, *means.tolist(), *counts[3:].astype(int).tolist())


def _matrices(predicted: Tensor, targets: Tensor) -> Numbers:
    """Return the confusion matrices (B * K, classes, classes)."""
    matrices = confusion_matrices(predicted.flatten(0, 1), targets.flatten(0, 1), NUM_TARGETS)
    return matrices.double().cpu().numpy()


def _summed(arrays: Sequence[Numbers], world: World) -> list[Numbers]:
    """Return the sums of arrays over ranks."""
    if world.size == 1:
        return list(arrays)
    found = []
    for each in arrays:
        total = torch.from_numpy(each).to(world.device)
        dist.all_reduce(total)
        found.append(total.cpu().numpy())
    return found
