"""Draw a sheet of clips, like Fig. 4 of the paper: frame, label map with legend, audio energy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from yt360.ambisonics.energy_overlay import (
    energy_db,
    energy_overlay,
    peak_deg,
    shown_range_db,
)
from yt360.clip_codec.decoder import decode_audio
from yt360.clip_codec.flac import read_flac_index
from yt360.clips import spread
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

DEFAULT_FPS = 4.0
ENERGY_S = 1.0
"""Seconds of audio around a frame whose energy is drawn."""
MIN_WIDTH = 448
"""Narrower frames, in pixels, are enlarged."""
GAP = 12
TITLE = 26
_FONT_SIZES = (15, 8)
_BLANK = 230  # grey level of a label map that does not exist
_DIMMED = 0.6  # brightness of the grey frame behind the energy
_FULL_SCALE = 1 << 15

RGB: TypeAlias = NDArray[np.uint8]
Column: TypeAlias = tuple[str, RGB]
"""Title and image."""


@dataclass(frozen=True)
class _Clip:
    """Where a clip and its labels are read."""

    reader: ShardReader
    number: int
    labels: LabelReader | None


def draw_clip_sheet(
    dataset: Path,
    out: Path,
    *,
    labels: str | None = None,
    energy: bool = True,
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
        labels: Name of the set of labels to draw beside the frames; None draws no labels.
        energy: Whether to draw the audio energy by direction over the frames.
        keys: Clips to draw; empty for labelled clips spread evenly over the dataset.
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
        for clip in _chosen(dataset, labels, keys, num_clips):
            row = clip.reader.rows[clip.number]
            moment = row.duration_s / 2 if at_s is None else min(max(at_s, 0.0), row.duration_s)
            try:
                rows.append(_row(isolated, clip, moment, energy))
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
) -> Iterator[_Clip]:
    splits = {
        split: (
            ShardReader(dataset, split),
            None if labels is None else LabelReader(dataset, split, labels),
        )
        for split in SPLITS
    }

    def clip_of(key: str) -> _Clip:
        for reader, label_reader in splits.values():
            if key in reader.keys:
                return _Clip(reader, reader.keys.index(key), label_reader)
        known = chain.from_iterable(reader.keys for reader, _ in splits.values())
        raise UserError(
            f"there is no clip {key!r}{did_you_mean(key, known)}", code="missing", key=key
        )

    if keys:
        return iter([clip_of(key) for key in keys])
    every = list[str]()
    for reader, label_reader in splits.values():
        every += reader.keys if label_reader is None else label_reader.keys
    if not every:
        what = "clips" if labels is None else f"clips with labels {labels!r}"
        raise UserError(f"{dataset} has no {what} to draw", code="empty", key=dataset)
    return map(clip_of, spread(every, num_clips))


def _row(isolated: IsolatedProcess, clip: _Clip, at_s: float, energy: bool) -> Image.Image:
    """Draw the columns of a clip and, below them, the legend of its labels."""
    row = clip.reader.rows[clip.number]
    fps = DEFAULT_FPS if clip.labels is None else clip.labels.info.fps
    mp4 = bytes(clip.reader.read(clip.number, "mp4"))
    frames = isolated.call(row.key, clip_frames, mp4, fps, row.duration_s)
    number = min(int(at_s * fps), len(frames) - 1)
    frame = _enlarged(frames[number])
    columns = [(f"{row.key}   at {number / fps:g} s", frame)]
    fractions: list[tuple[int, float]] = []
    if clip.labels is not None:
        column, fractions = _label_column(clip.labels, row.key, number, frame)
        columns.append(column)
    if energy:
        flac = bytes(clip.reader.read(clip.number, "flac"))
        ambix = isolated.call(row.key, audio_around, flac, number / fps)
        columns.append(_energy_column(frame, ambix))
    sheet = _framed(columns)
    return stacked([sheet, legend(fractions, sheet.width)]) if fractions else sheet


def _label_column(
    labels: LabelReader, key: str, number: int, frame: RGB
) -> tuple[Column, list[tuple[int, float]]]:
    """Draw the label map of a frame; return also the fractions of its classes."""
    if key not in labels:
        return (f"no labels {labels.info.name}", np.full_like(frame, _BLANK)), []
    maps = labels.read(key).joint
    joint = align(maps[min(number, len(maps) - 1)][None], (1, *frame.shape[:2]), 1.0)[0]
    counts = np.bincount(joint.ravel(), minlength=NUM_CLASSES + 1) / joint.size
    order = [int(label) for label in np.argsort(-counts, kind="stable") if counts[label] > 0]
    fractions = [(label, float(counts[label])) for label in order]
    return (f"labels {labels.info.name}", overlay(frame, joint)), fractions


def audio_around(flac: bytes, at_s: float) -> NDArray[np.int16]:
    """Return the `ENERGY_S` seconds of audio around a time, or what the clip has of them.

    Args:
        flac: The audio of a clip.
        at_s: Time in the clip in seconds.

    Returns:
        (4, S) int16, ambiX, with S >= 1.

    Raises:
        BadItem: The audio does not decode, or is not first-order ambiX.
    """
    rate_hz = read_flac_index(memoryview(flac)).sample_rate_hz
    samples = decode_audio(flac)
    if len(samples) != 4 or not samples.size:
        raise BadItem("bad-flac", f"audio {samples.shape} is not first-order ambiX")
    middle = min(round(at_s * rate_hz), samples.shape[1] - 1)
    half = max(1, round(ENERGY_S / 2 * rate_hz))
    return samples[:, max(0, middle - half) : middle + half]


def _energy_column(frame: RGB, ambix: NDArray[np.int16]) -> Column:
    if not ambix.any():
        return "audio energy: silent", frame
    level_db = energy_db(torch.from_numpy(ambix) / _FULL_SCALE, *frame.shape[:2])
    azimuth, elevation = peak_deg(level_db)
    dimmed = np.rint(frame.mean(-1, keepdims=True) * _DIMMED).astype(np.uint8).repeat(3, -1)
    title = (
        f"audio energy, {shown_range_db(level_db):.1f} to 0 dB; "
        f"peak at azimuth {round(azimuth):+d}°, elevation {round(elevation):+d}°"
    )
    return title, energy_overlay(dimmed, level_db)


def _enlarged(image: RGB) -> RGB:
    """Enlarge an image by a whole number if it is narrower than `MIN_WIDTH`."""
    height, width = image.shape[:2]
    factor = -(-MIN_WIDTH // width)
    return np.asarray(Image.fromarray(image).resize((factor * width, factor * height)))


def _framed(columns: Sequence[Column]) -> Image.Image:
    """Set images of one size side by side, each under its title."""
    height, width = columns[0][1].shape[:2]
    size = (GAP + len(columns) * (width + GAP), TITLE + GAP // 2 + height)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for place, (title, image) in enumerate(columns):
        left = GAP + place * (width + GAP)
        draw.text((left, TITLE // 2 + 3), title, "black", _font(title, width), anchor="lm")
        sheet.paste(Image.fromarray(image), (left, TITLE))
    return sheet


def _font(text: str, width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the largest font in which a text is at most so wide, or the smallest one."""
    largest, smallest = _FONT_SIZES
    fonts = (ImageFont.load_default(size) for size in range(largest, smallest, -1))
    fitting = (font for font in fonts if font.getlength(text) <= width)
    return next(fitting, ImageFont.load_default(smallest))


def _same_width(images: Sequence[Image.Image]) -> list[Image.Image]:
    width = max(image.width for image in images)
    wide = []
    for image in images:
        canvas = Image.new("RGB", (width, image.height + GAP), "white")
        canvas.paste(image, (0, 0))
        wide.append(canvas)
    return wide
