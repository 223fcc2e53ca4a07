"""Audio-visual correspondence (AVC), Eq. 7 of Morgado et al., NeurIPS 2020."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from avsa.tasks.contrastive import ContrastiveConfig
from yt360.config import config_class, conflict


@config_class
class AvcConfig(ContrastiveConfig):
    """Audio-visual correspondence: which audio belongs to which video."""

    kind: Literal["avc"] = "avc"
    """Name of the task."""

    def __post_init__(self) -> None:
        if self.info_nce.negatives == "clip" or self.info_nce.within_clip_weight > 0:
            raise conflict(
                "avc pools all views of a clip, so there are no negatives within a clip; set "
                "info_nce.negatives=all and info_nce.within_clip_weight=0"
            )

    def items(self, features: Tensor) -> Tensor:
        """Return one vector per clip: the maximum over its windows and views."""
        return features.amax(dim=(1, 2))[:, None]
