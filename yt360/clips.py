"""Clips: what a stretch of a video is called, and where a video is cut."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

DEFAULT_CLIP_S = 10
"""Length of clips in seconds where nothing else is said: the paper's."""
MAX_ID_LENGTH = 64

# The last character of a YouTube id holds the last 4 of its 64 bits, so there are 16 of them.
_RELEASED_CLIP = re.compile(r"([A-Za-z0-9_-]{10}[AEIMQUYcgkosw048])-([0-9]{1,6})")
_KEY = re.compile(r"([A-Za-z0-9_-]+)-([0-9]{5,18})")
_OUTSIDE_ID = re.compile(r"[^A-Za-z0-9_-]")


def clip_key(video_id: str, start_s: int) -> str:
    """Return the key of the clip of `video_id` that starts at second `start_s` (0 or more)."""
    return f"{video_id}-{start_s:05d}"


def parse_key(key: str) -> tuple[str, int]:
    """Return the video id and the start in seconds of a clip's key.

    The key is read from its right end, because an id may begin with ``-`` and hold more of them.

    Raises:
        ValueError: `key` is no clip key.
    """
    match = _KEY.fullmatch(key)
    if match is None or clip_key(match[1], int(match[2])) != key:
        raise ValueError(f"{key!r} is no clip key; it should look like VIDEO_ID-00010")
    return match[1], int(match[2])


def key_order(key: str) -> tuple[str, int]:
    """Return what keys are sorted by inside a shard: video id, then start."""
    return parse_key(key)


def released_clip(stem: str) -> tuple[str, int] | None:
    """Return the video id and second in a name like ``kqAZkf5Odyw-80``; None for other names.

    YT-360's authors named their clips so: a YouTube id, ``-``, whole seconds. Other names may look
    the same by chance: see `yt360.shards.builder.naming`.
    """
    match = _RELEASED_CLIP.fullmatch(stem)
    return (match[1], int(match[2])) if match else None


def video_id_of(relative: PurePath) -> str:
    """Return the id of a media file that is a video of its own: its path without suffix, in NFC.

    Characters outside ``[A-Za-z0-9_-]`` become ``_``, and a hash of the whole name then keeps
    different names apart.

    Args:
        relative: The file's path, relative to the folder that was given as input.
    """
    name = unicodedata.normalize("NFC", relative.with_suffix("").as_posix())
    plain = _OUTSIDE_ID.sub("_", name)
    if plain == name and len(plain) <= MAX_ID_LENGTH:
        return plain
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{plain[: MAX_ID_LENGTH - 9]}-{digest}"


@dataclass(frozen=True, order=True)
class Stretch:
    """A stretch of time, half open."""

    start_s: float
    duration_s: float

    @property
    def end_s(self) -> float:
        """Where it ends."""
        return self.start_s + self.duration_s

    def shifted(self, by_s: float) -> Stretch:
        """Return it, later by some seconds."""
        return Stretch(self.start_s + by_s, self.duration_s)


def hull(stretches: Sequence[Stretch]) -> Stretch:
    """Return the shortest stretch that holds all of one or more."""
    start_s = min(stretch.start_s for stretch in stretches)
    return Stretch(start_s, max(stretch.end_s for stretch in stretches) - start_s)


def share_out(whole: Stretch, claims: Sequence[Stretch]) -> tuple[list[float], list[Stretch]]:
    """Divide a stretch among claims: each gets what of it no claim before it has.

    Returns:
        Seconds that each claim gets, and what nobody claims, in order of time. Together they are as
        long as `whole`.
    """
    free = [whole] if whole.duration_s > 0 else []
    shares = []
    for claim in claims:
        before_s = sum(stretch.duration_s for stretch in free)
        free = [part for stretch in free for part in _without(stretch, claim)]
        shares.append(before_s - sum(stretch.duration_s for stretch in free))
    return shares, free


def _without(stretch: Stretch, claim: Stretch) -> Iterator[Stretch]:
    """Yield what is left of a stretch when a claim is cut out of it."""
    for start_s, end_s in (
        (stretch.start_s, min(stretch.end_s, claim.start_s)),
        (max(stretch.start_s, claim.end_s), stretch.end_s),
    ):
        if end_s > start_s:
            yield Stretch(start_s, end_s - start_s)


def clip_starts(start_s: float, end_s: float, clip_s: int, slack_s: float = 0.0) -> list[int]:
    """Return the seconds at which clips start that cover a file without gap or overlap.

    The first one starts at the first whole second that both picture and sound cover; what is left
    at the end and shorter than a clip is lost.

    Args:
        start_s: Second at which picture and sound are both there, 0 or later.
        end_s: Second until which they are both there.
        clip_s: Length of every clip.
        slack_s: How much a clip may reach past either end (containers round times).
    """
    first = max(math.ceil(start_s - slack_s), 0)
    last = math.floor(end_s + slack_s - clip_s)
    return list(range(first, last + 1, clip_s))
