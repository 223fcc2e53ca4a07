"""Labelled directions of sources in CSV files, as STARSS22 and STARSS23 have them.

Each line has the numbers: frame of 100 ms, class, source, azimuth and elevation in degrees, and,
since STARSS23, the distance in centimetres. Azimuth is counter-clockwise: 90 is the left. There is
no header; lines that begin with a letter or ``#`` are skipped.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from yt360.errors import BadItem, UserError
from yt360.media.pairing import files_by_key, pairing_key
from yt360.shards.builder.inputs.input_video import FoundInputs
from yt360.shards.format.clip_facts import MAX_FACTS_BYTES
from yt360.shards.format.directions import ClipDirections, SourceLabel
from yt360.untrusted.files import read_limited

SUFFIX = ".csv"
FRAMES_PER_S = 10
REASON = "bad-directions"
MAX_BYTES = 1 << 24
MAX_NUMBER = 10**9
# Clips begin at whole seconds, and so at frames.
_FRAME_S = 1 / FRAMES_PER_S


def with_directions(found: FoundInputs) -> FoundInputs:
    """Return inputs with the CSV files of labelled directions beside their videos.

    A file belongs to a video if its name differs only in the suffix.

    Raises:
        UserError: No video has one.
    """
    folders = {folder: files_by_key(folder) for folder in {v.video.parent for v in found.videos}}
    videos = tuple(
        replace(item, directions=_beside(item.video, folders[item.video.parent]))
        for item in found.videos
    )
    used = sum(item.directions is not None for item in videos)
    if not used:
        raise UserError(
            "no video has labelled directions; put NAME.csv beside NAME.mp4, or leave out "
            "--directions",
            code="missing",
            key="--directions",
        )
    return replace(found, videos=videos, ignored=max(0, found.ignored - used))


def without_video(found: FoundInputs) -> list[Path]:
    """Return the CSV files beside videos that no video uses, in order of paths.

    Args:
        found: Inputs from `with_directions`.
    """
    used = {item.directions for item in found.videos}
    folders = sorted({item.video.parent for item in found.videos})
    files = (file for folder in folders for each in files_by_key(folder).values() for file in each)
    return sorted(file for file in files if file.suffix.lower() == SUFFIX and file not in used)


def _beside(video: Path, files: Mapping[str, Sequence[Path]]) -> Path | None:
    paired = files.get(pairing_key(video), ())
    return next((file for file in paired if file.suffix.lower() == SUFFIX), None)


def read_direction_labels(path: Path) -> ClipDirections:
    """Return the labels of a whole file, in order of frames.

    Raises:
        BadItem: ``"bad-directions"``: It cannot be read, or a line is no label.
    """
    try:
        text = read_limited(path, MAX_BYTES).decode("utf-8-sig")
        rows = [
            _label(cells)
            for cells in csv.reader(io.StringIO(text, newline=""))
            if cells and not (cells[0][:1].isalpha() or cells[0].startswith("#"))
        ]
    except (ValueError, csv.Error) as error:
        raise BadItem(REASON, f"{path.name}: {error}") from None
    return ClipDirections(frame_s=_FRAME_S, rows=tuple(sorted(rows, key=lambda row: row[:3])))


def part_of_clip(labels: ClipDirections, start_s: int, duration_s: float) -> ClipDirections:
    """Return the labels of a clip, with frames counted from its start.

    Args:
        labels: Labels of the whole file.
        start_s: Start of the clip in the file.
        duration_s: Its length.

    Raises:
        BadItem: ``"bad-directions"``: There are too many for a clip.
    """
    first = start_s * FRAMES_PER_S
    last = first + math.ceil(duration_s * FRAMES_PER_S - 1e-6)
    inside = (row for row in labels.rows if first <= row.frame < last)
    rows = [row._replace(frame=row.frame - first) for row in inside]
    # A row has at most about 100 characters.
    if len(rows) > MAX_FACTS_BYTES // 200:
        raise BadItem(REASON, f"{len(rows)} labels are too many for the clip at {start_s} s")
    return ClipDirections(frame_s=labels.frame_s, rows=tuple(rows))


def _label(cells: list[str]) -> SourceLabel:
    if len(cells) not in (5, 6):
        raise ValueError(
            f"a line has {len(cells)} numbers instead of frame, class, source, azimuth, elevation "
            "and perhaps distance"
        )
    frame, class_number, source = (_whole(cell) for cell in cells[:3])
    azimuth, elevation = _number(cells[3], -360, 360), _number(cells[4], -90, 90)
    distance_m = None
    if len(cells) == 6:
        distance_m = _number(cells[5], 0, MAX_NUMBER / 1000) / 100
    wrapped = (azimuth + 180) % 360 - 180
    return SourceLabel(frame, class_number, source, wrapped, elevation, distance_m)


def _whole(text: str) -> int:
    number = _number(text, 0, MAX_NUMBER)
    if number != int(number):
        raise ValueError(f"{text!r} is not a whole number")
    return int(number)


def _number(text: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise ValueError(f"{text!r} is not a number from {least:g} to {most:g}")
    return value
