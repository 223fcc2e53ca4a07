"""The text lists of the YT-360 release: segments, train, test.

Each line of ``segments.txt`` is ``VIDEO_ID t0,t1,...``: the start times of a video's 10 s clips in
whole seconds. Each line of ``train.txt`` and ``test.txt`` is a video id. Importing and exporting
reproduces the files byte by byte (``segments.txt`` ends without a newline, the others with one).
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
"""Length of the clips, of which the lists give only the start."""
ORIGIN = "released"
SPLITS = ("train", "test")
MAX_LIST_BYTES = 256 << 20
"""Maximum size of a list; a list of a million videos with ten clips each takes a quarter of it."""
MAX_CLIPS = 100_000
"""Maximum number of clips of one video in a list: eleven days without a gap."""
MAX_URL = 2048
_MAX_DIGITS = 9


@dataclass(frozen=True)
class ImportCounts:
    """Counts of an import."""

    videos: int
    new_videos: int
    clips: int
    splits: dict[str, int]


def parse_segments(text: str, name: str = "segments") -> dict[str, list[int]]:
    """Return the clip starts of each video, in the order of the list.

    Raises:
        UserError: A line is not ``VIDEO_ID t0,t1,...`` with increasing times of at most nine
            digits, or an id is repeated.
    """
    segments: dict[str, list[int]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        video_id, _, times = line.strip().partition(" ")
        where = f"{name}, line {number}"
        if not is_video_id(video_id):
            message = f"{where}: {video_id!r:.60} is not a video id of 11 characters"
            raise UserError(message, "invalid", where)
        if video_id in segments:
            raise UserError(f"{where}: {video_id} is repeated", "conflict", where)
        segments[video_id] = _parse_times(times, where)
    return segments


def _parse_times(text: str, where: str) -> list[int]:
    fields = text.strip().split(",", MAX_CLIPS)
    if len(fields) > MAX_CLIPS:
        message = f"{where}: a video has more than {MAX_CLIPS} clips"
        raise UserError(message, "out-of-range", where)
    if not all(field.isascii() and field.isdigit() for field in fields):
        message = f"{where}: {text!r:.60} is not a list of whole seconds such as 0,10,27"
        raise UserError(message, "invalid", where)
    if any(len(field) > _MAX_DIGITS for field in fields):
        message = f"{where}: a time has more than {_MAX_DIGITS} digits; give seconds"
        raise UserError(message, "out-of-range", where)
    times = [int(field) for field in fields]
    if any(later <= earlier for earlier, later in pairwise(times)):
        message = f"{where}: the times {text:.60} are not increasing"
        raise UserError(message, "invalid", where)
    return times


def parse_ids(text: str, name: str = "list") -> list[str]:
    """Return the video ids of a list with one id on each line.

    Raises:
        UserError: A line is not a video id, or an id is repeated.
    """
    ids: dict[str, None] = {}
    for number, line in enumerate(text.splitlines(), 1):
        video_id, where = line.strip(), f"{name}, line {number}"
        if not video_id:
            continue
        if not is_video_id(video_id):
            raise UserError(f"{where}: {video_id!r:.60} is not a video id", "invalid", where)
        if video_id in ids:
            raise UserError(f"{where}: {video_id} is repeated", "conflict", where)
        ids[video_id] = None
    return list(ids)


def import_lists(
    catalog: Catalog,
    segments: dict[str, list[int]],
    splits: dict[str, list[str]],
    ids: Sequence[str] = (),
) -> ImportCounts:
    """Add videos, clips and splits to a catalog in one transaction. It is idempotent.

    The clips replace those that an inspection chose, with which they would overlap. An accepted
    video whose clips change returns to ``downloaded``, because the new clips are not inspected.

    Args:
        catalog: The catalog.
        segments: Video id -> clip starts, from `parse_segments`.
        splits: Split name -> video ids, from `parse_ids`.
        ids: Further video ids.

    Raises:
        UserError: A video is in two splits.
    """
    new = 0
    with catalog.transaction():
        for video_id, starts in segments.items():
            new += catalog.videos.add(video_id)
            clips = [Clip(start_s=start, duration_s=CLIP_S, origin=ORIGIN) for start in starts]
            add_clips(catalog, video_id, clips)
        new += sum(catalog.videos.add(video_id) for video_id in ids)
        for split, video_ids in splits.items():
            for video_id in video_ids:
                new += catalog.videos.add(video_id)
            catalog.splits.put(video_ids, split, ORIGIN)
    return ImportCounts(
        videos=len({*segments, *ids, *(each for members in splits.values() for each in members)}),
        new_videos=new,
        clips=sum(map(len, segments.values())),
        splits={split: len(ids) for split, ids in splits.items()},
    )


def add_clips(catalog: Catalog, video_id: str, clips: Sequence[Clip]) -> int:
    """Add the clips of a list to those of earlier lists, which do not change; return the new ones.

    Clips that an inspection chose are deleted, because they would overlap. An accepted video whose
    clips change returns to ``downloaded``.
    """
    before = catalog.clips.of(video_id)
    given = {clip.start_s: clip for clip in before if clip.origin == ORIGIN}
    added = {clip.start_s: clip for clip in clips if clip.start_s not in given}
    if not added and len(given) == len(before):
        return 0
    catalog.clips.replace(video_id, *given.values(), *added.values())
    if catalog.videos.get(video_id).state == "accepted":
        catalog.videos.requeue([video_id], "downloaded")
    return len(added)


def import_urls(catalog: Catalog, urls: Sequence[str]) -> int:
    """Add videos by address; return the number of new ones.

    `yt360.catalog.ids.id_of_url` gives the id of an address.

    Raises:
        UserError: An address is malformed, too long, or not http(s).
    """
    new = 0
    with catalog.transaction():
        for url in urls:
            if not url.startswith(("http://", "https://")):
                message = f"{url!r:.60} is not an address: http:// or https:// is missing"
                raise UserError(message, "invalid", "url")
            if len(url) > MAX_URL:
                message = f"{url!r:.60}... is longer than {MAX_URL} characters"
                raise UserError(message, "out-of-range", "url")
            new += catalog.videos.add(id_of_url(url), None if youtube_id_of(url) else url)
    return new


def export_lists(catalog: Catalog, folder: Path) -> dict[str, int]:
    """Write ``segments.txt``, ``train.txt`` and ``test.txt`` into a folder; return their lengths.

    The segments are the kept clips of videos in the order of arrival. Rejected and dropped videos
    are left out. Videos that are ``unavailable`` or ``failed`` stay in: others may have them.
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
    rows = catalog.execute(
        "SELECT video_id, group_concat(start_s) AS starts FROM "
        "(SELECT video, start_s FROM clips WHERE kept ORDER BY video, start_s) "
        "JOIN videos ON videos.number = video WHERE state != 'rejected' "
        "GROUP BY video ORDER BY video"
    )
    for row in rows:
        video_id, starts = read_value(VideoId, row["video_id"], "video_id"), row["starts"]
        if not re.fullmatch(r"[0-9]+(,[0-9]+)*", str(starts)):
            detail = f"a clip of {video_id} does not start at a whole second"
            raise BadItem("damaged-catalog", detail)
        yield f"{video_id} {starts}"
