"""A report on one video: everything that a catalog stores about it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from yt360.catalog.catalog import Catalog
from yt360.catalog.records import Attempt, Clip

_FACTS = (
    "title", "channel", "channel_id", "license", "upload_date", "duration_s", "projection",
    "spatial_audio", "stated_sound_layout", "stated_projection",
)  # fmt: skip


def video_lines(catalog: Catalog, video_id: str) -> Iterator[str]:
    """Yield the report on a video as lines.

    Raises:
        UserError: The video is not in the catalog.
    """
    video = catalog.videos.get(video_id)
    yield f"{video_id}  {video.state}{_reason(video.reason, video.detail)}"
    yield f"  url: {video.url}"
    facts = {name: getattr(video, name) for name in _FACTS} | dict(sorted(video.facts.items()))
    for name, value in facts.items():
        if value is not None:
            yield f"  {name}: {_short(value)}"
    if split := catalog.splits.of(video_id):
        yield f"  split: {split}"
    for kind, key in catalog.execute(
        "SELECT kind, key FROM sightings JOIN listings ON listings.number = listing "
        "WHERE video = ? ORDER BY listing",
        (catalog.number_of(video_id),),
    ):
        yield f"  found by {kind} {key!r}"
    for attempt in catalog.claims.history(video_id):
        yield f"  {_attempt(attempt)}"
    for file in catalog.files.of(video_id):
        section = f" from {file.start_s:g} s" if file.end_s is not None else ""
        yield f"  file {file.path}: {file.role}{section}, {file.bytes} bytes"
    for kind, verdict in catalog.verdicts.of(video_id).items():
        yield f"  {kind}: {verdict.verdict} {_short(verdict.numbers)}"
    for clip in catalog.clips.of(video_id):
        yield f"  clip {_clip(clip)}"


def _attempt(attempt: Attempt) -> str:
    when = datetime.fromtimestamp(attempt.started_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    took = f" in {attempt.ended_at - attempt.started_at:.1f} s" if attempt.ended_at else ""
    reason = _reason(attempt.reason, attempt.detail)
    return f"{when} {attempt.job} by {attempt.worker}: {attempt.outcome}{took}{reason}"


def _reason(reason: str | None, detail: str | None) -> str:
    return f" ({': '.join(filter(None, (reason, detail)))})" if reason else ""


def _clip(clip: Clip) -> str:
    decision = "kept" if clip.kept else f"dropped ({clip.reason})"
    numbers = f" {_short(clip.numbers)}" if clip.numbers else ""
    return f"{clip.start_s} s + {clip.duration_s:g} s: {decision}, {clip.origin}{numbers}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}..."
