"""Forward and backward passes of one step, in one go or in parts.

In parts, memory for activations is that of one part while every clip still meets the proposals of
the whole batch ("Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", Gao et
al., 2021): features of all parts are computed without keeping activations, the loss over all of
them gives the gradient of each feature, and a second forward pass per part carries it into the
encoders.

Exact are the loss, given the features, and the gradients, given the batch norms' statistics. Not
exact: batch norm sees one part at a time, as it would on another rank. The running statistics are
updated once a step and part, in the second pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from avsa.tasks.tasks import Metrics

Autocast = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Inputs:
    """What the networks see of this rank's samples; the M moments of a clip are neighbours.

    Attributes:
        video: (b * M, K, 3, T, h, w).
        audio: (b * M, K, C, N, F).
        directions: (b * M, K, 3).
        moments: M.
    """

    video: Tensor
    audio: Tensor
    directions: Tensor
    moments: int

    def by_clip(self, values: Tensor) -> Tensor:
        """Return (b, M, ...) of (b * M, ...)."""
        return values.unflatten(0, (-1, self.moments))


def forward_backward(
    encoders: nn.Module, task: nn.Module, inputs: Inputs, autocast: Autocast, parts: int = 1
) -> tuple[Tensor, Metrics]:
    """Add the gradients of one step to the parameters; return its loss and metrics, detached.

    Args:
        encoders: Views to features (`avsa.models.model.Encoders`), bare or wrapped by DDP.
        task: Features to a loss (`avsa.tasks.tasks.Task`), bare or wrapped by DDP.
        inputs: This rank's part of the batch.
        autocast: Makes the context in which the networks compute.
        parts: Into how many parts the samples are cut for the encoders.
    """
    if parts > 1:
        return _in_parts(encoders, task, inputs, autocast, parts)
    with autocast():
        features = encoders(inputs.video, inputs.audio)
        loss, metrics = task(*map(inputs.by_clip, (*features, inputs.directions)))
    loss.backward()
    return loss.detach(), metrics


def _in_parts(
    encoders: nn.Module, task: nn.Module, inputs: Inputs, autocast: Autocast, parts: int
) -> tuple[Tensor, Metrics]:
    pieces = list(zip(inputs.video.chunk(parts), inputs.audio.chunk(parts), strict=True))
    with torch.no_grad(), autocast(), _running_statistics_kept(encoders):
        features = [_bare(encoders)(*piece) for piece in pieces]
    video, audio = (torch.cat(column).requires_grad_() for column in zip(*features, strict=True))
    with autocast():
        loss, metrics = task(*map(inputs.by_clip, (video, audio, inputs.directions)))
    loss.backward()
    assert video.grad is not None and audio.grad is not None
    gradients = list(zip(video.grad.chunk(parts), audio.grad.chunk(parts), strict=True))
    for number, (piece, gradient) in enumerate(zip(pieces, gradients, strict=True)):
        # Ranks exchange gradients once, with the last part.
        with _unsynchronized(encoders, number < len(pieces) - 1):
            with autocast():
                outputs = encoders(*piece)
            torch.autograd.backward(outputs, gradient)
    return loss.detach(), metrics


def _bare(module: nn.Module) -> nn.Module:
    return module.module if isinstance(module, DistributedDataParallel) else module


def _unsynchronized(module: nn.Module, active: bool) -> AbstractContextManager[None]:
    if active and isinstance(module, DistributedDataParallel):
        return module.no_sync()
    return nullcontext()


@contextmanager
def _running_statistics_kept(module: nn.Module) -> Iterator[None]:
    """Let batch norms in training mode use the batch's statistics without recording them."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.training]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
