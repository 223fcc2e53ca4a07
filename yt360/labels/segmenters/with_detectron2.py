"""Segmenting with any panoptic model of detectron2's zoo, where the user has detectron2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from yt360.errors import BadItem, UserError
from yt360.labels.classes import NUM_THINGS
from yt360.labels.segmenters.base import NetworkClock, Segmentation, Source, from_segments

DEFAULT_CONFIG = "COCO-PanopticSegmentation/panoptic_fpn_R_101_3x.yaml"


class Detectron2Segmenter:
    """A panoptic model through detectron2's `DefaultPredictor`.

    Args:
        config: Name of a zoo config, such as ``COCO-PanopticSegmentation/panoptic_fpn_R_50_3x``.
        weights: File or address of the weights; None takes those that the zoo publishes.
        device: Where it runs.
        short_side: Side to which the shorter side of a picture is resized; None keeps the config's.
        long_side: What the longer side may not pass; None keeps the config's.

    Raises:
        UserError: detectron2 is not installed, or it has no such config.
    """

    def __init__(
        self,
        config: str = DEFAULT_CONFIG,
        weights: str | None = None,
        device: torch.device | None = None,
        *,
        short_side: int | None = None,
        long_side: int | None = None,
    ) -> None:
        try:
            from detectron2 import model_zoo
            from detectron2.engine import DefaultPredictor
        except ImportError:
            raise UserError(
                "--segmenter detectron2 needs detectron2, which is not on PyPI; install it with "
                "`pip install 'git+https://github.com/facebookresearch/detectron2.git'`, or use "
                "the built-in --segmenter panoptic-fpn, which gives the same answers"
            ) from None
        config = config if config.endswith(".yaml") else f"{config}.yaml"
        try:
            cfg = model_zoo.get_config(config)
            cfg.MODEL.WEIGHTS = weights or model_zoo.get_checkpoint_url(config)
        except RuntimeError as error:
            raise UserError(f"detectron2's model zoo has no {config!r}: {error}") from None
        cfg.MODEL.DEVICE = str(device or "cpu")
        if short_side is not None:
            cfg.INPUT.MIN_SIZE_TEST = short_side
        if long_side is not None:
            cfg.INPUT.MAX_SIZE_TEST = long_side
        self._predict = DefaultPredictor(cfg)
        self._facts = {
            "segmenter": "detectron2",
            "config": config,
            "weights": cfg.MODEL.WEIGHTS,
            "short_side": cfg.INPUT.MIN_SIZE_TEST,
            "long_side": cfg.INPUT.MAX_SIZE_TEST,
        }
        self._clock = NetworkClock(torch.device(cfg.MODEL.DEVICE))

    @property
    def facts(self) -> dict[str, Any]:
        """What decides the answers."""
        return dict(self._facts)

    @property
    def network_s(self) -> float:
        """Seconds spent inside the network so far."""
        return self._clock.seconds

    def segment(self, pictures: Tensor, sources: Sequence[Source]) -> list[Segmentation]:  # noqa: ARG002
        """Segment pictures (B, H, W, 3) uint8, one after the other.

        Raises:
            BadItem: They are so thin that nothing is left of them after resizing.
        """
        height, width = pictures.shape[1:3]
        if min(height, width) * self._facts["long_side"] < 0.5 * max(height, width):
            raise BadItem("unfit-size", f"a picture of {width}x{height} is too thin to be resized")
        return [self._one(picture) for picture in pictures.cpu().numpy()]

    def _one(self, picture: np.ndarray) -> Segmentation:
        with self._clock:
            answer = self._predict(np.ascontiguousarray(picture[..., ::-1]))
        if "panoptic_seg" not in answer:
            raise UserError(f"{self._facts['config']} is no panoptic model; choose one that is")
        ids, segments = answer["panoptic_seg"]
        joint = [
            (
                int(segment["id"]),
                int(segment["category_id"]) + (0 if segment["isthing"] else NUM_THINGS),
                float(segment.get("score", 1.0)),
            )
            for segment in segments
        ]
        found = from_segments(ids, joint)
        if "sem_seg" not in answer:
            return found
        probability = torch.softmax(answer["sem_seg"].float().cpu(), dim=0).amax(dim=0)
        is_stuff = (found.scores > 0) & (found.classes >= NUM_THINGS)
        scores = torch.where(is_stuff, probability, found.scores)
        return Segmentation(found.classes, scores, found.instances)
