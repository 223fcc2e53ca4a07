"""Gradient caching: forward and backward passes in micro-batches, negatives from the whole batch.

The memory for activations is that of one micro-batch, while every clip is compared with the whole
batch ("Scaling Deep Contrastive Learning Batch Size under Memory Limited
Setup", Gao et al., 2021): the features of all parts are computed without keeping activations, the
loss over all of them gives the gradient of each feature, and a second forward pass per part
propagates it to the encoders.

The loss, given the features, and the gradients, given batch norm's statistics, are exact. Batch
norm sees one part at a time, as it would on another rank. Its running statistics are updated once
per step and part, in the second pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from avsa.tasks.base import Metrics

Precision = Callable[[], AbstractContextManager[None]]
Loss = Callable[[Tensor, Tensor], tuple[Tensor, Metrics]]


def forward_backward_in_parts(
    encoders: nn.Module,
    loss_of: Loss,
    views: tuple[Tensor, Tensor],
    precision: Precision,
    parts: int,
) -> tuple[Tensor, Metrics]:
    """Add the gradients of one step to the parameters; return its loss and metrics.

    Args:
        encoders: Views to features (`avsa.models.encoders.Encoders`), bare or wrapped by DDP.
        loss_of: Loss and metrics of the features (B, K, D) of video and audio.
        views: Views of video (B, K, 3, T, h, w) and of audio (B, K, C, N, F).
        precision: Returns the context in which the networks compute.
        parts: Number of micro-batches.
    """
    pieces = list(zip(*(each.chunk(parts) for each in views), strict=True))
    bare = encoders.module if isinstance(encoders, DistributedDataParallel) else encoders
    with torch.no_grad(), precision(), _running_statistics_frozen(bare):
        features = [bare(*piece) for piece in pieces]
    video, audio = (torch.cat(column).requires_grad_() for column in zip(*features, strict=True))
    with precision():
        loss, metrics = loss_of(video, audio)
    loss.backward()
    assert video.grad is not None and audio.grad is not None
    gradients = list(zip(video.grad.chunk(parts), audio.grad.chunk(parts), strict=True))
    for number, (piece, gradient) in enumerate(zip(pieces, gradients, strict=True)):
        # Ranks exchange gradients once, with the last part.
        with _unsynchronized(encoders, number < len(pieces) - 1):
            with precision():
                outputs = encoders(*piece)
            torch.autograd.backward(outputs, gradient)
    return loss, metrics


def _unsynchronized(module: nn.Module, active: bool) -> AbstractContextManager[None]:
    if active and isinstance(module, DistributedDataParallel):
        return module.no_sync()
    return nullcontext()


@contextmanager
def _running_statistics_frozen(module: nn.Module) -> Iterator[None]:
    """Let batch norms in training mode use the batch's statistics without recording them."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.training]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
