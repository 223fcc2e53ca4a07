"""Any Panoptic FPN of detectron2's model zoo as a segmenter, where detectron2 is installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from yt360.errors import BadItem, UserError
from yt360.labels.classes import NUM_THINGS
from yt360.labels.panoptic_fpn.checkpoint import mismatch, read_state
from yt360.labels.segmenters.base import (
    ImageOrigin,
    NetworkClock,
    Segmentation,
    arithmetic,
    from_segments,
    short_hash,
    smallest_stuff,
)
from yt360.labels.segmenters.libraries import first_line, import_library

DEFAULT_MODEL = "COCO-PanopticSegmentation/panoptic_fpn_R_101_3x.yaml"


@dataclass(frozen=True, kw_only=True)
class Detectron2Config:
    """A Panoptic FPN of detectron2's model zoo."""

    kind: str = "detectron2"
    model: str = DEFAULT_MODEL
    """Name of a config of the zoo, such as ``COCO-PanopticSegmentation/panoptic_fpn_R_50_3x``."""
    checkpoint: Path | None = None
    """Weights; None downloads those that the zoo publishes."""
    short_side: int | None = None
    """Size in pixels to which the shorter side of an image is resized; None: as in the zoo."""
    long_side: int | None = None
    """Maximum of the longer side; None: as in the zoo."""
    stuff_area: float | None = None
    """Minimum area of a stuff segment in pixels; None scales that of the zoo, which is for COCO
    images, to the size of each image."""

    def build(self, device: torch.device) -> Detectron2Segmenter:
        """Return the segmenter; see `SegmenterConfig`."""
        return Detectron2Segmenter(self, device)


class Detectron2Segmenter:
    """A Panoptic FPN run by detectron2's `DefaultPredictor`.

    The weights are read by this package (`read_state`): detectron2 unpickles files, which can run
    code, and only logs missing parameters and parameters of another shape.

    Raises:
        UserError: detectron2 is not installed or does not load, the zoo has no such config or it is
            not a Panoptic FPN, or the weights are not available or do not fit.
    """

    def __init__(self, config: Detectron2Config, device: torch.device) -> None:
        library = import_library("detectron2")
        engine, zoo = import_library("detectron2.engine"), import_library("detectron2.model_zoo")
        model = config.model if config.model.endswith(".yaml") else f"{config.model}.yaml"
        cfg = _zoo_config(zoo, model)
        cfg.MODEL.DEVICE = str(device)
        cfg.MODEL.WEIGHTS = ""  # the predictor then loads none
        if config.short_side is not None:
            cfg.INPUT.MIN_SIZE_TEST = config.short_side
        if config.long_side is not None:
            cfg.INPUT.MAX_SIZE_TEST = config.long_side
        checkpoint = config.checkpoint or _download(zoo, model)
        state = read_state(checkpoint)
        self._predict = engine.DefaultPredictor(cfg)
        _load(self._predict.model, state, checkpoint, model)
        combine = cfg.MODEL.PANOPTIC_FPN.COMBINE
        self._stuff_area, self._coco_stuff_area = config.stuff_area, combine.STUFF_AREA_LIMIT
        self._facts = {
            "segmenter": "detectron2",
            "version": library.__version__,
            "config": model,
            "checkpoint": short_hash(checkpoint),
            "short_side": cfg.INPUT.MIN_SIZE_TEST,
            "long_side": cfg.INPUT.MAX_SIZE_TEST,
            "stuff_area": config.stuff_area,
            "instance_score": combine.INSTANCES_CONFIDENCE_THRESH,
            "instance_overlap": combine.OVERLAP_THRESH,
        }
        self._device, self._clock = device, NetworkClock(device)

    @property
    def facts(self) -> dict[str, Any]:
        """What determines the result."""
        return dict(self._facts)

    @property
    def network_s(self) -> float:
        """Seconds spent inside the network so far."""
        return self._clock.seconds

    def segment(self, images: Tensor, origins: Sequence[ImageOrigin]) -> list[Segmentation]:  # noqa: ARG002
        """Segment images (B, H, W, 3) uint8, one after the other.

        Raises:
            BadItem: The shorter side would be resized to 0 pixels.
        """
        height, width = images.shape[1:3]
        if min(height, width) * self._facts["long_side"] < 0.5 * max(height, width):
            raise BadItem("unfit-size", f"an image of {width}x{height} is too narrow to be resized")
        self._predict.model.combine_stuff_area_thresh = (
            smallest_stuff(height, width, self._coco_stuff_area)
            if self._stuff_area is None
            else self._stuff_area
        )
        return [self._one(image) for image in images.cpu().numpy()]

    def _one(self, image: np.ndarray) -> Segmentation:
        with arithmetic(self._device), self._clock:
            output = self._predict(np.ascontiguousarray(image[..., ::-1]))
        ids, segments = output["panoptic_seg"]
        joint = [
            (
                int(segment["id"]),
                int(segment["category_id"]) + (0 if segment["isthing"] else NUM_THINGS),
                float(segment.get("score", 1.0)),
            )
            for segment in segments
        ]
        found = from_segments(ids, joint)
        probability = torch.softmax(output["sem_seg"].float().cpu(), dim=0).amax(dim=0)
        is_stuff = (found.scores > 0) & (found.classes >= NUM_THINGS)
        scores = torch.where(is_stuff, probability, found.scores)
        return Segmentation(found.classes, scores, found.instances)


def _zoo_config(zoo: Any, model: str) -> Any:
    try:
        cfg = zoo.get_config(model)
    except RuntimeError as error:
        raise UserError(
            f"detectron2's model zoo has no {model!r}: {error}", "unknown-name", model
        ) from None
    if cfg.MODEL.META_ARCHITECTURE != "PanopticFPN":
        raise UserError(
            f"{model} is a {cfg.MODEL.META_ARCHITECTURE}, which does not produce panoptic maps; "
            "use a config under COCO-PanopticSegmentation/",
            "unsupported",
            model,
        )
    return cfg


def _download(zoo: Any, model: str) -> Path:
    """Return the published weights of a config, from detectron2's cache if they are there."""
    try:
        url = zoo.get_checkpoint_url(model)
    except RuntimeError as error:
        raise UserError(
            f"{error}; give weights for {model} as --checkpoint FILE", "missing", model
        ) from None
    try:
        return Path(import_library("detectron2.utils.file_io").PathManager.get_local_path(url))
    except OSError as error:
        raise UserError(
            f"{url} could not be downloaded ({first_line(error)}); download it elsewhere and give "
            "the file as --checkpoint",
            "network",
            url,
        ) from None


def _load(network: torch.nn.Module, state: dict[str, Tensor], path: Path, model: str) -> None:
    if difference := mismatch(state, network.state_dict()):
        raise UserError(f"{path} does not contain the weights of {model} ({difference})", key=path)
    network.load_state_dict(state, strict=False)
