"""The pretext tasks: features of a batch in, a loss and its metrics out.

Sections 3 and 5 of "Learning Representations from Audio-Visual Spatial Alignment" (Morgado et al.,
NeurIPS 2020):

- ``avc``: which sound belongs to which video (Eq. 7). Several views are joined by their maximum.
- ``avts``: which moment of the sound belongs to which moment of the video; proposals come from
  other moments of the same clip too.
- ``avsa``: which view of the sound belongs to which view of the video (Eq. 3-6, 9).
- ``regression``: by what rotation picture and sound differ (Eq. 1).

The paper sums the two directions, from sound to picture and back; here the loss is their mean, as
in the published code, which is the same but for a factor of two.

Shapes: b clips of this rank, B clips of all ranks, M moments of a clip, K views of a moment,
D features.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from avsa.models.translation import TranslationConfig, build_translation
from avsa.tasks.infonce import Contrast, InfoNCEConfig, contrast, embedding_spread, view_accuracy
from avsa.training.distributed import gather, rank
from yt360.config import config_class, conflict
from yt360.errors import UserError
from yt360.sphere import azimuth_elevation, view_rotation

Metrics = dict[str, Tensor]


@config_class
class TaskConfig:
    """The pretext task of a stage."""

    kind: Literal["avc", "avts", "avsa", "regression"] = "avc"
    """avc: correspondence of clips; avts: of clip windows in time; avsa: of views; regression: the
    rotation between video and audio."""
    embedding_dim: Annotated[int, Field(ge=1, le=1 << 14)] = 128
    """Length of the embeddings that are compared."""
    translation: TranslationConfig = TranslationConfig()
    """Networks that predict one modality's features from the other's, over the views of a clip."""
    info_nce: InfoNCEConfig = InfoNCEConfig()
    """The loss (not for regression)."""

    def __post_init__(self) -> None:
        if self.kind == "regression" and self.translation.kind != "none":
            raise conflict(
                f"kind regression compares no predictions, and translation.kind is "
                f"{self.translation.kind}; set translation.kind=none"
            )
        within_clip = self.info_nce.negatives == "clip" or self.info_nce.within_clip_weight > 0
        if self.kind == "avc" and within_clip:
            raise conflict(
                "kind avc joins all views of a clip, so there is nothing to compare within a clip; "
                "set info_nce.negatives=all and info_nce.within_clip_weight=0"
            )


def build_task(config: TaskConfig, feature_dim: int) -> Task:
    """Return the task with fresh weights, for encoders that give `feature_dim` features."""
    if config.kind == "regression":
        return RegressionTask(config, feature_dim)
    if config.kind == "avsa" or config.translation.kind != "none":
        return TranslationTask(config, feature_dim)
    return ProjectionTask(config, feature_dim)


class Task(nn.Module):
    """A loss over features; on several ranks each sees its own clips and gathers the rest."""

    config: TaskConfig
    joint_dim = 0
    """E, the length of joint embeddings; 0 where the task compares no embeddings."""

    def joint_embeddings(self, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Return embeddings (..., K, E) of unit length in a space that both modalities share.

        Their dot product is the cosine that the task's loss compares, in [-1, 1]: the mean of its
        two directions.

        Args:
            video: Features of video (..., K, D); translation networks see the K views together.
            audio: Features of audio (..., L, D).

        Raises:
            UserError: The task compares no embeddings.
        """
        raise UserError(
            f"the task {self.config.kind} compares no embeddings of video and audio; use a model "
            "that was trained by avc, avts or avsa"
        )

    def forward(self, video: Tensor, audio: Tensor, directions: Tensor) -> tuple[Tensor, Metrics]:
        """Return the loss and its metrics, all scalars, averaged over this rank's clips.

        Args:
            video: Features of the pictures (b, M, K, D).
            audio: Features of the sounds (b, M, K, D).
            directions: Where the views look, unit vectors (b, M, K, 3).
        """
        raise NotImplementedError


class ProjectionTask(Task):
    """Compare linear projections of both modalities, each video with each sound (Eq. 7)."""

    def __init__(self, config: TaskConfig, feature_dim: int) -> None:
        super().__init__()
        self.config = config
        self.video_projection = Head(feature_dim, config.embedding_dim)
        self.audio_projection = Head(feature_dim, config.embedding_dim)
        self.joint_dim = config.embedding_dim

    def embed(self, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Return comparable embeddings (..., embedding_dim) of features (..., D)."""
        return self.video_projection(video), self.audio_projection(audio)

    def joint_embeddings(self, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Return the normalized projections; see `Task`."""
        pictures, sounds = self.embed(video, audio)
        return nn.functional.normalize(pictures, dim=-1), nn.functional.normalize(sounds, dim=-1)

    def forward(self, video: Tensor, audio: Tensor, directions: Tensor) -> tuple[Tensor, Metrics]:  # noqa: ARG002
        """Return loss and metrics; see `Task`."""
        pictures, sounds = self.embed(_items(video, self.config), _items(audio, self.config))
        loss, metrics = _both_directions(
            predicted_audio=pictures,
            audio=sounds,
            predicted_video=sounds,
            video=pictures,
            config=self.config.info_nce,
        )
        if self.config.kind == "avc" and video.shape[2] > 1:
            with torch.no_grad():
                pictures, sounds = self.embed(video, audio)
            metrics["view_accuracy"] = _views_told_apart((pictures, sounds), (sounds, pictures))
        return loss, metrics


class TranslationTask(Task):
    """Predict each modality from the other one's views; compare prediction and truth (Eq. 9)."""

    def __init__(self, config: TaskConfig, feature_dim: int) -> None:
        super().__init__()
        self.config = config
        self.v2a_transformer = build_translation(config.translation, feature_dim)
        self.a2v_transformer = build_translation(config.translation, feature_dim)
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
        loss, metrics = _both_directions(
            predicted_audio=self.audio_pred_head(_items(predicted_audio, self.config)),
            audio=self.audio_head(_items(audio, self.config)),
            predicted_video=self.video_pred_head(_items(predicted_video, self.config)),
            video=self.video_head(_items(video, self.config)),
            config=self.config.info_nce,
        )
        if self.config.kind == "avc" and video.shape[2] > 1:
            with torch.no_grad():
                metrics["view_accuracy"] = _views_told_apart(
                    (self.audio_pred_head(predicted_audio), self.audio_head(audio)),
                    (self.video_pred_head(predicted_video), self.video_head(video)),
                )
        return loss, metrics


class RegressionTask(Task):
    """Predict the rotation between picture and sound (Eq. 1).

    Every picture of a clip is paired with every sound of it. The target of the pair (k, l) is the
    matrix that turns coordinates of view k into those of view l. It is represented by its first two
    columns, which a network can learn continuously ("On the Continuity of Rotation
    Representations", Zhou et al., CVPR 2019), made orthonormal; the distance is the squared chordal
    one, |R - R'|² / 4 = 1 - cos(angle), which unlike the angle itself has a gradient everywhere.
    """

    def __init__(self, config: TaskConfig, feature_dim: int) -> None:
        super().__init__()
        self.config = config
        self.rotation_head = nn.Sequential(
            nn.Linear(2 * feature_dim, feature_dim), nn.ReLU(), nn.Linear(feature_dim, 6)
        )

    def predict(self, video: Tensor, audio: Tensor) -> Tensor:
        """Return rotations (..., 3, 3) of picture and sound features (..., D) each."""
        return orthonormal(self.rotation_head(torch.cat([video, audio], dim=-1)).float())

    def forward(self, video: Tensor, audio: Tensor, directions: Tensor) -> tuple[Tensor, Metrics]:
        """Return loss and metrics; see `Task`."""
        views = video.shape[-2]
        pictures = video[..., :, None, :].expand(*video.shape[:-1], views, -1)
        sounds = audio[..., None, :, :].expand_as(pictures)
        predicted = self.predict(pictures, sounds)
        with torch.autocast(video.device.type, enabled=False):
            cosine = _cosine_of_angle(predicted, relative_rotations(directions))
            loss = (1 - cosine).mean()
        with torch.no_grad():
            metrics = {
                "rotation_error_deg": torch.rad2deg(torch.acos(cosine.clamp(-1, 1))).mean(),
                "spread_video": embedding_spread(video),
                "spread_audio": embedding_spread(audio),
            }
        return loss, metrics


class Head(nn.Module):
    """A linear layer to the space where features are compared."""

    def __init__(self, feature_dim: int, embedding_dim: int) -> None:
        super().__init__()
        self.projection = nn.Sequential(nn.Linear(feature_dim, embedding_dim))

    def forward(self, features: Tensor) -> Tensor:
        """Return (..., embedding_dim) of (..., feature_dim)."""
        embeddings: Tensor = self.projection(features)
        return embeddings


def relative_rotations(directions: Tensor) -> Tensor:
    """Return (..., K, K, 3, 3): [k, l] turns coordinates of view k into those of view l.

    Args:
        directions: Where the views look, unit vectors (..., K, 3); views have no roll.
    """
    to_view = view_rotation(*azimuth_elevation(directions))  # (..., K, 3, 3), world to view
    return to_view[..., None, :, :, :] @ to_view.transpose(-1, -2)[..., :, None, :, :]


def orthonormal(columns: Tensor) -> Tensor:
    """Return rotations (..., 3, 3) from two columns (..., 6) by the Gram-Schmidt process."""
    first = nn.functional.normalize(columns[..., :3], dim=-1)
    second = columns[..., 3:] - (first * columns[..., 3:]).sum(-1, keepdim=True) * first
    second = nn.functional.normalize(second, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)


def _cosine_of_angle(rotation: Tensor, other: Tensor) -> Tensor:
    return ((rotation * other).sum(dim=(-1, -2)) - 1) / 2


def _items(features: Tensor, config: TaskConfig) -> Tensor:
    """Return what is told apart, (b, N, D), of features (b, M, K, D): clips, moments or views."""
    if config.kind == "avc":
        return features.amax(dim=(1, 2))[:, None]
    if config.kind == "avts":
        return features.amax(dim=2)
    return features.flatten(1, 2)


def _joined(*parts: Tensor) -> Tensor:
    """Return a vector of unit length whose dot products are the mean cosine of its parts."""
    joined = torch.cat([nn.functional.normalize(part, dim=-1) for part in parts], dim=-1)
    return joined / len(parts) ** 0.5


def _views_told_apart(*pairs: tuple[Tensor, Tensor]) -> Tensor:
    """Return the mean view accuracy of (predictions, targets), (b, M, K, D) each.

    AVC joins the views before it compares; this tells whether it learns them apart nevertheless.
    """
    hits = [view_accuracy(*(each.flatten(0, 1) for each in pair)) for pair in pairs]
    return torch.stack(hits).mean()


def _both_directions(
    *,
    predicted_audio: Tensor,
    audio: Tensor,
    predicted_video: Tensor,
    video: Tensor,
    config: InfoNCEConfig,
) -> tuple[Tensor, Metrics]:
    """Return the mean loss and the metrics of embeddings (b, N, D); proposals span all ranks."""
    # Gradients are summed over ranks in full precision.
    predicted_audio, audio, predicted_video, video = (
        each.to(torch.promote_types(each.dtype, torch.float32))
        for each in (predicted_audio, audio, predicted_video, video)
    )
    first_clip = rank() * len(video)
    v2a = contrast(predicted_audio, gather(audio), config, first_clip)
    a2v = contrast(predicted_video, gather(video), config, first_clip)
    loss = (v2a.loss + a2v.loss) / 2
    metrics = {
        "loss_v2a": v2a.loss.detach(),
        "loss_a2v": a2v.loss.detach(),
        "avc_accuracy": _mean(v2a, a2v, "avc_accuracy"),
        "spread_video": embedding_spread(video),
        "spread_audio": embedding_spread(audio),
    }
    if video.shape[1] > 1:
        metrics["avsa_accuracy"] = _mean(v2a, a2v, "avsa_accuracy")
        metrics["view_accuracy"] = _mean(v2a, a2v, "view_accuracy")
    return loss, metrics


def _mean(v2a: Contrast, a2v: Contrast, name: str) -> Tensor:
    mean: Tensor = (getattr(v2a, name) + getattr(a2v, name)) / 2
    return mean
