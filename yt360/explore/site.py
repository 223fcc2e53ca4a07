"""The content of the page's addresses, the same for the server and for an export.

Every address below the page is one of these: ``api/site.json``, ``api/clips/{chunk}.json``, and
``clips/{row}/`` with ``clip.json``, ``video.mp4``, ``audio.flac``, ``thumbnail.jpg`` and the files
of layers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from yt360.errors import BadItem
from yt360.explore.bounded_cache import BoundedCache
from yt360.explore.parts import NO_LAYERS, Layers
from yt360.explore.sources.source import CHUNK, Member, Source

CACHE_BYTES = 256 << 20
"""Memory for facts, pictures and layers; those of a clip of 10 s have about 0.4 MB."""
PICTURES = ("thumbnail.jpg", "strip.png")
"""Pictures of the list, which clips without media lack."""
JSON, JPEG = "application/json", "image/jpeg"
_LONGEST_NAME = 100
_ENTRY_BYTES = 500
"""Memory that an entry takes beside its content, at most."""

File = tuple[bytes, str]
"""Content and media type."""


class NotThere(LookupError):
    """An address names a clip or a chunk that does not exist."""


class Site:
    """The content of all addresses but the page's own files. May be used from many threads.

    Args:
        source: The clips.
        layers: What is drawn over them.
        more: Further entries of ``site.json``.
        chunk: Rows of a chunk.
    """

    def __init__(
        self,
        source: Source,
        layers: Layers,
        more: Mapping[str, Any] | None = None,
        chunk: int = CHUNK,
    ) -> None:
        self.source, self.layers = source, layers
        self._more, self.chunk = more or {}, chunk
        self._cache: BoundedCache[File | None] = BoundedCache(
            CACHE_BYTES, lambda file: _ENTRY_BYTES + (len(file[0]) if file else 0)
        )

    @property
    def num_rows(self) -> int:
        """Number of clips and of rows that were left out."""
        return self.source.num_clips + self.source.num_rejected

    @property
    def num_chunks(self) -> int:
        """Number of chunks of the list."""
        return math.ceil(self.num_rows / self.chunk)

    def site_json(self) -> bytes:
        """Return the content of ``api/site.json``."""
        source = self.source
        return json_bytes(
            {
                "title": source.title,
                "kind": source.kind,
                "clips": source.num_clips,
                "rejected": source.num_rejected,
                "chunk": self.chunk,
                "columns": [column.to_json() for column in (*source.columns, *self.layers.columns)],
                "can_review": False,
                **self.layers.site(),
                **self._more,
            }
        )

    def chunk_json(self, number: int) -> bytes:
        """Return the content of ``api/clips/{number}.json``.

        Raises:
            NotThere: There is no such chunk.
        """
        if not 0 <= number < self.num_chunks:
            raise NotThere(f"there is no chunk {number} of the list")
        start = number * self.chunk
        stop = min(start + self.chunk, self.num_rows)
        return json_bytes({**self.source.rows(start, stop), **self.layers.rows(start, stop)})

    def changes_json(self, number: int) -> bytes | None:
        """Return the content of ``api/scores.json``; None if nothing of the list changes.

        Args:
            number: Changes that the caller has.
        """
        changes = self.layers.changes(number)
        return None if changes is None else json_bytes(changes)

    def member(self, row: int, name: str) -> Member | None:
        """Return the video or the audio of a clip; None if it has none.

        Raises:
            BadItem: It cannot be read.
            NotThere: There is no such clip.
        """
        self._check(row)
        return self.source.member(row, name)

    def clip_file(self, row: int, name: str) -> File | None:
        """Return a file of a clip other than its media; None if there is none.

        Raises:
            BadItem: The clip cannot be read.
            NotThere: There is no such clip.
        """
        self._check(row)
        if len(name) > _LONGEST_NAME:
            return None
        return self._cache.get((row, name), lambda: self._clip_file(row, name))

    def _check(self, row: int) -> None:
        if not 0 <= row < self.num_rows:
            raise NotThere(f"there is no clip {row}")

    def _clip_file(self, row: int, name: str) -> File | None:
        if name == "clip.json":
            return self._clip_json(row), JSON
        if name == "thumbnail.jpg":
            return self._thumbnail(row)
        return self.layers.file(row, name)

    def _clip_json(self, row: int) -> bytes:
        facts = self.source.facts(row)
        layers: Mapping[str, Any] = NO_LAYERS
        problem: dict[str, Any] = {}
        if facts["media"]:
            try:
                layers = self.layers.facts(row)
            except BadItem as error:
                problem = {"problem": {"code": error.reason, "message": error.detail}}
        return json_bytes({**NO_LAYERS, **facts, **layers, **problem})

    def _thumbnail(self, row: int) -> File | None:
        picture = self.source.thumbnail(row)
        return None if picture is None else (picture, JPEG)


def json_bytes(value: Any) -> bytes:
    """Return JSON in ASCII; numbers that are not finite become null."""
    return json.dumps(_finite(value), separators=(",", ":"), allow_nan=False).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value
