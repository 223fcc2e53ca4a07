"""Worker task: convert clips of an input and stage them.

Decoders are imported by the functions that use them, in the workers: the process that hands out the
tasks needs neither their memory nor the time of their import.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from yt360.buckets.copies import copies
from yt360.errors import BadItem
from yt360.execution.local import Crashed
from yt360.media.layout.field_correction import FieldCorrection
from yt360.shards.builder.clip_selection import SelectedClip
from yt360.shards.builder.direction_labels import part_of_clip, read_direction_labels
from yt360.shards.builder.input_analysis import blaming_input
from yt360.shards.builder.inputs.input_video import InputVideo
from yt360.shards.builder.options import BuildOptions
from yt360.shards.builder.staging import StagingFolder, json_bytes, member_file
from yt360.shards.format.dataset_info import Rejection
from yt360.shards.format.directions import ClipDirections

if TYPE_CHECKING:
    from yt360.media.source import Source

WORKER_MODULES = ("yt360.media.convert", "yt360.media.source")
"""Modules with decoders, which the tasks of a build import (`yt360.execution.fork_server`)."""


@dataclass(frozen=True)
class ConversionTask:
    """Clips of one input to convert in a build, see `new_run`; in order of time.

    `source` is that of `AnalyzedInput`.
    """

    item: InputVideo
    source: bytes
    clips: tuple[SelectedClip, ...]
    fingerprint: str
    options: BuildOptions
    dataset: Path
    correction: FieldCorrection | None = None
    run: str = ""

    def clips_by_key(self) -> dict[str, SelectedClip]:
        """Return the clips by key."""
        return {self.item.clip_key(clip.start_s): clip for clip in self.clips}


def stage_clips(task: ConversionTask) -> dict[str, int | Rejection] | Crashed:
    """Convert the clips of a task that are not staged yet.

    If FFmpeg dies while it converts a single clip, the task ends. That clip is the first one of the
    task that is not staged.

    Returns:
        Key of each clip -> the bytes that it takes in a shard, or its rejection.
    """
    from yt360.media.ffmpeg import FfmpegDied

    staging = StagingFolder(task.dataset, task.run)
    pending = [clip for key, clip in task.clips_by_key().items() if staging.find(key) is None]
    batch_size = len(pending)
    source: Source = pickle.loads(task.source)
    labels = cache(partial(_read_labels, task.item))  # once for all batches
    while pending:
        batch = tuple(pending[:batch_size])
        try:
            with copies((task.item.video, *task.item.companions)), blaming_input(task.item):
                for clip in _convert(task, source, batch, staging, labels):
                    pending.remove(clip)
        except BadItem as error:
            is_timeout = error.reason == "timeout"
            if len(batch) > 1 and not is_timeout:
                batch_size = 1  # one bad clip fails its whole batch: convert one at a time
                continue
            if isinstance(error, FfmpegDied):
                return Crashed(error.exit_code, "FFmpeg")
            for clip in list(pending) if is_timeout else pending[:1]:
                pending.remove(clip)
                rejection = task.item.reject(
                    error.reason, error.detail, task.fingerprint, clip.start_s, clip.duration_s
                )
                staging.publish_rejection(task.item.clip_key(clip.start_s), rejection)
    results = {key: staging.find(key) for key in task.clips_by_key()}
    staged = {key: result for key, result in results.items() if result is not None}
    if len(staged) < len(results):
        raise RuntimeError(f"not staged after conversion: {results.keys() - staged.keys()}")
    return staged


def _read_labels(item: InputVideo) -> ClipDirections | None:
    return None if item.directions is None else read_direction_labels(item.directions)


def _convert(
    task: ConversionTask,
    source: Source,
    clips: Sequence[SelectedClip],
    staging: StagingFolder,
    labels: Callable[[], ClipDirections | None],
) -> Iterator[SelectedClip]:
    """Convert and stage clips; yield each one when it is staged."""
    from yt360.media.convert import ClipRequest, convert_clips

    folders = [staging.scratch() for _ in clips]
    requests = [
        ClipRequest(
            start_s=float(clip.start_s - task.item.start_s),
            duration_s=clip.duration_s,
            mp4=member_file(folder, "mp4"),
            flac=member_file(folder, "flac"),
            front_deg=_front_deg(task.item, clip),
        )
        for clip, folder in zip(clips, folders, strict=True)
    ]
    try:
        conversions = convert_clips(source, requests, task.options.form, correction=task.correction)
        for clip, folder, conversion in zip(clips, folders, conversions, strict=True):
            facts = _clip_facts(task, clip, conversion, labels())
            member_file(folder, "json").write_bytes(json_bytes(facts))
            staging.publish(task.item.clip_key(clip.start_s), folder)
            yield clip
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def _clip_facts(
    task: ConversionTask,
    clip: SelectedClip,
    conversion: dict[str, object],
    directions: ClipDirections | None,
) -> dict[str, object]:
    """Return the content of a clip's ``.json``."""
    form, item = task.options.form, task.item
    labels: dict[str, object] = {}
    if directions is not None:
        part = part_of_clip(directions, clip.start_s - item.start_s, clip.duration_s)
        labels["directions"] = part.turned_to(_applied_front_deg(conversion)).to_json()
    decided = item.review.notes(clip.start_s)
    return {
        "video_id": item.video_id,
        "start_s": clip.start_s,
        "duration_s": float(clip.duration_s),
        "width": form.width,
        "height": form.height,
        "fps": form.fps,
        "sample_rate_hz": form.sample_rate_hz,
        "source": {**item.facts, "file": item.name, "file_start_s": item.start_s},
        "conversion": conversion,
        "quality": {"level_dbfs": round(clip.level_dbfs, 2)},
        **labels,
        **({"review": decided} if decided else {}),
    }


def _applied_front_deg(conversion: Mapping[str, object]) -> float:
    """Return by how many degrees a clip was turned, after rounding to whole pixels."""
    clip = conversion.get("clip")
    return float(clip.get("front_deg", 0.0)) if isinstance(clip, dict) else 0.0


def _front_deg(item: InputVideo, clip: SelectedClip) -> float:
    front = item.review.front(clip.start_s)
    return 0.0 if front is None else front.azimuth_deg
