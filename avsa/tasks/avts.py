"""Audio-visual temporal synchronization (AVTS): other windows of a clip are negatives too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from torch import Tensor

from avsa.tasks.base import Needs
from avsa.tasks.contrastive import ContrastiveConfig
from yt360.config import config_class


@config_class
class AvtsConfig(ContrastiveConfig):
    """Audio-visual temporal synchronization: which audio belongs to which clip window."""

    needs: ClassVar[Needs] = Needs(batch_size=2, windows_per_clip=2)
    kind: Literal["avts"] = "avts"
    """Name of the task."""

    def items(self, features: Tensor) -> Tensor:
        """Return one vector per window: the maximum over its views."""
        return features.amax(dim=2)

    def summary(
        self, metrics: Mapping[str, float], batch_size: int, num_views: int, windows_per_clip: int
    ) -> str:
        """Return the accuracy of choosing among windows; see `TaskConfig`."""
        del num_views  # views are pooled
        return super().summary(metrics, batch_size, windows_per_clip, windows_per_clip)
