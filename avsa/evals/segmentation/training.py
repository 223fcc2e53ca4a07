"""The loss of segmentation."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor
from torch.nn.functional import cross_entropy

from avsa.evals.fit import Loss
from avsa.evals.segmentation.metrics import NO_TARGET
from avsa.evals.segmentation.networks import SegmentationNetworks
from avsa.evals.segmentation.targets import Sample
from avsa.training.distributed import World


def loss_of(networks: SegmentationNetworks, world: World, sample: Sample) -> Loss:
    """Return a loss whose mean over ranks is the mean over the labelled pixels of all ranks.

    ``pixel_accuracy``, the fraction of these pixels whose class is right, is averaged likewise.
    """
    scores = networks(sample.batch.video, sample.batch.audio).movedim(2, -1).flatten(0, -2)
    targets = sample.targets.flatten().long()
    # Pixels as rows: the CUDA kernel for (N, C) is deterministic, that for images is not.
    total = cross_entropy(scores, targets, ignore_index=NO_TARGET, reduction="sum")
    labelled = (targets != NO_TARGET).sum().double()
    if world.size > 1:
        dist.all_reduce(labelled)
    weight = world.size / labelled.clamp(min=1)
    hits: Tensor = (scores.argmax(-1) == targets).sum()
    return total * weight.to(total.dtype), {"pixel_accuracy": hits * weight}
