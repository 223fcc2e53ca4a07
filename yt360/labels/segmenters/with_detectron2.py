"""Segmenting with any Panoptic FPN of detectron2's zoo, where the user has detectron2."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from yt360.errors import BadItem, UserError
from yt360.labels.classes import NUM_THINGS
from yt360.labels.panoptic_fpn.checkpoint import mismatch, read_state
from yt360.labels.segmenters.base import (
    NetworkClock,
    Segmentation,
    Source,
    arithmetic,
    from_segments,
    short_hash,
    smallest_stuff,
)
from yt360.labels.segmenters.kinds import INSTALL_DETECTRON2
from yt360.labels.segmenters.libraries import first_line, import_library

DEFAULT_CONFIG = "COCO-PanopticSegmentation/panoptic_fpn_R_101_3x.yaml"


class Detectron2Segmenter:
    """A Panoptic FPN through detectron2's `DefaultPredictor`.

    The weights are read by this package (`read_state`), because detectron2 unpickles files, which
    can run code, and only logs parameters that a file lacks or that have another shape.

    Args:
        config: Name of a zoo config, such as ``COCO-PanopticSegmentation/panoptic_fpn_R_50_3x``.
        checkpoint: File of the weights; None downloads those that the zoo publishes.
        device: Where it runs.
        short_side: Side to which the shorter side of a picture is resized; None keeps the config's.
        long_side: What the longer side may not pass; None keeps the config's.
        stuff_area: Smallest stuff segment in pixels; None scales the config's, which is for COCO
            pictures, to the size of each picture.

    Raises:
        UserError: detectron2 is not installed or does not load, it has no such config, the config
            is no Panoptic FPN, or its weights cannot be had or do not fit.
    """

    def __init__(
        self,
        config: str = DEFAULT_CONFIG,
        checkpoint: Path | None = None,
        device: torch.device | None = None,
        *,
        short_side: int | None = None,
        long_side: int | None = None,
        stuff_area: float | None = None,
    ) -> None:
        library = _import("detectron2")
        engine, zoo = _import("detectron2.engine"), _import("detectron2.model_zoo")
        config = config if config.endswith(".yaml") else f"{config}.yaml"
        cfg = _zoo_config(zoo, config)
        cfg.MODEL.DEVICE = str(device or "cpu")
        cfg.MODEL.WEIGHTS = ""  # the predictor then loads none
        if short_side is not None:
            cfg.INPUT.MIN_SIZE_TEST = short_side
        if long_side is not None:
            cfg.INPUT.MAX_SIZE_TEST = long_side
        checkpoint = checkpoint or _download(zoo, config)
        state = read_state(checkpoint)
        self._predict = engine.DefaultPredictor(cfg)
        _load(self._predict.model, state, checkpoint, config)
        combine = cfg.MODEL.PANOPTIC_FPN.COMBINE
        self._stuff_area, self._coco_stuff_area = stuff_area, combine.STUFF_AREA_LIMIT
        self._facts = {
            "segmenter": "detectron2",
            "version": library.__version__,
            "config": config,
            "checkpoint": short_hash(checkpoint),
            "short_side": cfg.INPUT.MIN_SIZE_TEST,
            "long_side": cfg.INPUT.MAX_SIZE_TEST,
            "stuff_area": stuff_area,
            "instance_score": combine.INSTANCES_CONFIDENCE_THRESH,
            "instance_overlap": combine.OVERLAP_THRESH,
        }
        self._device = torch.device(cfg.MODEL.DEVICE)
        self._clock = NetworkClock(self._device)

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
        self._predict.model.combine_stuff_area_thresh = (
            smallest_stuff(height, width, self._coco_stuff_area)
            if self._stuff_area is None
            else self._stuff_area
        )
        return [self._one(picture) for picture in pictures.cpu().numpy()]

    def _one(self, picture: np.ndarray) -> Segmentation:
        with arithmetic(self._device), self._clock:
            answer = self._predict(np.ascontiguousarray(picture[..., ::-1]))
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
        probability = torch.softmax(answer["sem_seg"].float().cpu(), dim=0).amax(dim=0)
        is_stuff = (found.scores > 0) & (found.classes >= NUM_THINGS)
        scores = torch.where(is_stuff, probability, found.scores)
        return Segmentation(found.classes, scores, found.instances)


def _import(module: str) -> Any:
    return import_library(module, INSTALL_DETECTRON2)


def _zoo_config(zoo: Any, config: str) -> Any:
    try:
        cfg = zoo.get_config(config)
    except RuntimeError as error:
        raise UserError(f"detectron2's model zoo has no {config!r}: {error}") from None
    if cfg.MODEL.META_ARCHITECTURE != "PanopticFPN":
        raise UserError(
            f"{config} is a {cfg.MODEL.META_ARCHITECTURE}, which gives no panoptic maps; "
            "use a config under COCO-PanopticSegmentation/"
        )
    return cfg


def _download(zoo: Any, config: str) -> Path:
    """Return the published weights of a config, from detectron2's cache where they are there."""
    try:
        url = zoo.get_checkpoint_url(config)
    except RuntimeError as error:
        raise UserError(f"{error}; give weights for {config} as --checkpoint FILE") from None
    try:
        return Path(_import("detectron2.utils.file_io").PathManager.get_local_path(url))
    except OSError as error:
        raise UserError(
            f"{url} could not be downloaded ({first_line(error)}); download it elsewhere and give "
            "the file as --checkpoint"
        ) from None


def _load(model: torch.nn.Module, state: dict[str, Tensor], path: Path, config: str) -> None:
    difference = mismatch(state, model.state_dict())
    if difference:
        raise UserError(f"{path} does not hold the weights of {config} ({difference})")
    model.load_state_dict(state, strict=False)
