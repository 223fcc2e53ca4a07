"""The text lists in which YT-360 was released: segments, train, test.

``segments.txt`` has a line a video, ``VIDEO_ID t0,t1,...``: whole seconds at which its 10 s clips
start. ``train.txt`` and ``test.txt`` have a video id a line. Order is kept, so that importing and
exporting gives back the same files, byte by byte (the released segments end without a newline, the
others with one).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from yt360.catalog.catalog import Catalog
from yt360.catalog.ids import id_of_url, is_video_id, youtube_id_of
from yt360.catalog.records import Clip
from yt360.catalog.rows import VideoId, read_value
from yt360.clips import DEFAULT_CLIP_S
from yt360.errors import BadItem, UserError
from yt360.files import atomic_write

CLIP_S = float(DEFAULT_CLIP_S)
"""Length of the clips of a released list, which gives their starts alone."""
ORIGIN = "released"
SPLITS = ("train", "test")
MAX_LIST_BYTES = 256 << 20
"""Limit of a list; that of a million videos with ten clips each has a quarter of it."""
MAX_CLIPS = 100_000
"""Limit of the clips of one video in a list: eleven days of them without a gap."""
MAX_URL = 2048
_MOST_DIGITS = 9


@dataclass(frozen=True)
class Imported:
    """What an import added and what it found."""

    videos: int
    new_videos: int
    clips: int
    splits: dict[str, int]


def parse_segments(text: str, name: str = "segments") -> dict[str, list[int]]:
    """Return the clip starts of each video, in the order of the list.

    Raises:
        UserError: A line is not ``VIDEO_ID t0,t1,...`` with rising times, or an id comes twice.
            Times have nine digits at most.
    """
    segments: dict[str, list[int]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        video_id, _, times = line.strip().partition(" ")
        where = f"{name}, line {number}"
        if not is_video_id(video_id):
            raise UserError(f"{where}: {video_id!r:.60} is not a video id of 11 characters")
        if video_id in segments:
            raise UserError(f"{where}: {video_id} stands here a second time")
        segments[video_id] = _parse_times(times, where)
    return segments


def _parse_times(text: str, where: str) -> list[int]:
    fields = text.strip().split(",", MAX_CLIPS)
    if len(fields) > MAX_CLIPS:
        raise UserError(f"{where}: a video has more than {MAX_CLIPS} clips")
    if not all(field.isascii() and field.isdigit() for field in fields):
        raise UserError(f"{where}: {text!r:.60} is not a list of whole seconds such as 0,10,27")
    if any(len(field) > _MOST_DIGITS for field in fields):
        raise UserError(f"{where}: a time has more than {_MOST_DIGITS} digits; give seconds")
    times = [int(field) for field in fields]
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise UserError(f"{where}: the times {text:.60} do not rise")
    return times


def parse_ids(text: str, name: str = "list") -> list[str]:
    """Return the video ids of a list with one a line.

    Raises:
        UserError: A line is not a video id, or an id comes twice.
    """
    ids: dict[str, None] = {}
    for number, line in enumerate(text.splitlines(), 1):
        video_id = line.strip()
        if not video_id:
            continue
        if not is_video_id(video_id):
            raise UserError(f"{name}, line {number}: {video_id!r:.60} is not a video id")
        if video_id in ids:
            raise UserError(f"{name}, line {number}: {video_id} stands here a second time")
        ids[video_id] = None
    return list(ids)


def import_lists(
    catalog: Catalog,
    segments: dict[str, list[int]],
    splits: dict[str, list[str]],
    ids: Sequence[str] = (),
) -> Imported:
    """Add videos, clips and splits to a catalog, all or nothing; doing it again changes nothing.

    Given clips take the place of those that an inspection chose, with which they would overlap. An
    accepted video that gets other clips goes back to ``downloaded``: nobody has looked at them.

    Args:
        catalog: Where they go.
        segments: Video id -> clip starts, from `parse_segments`.
        splits: Split name -> video ids, from `parse_ids`.
        ids: Further video ids, of which nothing is known.

    Raises:
        UserError: A video is in two splits, or in another one already.
    """
    new = 0
    with catalog.transaction():
        for video_id, starts in segments.items():
            new += catalog.videos.add(video_id)
            _give_clips(catalog, video_id, starts)
        new += sum(catalog.videos.add(video_id) for video_id in ids)
        for split, video_ids in splits.items():
            for video_id in video_ids:
                new += catalog.videos.add(video_id)
            catalog.splits.put(video_ids, split, ORIGIN)
    return Imported(
        videos=len({*segments, *ids, *(each for members in splits.values() for each in members)}),
        new_videos=new,
        clips=sum(map(len, segments.values())),
        splits={split: len(ids) for split, ids in splits.items()},
    )


def _give_clips(catalog: Catalog, video_id: str, starts: Sequence[int]) -> None:
    """Add the clips of a list to those of earlier lists, which stay as they are."""
    before = catalog.clips.of(video_id)
    given = [clip for clip in before if clip.origin == ORIGIN]
    known = {clip.start_s for clip in given}
    added = [
        Clip(start_s=start, duration_s=CLIP_S, origin=ORIGIN)
        for start in starts
        if start not in known
    ]
    if not added and given == before:
        return
    catalog.clips.replace(video_id, [*given, *added])
    if catalog.videos.get(video_id).state == "accepted":
        catalog.videos.requeue([video_id], "downloaded")


def import_urls(catalog: Catalog, urls: Sequence[str]) -> int:
    """Add videos by address; return how many are new.

    A YouTube address gives its video's id. Any other gets an id made from the address, see
    `yt360.catalog.ids.id_of_url`.

    Raises:
        UserError: One is malformed or no http(s) address.
    """
    new = 0
    with catalog.transaction():
        for url in urls:
            if not url.startswith(("http://", "https://")):
                raise UserError(f"{url!r:.60} is not an address: http:// or https:// is missing")
            if len(url) > MAX_URL:
                raise UserError(f"{url!r:.60}... is longer than {MAX_URL} characters")
            new += catalog.videos.add(id_of_url(url), None if youtube_id_of(url) else url)
    return new


def export_lists(catalog: Catalog, folder: Path) -> dict[str, int]:
    """Write ``segments.txt``, ``train.txt`` and ``test.txt`` into a folder; return their lengths.

    The segments are the clips that are kept, of videos in order of arrival. Rejected videos, which
    includes those that were dropped by hand, are in no list. Videos that are `unavailable` or
    `failed` stay: that tells how we asked and when, and others may have them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = list(_segment_lines(catalog))
    with atomic_write(folder / "segments.txt", "w") as file:
        file.write("\n".join(lines))
    lengths = {"segments.txt": len(lines)}
    for split in SPLITS:
        members = catalog.splits.members(split, with_rejected=False)
        with atomic_write(folder / f"{split}.txt", "w") as file:
            file.writelines(f"{video_id}\n" for video_id in members)
        lengths[f"{split}.txt"] = len(members)
    return lengths


def _segment_lines(catalog: Catalog) -> Iterable[str]:
    rows = catalog.connection.execute(
        "SELECT video_id, group_concat(start_s) AS starts FROM "
        "(SELECT video, start_s FROM clips WHERE kept ORDER BY video, start_s) "
        "JOIN videos ON videos.number = video WHERE state != 'rejected' "
        "GROUP BY video ORDER BY video"
    )
    for row in rows:
        video_id, starts = read_value(VideoId, row["video_id"], "video_id"), row["starts"]
        if not re.fullmatch(r"[0-9]+(,[0-9]+)*", str(starts)):
            raise BadItem("damaged-catalog", f"a clip of {video_id} starts at no whole second")
        yield f"{video_id} {starts}"
