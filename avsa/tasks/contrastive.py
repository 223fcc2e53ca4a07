"""What AVC, AVTS and AVSA share: they compare embeddings of video and audio by InfoNCE.

Sections 3 and 5 of "Learning Representations from Audio-Visual Spatial Alignment" (Morgado et al.,
NeurIPS 2020). The paper sums the losses of the two directions, video to audio and audio to video;
here the loss is their mean, as in the published code.

Shapes: b clips of this rank, M clip windows of a clip, K views of a window, D features, N items of
a clip that are told apart (clips, windows or views).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import normalize

from avsa.models.translation import TranslationConfig
from avsa.tasks.base import Metrics, Needs, Task, TaskConfig
from avsa.tasks.infonce import InfoNCEConfig, embedding_spread, view_accuracy
from avsa.training.distributed import gather, rank
from yt360.config import config_class


@config_class
class ContrastiveConfig(TaskConfig):
    """Options of a task that compares embeddings by InfoNCE."""

    needs: ClassVar[Needs] = Needs(batch_size=2)
    kind: str
    """Name of the task."""
    embedding_dim: Annotated[int, Field(ge=1, le=1 << 14)] = 128
    """Length of the embeddings that are compared."""
    translation: TranslationConfig = TranslationConfig()
    """Networks that predict one modality's features from the other's, over the views of a clip."""
    info_nce: InfoNCEConfig = InfoNCEConfig()
    """The loss."""

    @property
    def label(self) -> str:
        """The task and its translation network."""
        kind = self.translation.kind
        return self.kind if kind == "none" else f"{self.kind} ({kind})"

    def build(self, feature_dim: int) -> Task:
        """Return the task with new weights; see `TaskConfig`."""
        network = ProjectionTask if self.translation.kind == "none" else TranslationTask
        return network(self, feature_dim)

    def items(self, features: Tensor) -> Tensor:
        """Return the items (b, N, D) that are told apart, of features (b, M, K, D)."""
        raise NotImplementedError

    def summary(
        self,
        metrics: Mapping[str, float],
        batch_size: int,
        num_views: int,
        windows_per_clip: int,  # noqa: ARG002
    ) -> str:
        """Return the accuracy of choosing among views, or else among clips; see `TaskConfig`."""
        name, chance = "view_accuracy", 1 / num_views
        if name not in metrics:
            name, chance = "avc_accuracy", 1 / batch_size
        return f"{name} {metrics[name]:.1%} (chance {chance:.1%})"


class ContrastiveTask(Task):
    """Compare embeddings in both directions: audio that video predicts, and the reverse.

    Args:
        config: Embeddings, translation networks and loss.
    """

    config: ContrastiveConfig

    def __init__(self, config: ContrastiveConfig) -> None:
        super().__init__()
        self.config = config
        self.info_nce = config.info_nce.build()

    def compare(
        self, *, predicted_audio: Tensor, audio: Tensor, predicted_video: Tensor, video: Tensor
    ) -> tuple[Tensor, Metrics]:
        """Return mean loss and metrics of embeddings (b, N, E); negatives come from all ranks."""
        first_clip = rank() * len(video)
        v2a = self.info_nce.compare(predicted_audio, gather(audio), first_clip)
        a2v = self.info_nce.compare(predicted_video, gather(video), first_clip)
        metrics = {
            "loss_v2a": v2a.loss.detach(),
            "loss_a2v": a2v.loss.detach(),
            "avc_accuracy": (v2a.avc_accuracy + a2v.avc_accuracy) / 2,
            "spread_video": embedding_spread(video),
            "spread_audio": embedding_spread(audio),
        }
        if video.shape[1] > 1:
            metrics["avsa_accuracy"] = (v2a.avsa_accuracy + a2v.avsa_accuracy) / 2
            metrics["view_accuracy"] = (v2a.view_accuracy + a2v.view_accuracy) / 2
        return (v2a.loss + a2v.loss) / 2, metrics


class ProjectionTask(ContrastiveTask):
    """Compare linear projections of both modalities, each video with each audio (Eq. 7).

    Args:
        config: See `ContrastiveTask`.
        feature_dim: D.
    """

    def __init__(self, config: ContrastiveConfig, feature_dim: int) -> None:
        super().__init__(config)
        self.video_projection = Head(feature_dim, config.embedding_dim)
        self.audio_projection = Head(feature_dim, config.embedding_dim)
        self.joint_dim = config.embedding_dim

    def embed(self, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Return comparable embeddings (..., embedding_dim) of features (..., D)."""
        return self.video_projection(video), self.audio_projection(audio)

    def joint_embeddings(self, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Return the normalized projections; see `Task`."""
        video, audio = self.embed(video, audio)
        return normalize(video, dim=-1), normalize(audio, dim=-1)

    def forward(self, video: Tensor, audio: Tensor, directions: Tensor) -> tuple[Tensor, Metrics]:  # noqa: ARG002
        """Return loss and metrics; see `Task`."""
        of_video, of_audio = self.embed(self.config.items(video), self.config.items(audio))
        loss, metrics = self.compare(
            predicted_audio=of_video, audio=of_audio, predicted_video=of_audio, video=of_video
        )
        if "view_accuracy" not in metrics and video.shape[2] > 1:
            with torch.no_grad():
                of_video, of_audio = self.embed(video, audio)
            metrics["view_accuracy"] = _pooled_view_accuracy(
                (of_video, of_audio), (of_audio, of_video)
            )
        return loss, metrics


class TranslationTask(ContrastiveTask):
    """Predict each modality from the views of the other; compare prediction and target (Eq. 9).

    Args:
        config: See `ContrastiveTask`.
        feature_dim: D.
    """

    def __init__(self, config: ContrastiveConfig, feature_dim: int) -> None:
        super().__init__(config)
        self.v2a_transformer = config.translation.build(feature_dim)
        self.a2v_transformer = config.translation.build(feature_dim)
        self.video_head = Head(feature_dim, config.embedding_dim)
        self.audio_head = Head(feature_dim, config.embedding_dim)
        self.video_pred_head = Head(feature_dim, config.embedding_dim)
        self.audio_pred_head = Head(feature_dim, config.embedding_dim)
        self.joint_dim = 2 * config.embedding_dim

    def translate(self, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Return predicted video and audio features (..., K, D) of audio and video features."""
        return self.a2v_transformer(audio), self.v2a_transformer(video)

    def joint_embeddings(self, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Return each modality's embedding beside its prediction of the other; see `Task`."""
        predicted_video, predicted_audio = self.translate(video, audio)
        return (
            _joined(self.audio_pred_head(predicted_audio), self.video_head(video)),
            _joined(self.audio_head(audio), self.video_pred_head(predicted_video)),
        )

    def forward(self, video: Tensor, audio: Tensor, directions: Tensor) -> tuple[Tensor, Metrics]:  # noqa: ARG002
        """Return loss and metrics; see `Task`."""
        predicted_video, predicted_audio = self.translate(video, audio)
        items = self.config.items
        loss, metrics = self.compare(
            predicted_audio=self.audio_pred_head(items(predicted_audio)),
            audio=self.audio_head(items(audio)),
            predicted_video=self.video_pred_head(items(predicted_video)),
            video=self.video_head(items(video)),
        )
        if "view_accuracy" not in metrics and video.shape[2] > 1:
            with torch.no_grad():
                metrics["view_accuracy"] = _pooled_view_accuracy(
                    (self.audio_pred_head(predicted_audio), self.audio_head(audio)),
                    (self.video_pred_head(predicted_video), self.video_head(video)),
                )
        return loss, metrics


class Head(nn.Module):
    """A linear layer to the space in which features are compared."""

    def __init__(self, feature_dim: int, embedding_dim: int) -> None:
        super().__init__()
        self.projection = nn.Sequential(nn.Linear(feature_dim, embedding_dim))

    def forward(self, features: Tensor) -> Tensor:
        """Return (..., embedding_dim) of (..., feature_dim)."""
        embeddings: Tensor = self.projection(features)
        return embeddings


def _joined(*parts: Tensor) -> Tensor:
    """Return a vector of unit length whose dot products are the mean cosine of its parts."""
    return torch.cat([normalize(part, dim=-1) for part in parts], dim=-1) / len(parts) ** 0.5


def _pooled_view_accuracy(*pairs: tuple[Tensor, Tensor]) -> Tensor:
    """Return the mean view accuracy of (predictions, targets), (b, M, K, E) each.

    AVC pools the views before it compares. This tells whether it distinguishes them all the same.
    """
    hits = [view_accuracy(*(each.flatten(0, 1) for each in pair)) for pair in pairs]
    return torch.stack(hits).mean()
