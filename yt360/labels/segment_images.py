"""Segment single images into files: an overlay, a map of ids, and a list of segments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from yt360.errors import BadItem
from yt360.execution.isolation import IsolatedProcess
from yt360.files import atomic_write, write_json
from yt360.labels.image_files import read_image
from yt360.labels.overlay import overlay, with_names
from yt360.labels.segmenters.base import ImageOrigin, Segmentation, Segmenter
from yt360.labels.segments import segments_of
from yt360.labels.sphere.panorama import PanoramaLabeller
from yt360.terminal.progress import Progress
from yt360.terminal.text import printable


def segment_images(
    paths: Sequence[Path],
    out: Path,
    segmenter: Segmenter,
    panorama: PanoramaLabeller | None = None,
    isolate: Callable[[], IsolatedProcess] = IsolatedProcess,
) -> Counter[str]:
    """Segment images one by one and write the results.

    For ``NAME.jpg`` these are ``NAME.overlay.png``, ``NAME.panoptic.png`` (one value per segment, 0
    for none; 16 bits if 8 do not suffice) and ``NAME.segments.json``.

    Args:
        paths: Image files.
        out: Folder for the results; created if it does not exist, unless no image can be segmented.
        segmenter: Segments the images.
        panorama: Segments the images as panoramas; its maps have their own size.
        isolate: Makes the process that decodes images.

    Returns:
        The number of images done (``"done"``), and of those skipped, by reason.
    """
    is_new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    with (
        isolate() as isolated,
        Progress("segmenting", len(paths), "images") as progress,
    ):
        for path, name in zip(paths, _names(paths), strict=True):
            try:
                image = torch.from_numpy(isolated.call(path.name, read_image, path))
                found = _segment(image, path.stem, segmenter, panorama)
            except BadItem as error:
                progress.note(f"skipped: {error}")
                counts[error.reason] += 1
            else:
                _write(out, name, path, image, found)
                counts["done"] += 1
            progress.advance()
    if is_new and not counts["done"]:
        with suppress(OSError):  # somebody else has put something there
            out.rmdir()
    return counts


def _segment(
    image: Tensor, name: str, segmenter: Segmenter, panorama: PanoramaLabeller | None
) -> Segmentation:
    if panorama is None:
        return segmenter.segment(image, [ImageOrigin(name, 0.0)])[0]
    return panorama.segment(image, [name], [0.0], instances=True)[0]


def _write(out: Path, name: str, path: Path, image: Tensor, found: Segmentation) -> None:
    ids, segments = segments_of(found)
    height, width = ids.shape
    values = ids.numpy()
    shown = image[0].numpy()
    if shown.shape[:2] != (height, width):
        shown = np.asarray(Image.fromarray(shown).resize((width, height), Image.Resampling.BOX))
    mixed = overlay(shown, found.classes.numpy(), values)
    _save_png(out / f"{name}.overlay.png", with_names(mixed, values, segments))
    depth = np.uint8 if len(segments) < 256 else np.uint16
    _save_png(out / f"{name}.panoptic.png", Image.fromarray(values.astype(depth)))
    write_json(
        out / f"{name}.segments.json",
        {
            "image": printable(path.name),
            "width": width,
            "height": height,
            "segments": [segment.to_json() for segment in segments],
        },
    )


def _save_png(path: Path, image: Image.Image) -> None:
    with atomic_write(path) as file:
        image.save(file, format="PNG")


def _names(paths: Iterable[Path]) -> Iterator[str]:
    """Yield a name for each image; further images with the same stem get a number."""
    used: Counter[str] = Counter()
    for path in paths:
        used[path.stem] += 1
        yield path.stem if used[path.stem] == 1 else f"{path.stem}-{used[path.stem]}"
