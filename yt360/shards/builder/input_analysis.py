"""Worker task: analyze an input and select its clips.

Decoders are imported by the functions that use them, in the workers (see `clip_conversion`).
"""

from __future__ import annotations

import math
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from yt360.buckets.copies import copies
from yt360.clips import SILENT_BELOW_DBFS, TimeRange
from yt360.errors import BadItem
from yt360.execution.blame import blaming
from yt360.files import MACHINE_ERRORS
from yt360.shards.builder.clip_selection import (
    LEVEL_WINDOW_S,
    REJECTED,
    ClipSelection,
    select_clips,
)
from yt360.shards.builder.direction_labels import read_direction_labels
from yt360.shards.builder.inputs.input_video import InputVideo, fingerprint_of
from yt360.shards.builder.options import BuildOptions
from yt360.shards.builder.staging import InputAnalysis, StagingFolder
from yt360.shards.format.dataset_info import Rejection

if TYPE_CHECKING:
    from yt360.media.source import Source


@dataclass(frozen=True)
class AnalysisTask:
    """An input to analyze in a build, see `new_run`; `retry` repeats analyses with rejections."""

    item: InputVideo
    options: BuildOptions
    dataset: Path
    retry: bool = False
    run: str = ""


@dataclass(frozen=True)
class AnalyzedInput:
    """An input that was analyzed.

    Attributes:
        analysis: Its clips and its rejected parts.
        source: What the scan of its files found, which each conversion needs: a pickled `Source`,
            which the process that hands out tasks does not unpickle. None if no clip is left to
            convert.
    """

    analysis: InputAnalysis
    source: bytes | None = None


def analyze_input(task: AnalysisTask) -> AnalyzedInput:
    """Analyze an input; the analysis is not repeated if it is staged.

    The files of the input are scanned once, for this analysis and for all conversions.
    """
    item, options = task.item, task.options
    staging = StagingFolder(task.dataset, task.run)
    fingerprint = fingerprint_of(item)
    staged = staging.load_analysis(item, fingerprint, task.retry)
    done = int if task.retry else (int, Rejection)
    if staged is not None and all(
        isinstance(staging.find(item.clip_key(clip.start_s)), done) for clip in staged.clips
    ):
        return AnalyzedInput(staged)
    with copies((item.video, *item.companions)):
        analyzed = _analyze(item, options, fingerprint, staged)
    if analyzed.analysis is not staged:
        staging.save_analysis(item, analyzed.analysis)
    return analyzed


@contextmanager
def blaming_input(item: InputVideo) -> Iterator[None]:
    """Turn the errors of a damaged or hostile file into a `BadItem`; other errors pass unchanged.

    Errors of the output disk are not attributed to the input.
    """
    try:
        with blaming(item.name):
            yield
    except OSError as error:
        paths = (item.video, *item.companions, item.directions)
        names = {os.fspath(path) for path in paths if path is not None}
        if error.errno in MACHINE_ERRORS or error.filename not in names:
            raise
        raise BadItem("unreadable", f"{item.name}: {error.strerror}") from error


def _analyze(
    item: InputVideo, options: BuildOptions, fingerprint: str, staged: InputAnalysis | None
) -> AnalyzedInput:
    """Open an input, and analyze it unless its analysis is staged."""
    try:
        with blaming_input(item):
            refused = None if staged else _inspect(item, options, fingerprint)
            if refused is None:
                if item.directions is not None and staged is None:
                    read_direction_labels(item.directions)  # before any work on the media
                source = _open(item, options)
                analysis = staged or _select(item, source, options, fingerprint)
                return AnalyzedInput(analysis, pickle.dumps(source))
    except BadItem as error:
        refused = item.reject(error.reason, error.detail, fingerprint)
    return AnalyzedInput(InputAnalysis(fingerprint, (), (refused,)))


def _open(item: InputVideo, options: BuildOptions) -> Source:
    """Open an input with the layouts that are stated for it, or else in the options."""
    from yt360.media.source import open_source

    return open_source(
        item.video,
        item.companions,
        projection=item.projection or options.projection,
        stereo_mode=options.stereo_mode,
        audio_layout=item.audio_layout or options.sound_layout,
    )


def _inspect(item: InputVideo, options: BuildOptions, fingerprint: str) -> Rejection | None:
    """Run the quality checks if requested; return a rejection if a catalog would reject it."""
    if not options.inspect or item.inspected:
        return None
    from yt360.quality.decision import decide  # slow imports, which few builds need
    from yt360.quality.inspect import InspectOptions, Inspector

    stated = InspectOptions(
        audio_layout=item.audio_layout or options.sound_layout,
        projection=item.projection or options.projection,
    )
    inspector = Inspector(item.video.name, stated)
    inspector.add(item.video, item.companions)
    inspection = inspector.finish()
    against = decide(inspection).against
    if not against:
        return None
    rejection = item.reject(
        against[0].reason, f"{against[0].name}: {against[0].detail}", fingerprint
    )
    verdicts = [verdict.as_json() for verdict in inspection.verdicts.values()]
    return replace(rejection, measurements={it["name"]: it["numbers"] for it in verdicts})


def _min_level_dbfs(item: InputVideo, options: BuildOptions) -> float:
    """Return the level below which a clip is silent; -inf if the inspection has judged it."""
    is_judged = item.inspected and item.segments is not None
    if is_judged and options.min_level_dbfs <= SILENT_BELOW_DBFS:
        return -math.inf
    return options.min_level_dbfs


def _not_cut(item: InputVideo, selection: ClipSelection) -> Iterator[str]:
    """Yield a note for each clip of the file that people decided about and that is not cut."""
    rejected = {each.start_s for each in selection.lost if each.reason == REJECTED}
    known = {clip.start_s for clip in selection.clips} | rejected
    for start_s in sorted(item.review.starts - known):
        if item.start_s <= start_s < item.start_s + selection.covered_s:
            yield f"people decided about a clip at {start_s} s, which is not cut"


def _select(
    item: InputVideo, source: Source, options: BuildOptions, fingerprint: str
) -> InputAnalysis:
    """Select the clips of a source."""
    from yt360.media.convert import END_TOLERANCE_S
    from yt360.media.layout.field_gain import FieldGainMeter
    from yt360.media.source import w_levels_dbfs

    is_measured = options.field_gain == "off" or item.field_gain is not None
    meter = None if is_measured else FieldGainMeter()
    levels_dbfs = w_levels_dbfs(source, LEVEL_WINDOW_S, meter)
    gain = item.field_gain if meter is None else meter.gain()
    selection = select_clips(
        TimeRange(source.start_s, source.end_s - source.start_s),
        item.segments,
        levels_dbfs,
        file_start_s=item.start_s,
        clip_s=options.clip_s,
        min_level_dbfs=_min_level_dbfs(item, options),
        slack_s=END_TOLERANCE_S,
        rejected=item.review.rejected,
    )
    rejected = tuple(
        item.reject(lost.reason, lost.detail, fingerprint, lost.start_s, lost.lost_s)
        for lost in selection.lost
    )
    notes = tuple(f"{item.name}: {note}" for note in (*source.notes, *_not_cut(item, selection)))
    return InputAnalysis(
        fingerprint,
        selection.clips,
        rejected,
        notes,
        doubts=source.audio_stream.layout.warnings,
        field_gain=gain,
    )
