"""Groups of videos of the same footage, and the file that stores them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from yt360.clips import MAX_ID_LENGTH
from yt360.duplicates.kinds import Grouping
from yt360.errors import UserError
from yt360.files import write_json
from yt360.untrusted.parsing import read_json

GROUPS_FILE = "groups.json"
VideoId = Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH)]
Groups = tuple[tuple[str, ...], ...]
"""Ids of the videos of each group."""


def folder_of_catalog(catalog: Path) -> Path:
    """Return the folder for the duplicates of a catalog."""
    return catalog.with_name(f"{catalog.stem}-duplicates")


def folder_of_dataset(dataset: Path) -> Path:
    """Return the folder for the duplicates of a dataset."""
    return dataset / "duplicates"


@dataclass(frozen=True, kw_only=True)
class _Content:
    """The content of a groups file.

    Attributes:
        grouping: The kinds of pairs that were joined.
        groups: Ids of the videos of each group.
    """

    grouping: Grouping
    groups: Sequence[Sequence[VideoId]]


def write_groups(path: Path, grouping: Grouping, groups: Groups) -> None:
    """Write groups of videos atomically as JSON."""
    write_json(path, {"grouping": grouping, "groups": [list(group) for group in groups]})


def read_groups(path: Path) -> Groups:
    """Return the groups in a file that `write_groups` wrote.

    Raises:
        UserError: It is missing or damaged.
    """
    try:
        content = read_json(path, _Content)
    except FileNotFoundError:
        raise UserError(
            f"there is no file {path}; `yt360 dedup` writes it", code="missing", key=path
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} does not hold groups of videos: {error}", key=path) from None
    return tuple(tuple(group) for group in content.groups)


def find_groups(folder: Path) -> Groups:
    """Return the groups in a folder of duplicates; none if `yt360 dedup` was not run.

    Raises:
        UserError: Their file is damaged.
    """
    return read_groups(folder / GROUPS_FILE) if (folder / GROUPS_FILE).exists() else ()


def join(sets: Iterable[Sequence[str]]) -> Groups:
    """Return the groups of two names and more that overlapping sets of names connect, sorted."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = name = parent[parent[name]]
        return name

    for names in sets:
        for name in names:
            low, high = sorted((root(names[0]), root(name)))
            parent[high] = low
    members: dict[str, list[str]] = {}
    for name in parent:
        members.setdefault(root(name), []).append(name)
    return tuple(sorted(tuple(sorted(group)) for group in members.values() if len(group) > 1))


def merge(groups: Mapping[str, str], duplicates: Groups) -> dict[str, str]:
    """Return video id -> group, where videos that are duplicates share a group.

    Args:
        groups: Video id -> group; a video without a group is a group of its own, named by its id.
        duplicates: Groups of duplicates.

    Returns:
        The groups of all these videos. Groups that duplicates connect have the name of the first.
    """
    joined = join([groups.get(video, video) for video in group] for group in duplicates)
    renamed = {name: names[0] for names in joined for name in names}
    videos = {*groups, *(video for group in duplicates for video in group)}
    named = {video: groups.get(video, video) for video in videos}
    return {video: renamed.get(name, name) for video, name in named.items()}


def crossing(groups: Groups, split_of: Mapping[str, str]) -> Groups:
    """Return the groups whose videos are in more than one split, without videos in no split."""
    known = (tuple(video for video in group if video in split_of) for group in groups)
    return tuple(group for group in known if len({split_of[video] for video in group}) > 1)
