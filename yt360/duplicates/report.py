"""Write the HTML page with frames of pairs: one file that needs no network."""

from __future__ import annotations

import io
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from yt360.duplicates.kinds import KINDS
from yt360.duplicates.pairs import Pair
from yt360.duplicates.run import DedupReport
from yt360.duplicates.sources import Source
from yt360.errors import BadItem
from yt360.execution.local import Crashed, Pool, limited_pool
from yt360.files import atomic_write
from yt360.pages import page_environment
from yt360.quality.report.drawing import data_uri
from yt360.terminal.progress import Progress
from yt360.terminal.text import printable

MAX_PAIRS = 200
"""Pairs on the page: a quarter hour of looking, and 12 MB."""


@dataclass(frozen=True)
class _Frame:
    """A frame to draw: number of the pair, side, video, second, and turn to revert."""

    pair: int
    side: int
    video_id: str
    time_s: float
    yaw_deg: float


@dataclass(frozen=True)
class _FramesTask:
    """The frames to draw of a source, which is probed once."""

    source: Source
    frames: tuple[_Frame, ...]


def write_report(
    found: DedupReport,
    path: Path,
    workers: int = 1,
    make_pool: Callable[[int], AbstractContextManager[Pool]] = limited_pool,
) -> None:
    """Write the page: counts, and each pair with its frames in the middle of the common part.

    The second picture is shifted by the turn, so that both look alike.

    Args:
        found: From `yt360.duplicates.run.dedup`.
        path: The HTML file; its folder must exist.
        workers: Number of processes that decode frames.
        make_pool: Creates the worker pool.
    """
    pairs = _shown(found.pairs)
    uris = _frames(pairs, workers, make_pool)
    counts = Counter(pair.match.kind for pair in found.pairs)
    template = page_environment(Path(__file__).parent).get_template("pairs.html")
    page = template.generate(
        recordings=found.recordings,
        counts=[(kind, counts[kind]) for kind in KINDS],
        groups=len(found.groups),
        most=MAX_PAIRS,
        crossing=[list(map(printable, group)) for group in found.crossing],
        pairs=map(_values, pairs, uris),
    )
    with atomic_write(path, "w") as file:
        file.writelines(page)


def _values(pair: Pair, uris: Sequence[str]) -> dict[str, Any]:
    """Return what the page shows of a pair."""
    match = pair.match
    numbers = {
        "score": match.score,
        "place": match.place,
        "motion": match.motion,
        "audio": match.audio,
        "turned by": f"{match.yaw_deg:g}°",
        "common": f"{match.duration_s:g} s",
    }
    sides = ((pair.video_a, match.start_a_s), (pair.video_b, match.start_b_s))
    return {
        "kind": match.kind,
        "numbers": [(name, "–" if value is None else value) for name, value in numbers.items()],
        "sides": [
            {"uri": uri, "video": printable(video), "start_s": f"{start_s:g}"}
            for uri, (video, start_s) in zip(uris, sides, strict=True)
        ],
    }


def _shown(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs to show: the best one of each two videos, at most `MAX_PAIRS`."""
    best: dict[tuple[str, str], Pair] = {}
    for pair in pairs:
        best.setdefault((pair.video_a, pair.video_b), pair)
    return list(best.values())[:MAX_PAIRS]


def _frames(
    pairs: Sequence[Pair],
    workers: int,
    make_pool: Callable[[int], AbstractContextManager[Pool]],
) -> list[list[str]]:
    """Return the frames of both sides of each pair as URIs; empty where none can be decoded."""
    wanted: dict[Source, list[_Frame]] = {}
    for number, pair in enumerate(pairs):
        match = pair.match
        sides = (
            (pair.source_a, pair.video_a, match.start_a_s, 0.0),
            (pair.source_b, pair.video_b, match.start_b_s, match.yaw_deg),
        )
        for side, (source, video_id, start_s, yaw_deg) in enumerate(sides):
            frame = _Frame(number, side, video_id, start_s + match.duration_s / 2, yaw_deg)
            wanted.setdefault(source, []).append(frame)
    drawn = [["", ""] for _ in pairs]
    tasks = deque(_FramesTask(source, tuple(frames)) for source, frames in wanted.items())
    with make_pool(workers) as pool, Progress("drawing", len(tasks), "files") as progress:
        for task, result in pool.run(_draw, tasks):
            for frame, uri in zip(
                task.frames, () if isinstance(result, Crashed) else result, strict=False
            ):
                drawn[frame.pair][frame.side] = uri
            progress.advance()
    return drawn


def _draw(task: _FramesTask) -> list[str]:
    """Return the frames, turned back, as URIs; empty if one cannot be decoded."""
    times = [(frame.video_id, frame.time_s) for frame in task.frames]
    try:
        pictures = list(task.source.thumbnails(times))
    except BadItem:
        return ["" for _ in task.frames]
    drawn = []
    for frame, picture in zip(task.frames, pictures, strict=True):
        # A turn to the left moves the image to the left.
        back = np.roll(picture, round(frame.yaw_deg / 360 * picture.shape[1]), axis=1)
        file = io.BytesIO()
        Image.fromarray(back).save(file, "JPEG", quality=80)
        drawn.append(data_uri(file.getvalue(), "jpeg"))
    return drawn
