"""Regression of the rotation between video and audio, Eq. 1 of Morgado et al., NeurIPS 2020.

Shapes: b clips of this rank, M clip windows of a clip, K views of a window, D features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from avsa.tasks.base import Metrics, Needs, Task, TaskConfig
from avsa.tasks.infonce import embedding_spread
from yt360.config import config_class
from yt360.sphere import azimuth_elevation, view_rotation


@config_class
class RegressionConfig(TaskConfig):
    """Regression of the rotation between video and audio."""

    needs: ClassVar[Needs] = Needs(num_views=2, unflipped=True)
    kind: Literal["regression"] = "regression"
    """Name of the task."""

    def build(self, feature_dim: int) -> Task:
        """Return the task with new weights; see `TaskConfig`."""
        return RegressionTask(self, feature_dim)

    def summary(
        self,
        metrics: Mapping[str, float],
        batch_size: int,  # noqa: ARG002
        num_views: int,  # noqa: ARG002
        windows_per_clip: int,  # noqa: ARG002
    ) -> str:
        """Return the mean error of the rotation; see `TaskConfig`."""
        return f"rotation error {metrics['rotation_error_deg']:.1f}°"


class RegressionTask(Task):
    """Predict the rotation between the video of one view and the audio of another.

    Each view's video is paired with each view's audio of the same clip. The target of the pair
    (k, l) is the matrix that turns coordinates of view k into those of view l. It is represented by
    its first two columns, which a network can learn continuously ("On the Continuity of Rotation
    Representations", Zhou et al., CVPR 2019), made orthonormal. The distance is the squared chordal
    one, |R - R'|² / 4 = 1 - cos(angle), which unlike the angle has a gradient everywhere.

    Args:
        config: The configuration.
        feature_dim: D.
    """

    def __init__(self, config: RegressionConfig, feature_dim: int) -> None:
        super().__init__()
        self.config = config
        self.rotation_head = nn.Sequential(
            nn.Linear(2 * feature_dim, feature_dim), nn.ReLU(), nn.Linear(feature_dim, 6)
        )

    def predict(self, video: Tensor, audio: Tensor) -> Tensor:
        """Return rotations (..., 3, 3) of features (..., D) of video and audio."""
        return orthonormal(self.rotation_head(torch.cat([video, audio], dim=-1)).float())

    def forward(self, video: Tensor, audio: Tensor, directions: Tensor) -> tuple[Tensor, Metrics]:
        """Return loss and metrics; see `Task`."""
        views = video.shape[-2]
        each_video = video[..., :, None, :].expand(*video.shape[:-1], views, -1)
        each_audio = audio[..., None, :, :].expand_as(each_video)
        predicted = self.predict(each_video, each_audio)
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


def relative_rotations(directions: Tensor) -> Tensor:
    """Return (..., K, K, 3, 3): [k, l] turns coordinates of view k into those of view l.

    Args:
        directions: Directions of the views, unit vectors (..., K, 3); views have no roll.
    """
    to_view = view_rotation(*azimuth_elevation(directions))  # (..., K, 3, 3), world to view
    return to_view[..., None, :, :, :] @ to_view.transpose(-1, -2)[..., :, None, :, :]


def orthonormal(columns: Tensor) -> Tensor:
    """Return rotations (..., 3, 3) of two columns (..., 6) by the Gram-Schmidt process."""
    first = normalize(columns[..., :3], dim=-1)
    second = columns[..., 3:] - (first * columns[..., 3:]).sum(-1, keepdim=True) * first
    second = normalize(second, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)


def _cosine_of_angle(rotation: Tensor, other: Tensor) -> Tensor:
    return ((rotation * other).sum(dim=(-1, -2)) - 1) / 2
