"""Which columns of a list hold videos, start and end seconds, and splits.

Videos are recognized by content, whatever the name of the column. Starts, ends and splits have
many neighbours of the same content (views, lengths, other classes), so their columns must also
have a name that says so. In a list without a header, they are the first that fit and follow the
videos: columns before are often row numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yt360.catalog.lists.cells import is_plain_word, seconds_of, split_of_cell, video_of
from yt360.catalog.lists.list_files import ListFile
from yt360.errors import UserError, did_you_mean

ROLES = ("video", "start", "end", "split")
MIN_SHARE = 0.9
"""Least share of the cells of a column that hold a video, or seconds if its name says so."""
MAX_NAMED = 12
"""Maximum number of columns that a message names."""
_VIDEO_WORDS = frozenset({"id", "ids", "video", "videos", "youtube", "yt", "ytid", "url", "link"})
_WORDS = {
    "start": frozenset({"start", "starts", "begin", "onset"}),
    "end": frozenset({"end", "ends", "stop"}),
    "split": frozenset({"split", "subset", "partition", "set"}),
}
_NOT_SECONDS = frozenset({"ms", "millis", "milliseconds", "frame", "frames", "index", "idx"})


@dataclass(frozen=True)
class Columns:
    """Positions of columns; None for a role that no column has."""

    video: int
    start: int | None = None
    end: int | None = None
    split: int | None = None


def choose_columns(file: ListFile, named: Mapping[str, str] | None = None) -> Columns:
    """Return the columns of a list.

    Args:
        file: The list.
        named: Role (of `ROLES`) -> name of its column; an empty name for no column.

    Raises:
        UserError: No column holds videos, or a named column does not exist or holds something else.
    """
    given = {role: _named(file, role, name) for role, name in (named or {}).items()}
    video = given["video"] if "video" in given else _video_column(file)
    if video is None:
        raise UserError(
            f"{file.path}: none of its columns ({_listed(file)}) holds YouTube ids (11 characters) "
            "or addresses; name the one with videos by --column video=NAME",
            "invalid",
            file.path,
        )
    chosen: dict[str, int | None] = {}
    for role in ROLES[1:]:
        taken = {video, *given.values(), *chosen.values()}
        if role in given:
            chosen[role] = given[role]
        else:
            first = 0 if file.has_header else video + 1
            free = [each for each in range(first, len(file.columns)) if each not in taken]
            chosen[role] = _column(file, role, free, chosen["start"] if role == "end" else None)
    if chosen["start"] is None:
        chosen["end"] = None
    return Columns(video, **chosen)


def describe(file: ListFile, columns: Columns) -> str:
    """Return a line that says how a list is read."""
    if file.kind == "lines":
        starts = "" if columns.start is None else " and start seconds"
        return f"{file.path}: lines of ids or addresses{starts}"
    parts = [f"videos in {file.columns[columns.video]!r}"]
    for role in ROLES[1:]:
        position = getattr(columns, role)
        if position is not None:
            parts.append(f"{role}s in {file.columns[position]!r}")
    header = "" if file.has_header else " without a header"
    return f"{file.path}: {file.kind}{header}, {', '.join(parts)}"


def _named(file: ListFile, role: str, name: str) -> int | None:
    if role not in ROLES:
        message = f"--column {role}={name}: no role {role!r}{did_you_mean(role, ROLES)}"
        raise UserError(message, "unknown-name", role)
    if not name:
        return None
    if name not in file.columns:
        raise UserError(
            f"{file.path} has no column {name!r}; its columns are {_listed(file)}",
            "unknown-name",
            name,
        )
    position = file.columns.index(name)
    cells = _cells(file, position)
    reads = {"video": video_of, "start": seconds_of, "end": seconds_of, "split": split_of_cell}
    if cells and not any(reads[role](cell) for cell in cells):
        wanted = {"video": "YouTube ids or addresses", "split": "'train' and 'test'"}
        raise UserError(
            f"{file.path}: the column {name!r} holds values such as {cells[0]!r:.60}, not "
            f"{wanted.get(role, 'seconds')}",
            "invalid",
            name,
        )
    return position


def _listed(file: ListFile) -> str:
    names = [f"{name!r:.40}" for name in file.columns[:MAX_NAMED]]
    rest = len(file.columns) - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest else "")


def _video_column(file: ListFile) -> int | None:
    """Return the column whose cells are ids; of several, one that is named so, or varies most."""
    ranks = {}
    for position, name in enumerate(file.columns):
        cells = _cells(file, position)
        videos = [video_of(cell) for cell in cells]
        found = {video[0] for video in videos if video is not None}
        words = sum(map(is_plain_word, cells))
        if found and len(videos) - videos.count(None) >= MIN_SHARE * len(cells) > 2 * words:
            ranks[position] = (bool(_words(name) & _VIDEO_WORDS), len(found), -position)
    return max(ranks, key=lambda position: ranks[position], default=None)


def _column(file: ListFile, role: str, free: Sequence[int], start: int | None) -> int | None:
    """Return the first free column with the content, and if there are names the name, of a role.

    Other splits than train and test, such as val, are no reason against a column that is named so.
    """
    if role == "end" and start is None:
        return None
    for position in free:
        words, cells = _words(file.columns[position]), _cells(file, position)
        if file.has_header and (not words & _WORDS[role] or words & _NOT_SECONDS):
            continue
        read = split_of_cell if role == "split" else seconds_of
        count = sum(bool(read(cell)) for cell in cells)
        share = 1.0 if not file.has_header else 0.0 if role == "split" else MIN_SHARE
        fits = count > 0 and count >= share * len(cells)
        if fits and (role != "end" or _is_after(file, start or 0, position)):
            return position
    return None


def _is_after(file: ListFile, start: int, end: int) -> bool:
    """Return whether every row has one start and one later end."""
    for row in file.sample:
        if max(start, end) >= len(row):
            continue
        starts, ends = seconds_of(row[start]), seconds_of(row[end])
        if starts and ends and not (len(starts) == len(ends) == 1 and ends[0] > starts[0]):
            return False
    return True


def _cells(file: ListFile, position: int) -> list[Any]:
    """Return the cells of the sample that are not empty."""
    cells = (row[position] for row in file.sample if position < len(row))
    return [cell for cell in cells if cell is not None and cell != ""]


def _words(name: str) -> set[str]:
    """Return the words of a name, such as ``{"start", "time"}`` of ``startTime``."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
