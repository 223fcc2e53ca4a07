"""Apply the decisions of people (`yt360.review`) to the inputs of a build.

A rejected clip or video is left out, an audio layout replaces the detected one, and the picture and
the sound of a clip are turned to the front that was chosen. A decision names a clip, or a video for
all its clips; the one about the clip takes precedence. Decisions about layouts hold for the whole
video, because a file has one layout. Keeping a clip takes back an earlier rejection, but does not
bring back what a check rejects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from yt360.buckets.address import as_url, is_read_only
from yt360.catalog.opening import is_catalog
from yt360.clips import parse_key
from yt360.errors import UserError
from yt360.review.bucket_log import BucketLog
from yt360.review.decisions import Decision, Outcome, in_order, outcomes
from yt360.review.log import ReviewLog
from yt360.shards.builder.inputs.input_video import ClipReview, FoundInputs, Front, InputVideo


def find_decisions(places: Iterable[Path | str]) -> list[Decision]:
    """Return the decisions in catalogs, in folders (their ``review.jsonl``), and in log files.

    Folders and log files may be in buckets. Media files, and folders without decisions, have none.

    Raises:
        UserError: A log, a bucket or a catalog cannot be read.
    """
    found: list[Decision] = []
    for place in places:
        path, url = Path(place), as_url(place)
        if url is not None and not is_read_only(url):
            found += BucketLog.at(url).read()
        elif path.is_dir():
            found += ReviewLog.of_folder(path).read()
        elif path.suffix == ".jsonl":
            found += ReviewLog(path).read()
        elif is_catalog(path):
            from yt360.catalog.catalog import Catalog

            with Catalog(path) as catalog:
                found += catalog.decisions.read()
    return in_order(found)


def read_decisions(path: Path) -> list[Decision]:
    """Return the decisions that a user names: a log, a dataset or folder with one, or a catalog.

    A log, a dataset or a folder may be in a bucket.

    Raises:
        UserError: There are none, or they cannot be read.
    """
    found = find_decisions([path])
    if not found:
        raise UserError(
            f"{as_url(path) or path} holds no decisions; give a review.jsonl, a dataset or a "
            "folder that contains one, or a catalog",
            "missing",
            "--review",
        )
    return found


def apply_decisions(found: FoundInputs, decisions: Iterable[Decision]) -> FoundInputs:
    """Return the inputs of a build as people decided; the order of decisions does not matter."""
    by_key = outcomes(decisions)
    whole, clips = _by_video(by_key, {item.video_id for item in found.videos})
    videos = (
        _reviewed(item, whole.get(item.video_id, Outcome()), clips.get(item.video_id, {}))
        for item in found.videos
    )
    return replace(found, videos=tuple(videos))


def _by_video(
    by_key: Mapping[str, Outcome], video_ids: set[str]
) -> tuple[dict[str, Outcome], dict[str, dict[int, Outcome]]]:
    """Return the outcomes about videos, and those about clips by video and second."""
    whole: dict[str, Outcome] = {}
    clips: dict[str, dict[int, Outcome]] = {}
    for key, outcome in by_key.items():
        if key in video_ids:
            whole[key] = outcome
            continue
        try:
            video_id, start_s = parse_key(key)
        except ValueError:
            continue  # about a video that is not among the inputs
        clips.setdefault(video_id, {})[start_s] = outcome
    return whole, clips


def _reviewed(item: InputVideo, whole: Outcome, clips: Mapping[int, Outcome]) -> InputVideo:
    """Return an input with what was decided about it."""
    about: dict[int | None, Outcome] = {None: whole, **dict(sorted(clips.items()))}
    rejected = {start_s: each.rejection for start_s, each in about.items() if each.verdict}
    layout = _layout([whole, *clips.values()])
    review = ClipReview(
        rejected=rejected if any(rejected.values()) else {},
        fronts={
            start_s: front for start_s, each in about.items() if (front := _front(each)) is not None
        },
        layout=None if layout is None else _said(layout),
    )
    if layout is None:
        return replace(item, review=review)
    return replace(item, review=review, audio_layout=str(layout.value))


def _front(outcome: Outcome) -> Front | None:
    decision = outcome.orientation
    return None if decision is None else Front(float(decision.value or 0), _said(decision))


def _layout(about: Sequence[Outcome]) -> Decision | None:
    """Return the last decision about the layout."""
    found = [each.layout for each in about if each.layout is not None]
    return max(found, key=lambda each: each.order, default=None)


def _said(decision: Decision) -> str:
    """Return what was decided, by whom and when, in one sentence."""
    what = {
        "layout": f"audio layout {decision.value}",
        "orientation": f"front at azimuth {decision.value}°",
    }[decision.action]
    by = f" by {' '.join(decision.who.split())}" if decision.who.strip() else ""
    return f"{what}{by} on {decision.when[:10]}"
