"""The whole story of one video, for people: why it is in or out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from yt360.catalog.catalog import Catalog
from yt360.catalog.records import Attempt, Clip


def video_lines(catalog: Catalog, video_id: str) -> Iterator[str]:
    """Yield everything that a catalog knows of a video.

    Raises:
        UserError: It does not know the video.
    """
    video = catalog.videos.get(video_id)
    yield f"{video_id}  {video.state}{_why(video.reason, video.detail)}"
    yield f"  url: {video.url}"
    named = ("title", "channel", "channel_id", "license", "upload_date", "duration_s")
    for name in (*named, "projection", "spatial_audio", "stated_sound_layout", "stated_projection"):
        if getattr(video, name) is not None:
            yield f"  {name}: {getattr(video, name)}"
    for name, value in sorted(video.facts.items()):
        yield f"  {name}: {_short(value)}"
    if split := catalog.splits.of(video_id):
        yield f"  split: {split}"
    for query in _found_by(catalog, video_id):
        yield f"  found by {query}"
    for attempt in catalog.claims.history(video_id):
        yield f"  {_attempt(attempt)}"
    for file in catalog.files.of(video_id):
        span = f" from {file.start_s:g} s" if file.end_s is not None else ""
        yield f"  file {file.path}: {file.role}{span}, {file.bytes} bytes"
    for kind, verdict in catalog.verdicts.of(video_id).items():
        yield f"  {kind}: {verdict.verdict} {_short(verdict.numbers)}"
    for clip in catalog.clips.of(video_id):
        yield f"  clip {_clip(clip)}"


def _found_by(catalog: Catalog, video_id: str) -> list[str]:
    rows = catalog.connection.execute(
        "SELECT kind, key FROM sightings JOIN listings ON listings.number = listing "
        "WHERE video = ? ORDER BY listing",
        (catalog.number_of(video_id),),
    )
    return [f"{row['kind']} {row['key']!r}" for row in rows]


def _attempt(attempt: Attempt) -> str:
    when = datetime.fromtimestamp(attempt.started_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    took = f" in {attempt.ended_at - attempt.started_at:.1f} s" if attempt.ended_at else ""
    why = _why(attempt.reason, attempt.detail)
    return f"{when} {attempt.job} by {attempt.worker}: {attempt.outcome}{took}{why}"


def _why(reason: str | None, detail: str | None) -> str:
    return f" ({': '.join(filter(None, (reason, detail)))})" if reason else ""


def _clip(clip: Clip) -> str:
    verdict = "kept" if clip.kept else f"dropped ({clip.reason})"
    numbers = f" {_short(clip.numbers)}" if clip.numbers else ""
    return f"{clip.start_s} s + {clip.duration_s:g} s: {verdict}, {clip.origin}{numbers}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}..."
