"""InfoNCE between predictions and targets, with negatives from every view and every rank.

Equation 9 of "Learning Representations from Audio-Visual Spatial Alignment" (Morgado et al.,
NeurIPS 2020). Computed in float32 or better, whatever the precision of the encoders.

Shapes: b clips of this rank, B clips of all ranks, K views of a clip, D dimensions of an embedding.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from yt360.config import config_class
from yt360.errors import UserError

Negatives = Literal["all", "published", "clip"]


@config_class
class InfoNCEConfig:
    """The InfoNCE loss."""

    temperature: Annotated[float, Field(gt=0, le=1e6)] = 0.07
    """Cosine similarities are divided by it."""
    negatives: Negatives = "all"
    """all: every view of every clip of the global batch (Eq. 9); published: the other views of the
    clip and the same view of the other clips, as in the published code; clip: the other views of
    the clip only."""
    within_clip_weight: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Weight of a second InfoNCE among the views of each clip (0: none). It moves training off the
    plateau on which clips are distinguished and views are not."""
    chunk_size: Annotated[int, Field(ge=0, le=10**9)] = 0
    """Predictions compared at a time (0: all). Chunks are recomputed in the backward pass, so
    memory is proportional to chunk size times negatives."""

    def build(self) -> InfoNCE:
        """Return the loss."""
        return InfoNCE(**asdict(self))


class Comparison(NamedTuple):
    """Loss and accuracies; scalars, averaged over the predictions of this rank.

    Attributes:
        loss: InfoNCE, plus the weighted term over the views of the same clip.
        avc_accuracy: Fraction of predictions whose target beats all targets of other clips; with
            negatives ``"published"``, those of the same view.
        avsa_accuracy: Fraction of predictions whose target beats all its negatives.
        view_accuracy: Fraction of predictions whose target beats the other views of the same clip.
    """

    loss: Tensor
    avc_accuracy: Tensor
    avsa_accuracy: Tensor
    view_accuracy: Tensor


class InfoNCE(nn.Module):
    """InfoNCE over the cosine similarities of predictions and targets.

    >>> loss = InfoNCE(temperature=0.07)(predictions, targets)  # doctest: +SKIP

    Args:
        temperature: Cosine similarities are divided by it; above 0.
        negatives: ``"all"``: all other targets; ``"published"``: the other views of the clip and
            the same view of the other clips; ``"clip"``: the other views of the clip.
        within_clip_weight: Weight of a second InfoNCE among the views of each clip; 0 for none.
        chunk_size: Predictions compared at a time, to save memory; 0 for all.

    Raises:
        UserError: A value is out of range.
    """

    def __init__(
        self,
        temperature: float = 0.07,
        negatives: Negatives = "all",
        within_clip_weight: float = 0.0,
        chunk_size: int = 0,
    ) -> None:
        super().__init__()
        self.config = InfoNCEConfig(
            temperature=temperature,
            negatives=negatives,
            within_clip_weight=within_clip_weight,
            chunk_size=chunk_size,
        )

    def extra_repr(self) -> str:
        """Return the options, for `repr`."""
        return ", ".join(f"{name}={value!r}" for name, value in asdict(self.config).items())

    def forward(self, predictions: Tensor, targets: Tensor, first_clip: int = 0) -> Tensor:
        """Return the loss, a scalar; see `compare`."""
        return self.compare(predictions, targets, first_clip).loss

    def compare(self, predictions: Tensor, targets: Tensor, first_clip: int = 0) -> Comparison:
        """Compare predictions with the targets of the global batch.

        The mean over ranks of equal b is what one rank with the whole batch would give.

        Args:
            predictions: Predicted embeddings (b, K, D), or (b, D) for one view; of any norm.
            targets: Target embeddings (B, K, D) or (B, D); those of this rank's clips begin at
                `first_clip`. A whole batch has b = B and `first_clip` = 0.
            first_clip: Index in `targets` of the target of ``predictions[0]``.

        Raises:
            UserError: The shapes do not fit.
        """
        _require_shapes(predictions, targets, first_clip)
        if predictions.ndim == 2:
            predictions, targets = predictions[:, None], targets[:, None]
        config = self.config
        with torch.autocast(predictions.device.type, enabled=False):
            predictions, targets = _unit(predictions), _unit(targets)
            clips, views = predictions.shape[:2]
            rows, flat_targets = predictions.flatten(0, 1), targets.flatten(0, 1)
            size = config.chunk_size or len(rows)
            parts = []
            for start in range(0, len(rows), size):
                chunk = rows[start : start + size]
                positives = torch.arange(start, start + len(chunk), device=chunk.device)
                arguments = (chunk, flat_targets, positives + first_clip * views, views, config)
                if config.chunk_size > 0 and torch.is_grad_enabled():
                    parts.append(
                        checkpoint(
                            _compare, *arguments, use_reentrant=False, preserve_rng_state=False
                        )
                    )
                else:
                    parts.append(_compare(*arguments))
            loss, avc, avsa = (torch.cat(part).mean() for part in zip(*parts, strict=True))
            own = targets[first_clip : first_clip + clips]
            clip_loss, view_hits = _compare_within_clips(predictions, own, config.temperature)
            if config.within_clip_weight > 0:
                loss = loss + config.within_clip_weight * clip_loss
        return Comparison(loss, avc, avsa, view_hits)


def embedding_spread(embeddings: Tensor) -> Tensor:
    """Return how well embeddings (..., D) fill the sphere: near 1 if uniform, 0 if collapsed.

    The standard deviation of each dimension of the unit vectors, averaged, times sqrt(D).
    """
    unit = _unit(embeddings.detach().flatten(0, -2))
    return unit.std(dim=0, correction=0).mean() * unit.shape[-1] ** 0.5


def view_accuracy(predictions: Tensor, targets: Tensor) -> Tensor:
    """Return the fraction of predictions (b, K, D) whose target beats the clip's other views."""
    with torch.no_grad(), torch.autocast(predictions.device.type, enabled=False):
        return _compare_within_clips(_unit(predictions), _unit(targets), 1.0)[1]


def _require_shapes(predictions: Tensor, targets: Tensor, first_clip: int) -> None:
    fits = predictions.ndim in (2, 3) and predictions.shape[1:] == targets.shape[1:]
    if not fits or not 0 <= first_clip <= len(targets) - len(predictions):
        raise UserError(
            f"predictions are {tuple(predictions.shape)} and targets {tuple(targets.shape)}, from "
            f"clip {first_clip} on; give (b, K, D) and (B, K, D), or (b, D) and (B, D)",
            key="predictions",
        )


def _compare(
    predictions: Tensor, targets: Tensor, positives: Tensor, views: int, config: InfoNCEConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Return loss, AVC and AVSA hits, each (rows,), of predictions (rows, D) and targets (P, D)."""
    scores = predictions @ targets.T / config.temperature
    candidate = torch.arange(targets.shape[0], device=scores.device)
    same_clip = candidate[None] // views == positives[:, None] // views
    same_view = candidate[None] % views == positives[:, None] % views
    if config.negatives == "published":
        scores = scores.masked_fill(~(same_clip | same_view), float("-inf"))
    others = scores.masked_fill(same_clip, float("-inf"))
    if config.negatives == "clip":
        scores = scores.masked_fill(~same_clip, float("-inf"))
    loss = F.cross_entropy(scores, positives, reduction="none")
    with torch.no_grad():
        positive = scores.gather(1, positives[:, None])
        negative = scores.masked_fill(candidate[None] == positives[:, None], float("-inf"))
        # Strictly greater: collapsed embeddings tie with everything and must not count as hits.
        avsa = (positive > negative).all(dim=1).float()
        avc = (positive > others).all(dim=1).float()
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
