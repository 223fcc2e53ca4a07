"""A list of clips with their facts and media, whatever they are stored in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

CHUNK = 10_000
"""Rows that the page loads at a time."""
IN, LEFT_OUT = "in", "left out"
STATES = (IN, LEFT_OUT)
"""Values of the column ``state``: whether the row is a clip, or something that was left out."""
VIDEO, AUDIO = "video.mp4", "audio.flac"
MEDIA_TYPES = {VIDEO: "video/mp4", AUDIO: "audio/flac"}

ColumnType = Literal["number", "text", "category", "set"]
Rows = dict[str, list[Any]]
"""Values of a chunk of rows by column; None where a value is unknown."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the list.

    Attributes:
        name: Key of its values in a chunk.
        title: What the page calls it.
        type: ``"category"`` has one value of a few, ``"set"`` several of them.
        unit: Unit of numbers, such as ``"s"``; empty without one.
        values: Values of a category or set, which chunks refer to by number; None if chunks have
            the texts themselves.
        role: ``"score"`` for the score of a run, which cards show.
    """

    name: str
    title: str
    type: ColumnType
    unit: str = ""
    values: Sequence[str] | None = None
    role: Literal["", "score"] = ""

    def to_json(self) -> dict[str, Any]:
        """Return the column as JSON values, without what it lacks."""
        content: dict[str, Any] = {"name": self.name, "title": self.title, "type": self.type}
        if self.unit:
            content["unit"] = self.unit
        if self.values is not None:
            content["values"] = list(self.values)
        if self.role:
            content["role"] = self.role
        return content


@dataclass(frozen=True)
class Member:
    """The video or the audio of a clip, read by byte range.

    Attributes:
        size: Bytes.
        tag: Changes with the content.
        read: Returns the bytes [start, stop). It raises `BadItem` if they cannot be read.
    """

    size: int
    tag: str
    read: Callable[[int, int], bytes | memoryview]


class Source(Protocol):
    """Rows of clips: first those that are in, then those that were left out.

    Methods that take a row raise IndexError if there is no such row. All methods may be called from
    many threads.

    Attributes:
        kind: What the clips are stored in.
        title: Name of it for people.
        folder: The dataset folder; None if it is not a dataset.
        columns: Columns of the list.
        num_clips: Number of rows that are clips.
        num_rejected: Number of rows that were left out.
    """

    kind: Literal["dataset", "catalog", "folder"]
    title: str
    folder: Path | None
    columns: Sequence[Column]
    num_clips: int
    num_rejected: int

    def rows(self, start: int, stop: int) -> Rows:
        """Return the values of the rows [start, stop) in all columns, cheap ones only."""

    def key(self, row: int) -> str:
        """Return the key of a clip."""

    def split(self, row: int) -> str | None:
        """Return the split of a clip, if it has one."""

    def is_local(self, row: int) -> bool:
        """Return whether reading a clip transfers nothing from elsewhere."""

    def facts(self, row: int) -> Mapping[str, Any]:
        """Return what is known about a clip, as ``clip.json`` has it, without layers."""

    def member(self, row: int, name: str) -> Member | None:
        """Return the video or the audio of a clip; None if there is none.

        Raises:
            BadItem: It cannot be read.
        """

    def thumbnail(self, row: int) -> bytes | None:
        """Return a small picture of a clip, a JPEG; None if it has none.

        Raises:
            BadItem: It cannot be decoded.
        """

    def close(self) -> None:
        """Close files."""


def read_member(source: Source, row: int, name: str, max_bytes: int) -> bytes | None:
    """Return the whole video or audio of a clip; None if there is none or it is too large.

    Raises:
        BadItem: It cannot be read.
    """
    member = source.member(row, name)
    if member is None or member.size > max_bytes:
        return None
    return bytes(member.read(0, member.size))


def pick(values: Sequence[str], value: str | None) -> int | None:
    """Return the number of a value of a category; None if it has none."""
    return values.index(value) if value in values else None
