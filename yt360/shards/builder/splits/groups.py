"""Groups of videos that must not cross the split, and the split of each video."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from yt360.duplicates.groups import Groups, crossing, join
from yt360.errors import UserError
from yt360.shards.builder.inputs.info_json import SOURCE_FACTS, channel_of
from yt360.shards.builder.inputs.input_video import InputVideo
from yt360.shards.format.clip_facts import facts_at
from yt360.splits import Split, split_of
from yt360.untrusted.files import open_regular

if TYPE_CHECKING:
    import pyarrow as pa

CHANNEL, VIDEO = "channel", "video"
# A name that ends in a number, as parts of one recording often do.
_NUMBERED = re.compile(r"(.*[^ _.-])[ _.-]+\(?[0-9]+\)?")
_MAX_STEMS = 3


def check_grouping(group_by: str) -> str:
    """Validate `group_by` and return it.

    Raises:
        UserError: It is neither a known fact nor a regular expression with one group.
    """
    facts = (CHANNEL, VIDEO, *SOURCE_FACTS.values())
    if group_by in facts:
        return group_by
    try:
        groups = re.compile(group_by).groups
    except re.error as error:
        raise UserError(
            f"{group_by!r} is not a regular expression: {error}", key="split_by"
        ) from None
    if groups != 1:
        known = ", ".join(dict.fromkeys(facts))
        raise UserError(
            f"cannot group videos by {group_by!r}: give one of {known}, or a regular expression "
            "with one group in parentheses, such as '(.+)_'",
            key="split_by",
        )
    return group_by


def group_of(group_by: str, name: str, facts: Mapping[str, Any]) -> str | None:
    """Return the group of a video; None if it is in no group.

    Args:
        group_by: See `check_grouping`; a regular expression is searched in the name.
        name: Name of its file, relative to the input that held it.
        facts: Source facts, as in a clip's record.
    """
    if group_by == VIDEO:
        return None
    if group_by == CHANNEL:
        return channel_of(facts)
    if group_by in SOURCE_FACTS.values():
        value = facts.get(group_by)
        return value if isinstance(value, str) else None
    match = re.search(group_by, _stem(name))
    return match[1] or None if match else None


def groups_by_video(
    videos: Iterable[InputVideo],
    inputs: Iterable[InputVideo],
    dataset: Path,
    tables: Mapping[Split, pa.Table],
    group_by: str = CHANNEL,
) -> dict[str, str]:
    """Return video id -> group, for the inputs and the existing shards.

    Shards are read only if an input to process has a group.

    Args:
        videos: All inputs.
        inputs: The inputs to process.
        dataset: The dataset folder.
        tables: Index of the existing shards, by split.
        group_by: See `check_grouping`.

    Raises:
        UserError: A shard cannot be read.
    """
    groups: dict[str, str] = {}
    for item in videos:
        group = _group_of_input(group_by, item)
        if group is not None:
            groups.setdefault(item.video_id, group)
    if any(_group_of_input(group_by, item) is not None for item in inputs):
        for split, table in tables.items():
            groups |= _groups_in_shards(dataset / split, table, groups, group_by)
    return groups


def assign_splits(
    videos: Collection[InputVideo],
    present: Mapping[str, Split],
    groups: Mapping[str, str],
    test_fraction: float | None,
) -> dict[str, Split]:
    """Return the split of each video: its present split, else that of its group, else by hash.

    A split that is given for a video precedes that of its group.

    Args:
        videos: All inputs; a split may be given for some.
        present: Split of each video that is in shards.
        groups: Video id -> group.
        test_fraction: Expected fraction of the groups in the test split; None if a split is given
            for all videos.
    """
    splits: dict[str, Split] = dict(present)
    for item in videos:
        if item.split is not None:
            splits.setdefault(item.video_id, item.split)
    if test_fraction is None:
        return splits
    split_of_group: dict[str, Split] = {}
    for video_id, split in splits.items():
        group = groups.get(video_id, video_id)
        # New videos of a group that is already in both splits go to test, not into training.
        split_of_group[group] = "test" if split_of_group.get(group) == "test" else split
    for item in videos:
        group = groups.get(item.video_id, item.video_id)
        split = split_of_group.get(group) or split_of(group, test_fraction)
        splits.setdefault(item.video_id, split)
    return splits


def warn_of_similar_names(split_of_name: Mapping[str, Split]) -> Iterator[str]:
    """Yield a warning if names that differ only in a number at the end are in both splits.

    Args:
        split_of_name: Names of files that have no group, relative to the input that held them.
    """
    numbered: dict[str, list[Split]] = defaultdict(list)
    for name, split in split_of_name.items():
        if match := _NUMBERED.fullmatch(_stem(name)):
            numbered[match[1]].append(split)
    in_both = sorted(stem for stem, splits in numbered.items() if len(set(splits)) > 1)
    if in_both:
        shown = ", ".join(repr(f"{stem}...") for stem in in_both[:_MAX_STEMS])
        more = f" and {len(in_both) - _MAX_STEMS} more" if len(in_both) > _MAX_STEMS else ""
        videos = sum(len(numbered[stem]) for stem in in_both)
        yield (
            f"{videos} videos whose names begin alike ({shown}{more}) are in both train and test: "
            "if they were cut from one recording, build again with --group-by '(.+)[ _.-]'; if "
            "not, --group-by video turns this warning off"
        )


def warn_of_crossing(duplicates: Groups, split_of: Mapping[str, Split]) -> Iterator[str]:
    """Yield a note for each group of duplicates that is in both splits, and what to do.

    Args:
        duplicates: Groups of videos that hold the same footage.
        split_of: Split of each video in the dataset.
    """
    groups = crossing(join(duplicates), split_of)
    for group in groups:
        yield f"duplicates are in both train and test: {', '.join(group)}"
    if groups:
        yield (
            f"{len(groups)} groups of duplicates were in both splits, or a list or --test gives "
            "their splits; a split never changes: build into another --out"
        )


def warn_of_shared_groups(
    groups: Mapping[str, str], split_of: Mapping[str, Split]
) -> Iterator[str]:
    """Yield a note if given splits tear groups apart.

    Args:
        groups: Video id -> group, such as its channel.
        split_of: Split of each video in the dataset.
    """
    videos: dict[str, list[str]] = defaultdict(list)
    for video_id, group in groups.items():
        videos[group].append(video_id)
    shared = crossing(tuple(tuple(each) for each in videos.values()), split_of)
    if shared:
        named = ", ".join(sorted(groups[each[0]] for each in shared)[:_MAX_STEMS])
        yield (
            f"{len(shared)} channels, such as {named}, have videos in both train and test, as "
            "--test gives their splits"
        )


def _group_of_input(group_by: str, item: InputVideo) -> str | None:
    return item.channel if group_by == CHANNEL else group_of(group_by, item.name, item.facts)


def _stem(name: str) -> str:
    return PurePath(name).with_suffix("").as_posix()


def _groups_in_shards(
    folder: Path, table: pa.Table, known: Collection[str], group_by: str
) -> dict[str, str]:
    """Return the groups of the videos of a split that are not in `known`."""
    rows: dict[str, dict[str, Any]] = {}
    for row in table.select(["video_id", "shard", "json_offset", "json_bytes"]).to_pylist():
        if row["video_id"] not in known:
            rows.setdefault(row["video_id"], row)
    groups: dict[str, str] = {}
    for video_id, row in rows.items():
        path = folder / row["shard"]
        try:
            with open_regular(path, folder.parent) as file:
                source = facts_at(file, row["json_offset"], row["json_bytes"]).source
            if source.file is None:
                raise ValueError("source.file is missing")
            group = group_of(group_by, source.file, asdict(source))
        except (OSError, ValueError) as error:
            raise UserError(
                f"{path} does not contain the group of {video_id}, which new videos may share "
                f"({error}); repair the dataset (`yt360 check` lists its faults), or use another "
                "--out",
                key=path,
            ) from None
        if group is not None:
            groups[video_id] = group
    return groups
