"""What every pretext task consists of: a configuration with its needs, and a module with a loss.

Shapes: b clips of this rank, M clip windows of a clip, K views of a window, D features,
E dimensions of a joint embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from yt360.errors import UserError

Metrics = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a task needs of its stage.

    Attributes:
        batch_size: Minimum number of clips in a batch.
        num_views: Minimum number of views of a clip.
        windows_per_clip: Minimum number of clip windows; a task that needs one takes no more.
        unflipped: Whether views must not be flipped.
    """

    batch_size: int = 1
    num_views: int = 1
    windows_per_clip: int = 1
    unflipped: bool = False

    def __str__(self) -> str:
        """Return the needs in a few words; empty for none."""
        counts = {name: count for name, count in vars(self).items() if count > 1}
        least = [f"{name} of {count} or more" for name, count in counts.items()]
        return " and ".join([*least, *["views that are not flipped"] * self.unflipped])


class TaskConfig:
    """Base class of the configurations of tasks, which are the entries of `avsa.tasks.TASKS`.

    Attributes:
        kind: Name of the task.
        needs: What the task needs of its stage.
    """

    kind: str
    needs: ClassVar[Needs] = Needs()

    @property
    def label(self) -> str:
        """The task and its variant in a few words, for tables."""
        return self.kind

    def build(self, feature_dim: int) -> Task:
        """Return the task with new weights, for encoders that give `feature_dim` features."""
        raise NotImplementedError

    def summary(
        self,
        metrics: Mapping[str, float],
        batch_size: int,  # noqa: ARG002
        num_views: int,  # noqa: ARG002
        windows_per_clip: int,  # noqa: ARG002
    ) -> str:
        """Return the metric to watch during validation, beside its value at chance.

        Args:
            metrics: ``"loss"`` and the metrics of the task, averaged over the held-out clips.
            batch_size: Clips in a batch.
            num_views: Views of a clip.
            windows_per_clip: Clip windows of a clip.
        """
        return f"loss {metrics['loss']:.4g}"


class Task(nn.Module):
    """A loss over features. On several ranks, each rank has its own clips and gathers the rest.

    Attributes:
        config: The configuration that built it.
        joint_dim: E, the length of joint embeddings; 0 if the task compares no embeddings.
    """

    config: TaskConfig
    joint_dim = 0

    def joint_embeddings(self, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Return embeddings (..., K, E) of unit length in a space that both modalities share.

        Their dot product is the cosine that the loss compares, averaged over its two directions.

        Args:
            video: Features of video (..., K, D); translation networks see the K views together.
            audio: Features of audio (..., L, D).

        Raises:
            UserError: ``"unsupported"``: The task compares no embeddings.
        """
        raise UserError(
            f"the task {self.config.kind} compares no embeddings of video and audio; use a model "
            "trained with a task that does, such as avsa",
            "unsupported",
            self.config.kind,
        )

    def forward(self, video: Tensor, audio: Tensor, directions: Tensor) -> tuple[Tensor, Metrics]:
        """Return the loss and its metrics, all scalars, averaged over the clips of this rank.

        Args:
            video: Features of video (b, M, K, D).
            audio: Features of audio (b, M, K, D).
            directions: Directions of the views, unit vectors (b, M, K, 3).
        """
        raise NotImplementedError
