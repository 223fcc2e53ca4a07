"""Audio-visual spatial alignment (AVSA), Eq. 3-6 and 9 of Morgado et al., NeurIPS 2020."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from avsa.tasks.base import Needs, Task
from avsa.tasks.contrastive import ContrastiveConfig, TranslationTask
from yt360.config import config_class


@config_class
class AvsaConfig(ContrastiveConfig):
    """Audio-visual spatial alignment: which audio belongs to which view."""

    needs: ClassVar[Needs] = Needs(batch_size=2, num_views=2)
    kind: Literal["avsa"] = "avsa"
    """Name of the task."""

    def build(self, feature_dim: int) -> Task:
        """Return the task with new weights; it has heads of its own for predictions."""
        return TranslationTask(self, feature_dim)

    def items(self, features: Tensor) -> Tensor:
        """Return one vector per view."""
        return features.flatten(1, 2)
