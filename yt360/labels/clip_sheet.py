"""Draw a sheet of clips: panorama, label map and legend."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from yt360.errors import BadItem, UserError, did_you_mean
from yt360.execution.isolation import IsolatedProcess
from yt360.files import atomic_write
from yt360.labels.classes import NUM_CLASSES
from yt360.labels.compare import align
from yt360.labels.format.reader import LabelReader
from yt360.labels.frames import clip_frames
from yt360.labels.overlay import legend, overlay, stacked
from yt360.shards.format.reader import ShardReader
from yt360.splits import SPLITS

GAP = 12
TITLE = 26


def draw_clip_sheet(
    dataset: Path,
    out: Path,
    *,
    labels: str | None = None,
    keys: Sequence[str] = (),
    num_clips: int = 3,
    at_s: float | None = None,
    note: Callable[[str], None] = lambda _: None,
    isolate: Callable[[], IsolatedProcess] = IsolatedProcess,
) -> list[str]:
    """Draw clips of a dataset below each other; clips that cannot be decoded are skipped.

    Args:
        dataset: The dataset folder.
        out: The PNG to write.
        labels: Name of the set of labels to draw beside the panoramas; None draws no labels.
        keys: Clips to draw; empty for clips spread evenly over the dataset.
        num_clips: Number of clips if `keys` is empty.
        at_s: Time in each clip, in seconds; limited to the clip. None for its middle.
        note: Called with a line for every clip skipped.
        isolate: Makes the process that decodes clips.

    Returns:
        Keys of the clips drawn.

    Raises:
        UserError: The dataset, labels or a clip do not exist, the time is not finite, or no clip
            can be drawn.
    """
    if at_s is not None and not math.isfinite(at_s):
        raise UserError(
            f"no clip contains the time {at_s} s; give a number such as 2.5", key="--at-s"
        )
    rows, drawn = [], []
    with isolate() as isolated:
        for reader, label_reader, clip in _chosen(dataset, labels, keys, num_clips):
            row = reader.rows[clip]
            moment = row.duration_s / 2 if at_s is None else min(max(at_s, 0.0), row.duration_s)
            try:
                rows.append(_row(isolated, reader, label_reader, clip, moment))
                drawn.append(row.key)
            except BadItem as error:
                note(f"skipped {row.key}: {error}")
    if not drawn:
        raise UserError(
            f"none of the selected clips of {dataset} can be drawn; see the messages above",
            code="empty",
        )
    with atomic_write(out) as file:
        stacked(_same_width(rows)).save(file, format="PNG")
    return drawn


def _chosen(
    dataset: Path, labels: str | None, keys: Sequence[str], num_clips: int
) -> Iterator[tuple[ShardReader, LabelReader | None, int]]:
    places: dict[str, tuple[ShardReader, LabelReader | None, int]] = {}
    for split in SPLITS:
        reader = ShardReader(dataset, split)
        label_reader = None if labels is None else LabelReader(dataset, split, labels)
        for clip, key in enumerate(reader.keys):
            if label_reader is None or key in label_reader:
                places[key] = (reader, label_reader, clip)
    if not places:
        what = "clips" if labels is None else f"clips with labels {labels!r}"
        raise UserError(f"{dataset} has no {what} to draw", code="empty", key=dataset)
    unknown = [key for key in keys if key not in places]
    if unknown:
        raise UserError(
            f"there is no clip {unknown[0]!r}{did_you_mean(unknown[0], places)}",
            code="missing",
            key=unknown[0],
        )
    every = list(places)
    number = min(num_clips, len(every))
    spread = [every[(2 * n + 1) * len(every) // (2 * number)] for n in range(number)]
    return (places[key] for key in (keys or spread))


def _row(
    isolated: IsolatedProcess,
    reader: ShardReader,
    label_reader: LabelReader | None,
    clip: int,
    at_s: float,
) -> Image.Image:
    row = reader.rows[clip]
    fps = 4.0 if label_reader is None else label_reader.info.fps
    mp4 = bytes(reader.read(clip, "mp4"))
    frames = isolated.call(row.key, clip_frames, mp4, fps, row.duration_s)
    number = min(int(at_s * fps), len(frames) - 1)
    image = frames[number]
    title = f"{row.key}   at {number / fps:g} s"
    if label_reader is None:
        return _framed(title, [image])
    maps = label_reader.read(row.key).joint
    joint = align(maps[min(number, len(maps) - 1)][None], (1, *image.shape[:2]), 1.0)[0]
    sheet = _framed(f"{title}   labels {label_reader.info.name}", [image, overlay(image, joint)])
    counts = np.bincount(joint.ravel(), minlength=NUM_CLASSES + 1) / joint.size
    order = [int(label) for label in np.argsort(-counts, kind="stable") if counts[label] > 0]
    return stacked([sheet, legend([(label, counts[label]) for label in order], sheet.width)])


def _framed(title: str, images: Sequence[np.ndarray]) -> Image.Image:
    height, width = images[0].shape[:2]
    number = len(images)
    size = (GAP + number * (width + GAP), TITLE + GAP // 2 + height)
    sheet = Image.new("RGB", size, "white")
    font = ImageFont.load_default(15)
    ImageDraw.Draw(sheet).text((GAP, TITLE // 2 + 3), title, "black", font, anchor="lm")
    for place, image in enumerate(images):
        sheet.paste(Image.fromarray(image), (GAP + place * (width + GAP), TITLE))
    return sheet


def _same_width(images: Sequence[Image.Image]) -> list[Image.Image]:
    width = max(image.width for image in images)
    wide = []
    for image in images:
        canvas = Image.new("RGB", (width, image.height + GAP), "white")
        canvas.paste(image, (0, 0))
        wide.append(canvas)
    return wide
