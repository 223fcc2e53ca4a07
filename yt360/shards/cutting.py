"""The two jobs of a worker process: look at an input and plan its clips, and make clips."""

from __future__ import annotations

import errno
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yt360.clips import clip_starts
from yt360.errors import BadItem, UserError
from yt360.execution.local import Crashed
from yt360.media.convert import END_TOLERANCE_S, ClipRequest, convert_clips
from yt360.media.ffmpeg import FfmpegDied
from yt360.media.source import Source, open_source, w_levels_dbfs
from yt360.shards.inputs import InputVideo, fingerprint_of
from yt360.shards.options import LEVEL_FLOOR_DBFS, BuildOptions
from yt360.shards.schema import Rejection
from yt360.shards.staging import (
    ClipPlan,
    StagedClip,
    Staging,
    VideoPlan,
    json_bytes,
    member_file,
)

LEVEL_WINDOW_S = 1.0
_OUTPUT_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


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
            if len(batch) > 1:  # one bad clip fails its neighbours: take them one by one
                at_once = 1
                continue
            if isinstance(error, FfmpegDied):
                return Crashed(error.exit_code, "FFmpeg")
            bad = pending.pop(0)
            rejection = job.item.reject(error.reason, error.detail, job.fingerprint, bad.start_s)
            staging.publish_rejection(job.item.clip_key(bad.start_s), rejection)
    results = []
    for key in keys:
        result = staging.find(key)
        if result is None:
            raise RuntimeError(f"clip {key} was made but is not staged")
        results.append((key, result))
    return results


def clip_level(levels: NDArray[np.float64], start_s: float, duration_s: float) -> float:
    """Return the level of a stretch in dBFS from the levels of windows of `LEVEL_WINDOW_S`.

    Windows past the end of the sound count as silent; the result is never under
    `LEVEL_FLOOR_DBFS`. It is NaN where a window's level is.

    Args:
        levels: Level of each window in dBFS (at least `LEVEL_FLOOR_DBFS`), from time 0.
        start_s: Start of the stretch, a multiple of the window.
        duration_s: Its length, a multiple of the window.
    """
    first = round(start_s / LEVEL_WINDOW_S)
    count = round(duration_s / LEVEL_WINDOW_S)
    power = np.sum(10.0 ** (levels[first : first + count] / 10.0)) / count
    floor = 10.0 ** (LEVEL_FLOOR_DBFS / 10.0)
    return float(10.0 * np.log10(np.maximum(power, floor)))


@contextmanager
def _blaming(item: InputVideo) -> Iterator[None]:
    """Turn what a hostile file may raise into a `BadItem`; let trouble with the output through."""
    try:
        yield
    except (UserError, BadItem):
        raise
    except OSError as error:
        names = {os.fspath(path) for path in (item.video, *item.companions)}
        if error.errno in _OUTPUT_TROUBLE or error.filename not in names:
            raise
        raise BadItem("unreadable", f"{item.name}: {error.strerror}") from error
    except Exception as error:
        # Thousands of files from anywhere: none of them may end the run, whatever it provokes.
        detail = " ".join(f"{item.name}: {type(error).__name__}: {error}".split())
        raise BadItem("unexpected-error", detail) from error


def _open(item: InputVideo, options: BuildOptions) -> Source:
    return open_source(
        item.video,
        item.companions,
        projection=item.projection or options.projection,
        stereo_mode=options.stereo_mode,
        sound_layout=item.sound_layout or options.sound_layout,
    )


def _plan(item: InputVideo, source: Source, options: BuildOptions, fingerprint: str) -> VideoPlan:
    lasts = f"picture and sound together last from {source.start_s:.1f} to {source.end_s:.1f} s"
    outside: list[int] = []
    if item.segments is None:
        starts = clip_starts(source.start_s, source.end_s, options.clip_s, END_TOLERANCE_S)
    else:
        starts = sorted({start - item.start_s for start in item.segments})
        outside = [start for start in starts if not _covers(source, start, options.clip_s)]
        starts = [start for start in starts if start not in outside]
    if not starts:
        raise BadItem("too-short", f"{lasts}, which holds no clip of {options.clip_s} s")
    levels = w_levels_dbfs(source, LEVEL_WINDOW_S)
    planned = [
        ClipPlan(item.start_s + start, clip_level(levels, start, options.clip_s))
        for start in starts
    ]
    clips = tuple(clip for clip in planned if clip.level_dbfs >= options.min_level_dbfs)
    silent = [clip for clip in planned if clip.level_dbfs < options.min_level_dbfs]
    bad = [clip for clip in planned if math.isnan(clip.level_dbfs)]
    rejected = [
        item.reject("clip-outside", lasts, fingerprint, item.start_s + start) for start in outside
    ]
    for reason, found in (("silent", silent), ("bad-samples", bad)):
        all_of_it = len(found) == len(planned)
        for stretch in _stretches(found, all_of_it, options.clip_s):
            detail = _what_is_wrong(stretch, options)
            start_s = None if all_of_it else stretch[0].start_s
            rejected.append(item.reject(reason, detail, fingerprint, start_s))
    notes = tuple(f"{item.name}: {note}" for note in source.notes)
    return VideoPlan(fingerprint, clips, tuple(rejected), notes)


def _covers(source: Source, start_s: float, clip_s: int) -> bool:
    early, late = source.start_s - END_TOLERANCE_S, source.end_s + END_TOLERANCE_S
    return early <= start_s and start_s + clip_s <= late


def _stretches(
    clips: Sequence[ClipPlan], all_of_it: bool, clip_s: int
) -> Iterator[Sequence[ClipPlan]]:
    """Yield each run of clips that follow each other; all of them at once where that is all."""
    runs: list[list[ClipPlan]] = []
    for clip in clips:
        follows = runs and clip.start_s == runs[-1][-1].start_s + clip_s
        if follows or (runs and all_of_it):
            runs[-1].append(clip)
        else:
            runs.append([clip])
    yield from runs


def _what_is_wrong(stretch: Sequence[ClipPlan], options: BuildOptions) -> str:
    span = f"from {stretch[0].start_s} s to {stretch[-1].start_s + options.clip_s} s"
    if math.isnan(stretch[0].level_dbfs):
        return f"the sound {span} holds NaN, infinity or values beyond any level"
    loudest = max(clip.level_dbfs for clip in stretch)
    level = "digital silence" if loudest <= LEVEL_FLOOR_DBFS else f"at most {loudest:.1f} dBFS"
    return f"W {span} is {level}, under {options.min_level_dbfs:g} dBFS"


def _convert(job: CutJob, clips: Sequence[ClipPlan], staging: Staging) -> Iterator[ClipPlan]:
    """Convert and stage clips; yield each when it is staged."""
    folders = [staging.scratch() for _ in clips]
    requests = [
        ClipRequest(
            start_s=float(clip.start_s - job.item.start_s),
            duration_s=float(job.options.clip_s),
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
        "duration_s": float(job.options.clip_s),
        "width": form.width,
        "height": form.height,
        "fps": form.fps,
        "sample_rate_hz": form.sample_rate_hz,
        "source": {**item.facts, "file": item.name, "file_start_s": item.start_s},
        "conversion": conversion,
        "quality": {"level_dbfs": round(clip.level_dbfs, 2)},
    }
