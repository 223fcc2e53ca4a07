"""The small material that the stages of `tools/kill` work on, and the site that serves it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from fake_youtube import FakeYouTube, media_bytes, search_page, video_renderer
from PIL import Image

from kill.stages import CLIP_S, QUERIES, SCENE_FORM, SCENE_S, SCENES, Stage, stages
from yt360.shards.format.reader import ShardReader
from yt360.splits import SPLITS

VIDEO_IDS = tuple(f"video-{number:05d}" for number in range(SCENES))
LONG_VIDEO_ID = "long-video-"
LONG_S = 60
BLOCK_BYTES, BLOCK_S = 8192, 0.005


class Site(FakeYouTube):
    """A fake YouTube with slow transfers that also serves a dataset."""

    def __init__(self) -> None:
        super().__init__()
        self._clock = threading.Event()

    def chunks(self, name: str, body: bytes) -> Iterator[bytes]:
        """Yield blocks with pauses."""
        del name
        for start in range(0, len(body), BLOCK_BYTES):
            yield body[start : start + BLOCK_BYTES]
            self._clock.wait(BLOCK_S)

    def add_results(self, query: str) -> None:
        """Add three pages of search results."""
        tokens = (None, "second", "third", None)
        for page in range(3):
            ids = [f"{query[:5].strip():_<7}{page}{item:03d}" for item in range(4)]
            results = [video_renderer(video_id) for video_id in ids]
            answer = search_page(results, tokens[page + 1], first=page == 0)
            self.pages[query, tokens[page]] = answer

    def add_folder(self, folder: Path) -> None:
        """Serve the files of a folder under its name."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.media[f"/media/{path.relative_to(folder.parent)}"] = path.read_bytes()


def make_material(folder: Path, site: Site, run: Callable[[tuple[str, ...], Path], None]) -> None:
    """Make what the stages start from, by the commands themselves, and put it on the site.

    Args:
        folder: Where; material that an earlier call has made there is used as it is.
        site: Gets the videos and the dataset.
        run: Runs a command in a folder.
    """
    whole = folder / "whole"
    if not whole.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        run(("yt360", "scenes", "scenes", "--videos", str(SCENES), *SCENE_FORM), folder)
    _fill_site(site, folder / "scenes")
    if not whole.exists():
        _make_the_rest(folder, stages(folder, site.url), run)
        whole.touch()
    site.add_folder(folder / "dataset")


def _make_the_rest(
    folder: Path, known: list[Stage], run: Callable[[tuple[str, ...], Path], None]
) -> None:
    commands = {stage.name: stage.command for stage in known}
    (folder / "segments.txt").write_text(f"{LONG_VIDEO_ID} 20\n")
    (folder / "ids.txt").write_text("".join(f"{each}\n" for each in VIDEO_IDS))
    run(commands["import"], folder)
    (folder / "downloaded").mkdir()
    shutil.copy(folder / "my.catalog", folder / "downloaded")
    run(commands["download"], folder / "downloaded")
    shutil.copytree(folder / "downloaded", folder / "inspected")
    run(commands["inspect a catalog"], folder / "inspected")
    run(commands["build-shards"], folder)
    run(("avsa", "stats", "dataset", "--recipe", "small", "--samples", "50"), folder)
    run(commands["train"], folder)
    _write_released_maps(folder / "dataset", folder / "released")


def _fill_site(site: Site, scenes: Path) -> None:
    for query in QUERIES:
        site.add_results(query)
    for video_id, video in zip(VIDEO_IDS, sorted(scenes.glob("*.mp4")), strict=True):
        content = (video.read_bytes(), video.with_suffix(".flac").read_bytes())
        site.add_spatial_video(video_id, content, duration_s=SCENE_S)
    long = (
        media_bytes("mp4", LONG_S, has_video=True, has_audio=False),
        media_bytes("matroska", LONG_S, has_video=False, has_audio=True),
    )
    site.add_spatial_video(LONG_VIDEO_ID, long, duration_s=LONG_S)


def _write_released_maps(dataset: Path, folder: Path) -> None:
    """Write a folder of label maps for each clip, in the form that YT-360's authors released."""
    rng = np.random.default_rng(0)
    for split in SPLITS:
        for key in ShardReader(dataset, split).keys:
            (folder / key).mkdir(parents=True)
            for second in range(CLIP_S):
                for kind in ("things", "stuff"):
                    values = rng.integers(0, 50, (32, 64), dtype=np.uint8)
                    Image.fromarray(values).save(folder / key / f"{kind}-{4 * second:04d}.png")
