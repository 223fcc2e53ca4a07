"""Datasets made of faked media."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.fake_media import FakeMedia, faked_conversion


@pytest.fixture
def fake() -> Iterator[FakeMedia]:
    """Fake conversion during this test."""
    with faked_conversion() as media:
        yield media


@pytest.fixture(scope="session")
def prebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``media``, videos of every kind, and ``data``, the dataset made of it."""
    folder = tmp_path_factory.mktemp("prebuilt")
    media = folder / "media"
    with faked_conversion() as fake:
        for number in range(6):
            fake.write(media / f"-video {number}.mp4", 25 + 20 * number)
        fake.write(media / "silent.mp4", silent=list(range(35)))
        fake.write(media / "pauses.mp4", 75, silent=[*range(10, 30), *range(50, 60)])
        fake.write(media / "holes.mp4", 75, bad=[20, 40])
        fake.write(media / "flat.mp4", reason="not-360")
        fake.write(media / "short.mp4", 7)
        fake.write(media / "kqAZkf5Odyw-80.mp4", 20)
        fake.write(media / "sub" / "kqAZkf5Odyw-10.mp4", 10)
        fake.build(media, folder / "data")
    return folder


@pytest.fixture
def media(prebuilt: Path, tmp_path: Path) -> Path:
    """A copy of the videos of every kind."""
    return shutil.copytree(prebuilt / "media", tmp_path / "media")


@pytest.fixture
def dataset(prebuilt: Path, tmp_path: Path) -> Path:
    """A copy of the dataset made of them, in the folder where a build of `media` would be."""
    return shutil.copytree(prebuilt / "data", tmp_path / "data")
