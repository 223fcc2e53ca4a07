"""A page with pictures of pairs: one HTML file that needs no network."""

from __future__ import annotations

import base64
import io
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from yt360.duplicates.kinds import KINDS
from yt360.duplicates.pairs import Pair
from yt360.duplicates.run import DedupReport
from yt360.duplicates.sources import Source
from yt360.errors import BadItem
from yt360.execution.local import Crashed, Pool, limited_pool
from yt360.files import atomic_write
from yt360.terminal.progress import Progress
from yt360.terminal.text import printable

MAX_PAIRS = 200
"""Pairs on the page: a quarter hour of looking, and 12 MB."""
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #22303c; margin: 2rem auto; max-width: 62rem;
  padding: 0 1rem; }
section { border-top: 1px solid #d5dbe0; padding: 1rem 0; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
figure { margin: 0; } figcaption { color: #5c6b78; overflow-wrap: anywhere; }
img { width: 100%; aspect-ratio: 2; background: #eef1f3; display: block; }
.same-footage { color: #b3372f; } .same-place { color: #b8860b; } .same-audio { color: #2f6690; }
table { border-collapse: collapse; } td { padding: 0 1rem 0 0; }
"""


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
    frames = _frames(pairs, workers, make_pool)
    body = "\n".join([*_head(found, len(pairs)), *map(_section, pairs, frames)])
    with atomic_write(path, "w") as file:
        file.write(
            '<!doctype html><html lang="en"><meta charset="utf-8">'
            f"<title>Duplicates</title><style>{_STYLE}</style><body>\n{body}\n</body></html>\n"
        )


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
) -> list[list[bytes]]:
    """Return the JPEGs of both sides of each pair; empty where a frame cannot be decoded."""
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
    drawn = [[b"", b""] for _ in pairs]
    tasks = deque(_FramesTask(source, tuple(frames)) for source, frames in wanted.items())
    with make_pool(workers) as pool, Progress("drawing", len(tasks), "files") as progress:
        for task, result in pool.run(_draw, tasks):
            for frame, jpeg in zip(
                task.frames, () if isinstance(result, Crashed) else result, strict=False
            ):
                drawn[frame.pair][frame.side] = jpeg
            progress.advance()
    return drawn


def _draw(task: _FramesTask) -> list[bytes]:
    """Return the frames, turned back, as JPEGs; empty for those that cannot be decoded."""
    times = [(frame.video_id, frame.time_s) for frame in task.frames]
    try:
        pictures = list(task.source.thumbnails(times))
    except BadItem:
        return [b"" for _ in task.frames]
    drawn = []
    for frame, picture in zip(task.frames, pictures, strict=True):
        # A turn to the left moves the image to the left.
        back = np.roll(picture, round(frame.yaw_deg / 360 * picture.shape[1]), axis=1)
        file = io.BytesIO()
        Image.fromarray(back).save(file, "JPEG", quality=80)
        drawn.append(file.getvalue())
    return drawn


def _head(found: DedupReport, shown: int) -> Iterator[str]:
    yield "<h1>Duplicates</h1>"
    counts = Counter(pair.match.kind for pair in found.pairs)
    texts = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS)
    yield (
        f"<p>{found.recordings} recordings; pairs: {texts}. {len(found.groups)} groups; the best "
        f"pairs of {shown} pairs of videos are shown. The right picture is turned to match.</p>"
    )
    for group in found.crossing:
        names = ", ".join(escape(printable(video)) for video in group)
        yield f'<p class="same-footage">In both train and test: {names}</p>'


def _section(pair: Pair, frames: Sequence[bytes]) -> str:
    match = pair.match
    values = {
        "score": match.score,
        "place": match.place,
        "motion": match.motion,
        "audio": match.audio,
        "turned by": f"{match.yaw_deg:g}°",
        "common": f"{match.duration_s:g} s",
    }
    cells = "".join(
        f"<td>{name} <b>{'–' if value is None else value}</b></td>"
        for name, value in values.items()
    )
    left = _figure(frames[0], pair.video_a, match.start_a_s)
    right = _figure(frames[1], pair.video_b, match.start_b_s)
    return (
        f'<section><h2 class="{match.kind}">{match.kind}</h2><table><tr>{cells}</tr></table>'
        f'<div class="pair">{left}{right}</div></section>'
    )


def _figure(jpeg: bytes, video: str, start_s: float) -> str:
    source = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}" if jpeg else ""
    name = escape(printable(video))
    return (
        f'<figure><img src="{source}" alt="frame of {name}">'
        f"<figcaption>{name} from {start_s:g} s</figcaption></figure>"
    )
