"""The two jobs of a worker process: look at an input and plan its clips, and make clips."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from yt360.clips import Stretch
from yt360.errors import BadItem
from yt360.execution.blame import blaming
from yt360.execution.local import Crashed
from yt360.files import MACHINE_TROUBLE
from yt360.media.convert import END_TOLERANCE_S, ClipRequest, convert_clips
from yt360.media.ffmpeg import FfmpegDied
from yt360.media.source import Source, open_source, w_levels_dbfs
from yt360.quality.decision import require_acceptable
from yt360.quality.inspect import InspectOptions
from yt360.shards.builder.cuts import LEVEL_WINDOW_S, ClipPlan, plan_cuts
from yt360.shards.builder.inputs import InputVideo, fingerprint_of
from yt360.shards.builder.options import BuildOptions
from yt360.shards.builder.staging import (
    StagedClip,
    Staging,
    VideoPlan,
    json_bytes,
    member_file,
)
from yt360.shards.format.schema import Rejection


@dataclass(frozen=True)
class PlanJob:
    """An input to look at; with `retry`, even if what is staged of it says that it is no good."""

    item: InputVideo
    options: BuildOptions
    dataset: Path
    retry: bool = False


@dataclass(frozen=True)
class CutJob:
    """Clips of one input to make, in order of time."""

    item: InputVideo
    clips: tuple[ClipPlan, ...]
    fingerprint: str
    options: BuildOptions
    dataset: Path


def plan_video(job: PlanJob) -> VideoPlan:
    """Return which clips an input gives; taken from the staging folder when it is there."""
    staging = Staging(job.dataset)
    fingerprint = fingerprint_of(job.item)
    plan = staging.load_plan(job.item, fingerprint, job.retry)
    if plan is None:
        try:
            with _blaming(job.item):
                if job.options.inspect and not job.item.inspected:
                    _inspect(job.item, job.options)
                plan = _plan(job.item, _open(job.item, job.options), job.options, fingerprint)
        except BadItem as error:
            rejection = job.item.reject(error.reason, error.detail, fingerprint)
            plan = VideoPlan(fingerprint, (), (rejection,))
        staging.save_plan(job.item, plan)
    return plan


def make_clips(job: CutJob) -> list[tuple[str, StagedClip | Rejection]] | Crashed:
    """Make the clips of a job that are not staged yet; return what each key came to.

    When FFmpeg dies of a clip, even alone, the job ends there: that clip is the first of the job's
    that is not staged.
    """
    staging = Staging(job.dataset)
    keys = [job.item.clip_key(clip.start_s) for clip in job.clips]
    pending = [clip for clip, key in zip(job.clips, keys, strict=True) if not staging.find(key)]
    at_once = len(pending)
    while pending:
        batch = tuple(pending[:at_once])
        try:
            with _blaming(job.item):
                for clip in _convert(job, batch, staging):
                    pending.remove(clip)
        except BadItem as error:
            hangs = error.reason == "timeout"
            if len(batch) > 1 and not hangs:  # one bad clip fails its neighbours: one by one
                at_once = 1
                continue
            if isinstance(error, FfmpegDied):
                return Crashed(error.exit_code, "FFmpeg")
            bad = list(pending) if hangs else pending[:1]
            for clip in bad:
                pending.remove(clip)
                rejection = job.item.reject(
                    error.reason, error.detail, job.fingerprint, clip.start_s, clip.duration_s
                )
                staging.publish_rejection(job.item.clip_key(clip.start_s), rejection)
    results = []
    for key in keys:
        result = staging.find(key)
        if result is None:
            raise RuntimeError(f"clip {key} was made but is not staged")
        results.append((key, result))
    return results


@contextmanager
def _blaming(item: InputVideo) -> Iterator[None]:
    """Turn what a hostile file may raise into a `BadItem`; let trouble with the output through."""
    try:
        with blaming(item.name):
            yield
    except OSError as error:
        names = {os.fspath(path) for path in (item.video, *item.companions)}
        if error.errno in MACHINE_TROUBLE or error.filename not in names:
            raise
        raise BadItem("unreadable", f"{item.name}: {error.strerror}") from error


def _open(item: InputVideo, options: BuildOptions) -> Source:
    return open_source(
        item.video,
        item.companions,
        projection=item.projection or options.projection,
        stereo_mode=options.stereo_mode,
        sound_layout=item.sound_layout or options.sound_layout,
    )


def _inspect(item: InputVideo, options: BuildOptions) -> None:
    stated = InspectOptions(
        sound_layout=item.sound_layout or options.sound_layout,
        projection=item.projection or options.projection,
    )
    require_acceptable(item.video, item.companions, stated)


def _plan(item: InputVideo, source: Source, options: BuildOptions, fingerprint: str) -> VideoPlan:
    cuts = plan_cuts(
        Stretch(source.start_s, source.end_s - source.start_s),
        item.segments,
        w_levels_dbfs(source, LEVEL_WINDOW_S),
        file_start_s=item.start_s,
        clip_s=options.clip_s,
        min_level_dbfs=options.min_level_dbfs,
        slack_s=END_TOLERANCE_S,
    )
    rejected = tuple(
        item.reject(loss.reason, loss.detail, fingerprint, loss.start_s, loss.lost_s)
        for loss in cuts.losses
    )
    notes = tuple(f"{item.name}: {note}" for note in source.notes)
    doubts = source.sound_stream.layout.doubts
    return VideoPlan(fingerprint, cuts.clips, rejected, notes, doubts)


def _convert(job: CutJob, clips: Sequence[ClipPlan], staging: Staging) -> Iterator[ClipPlan]:
    """Convert and stage clips; yield each when it is staged."""
    folders = [staging.scratch() for _ in clips]
    requests = [
        ClipRequest(
            start_s=float(clip.start_s - job.item.start_s),
            duration_s=clip.duration_s,
            mp4=member_file(folder, "mp4"),
            flac=member_file(folder, "flac"),
        )
        for clip, folder in zip(clips, folders, strict=True)
    ]
    try:
        facts = convert_clips(_open(job.item, job.options), requests, job.options.form)
        for clip, folder, conversion in zip(clips, folders, facts, strict=True):
            description = _clip_json(job, clip, conversion)
            member_file(folder, "json").write_bytes(json_bytes(description))
            staging.publish(job.item.clip_key(clip.start_s), folder)
            yield clip
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def _clip_json(job: CutJob, clip: ClipPlan, conversion: dict[str, object]) -> dict[str, object]:
    form, item = job.options.form, job.item
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
    }
