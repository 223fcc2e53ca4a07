from __future__ import annotations

import pytest

from yt360.catalog import Catalog, Clip, MediaFile, Verdict

A, B = "aaaaaaaaaaa", "-b_bbbbbbbb"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def catalog(tmp_path, clock):
    with Catalog(tmp_path / "my.catalog", create=True, clock=clock) as catalog:
        yield catalog


@pytest.fixture
def catalog_path(tmp_path):
    path = tmp_path / "my.catalog"
    Catalog(path, create=True).close()
    return path


@pytest.fixture
def accept(catalog):
    """Return a function that adds an accepted video."""

    def add(video_id, **facts):
        catalog.videos.add(video_id, **facts)
        catalog.claims.finish(catalog.claims.take("download", "w"), "accepted")

    return add


@pytest.fixture
def filled(catalog, accept):
    """A catalog with one accepted and one rejected video."""
    accept(A, title='Größe, "quoted"\nline', channel_id="UC1", duration_s=30)
    catalog.clips.replace(A, Clip(start_s=0), Clip(start_s=10, kept=False, reason="silent"))
    catalog.verdicts.put(A, Verdict(kind="still", verdict="pass", numbers={"share": 0.1}))
    catalog.files.put(A, MediaFile(role="video", path="aa/a.mp4", bytes=1))
    catalog.files.put(A, MediaFile(role="sound", path="aa/a.webm", bytes=1))
    catalog.splits.put([A], "test")
    catalog.videos.add(B)
    catalog.claims.finish(catalog.claims.take("download", "w"), "rejected", "not-360", "flat")
    return catalog
