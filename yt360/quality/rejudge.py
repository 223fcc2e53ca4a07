"""Judge the inspected videos of a catalog again by other thresholds, from stored measurements.

Nothing is decoded, and the media may be gone. Verdicts, clips and state of a video change in one
transaction, and the result depends on the measurements and the options alone, so a run can be
killed and repeated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from yt360.catalog import Catalog, State
from yt360.catalog.tables.videos import DROPPED
from yt360.errors import UserError
from yt360.quality.catalog_config import CatalogRunConfig
from yt360.quality.catalog_run import state_of
from yt360.quality.clips import without_silence
from yt360.quality.findings import CannotJudge, judge_again, to_records

INSPECTED: tuple[State, ...] = ("accepted", "rejected")
_VIDEOS_PER_TRANSACTION = 100


@dataclass
class RejudgeReport:
    """The results for all videos.

    Attributes:
        changes: Number of videos by state before and after, in words.
        unchanged: Number of videos whose state and reason stay.
        left: Number of videos that could not be judged, by reason; they are not changed.
        clips_kept: Number of clips that are kept now and were not before.
        clips_dropped: Number of clips that were kept before and are not now.
    """

    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    unchanged: int = 0
    left: Counter[str] = field(default_factory=Counter)
    clips_kept: int = 0
    clips_dropped: int = 0

    def lines(self) -> Iterator[str]:
        """Yield a line for each change, the most frequent first, and for what stays."""
        for (before, after), videos in self.changes.most_common():
            yield f"{videos:8d}  {before} -> {after}"
        yield f"{self.unchanged:8d}  unchanged"
        for reason, videos in self.left.most_common():
            yield f"{videos:8d}  not judged: {reason}"
        if self.clips_kept or self.clips_dropped:
            yield f"{self.clips_kept:8d}  clips kept that were dropped"
            yield f"{self.clips_dropped:8d}  clips dropped that were kept"
        if self.left:
            yield "--again accepted --again rejected inspects videos that were not judged"


def rejudge_catalog(
    catalog: Catalog,
    config: CatalogRunConfig,
    finished: Callable[[], None] = lambda: None,
    *,
    dry_run: bool = False,
) -> RejudgeReport:
    """Judge the accepted and rejected videos of a catalog again.

    Videos that a filter or a person rejected without an inspection are not changed.

    Args:
        catalog: The catalog.
        config: Thresholds (`settings`) and rejecting checks; other options have no effect.
        finished: Called after each video.
        dry_run: Report what would change, and change nothing.

    Raises:
        UserError: A setting belongs to a check that does not judge stored measurements.
    """
    for key in config.settings:
        if not hasattr(config.checks[key.partition(".")[0]], "judge"):
            raise UserError(
                f"{key}: its check does not judge stored measurements; inspect again with "
                "--again accepted --again rejected",
                "conflict",
                key,
            )
    report = RejudgeReport()
    videos = [video.video_id for state in INSPECTED for video in catalog.videos.select(state)]
    for start in range(0, len(videos), _VIDEOS_PER_TRANSACTION):
        with catalog.transaction():
            for video_id in videos[start : start + _VIDEOS_PER_TRANSACTION]:
                try:
                    _rejudge(catalog, video_id, config, report, dry_run)
                except CannotJudge as error:
                    report.left[str(error)] += 1
                finished()
    return report


def _rejudge(
    catalog: Catalog, video_id: str, config: CatalogRunConfig, report: RejudgeReport, dry_run: bool
) -> None:
    video = catalog.videos.get(video_id)
    records = catalog.verdicts.of(video_id)
    if video.state not in INSPECTED or video.detail == DROPPED or not records:
        return
    findings = judge_again(video_id, records, config.checks)
    old_clips = catalog.clips.of(video_id)
    clips = without_silence(old_clips, config.checks)
    state, reason, detail = state_of(findings, clips, config)

    before, after = _words(video.state, video.reason), _words(state, reason)
    if before == after:
        report.unchanged += 1
    else:
        report.changes[before, after] += 1
    for old, new in zip(old_clips, clips, strict=True):
        report.clips_kept += new.kept and not old.kept
        report.clips_dropped += old.kept and not new.kept
    if dry_run:
        return
    new_records = [it for it in to_records(findings) if it != records[it.kind]]
    catalog.verdicts.put(video_id, *new_records)
    catalog.clips.put(video_id, *(new for new in clips if new not in old_clips))
    if (state, reason, detail) != (video.state, video.reason, video.detail):
        catalog.videos.settle(video_id, state, reason, detail)


def _words(state: str, reason: str | None) -> str:
    return f"{state} ({reason})" if reason else state
