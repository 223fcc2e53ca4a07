"""Derive the video id and the start second of a file from its name.

The clips that YT-360's authors released are named after their videos (``kqAZkf5Odyw-80.mp4``).
Other files have such a name by chance (``concert2020-1.mp4``), so it is accepted only with further
evidence; docs/media.md explains the rule to users.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath

from yt360.clips import DEFAULT_CLIP_S, parse_yt360_clip_name, video_id_of

_MIN_CHANGES = 3


@dataclass(frozen=True)
class FileName:
    """The name of a file.

    Attributes:
        relative: Its path, relative to the folder that was given as input.
        stated_id: Video id in the ``.info.json`` beside it; None without one.
    """

    relative: PurePath
    stated_id: str | None = None


def assign_video_ids(files: Sequence[FileName]) -> list[tuple[str, int]]:
    """Return the video id and the start second of each file.

    A name ``ID-SECONDS`` is read this way if an ``.info.json`` states the id, or, without one, if
    the id looks random, as YouTube's are, and no two files of the id start within the length of a
    clip of each other. Every other file is a separate video.
    """
    parsed = [parse_yt360_clip_name(file.relative.stem) for file in files]
    starts: dict[str, set[int]] = defaultdict(set)
    for clip in parsed:
        if clip is not None:
            starts[clip[0]].add(clip[1])
    numbered = {
        video_id
        for video_id, seconds in starts.items()
        if any(after - before < DEFAULT_CLIP_S for before, after in pairwise(sorted(seconds)))
    }
    videos = []
    for file, clip in zip(files, parsed, strict=True):
        is_clip = clip is not None and (
            clip[0] == file.stated_id
            if file.stated_id is not None
            else clip[0] not in numbered and looks_random(clip[0])
        )
        videos.append(clip if clip and is_clip else (video_id_of(file.relative), 0))
    return videos


def looks_random(video_id: str) -> bool:
    """Return whether an id looks random: it has letters of both cases, and the kind changes often.

    This holds for 98.7 % of the ids of YT-360, but not for names such as ``concert2020``.
    """
    kinds = [_kind(character) for character in video_id]
    changes = sum(before != after for before, after in pairwise(kinds))
    return {"upper", "lower"} <= set(kinds) and changes >= _MIN_CHANGES


def _kind(character: str) -> str:
    if character.isdigit():
        return "digit"
    if not character.isalpha():
        return "sign"
    return "upper" if character.isupper() else "lower"
