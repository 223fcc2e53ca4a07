"""Datasets without media: small text files stand for videos, and conversion is faked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from helpers.in_process import InlinePool
from yt360.errors import BadItem
from yt360.media import convert, source
from yt360.shards.builder.build import BuildReport, build_shards
from yt360.shards.builder.inputs.search import find_inputs
from yt360.shards.builder.options import BuildOptions
from yt360.shards.check.dataset import check_dataset
from yt360.shards.format.reader import ShardReader


def fake_open_source(
    video: Path, companions: Sequence[Path] = (), **options: str
) -> SimpleNamespace:
    facts = json.loads(video.read_text())
    if "reason" in facts:
        raise BadItem(facts["reason"], "as the test wants")
    start_s, end_s = facts.get("starts_at", 0.0), float(facts["duration_s"])
    sound = SimpleNamespace(layout=SimpleNamespace(warnings=()))
    return SimpleNamespace(start_s=start_s, end_s=end_s, facts=facts, notes=(), audio_stream=sound)


def fake_w_levels(
    source: SimpleNamespace, window_s: float = 1.0, gain_meter: object = None
) -> np.ndarray:
    levels = np.full(int(np.ceil(source.end_s)), -20.0)
    levels[source.facts.get("silent", [])] = -200.0
    levels[source.facts.get("nan", [])] = np.nan
    return levels


def fake_convert_clips(
    source: SimpleNamespace, requests: list, form: object, correction: object = None
) -> Iterator[dict[str, Any]]:
    for request in requests:
        if request.start_s in source.facts.get("bad", []):
            raise BadItem("corrupt", "as the test wants")
        seed = hashlib.sha256(f"{source.facts['name']} {request.start_s}".encode()).digest()
        repeats = source.facts.get("size", 6000) // 96
        request.mp4.write_bytes(seed * (repeats + seed[0] % 8))
        request.flac.write_bytes(seed[::-1] * (2 * repeats + seed[1] % 16))
        yield {"faked": True}


class FakeMedia:
    """Makes videos that are no videos, and builds datasets of them."""

    open_source = staticmethod(fake_open_source)
    w_levels_dbfs = staticmethod(fake_w_levels)
    convert_clips = staticmethod(fake_convert_clips)
    pool = InlinePool
    options = BuildOptions(shard_mb=0.1, test_fraction=0.4)

    def write(self, path: Path, duration_s: float = 35.0, **facts: Any) -> Path:
        """Write a file that the faked conversion takes for a video.

        Facts: ``silent``, ``nan`` and ``bad`` are lists of seconds that are silent, hold samples
        that are no numbers, or do not decode;
        ``reason`` makes the whole file unusable; ``size`` is about the bytes of a clip.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"name": path.stem, "duration_s": duration_s, **facts}))
        return path

    def build(
        self, media: Path, out: Path, options: BuildOptions | None = None, **more: Any
    ) -> BuildReport:
        """Build a dataset in this process."""
        found = find_inputs([media], exclude=out)
        more = {"make_pool": InlinePool, **more}
        return build_shards(found, out, options or self.options, **more)

    def faults(self, dataset: Path) -> list[str]:
        """Check a dataset without decoding."""
        return list(check_dataset(dataset, quick=True, make_pool=InlinePool))

    def all_keys(self, dataset: Path) -> list[str]:
        """Return the keys of all splits."""
        return [key for keys in self.keys(dataset).values() for key in keys]

    def keys(self, dataset: Path) -> dict[str, list[str]]:
        """Return the keys of each split."""
        return {split: ShardReader(dataset, split).keys for split in ("train", "test")}

    def tree(self, folder: Path) -> dict[str, bytes]:
        """Return the content of every file under a folder."""
        paths = sorted(folder.rglob("*"))
        return {
            str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()
        }


@contextmanager
def faked_conversion() -> Iterator[FakeMedia]:
    """Fake what builds do with media; a test may replace the functions of the object again."""
    fake = FakeMedia()

    def call(name: str) -> Callable[..., Any]:
        return lambda *arguments, **options: getattr(fake, name)(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "open_source", call("open_source"))
        patch.setattr(source, "w_levels_dbfs", call("w_levels_dbfs"))
        patch.setattr(convert, "convert_clips", call("convert_clips"))
        patch.setattr("os.fsync", lambda _: None)
        yield fake
