"""Clips that need no files, for tests of the page's server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from yt360.errors import BadItem
from yt360.explore.parts import NoLayers
from yt360.explore.security import Access
from yt360.explore.server import create_app
from yt360.explore.site import Site
from yt360.explore.sources.source import Column, Member, Rows

HOST = "http://127.0.0.1:8360"
MARKUP = "<script>alert('\"&')</script>\u202e\x1b[2J"


class InProcess:
    """Calls functions without another process."""

    def call(self, _item: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)


class FakeSource:
    """Three clips, of which the last is broken, and two rows that were left out."""

    kind: Any = "dataset"
    title = MARKUP
    folder: Path | None = None
    columns = (
        Column(name="key", title="Clip", type="text"),
        Column(name="level_db", title="Level", type="number", unit="dBFS"),
    )
    num_clips, num_rejected = 3, 2
    video = bytes(range(256)) * 4

    def rows(self, start: int, stop: int) -> Rows:
        numbers = range(start, stop)
        return {
            "key": [f"clip-{n:05d}" for n in numbers],
            "level_db": [float("nan")] * len(numbers),
        }

    def key(self, row: int) -> str:
        return f"clip-{row:05d}"

    def split(self, _row: int) -> str | None:
        return None

    def is_local(self, _row: int) -> bool:
        return True

    def facts(self, row: int) -> Mapping[str, Any]:
        return {"key": self.key(row), "title": MARKUP, "media": row < self.num_clips}

    def member(self, row: int, name: str) -> Member | None:
        if row >= self.num_clips:
            return None
        if row == 2:
            raise BadItem("shard-truncated", "the shard ends before it")
        return Member(len(self.video), f"{row}-{name}", lambda start, stop: self.video[start:stop])

    def thumbnail(self, row: int) -> bytes | None:
        return None if self.member(row, "video.mp4") is None else b"JPEG"

    def close(self) -> None:
        pass


class FakeLayers(NoLayers):
    """Has one file."""

    def file(self, _clip: int, name: str) -> tuple[bytes, str] | None:
        return (b"\x00\xff", "application/octet-stream") if name == "energy.bin" else None


def client(
    access: Access | None = None, source: Any = None, layers: Any = None, **options: Any
) -> TestClient:
    """Return a client of an application over `FakeSource`."""
    site = Site(source or FakeSource(), layers or FakeLayers(), chunk=2)
    return TestClient(create_app(site, access=access, **options), HOST, follow_redirects=False)
