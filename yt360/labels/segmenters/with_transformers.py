"""Panoptic models of the transformers library (Mask2Former, OneFormer, ...) as a segmenter."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from yt360.errors import BadItem, UserError
from yt360.labels.classes import NUM_THINGS, number_of
from yt360.labels.panoptic_fpn.preprocess import LONG_SIDE, SHORT_SIDE
from yt360.labels.segmenters.base import (
    ImageOrigin,
    NetworkClock,
    Segmentation,
    arithmetic,
    from_segments,
)
from yt360.labels.segmenters.libraries import first_line, import_library

# How masks are merged: the library's defaults, fixed here because they affect the labels.
MERGING = {"threshold": 0.5, "mask_threshold": 0.5, "overlap_mask_area_threshold": 0.8}
NAMES_SHOWN = 5
_LOSS = "criterion."  # parameters of the training loss


@dataclass(frozen=True, kw_only=True)
class TransformersConfig:
    """A panoptic model of the transformers library, such as Mask2Former or OneFormer."""

    kind: str = "transformers"
    model: str
    """Folder, or name on the hub, such as ``facebook/mask2former-swin-tiny-coco-panoptic``."""
    short_side: int | None = None
    """Size in pixels to which the shorter side of an image is resized; None: as the model's own
    preprocessing does."""
    long_side: int | None = None
    """Maximum of the longer side; no effect without `short_side`."""
    mixed_precision: bool = False
    """Compute in float16 on a GPU; ignored on a CPU."""

    def build(self, device: torch.device) -> TransformersSegmenter:
        """Return the segmenter; see `SegmenterConfig`."""
        return TransformersSegmenter(self, device)


class TransformersSegmenter:
    """A universal segmentation model trained on COCO panoptic.

    Raises:
        UserError: transformers is not installed, the model is not available, its weights do not
            fit, or its classes are not those of COCO panoptic.
    """

    def __init__(self, config: TransformersConfig, device: torch.device) -> None:
        library = import_library("transformers")
        self._processor, self._model = _load(library, config.model)
        fingerprint = _hash_of(self._model.state_dict())
        self.device = device
        self._model.eval().to(device)
        self._labels = coco_numbers(self._model.config.id2label)
        self._stuff = {index for index, number in self._labels.items() if number >= NUM_THINGS}
        self._size = (
            None if config.short_side is None else _size(config.short_side, config.long_side)
        )
        self.mixed_precision = config.mixed_precision and device.type == "cuda"
        self._facts = {
            "segmenter": "transformers",
            "version": library.__version__,
            "model": config.model,
            "checkpoint": fingerprint,
            "short_side": config.short_side,
            "long_side": config.long_side,
            **MERGING,
        }
        self._clock = NetworkClock(device)

    @property
    def facts(self) -> dict[str, Any]:
        """What determines the result; device and precision may differ between workers."""
        return dict(self._facts)

    @property
    def network_s(self) -> float:
        """Seconds spent inside the network so far."""
        return self._clock.seconds

    @torch.inference_mode()
    def segment(self, images: Tensor, origins: Sequence[ImageOrigin]) -> list[Segmentation]:  # noqa: ARG002
        """Segment images (B, H, W, 3) uint8 of one size.

        Raises:
            BadItem: The model's preprocessing cannot process images of this size.
        """
        size = (images.shape[1], images.shape[2])
        options: dict[str, Any] = {} if self._size is None else {"size": self._size}
        if hasattr(self._processor, "tokenizer"):  # OneFormer takes the task as text
            options["task_inputs"] = ["panoptic"] * len(images)
        try:
            inputs = self._processor(
                images=list(images.cpu().numpy()),
                input_data_format="channels_last",  # the guess is wrong for images of 3 rows
                return_tensors="pt",
                **options,
            )
        except ValueError as error:
            raise BadItem(
                "unfit-size", f"the model cannot process an image of {size[1]}x{size[0]}: {error}"
            ) from None
        inputs = inputs.to(self.device)
        with arithmetic(self.device, mixed_precision=self.mixed_precision), self._clock:
            logits = self._model(**inputs)
        outputs = self._processor.post_process_panoptic_segmentation(
            logits,
            target_sizes=[size] * len(images),
            label_ids_to_fuse=self._stuff,
            **MERGING,
        )
        return [self._segmentation(output, size) for output in outputs]

    def _segmentation(self, output: dict[str, Any], size: tuple[int, int]) -> Segmentation:
        ids = output["segmentation"]
        if ids is None:
            ids = torch.zeros(size, dtype=torch.int32)
        segments = [
            (int(s["id"]), self._labels[int(s["label_id"])], float(s["score"]))
            for s in output["segments_info"]
        ]
        return from_segments(ids, segments)


def _load(library: Any, name: str) -> tuple[Any, Any]:
    """Return preprocessing and model; weights are read from safetensors, and no code is run.

    Raises:
        UserError: There is no such model, or its weights do not fit: the library only warns and
            leaves parameters random.
    """
    try:
        processor = library.AutoProcessor.from_pretrained(name, trust_remote_code=False)
        model, report = library.AutoModelForUniversalSegmentation.from_pretrained(
            name,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    except _LOADING_ERRORS as error:
        raise UserError(
            f"no panoptic model could be loaded from {name!r}: {first_line(error)}",
            "missing",
            name,
        ) from None
    missing = [key for key in report["missing_keys"] if not key.startswith(_LOSS)]
    differing = [key for key, *_ in report["mismatched_keys"] if not key.startswith(_LOSS)]
    if missing or differing:
        raise UserError(
            f"the weights of {name!r} do not fit its config.json: {len(missing)} missing, "
            f"{len(differing)} of another shape ({_shown(missing + differing)})",
            key=name,
        )
    return processor, model


_LOADING_ERRORS = (
    OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError,
    SafetensorError,
)  # fmt: skip


def _shown(names: Iterable[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:NAMES_SHOWN]) + (", ..." if len(shown) > NAMES_SHOWN else "")


def _hash_of(state: Mapping[str, Tensor]) -> str:
    """Return the first 16 digits of the SHA-256 of names and weights, whatever the files are."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _size(short_side: int, long_side: int | None) -> dict[str, int]:
    longest = round(short_side * LONG_SIDE / SHORT_SIDE) if long_side is None else long_side
    return {"shortest_edge": short_side, "longest_edge": longest}


def coco_numbers(id2label: dict[int, str]) -> dict[int, int]:
    """Return the joint class number of each class of a model, matched by name.

    Raises:
        UserError: A class is not in COCO panoptic.
    """
    numbers = {int(index): number_of(name) for index, name in id2label.items()}
    unknown = [name for index, name in id2label.items() if numbers[int(index)] is None]
    if unknown:
        raise UserError(
            f"the model has {len(unknown)} classes that COCO panoptic lacks "
            f"({', '.join(unknown[:5])}, ...); choose a model trained on COCO panoptic",
            "unsupported",
        )
    return {index: number for index, number in numbers.items() if number is not None}
