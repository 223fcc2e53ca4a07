"""InfoNCE between predicted and true features, with proposals from every view and every rank.

Equation 9 of "Learning Representations from Audio-Visual Spatial Alignment" (Morgado et al.,
NeurIPS 2020). Everything is computed in float32 or better, whatever the precision of the encoders.

Shapes: b clips of this rank, B clips of all ranks, K views of a clip, D dimensions of an embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from yt360.config import config_class

Negatives = Literal["all", "published", "clip"]


@config_class
class InfoNCEConfig:
    """The InfoNCE loss."""

    temperature: Annotated[float, Field(gt=0, le=1e6)] = 0.07
    """Cosine similarities are divided by it."""
    negatives: Literal["all", "published", "clip"] = "all"
    """all: every view of every clip of the global batch (Eq. 9); published: the other views of the
    clip and the same view of the other clips, as in the published code; clip: the other views of
    the clip only."""
    within_clip_weight: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Weight of a second InfoNCE among the views of each clip (0: none). It gets training off the
    plateau where clips are told apart and views are not."""
    chunk_size: Annotated[int, Field(ge=0, le=10**9)] = 0
    """Predictions compared at a time (0: all). Chunks are recomputed in the backward pass, so that
    memory grows only with chunk size times negatives."""


@dataclass(frozen=True)
class Contrast:
    """What a comparison gave; scalars, averaged over the predictions of this rank.

    Attributes:
        loss: InfoNCE, plus the weighted term over the clip's own views.
        avc_accuracy: Share of predictions whose target beats every proposal of other clips.
        avsa_accuracy: Share of predictions whose target beats every proposal.
        view_accuracy: Share of predictions whose target beats the other views of the same clip.
    """

    loss: Tensor
    avc_accuracy: Tensor
    avsa_accuracy: Tensor
    view_accuracy: Tensor


def contrast(
    predictions: Tensor, targets: Tensor, config: InfoNCEConfig, first_clip: int = 0
) -> Contrast:
    """Compare predictions with the targets of the global batch.

    Args:
        predictions: Predicted embeddings (b, K, D) of any length.
        targets: True embeddings (B, K, D) of any length; those of this rank's clips begin at
            `first_clip`. With b = B and `first_clip` = 0 the batch is whole.
        config: Temperature, proposals and memory.
        first_clip: Index in `targets` of the clip of ``predictions[0]``.

    Returns:
        The mean over the b * K predictions. The mean over ranks of equal b is what one rank with
        the whole batch would give.
    """
    with torch.autocast(predictions.device.type, enabled=False):
        predictions = _unit(predictions)
        targets = _unit(targets)
        views = predictions.shape[1]
        flat_targets = targets.flatten(0, 1)
        parts = []
        for rows in _chunks(predictions.shape[0] * views, config.chunk_size):
            arguments = (
                predictions.flatten(0, 1)[rows],
                flat_targets,
                _positives(rows, views, first_clip, predictions.device),
                views,
                config,
            )
            again = config.chunk_size > 0 and torch.is_grad_enabled()
            parts.append(
                checkpoint(_compare, *arguments, use_reentrant=False)
                if again
                else _compare(*arguments)
            )
        loss, avc, avsa = (torch.cat(part).mean() for part in zip(*parts, strict=True))
        own = targets[first_clip : first_clip + predictions.shape[0]]
        clip_loss, view_hits = _compare_within_clips(predictions, own, config.temperature)
        if config.within_clip_weight > 0:
            loss = loss + config.within_clip_weight * clip_loss
    return Contrast(loss, avc, avsa, view_hits)


def embedding_spread(embeddings: Tensor) -> Tensor:
    """Return how far embeddings (..., D) fill the sphere: near 1 when they do, 0 when collapsed.

    The standard deviation of each dimension of the unit vectors, averaged, times sqrt(D).
    """
    unit = _unit(embeddings.detach().flatten(0, -2))
    return unit.std(dim=0, correction=0).mean() * unit.shape[-1] ** 0.5


def view_accuracy(predictions: Tensor, targets: Tensor) -> Tensor:
    """Return the share of predictions (b, K, D) whose target beats the other views of its clip."""
    with torch.no_grad(), torch.autocast(predictions.device.type, enabled=False):
        return _compare_within_clips(_unit(predictions), _unit(targets), 1.0)[1]


def _compare(
    predictions: Tensor, targets: Tensor, positives: Tensor, views: int, config: InfoNCEConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Return loss, AVC and AVSA hits, each (rows,), of predictions (rows, D) and targets (P, D)."""
    scores = predictions @ targets.T / config.temperature
    proposal = torch.arange(targets.shape[0], device=scores.device)
    same_clip = proposal[None] // views == positives[:, None] // views
    same_view = proposal[None] % views == positives[:, None] % views
    if config.negatives == "published":
        scores = scores.masked_fill(~(same_clip | same_view), float("-inf"))
    elif config.negatives == "clip":
        scores = scores.masked_fill(~same_clip, float("-inf"))
    loss = F.cross_entropy(scores, positives, reduction="none")
    with torch.no_grad():
        positive = scores.gather(1, positives[:, None])
        rival = scores.masked_fill(proposal[None] == positives[:, None], float("-inf"))
        # Strictly better: collapsed embeddings tie with everything and must not count as hits.
        avsa = (positive > rival).all(dim=1).float()
        avc = ((positive > rival) | same_clip).all(dim=1).float()
    return loss, avc, avsa


def _compare_within_clips(
    predictions: Tensor, targets: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Return mean loss and accuracy of (b, K, D) against the K views of the same clip."""
    scores = predictions @ targets.transpose(1, 2) / temperature  # (b, K, K)
    views = torch.arange(scores.shape[1], device=scores.device).expand(scores.shape[0], -1)
    loss = F.cross_entropy(scores.flatten(0, 1), views.flatten())
    with torch.no_grad():
        positive = scores.diagonal(dim1=1, dim2=2)[..., None]
        itself = torch.eye(scores.shape[1], dtype=torch.bool, device=scores.device)
        hits = (positive > scores.masked_fill(itself, float("-inf"))).all(dim=2)
    return loss, hits.float().mean()


def _unit(embeddings: Tensor) -> Tensor:
    precise = torch.promote_types(embeddings.dtype, torch.float32)
    return F.normalize(embeddings.to(precise), dim=-1)


def _chunks(rows: int, chunk: int) -> list[slice]:
    size = chunk or rows
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]


def _positives(rows: slice, views: int, first_clip: int, device: torch.device) -> Tensor:
    return torch.arange(rows.start, rows.stop, device=device) + first_clip * views
