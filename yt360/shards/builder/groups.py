"""Which videos the split must not tear apart, and names which suggest that it did."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import Any

import pyarrow as pa

from yt360.errors import UserError
from yt360.shards.builder.inputs import InputVideo
from yt360.shards.builder.sidecar import SOURCE_FACTS, channel_of
from yt360.shards.format.clip_facts import facts_at
from yt360.splits import Split
from yt360.untrusted.files import open_regular

CHANNEL, VIDEO = "channel", "video"
# A name that ends in a number of its own, as pieces of one recording are often called.
_PIECE = re.compile(r"(.*[^ _.-])[ _.-]+\(?[0-9]+\)?")
_MAX_STEMS = 3


def check_grouping(group_by: str) -> None:
    """Refuse a grouping that `known_groups` cannot apply.

    Raises:
        UserError: It is no known fact, and no regular expression with one group.
    """
    facts = (CHANNEL, VIDEO, *SOURCE_FACTS.values())
    if group_by in facts:
        return
    try:
        groups = re.compile(group_by).groups
    except re.error as error:
        raise UserError(f"{group_by!r} is no regular expression: {error}") from None
    if groups != 1:
        known = ", ".join(dict.fromkeys(facts))
        raise UserError(
            f"cannot group videos by {group_by!r}: give one of {known}, or a regular expression "
            "with one group in parentheses, such as '(.+)_'"
        )


def group_of(group_by: str, name: str, facts: Mapping[str, Any]) -> str | None:
    """Return the group of a video; None where it stands for itself.

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


def known_groups(
    videos: Iterable[InputVideo],
    to_do: Iterable[InputVideo],
    dataset: Path,
    tables: Mapping[Split, pa.Table],
    group_by: str = CHANNEL,
) -> dict[str, str]:
    """Return video id -> group, of the inputs and of what is in shards.

    Shards are read only where a group could matter: when an input to do has one.

    Args:
        videos: All inputs.
        to_do: Those whose split may yet be open.
        dataset: The dataset folder.
        tables: Index of what is in shards already, by split.
        group_by: See `check_grouping`.

    Raises:
        UserError: A shard cannot be read.
    """
    groups: dict[str, str] = {}
    for item in videos:
        group = _group_of_input(group_by, item)
        if group is not None:
            groups.setdefault(item.video_id, group)
    if any(_group_of_input(group_by, item) is not None for item in to_do):
        for split, table in tables.items():
            groups |= _packed_groups(dataset / split, table, groups, group_by)
    return groups


def torn_stems(split_of_name: Mapping[str, Split]) -> Iterator[str]:
    """Yield a warning for names that differ in a number at their end and lie in both splits.

    Args:
        split_of_name: Names of files that have no group, relative to the input that held them.
    """
    pieces: dict[str, list[Split]] = defaultdict(list)
    for name, split in split_of_name.items():
        if match := _PIECE.fullmatch(_stem(name)):
            pieces[match[1]].append(split)
    torn = sorted(stem for stem, splits in pieces.items() if len(set(splits)) > 1)
    if torn:
        shown = ", ".join(repr(f"{stem}...") for stem in torn[:_MAX_STEMS])
        more = f" and {len(torn) - _MAX_STEMS} more" if len(torn) > _MAX_STEMS else ""
        videos = sum(len(pieces[stem]) for stem in torn)
        yield (
            f"{videos} videos with names that begin alike ({shown}{more}) lie in both train and "
            "test: if they were cut from one recording, build anew with --group-by '(.+)[ _.-]'; "
            "if not, --group-by video says so"
        )


def _group_of_input(group_by: str, item: InputVideo) -> str | None:
    return item.channel if group_by == CHANNEL else group_of(group_by, item.name, item.facts)


def _stem(name: str) -> str:
    return PurePath(name).with_suffix("").as_posix()


def _packed_groups(
    folder: Path, table: pa.Table, known: Collection[str], group_by: str
) -> dict[str, str]:
    """Return the groups of the videos of a split that are not `known`, where clips tell them."""
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
                f"{path} does not tell the group of {video_id}, which may be that of new videos "
                f"({error}); mend the dataset (`yt360 check` tells what is "
                "wrong), or use another --out"
            ) from None
        if group is not None:
            groups[video_id] = group
    return groups
