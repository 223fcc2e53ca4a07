"""Of which video a file is, and from which second on, as far as its name can tell.

Nothing but the name ties the clips that YT-360's authors released to their videos
(``kqAZkf5Odyw-80.mp4``), while a name like ``concert2020-1.mp4`` has the same form by chance. So
such a name needs evidence; docs/media.md tells users the rule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath

from yt360.clips import released_clip, video_id_of

RELEASED_CLIP_S = 10
_LEAST_CHANGES = 3


@dataclass(frozen=True)
class FileName:
    """A file to be named.

    Attributes:
        relative: Its path, relative to the folder that was given as input.
        stated_id: Id of the video that an ``.info.json`` beside it states; None without one.
    """

    relative: PurePath
    stated_id: str | None = None


def video_of_each(files: Sequence[FileName]) -> list[tuple[str, int]]:
    """Return for each file the id of its video, and the second of it at which the file begins.

    A name ``ID-SECONDS`` is believed when an ``.info.json`` states this id. Without one it is
    believed when the id looks drawn at random, as YouTube's are, and no other file of the same id
    begins within 10 s, which clips of 10 s cannot. Any other file is a video of its own.
    """
    claims = [released_clip(file.relative.stem) for file in files]
    starts: dict[str, set[int]] = defaultdict(set)
    for claim in claims:
        if claim is not None:
            starts[claim[0]].add(claim[1])
    counted = {
        video_id
        for video_id, seconds in starts.items()
        if any(after - before < RELEASED_CLIP_S for before, after in pairwise(sorted(seconds)))
    }
    named = []
    for file, claim in zip(files, claims, strict=True):
        believed = claim is not None and (
            claim[0] == file.stated_id
            if file.stated_id is not None
            else claim[0] not in counted and looks_random(claim[0])
        )
        named.append(claim if claim and believed else (video_id_of(file.relative), 0))
    return named


def looks_random(video_id: str) -> bool:
    """Return whether an id looks as if drawn at random: letters of both cases, often changing.

    98.7 % of the ids of YT-360 do; names that people give, such as ``concert2020``, do not.
    """
    kinds = [_kind(character) for character in video_id]
    changes = sum(before != after for before, after in pairwise(kinds))
    return {"upper", "lower"} <= set(kinds) and changes >= _LEAST_CHANGES


def _kind(character: str) -> str:
    if character.isdigit():
        return "digit"
    if not character.isalpha():
        return "sign"
    return "upper" if character.isupper() else "lower"
