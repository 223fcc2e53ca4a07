"""Speed of reading clip windows for action recognition.

    PYTHONPATH=tools python -m benchmarks.action
    PYTHONPATH=tools python -m benchmarks.action --root UCF-101 --threads 8

Without a folder, videos like those of UCF101 are made: 7 s of 320 x 240 at 25 frames/s, MPEG-4, a
keyframe every 250 frames at most. A training window is half a second at a random place; testing
reads 25 random and 25 even windows of a video in one pass.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path

import av
import click
import numpy as np

from avsa.data.prefetch import prefetched
from avsa.evals.action.decoding import VideoDecoders
from avsa.evals.action.lists import ActionVideo
from avsa.evals.action.windows import (
    ClipShape,
    Times,
    Windows,
    even_starts,
    random_starts,
    read_windows,
)
from yt360.devices import usable_cores
from yt360.randomness import keyed_generator

SHAPE = ClipShape(8, 16, 112, 112)
CLIPS = 25
WAYS = {"training": 1, "testing": 2 * CLIPS}
"""Windows of a video."""
CPU_VIDEOS = 16


@click.command()
@click.option("--root", type=click.Path(path_type=Path), help="Folder of AVI files, at any depth.")
@click.option("--videos", default=64, show_default=True, help="Videos to read.")
@click.option("--threads", default=usable_cores(), show_default=True, help="Processes that decode.")
def main(root: Path | None, videos: int, threads: int) -> None:
    """Print how fast videos are read for training and for testing."""
    with (
        tempfile.TemporaryDirectory(prefix="avsa-bench-") as folder,
        VideoDecoders(threads) as decoders,
    ):
        paths = sorted(root.rglob("*.avi")) if root else _make(Path(folder))
        numbered = [(number, paths[number % len(paths)]) for number in range(videos)]
        for way, windows in WAYS.items():
            read = partial(_read, decoders, windows)
            started_at = time.perf_counter()
            for _ in prefetched(read, numbered, threads, 2 * threads):
                pass
            rate = videos / (time.perf_counter() - started_at)
            cpu_before = time.process_time()
            for number, path in numbered[:CPU_VIDEOS]:
                read_windows(path, SHAPE, partial(_starts, windows, number), windows > 1)
            cpu_ms = 1000 * (time.process_time() - cpu_before) / min(videos, CPU_VIDEOS)
            click.echo(
                f"{way}, {windows} windows of a video: {rate:.1f} videos/s in {threads} processes, "
                f"{cpu_ms:.0f} ms of CPU time each without the processes"
            )


def _read(decoders: VideoDecoders, windows: int, numbered: tuple[int, Path]) -> Windows:
    number, path = numbered
    video = ActionVideo(path.name, path, 0, "")
    return decoders.read(video, SHAPE, partial(_starts, windows, number), windows > 1)


def _starts(windows: int, number: int, last_s: float) -> Times:
    generator = keyed_generator("bench", number)
    if windows == 1:
        return random_starts(last_s, 1, generator)
    return np.concatenate([random_starts(last_s, CLIPS, generator), even_starts(last_s, CLIPS)])


def _make(folder: Path, count: int = 4) -> list[Path]:
    """Write videos of moving texture."""
    paths = [folder / f"{number}.avi" for number in range(count)]
    for number, path in enumerate(paths):
        texture = keyed_generator("bench", number).integers(0, 255, (480, 640, 3), dtype=np.uint8)
        texture = texture.reshape(60, 8, 80, 8, 3).mean((1, 3)).repeat(8, 0).repeat(8, 1)
        with av.open(path, "w", format="avi") as container:
            stream = container.add_stream("mpeg4", rate=25, options={"g": "250", "b": "500000"})
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
            for t in range(175):
                pixels = np.ascontiguousarray(texture[t : t + 240, t : t + 320].astype(np.uint8))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
    return paths


if __name__ == "__main__":
    main()
