"""Quality checks on material in memory, and catalogs of made recordings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from helpers.fake_media import InlinePool
from yt360.catalog import Catalog, MediaFile
from yt360.media.layout.sound_field import FieldAnalyzer
from yt360.quality.catalog_config import CatalogRunConfig
from yt360.quality.catalog_run import CatalogRunReport, Inspect, inspect_catalog
from yt360.quality.checks import CHECKS
from yt360.quality.checks.base import AudioBlock, Check
from yt360.quality.verdict import Verdict


def make_check(name: str, **options: Any) -> Any:
    """Return a quality check for one recording."""
    return CHECKS.configure(name, options).build()


def hear(check: Check, *pieces: np.ndarray, rate_hz: int) -> Verdict:
    """Pass a sound field (4, S) in pieces to a check; return its verdict."""
    analyzer = FieldAnalyzer(rate_hz)
    for piece in pieces:
        samples = piece.astype(np.float32)
        check.add_audio(AudioBlock(samples, samples[0], rate_hz))
        for segment in analyzer.feed(samples):
            check.add_field(segment, segment)
    verdict = check.verdict({})
    assert verdict is not None
    return verdict


def write_catalog(path: Path, media: Path, videos: Mapping[str, tuple[str, str | None]]) -> Path:
    """Write a catalog of downloaded videos: id -> its video file and its audio file."""
    with Catalog(path, create=True) as catalog:
        catalog.set_media(media)
        for name, (video, audio) in videos.items():
            catalog.videos.add(name)
            catalog.videos.requeue([name], "downloaded")
            catalog.files.put(name, MediaFile(role="video", path=video, bytes=1))
            if audio is not None:
                catalog.files.put(name, MediaFile(role="sound", path=audio, bytes=1))
    return path


def inspect_inline(path: Path, inspect: Inspect | None = None, **config: Any) -> CatalogRunReport:
    """Inspect a catalog in this process, with another function if one is given."""
    return inspect_catalog(
        path,
        CatalogRunConfig(**config),
        lambda _: None,
        make_pool=lambda workers, _: InlinePool(workers),
        inspect=inspect,
    )


def states(path: Path) -> dict[str, tuple[str, str | None]]:
    """Return the state and the reason of every video of a catalog."""
    with Catalog(path) as catalog:
        return {video.video_id: (video.state, video.reason) for video in catalog.videos.select()}
