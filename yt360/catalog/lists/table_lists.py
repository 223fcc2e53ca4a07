"""Import of lists in any format that `yt360.catalog.lists.list_files` recognizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from yt360.catalog.catalog import Catalog
from yt360.catalog.ids import is_hashed_id
from yt360.catalog.lists.cells import seconds_of, split_of_cell, video_of
from yt360.catalog.lists.list_columns import Columns
from yt360.catalog.lists.list_files import ListFile, batches
from yt360.catalog.lists.yt360_lists import CLIP_S, ORIGIN, add_clips
from yt360.catalog.records import Clip
from yt360.errors import UserError
from yt360.splits import Split


@dataclass
class TableCounts:
    """Counts of the import of one file.

    Attributes:
        rows: Rows of the file.
        listed: Videos that are new in the list.
        new_videos: Videos that are new in the catalog.
        new_clips: Clips that are new in the catalog.
        splits: Videos that got a split, by split.
        unread: Rows that are left out, or a part of them, by what they lack.
        first_unread: The first such row: its number, from 1 without the header, and its cell.
        kept_splits: Videos that keep the other split that an earlier list gave them.
    """

    rows: int = 0
    listed: int = 0
    new_videos: int = 0
    new_clips: int = 0
    splits: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    first_unread: dict[str, tuple[int, Any]] = field(default_factory=dict)
    kept_splits: int = 0

    def leave_out(self, what: str, cell: Any) -> None:
        """Count a row that lacks something."""
        self.unread[what] += 1
        self.first_unread.setdefault(what, (self.rows, cell))


@dataclass
class _Entry:
    """What a batch says of one video."""

    clips: dict[int, Clip] = field(default_factory=dict)
    splits: set[Split] = field(default_factory=set)


def import_table(
    catalog: Catalog,
    file: ListFile,
    columns: Columns,
    name: str,
    split: Split | None = None,
    clip_s: float = CLIP_S,
) -> TableCounts:
    """Add the videos, clips and splits of a list to a catalog, one transaction for each batch.

    It is idempotent: an interrupted import continues when it is repeated. Clips begin at whole
    seconds, so starts are rounded down. Videos that have a split keep it.

    Args:
        catalog: The catalog.
        file: The list.
        columns: Its columns, from `yt360.catalog.lists.list_columns.choose_columns`.
        name: Name of the list in the catalog.
        split: Split of all videos; None for that of the column of splits.
        clip_s: Length of the clips of rows without an end.

    Raises:
        UserError: The file is damaged, or a video is in both splits of the list. The batches before
            are stored.
    """
    counts = TableCounts()
    wanted = {
        role: position
        for role in ("video", "start", "end", "split")
        if (position := getattr(columns, role)) is not None
    }
    for rows in batches(file.rows([*wanted.values()])):
        entries: dict[str, _Entry] = {}
        for row in rows:
            cells = dict(zip(wanted, row, strict=True))
            _read_row(catalog, cells, entries, counts, split, clip_s)
        with catalog.transaction():
            counts.new_videos += sum(map(catalog.videos.add, entries))
            counts.listed += catalog.lists.add(name, entries)
            for video_id, entry in entries.items():
                if entry.clips:
                    counts.new_clips += add_clips(catalog, video_id, [*entry.clips.values()])
                for each in sorted(entry.splits):
                    _put_split(catalog, video_id, each, name, counts)
    return counts


def _read_row(
    catalog: Catalog,
    cells: Mapping[str, Any],
    entries: dict[str, _Entry],
    counts: TableCounts,
    split: Split | None,
    clip_s: float,
) -> None:
    counts.rows += 1
    found = video_of(cells["video"])
    if found is None:
        counts.leave_out("no YouTube id or address", cells["video"])
        return
    video_id, start = found
    if is_hashed_id(video_id) and not catalog.videos.has(video_id):
        what = "an id of another site, whose address must be added first, by --urls"
        counts.leave_out(what, cells["video"])
        return
    entry = entries.setdefault(video_id, _Entry())
    starts = [] if start is None else [start]
    if "start" in cells:
        starts = seconds_of(cells["start"]) or starts
        if not starts:
            counts.leave_out("no start in seconds", cells["start"])
    length = clip_s
    if "end" in cells and starts:
        ends = seconds_of(cells["end"]) or [0.0]
        length = round(ends[0] - starts[0], 3)
        if length <= 0:
            counts.leave_out("no end after its start", cells["end"])
            starts = []
    for each in starts:
        clip = Clip(start_s=int(each), duration_s=length, origin=ORIGIN)
        entry.clips.setdefault(clip.start_s, clip)
    given = split or split_of_cell(cells.get("split"))
    if given is not None:
        entry.splits.add(given)
    elif "split" in cells:
        counts.leave_out("no split train or test", cells["split"])


def _put_split(
    catalog: Catalog, video_id: str, split: Split, name: str, counts: TableCounts
) -> None:
    row = catalog.execute(
        "SELECT split, origin FROM splits WHERE video = ?", (catalog.number_of(video_id),)
    ).fetchone()
    origin = f"list {name}"
    if row is None:
        counts.splits[split] += catalog.splits.put([video_id], split, origin)
    elif row["split"] != split and row["origin"] == origin:
        raise UserError(
            f"{video_id} is in both splits of the list {name!r}; correct the list, or leave its "
            "splits out with --column split=",
            "conflict",
            video_id,
        )
    else:
        counts.kept_splits += row["split"] != split
