"""Choosing a segmenter by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from yt360.devices import choose_device
from yt360.errors import UserError
from yt360.labels.segmenters.base import Segmenter
from yt360.labels.segmenters.kinds import Kind

# The options that only some segmenters take; given to another one they are refused, not ignored.
TAKES: dict[Kind, tuple[str, ...]] = {
    "panoptic-fpn": ("checkpoint", "stuff_area"),
    "detectron2": ("checkpoint", "model", "stuff_area"),
    "transformers": ("model",),
    "truth": ("scenes",),
}


@dataclass(frozen=True, kw_only=True)
class SegmenterOptions:
    """What is asked of a segmenter.

    Attributes:
        kind: Which one.
        checkpoint: Weights for ``panoptic-fpn``, and for ``detectron2`` instead of the zoo's.
        model: Config of detectron2's zoo, or folder or hub name for ``transformers``.
        scenes: Folder of synthetic scenes for ``truth``.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
        short_side: Side to which a picture's shorter side is resized; None keeps the usual one.
        long_side: What the longer side may not pass; None keeps the usual limit.
        stuff_area: Smallest stuff segment in pixels for ``panoptic-fpn`` and ``detectron2``; None
            scales the usual one to the size of the picture.
        mixed_precision: Compute in float16 on a GPU (``panoptic-fpn`` and ``transformers``).
    """

    kind: Kind = "panoptic-fpn"
    checkpoint: Path | None = None
    model: str | None = None
    scenes: Path | None = None
    device: str = "auto"
    short_side: int | None = None
    long_side: int | None = None
    stuff_area: float | None = None
    mixed_precision: bool = False


def make_segmenter(options: SegmenterOptions) -> Segmenter:
    """Build the segmenter that the options describe.

    Raises:
        UserError: What it needs was not given, is not there, or is not installed; or an option was
            given that it does not take.
    """
    _check_options(options)
    device = choose_device(options.device)
    if options.kind == "panoptic-fpn":
        return _native(options, device)
    if options.kind == "detectron2":
        from yt360.labels.segmenters import with_detectron2

        return with_detectron2.Detectron2Segmenter(
            options.model or with_detectron2.DEFAULT_CONFIG,
            options.checkpoint,
            device,
            short_side=options.short_side,
            long_side=options.long_side,
            stuff_area=options.stuff_area,
        )
    if options.kind == "transformers":
        from yt360.labels.segmenters.with_transformers import TransformersSegmenter

        if options.model is None:
            raise UserError(
                "--segmenter transformers needs --model FOLDER or a name on the hub, such as "
                "facebook/mask2former-swin-tiny-coco-panoptic"
            )
        return TransformersSegmenter(
            options.model,
            device,
            short_side=options.short_side,
            long_side=options.long_side,
            mixed_precision=options.mixed_precision,
        )
    from yt360.labels.segmenters.truth import TruthSegmenter

    if options.scenes is None:
        raise UserError("--segmenter truth needs --scenes FOLDER, as `yt360 scenes` wrote it")
    return TruthSegmenter(options.scenes)


def _check_options(options: SegmenterOptions) -> None:
    taken = TAKES[options.kind]
    for name in sorted({name for names in TAKES.values() for name in names} - set(taken)):
        if getattr(options, name) is not None:
            raise UserError(
                f"--segmenter {options.kind} takes no {_flag(name)}; it takes "
                f"{' and '.join(map(_flag, taken))}"
            )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _native(options: SegmenterOptions, device: torch.device) -> Segmenter:
    from yt360.labels.panoptic_fpn.preprocess import LONG_SIDE, SHORT_SIDE
    from yt360.labels.segmenters.native import NativeSegmenter

    if options.checkpoint is None:
        raise UserError(
            "--segmenter panoptic-fpn needs --checkpoint: model_final_cafdb1.pkl, the model "
            "COCO-PanopticSegmentation/panoptic_fpn_R_101_3x of detectron2's model zoo "
            "(docs/labels.md says where it is)"
        )
    return NativeSegmenter(
        options.checkpoint,
        device,
        short_side=options.short_side or SHORT_SIDE,
        long_side=options.long_side or LONG_SIDE,
        stuff_area=options.stuff_area,
        mixed_precision=options.mixed_precision,
    )
