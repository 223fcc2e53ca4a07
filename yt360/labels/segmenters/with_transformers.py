"""Segmenting with a panoptic model of the transformers library (Mask2Former, OneFormer, ...)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from yt360.errors import BadItem, UserError
from yt360.labels.classes import NUM_THINGS, number_of
from yt360.labels.panoptic_fpn.preprocess import LONG_SIDE, SHORT_SIDE
from yt360.labels.segmenters.base import (
    NetworkClock,
    Segmentation,
    Source,
    arithmetic,
    from_segments,
)
from yt360.labels.segmenters.kinds import INSTALL_TRANSFORMERS
from yt360.labels.segmenters.libraries import first_line, import_library

# How answers are merged; the library's defaults, fixed here because they decide the labels.
MERGING = {"threshold": 0.5, "mask_threshold": 0.5, "overlap_mask_area_threshold": 0.8}
NAMES_SHOWN = 5
_LOSS = "criterion."  # parameters that only training needs


class TransformersSegmenter:
    """A universal segmentation model trained on COCO panoptic.

    Args:
        model: Folder, or name on the hub, such as ``facebook/mask2former-swin-tiny-coco-panoptic``.
        device: Where it runs.
        short_side: Side to which the shorter side of a picture is resized; None keeps what the
            model's own preprocessing says.
        long_side: What the longer side may not pass; without `short_side` it has no effect.
        mixed_precision: Compute in float16 on a GPU; ignored on a CPU.

    Raises:
        UserError: transformers is not installed, the model cannot be had, its weights do not fit,
            or its classes are not those of COCO panoptic.
    """

    def __init__(
        self,
        model: str,
        device: torch.device | None = None,
        *,
        short_side: int | None = None,
        long_side: int | None = None,
        mixed_precision: bool = False,
    ) -> None:
        library = import_library("transformers", INSTALL_TRANSFORMERS)
        self._processor, self._model = _load(library, model)
        fingerprint = _hash_of(self._model.state_dict())
        self.device = device or torch.device("cpu")
        self._model.eval().to(self.device)
        self._labels = coco_numbers(self._model.config.id2label)
        self._stuff = {index for index, number in self._labels.items() if number >= NUM_THINGS}
        self._size = None if short_side is None else _size(short_side, long_side)
        self.mixed_precision = mixed_precision and self.device.type == "cuda"
        self._facts = {
            "segmenter": "transformers",
            "version": library.__version__,
            "model": model,
            "checkpoint": fingerprint,
            "short_side": short_side,
            "long_side": long_side,
            **MERGING,
        }
        self._clock = NetworkClock(self.device)

    @property
    def facts(self) -> dict[str, Any]:
        """What decides the answers; device and precision may differ between workers."""
        return dict(self._facts)

    @property
    def network_s(self) -> float:
        """Seconds spent inside the network so far."""
        return self._clock.seconds

    @torch.inference_mode()
    def segment(self, pictures: Tensor, sources: Sequence[Source]) -> list[Segmentation]:  # noqa: ARG002
        """Segment pictures (B, H, W, 3) uint8 of one size.

        Raises:
            BadItem: The model's preprocessing cannot take pictures of this size.
        """
        size = (pictures.shape[1], pictures.shape[2])
        options: dict[str, Any] = {} if self._size is None else {"size": self._size}
        if hasattr(self._processor, "tokenizer"):  # OneFormer is told its task in words
            options["task_inputs"] = ["panoptic"] * len(pictures)
        try:
            inputs = self._processor(
                images=list(pictures.cpu().numpy()),
                input_data_format="channels_last",  # or it guesses, wrongly for 3 rows of pixels
                return_tensors="pt",
                **options,
            )
        except ValueError as error:
            raise BadItem(
                "unfit-size", f"the model cannot take a picture of {size[1]}x{size[0]}: {error}"
            ) from None
        inputs = inputs.to(self.device)
        with arithmetic(self.device, mixed_precision=self.mixed_precision), self._clock:
            outputs = self._model(**inputs)
        answers = self._processor.post_process_panoptic_segmentation(
            outputs,
            target_sizes=[size] * len(pictures),
            label_ids_to_fuse=self._stuff,
            **MERGING,
        )
        return [self._segmentation(answer, size) for answer in answers]

    def _segmentation(self, answer: dict[str, Any], size: tuple[int, int]) -> Segmentation:
        ids = answer["segmentation"]
        if ids is None:
            ids = torch.zeros(size, dtype=torch.int32)
        segments = [
            (int(s["id"]), self._labels[int(s["label_id"])], float(s["score"]))
            for s in answer["segments_info"]
        ]
        return from_segments(ids, segments)


def _load(library: Any, name: str) -> tuple[Any, Any]:
    """Return preprocessing and model; weights are read from safetensors, and code never runs.

    Raises:
        UserError: There is no such model, or its weights do not fit; the library itself only warns
            and leaves parameters random.
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
            f"no panoptic model could be loaded from {name!r}: {first_line(error)}"
        ) from None
    missing = [key for key in report["missing_keys"] if not key.startswith(_LOSS)]
    differing = [key for key, *_ in report["mismatched_keys"] if not key.startswith(_LOSS)]
    if missing or differing:
        raise UserError(
            f"the weights of {name!r} do not fit its config.json: {len(missing)} missing, "
            f"{len(differing)} of another shape ({_shown(missing + differing)})"
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
    """Return the first 16 digits of the SHA-256 of names and weights, whatever files held them."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _size(short_side: int, long_side: int | None) -> dict[str, int]:
    longest = round(short_side * LONG_SIDE / SHORT_SIDE) if long_side is None else long_side
    return {"shortest_edge": short_side, "longest_edge": longest}


def coco_numbers(id2label: dict[int, str]) -> dict[int, int]:
    """Return the joint number of each of a model's classes, matched by name.

    Raises:
        UserError: A class is none of COCO panoptic's; the message names the first of them.
    """
    numbers = {int(index): number_of(name) for index, name in id2label.items()}
    unknown = [name for index, name in id2label.items() if numbers[int(index)] is None]
    if unknown:
        raise UserError(
            f"the model knows {len(unknown)} classes that COCO panoptic lacks "
            f"({', '.join(unknown[:5])}, ...); choose a model trained on COCO panoptic"
        )
    return {index: number for index, number in numbers.items() if number is not None}
