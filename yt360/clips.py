"""Clips: their keys, video ids, time ranges and start times."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TypeVar

Item = TypeVar("Item")
DEFAULT_CLIP_S = 10
"""Default length of clips in seconds, as in the paper and in the released YT-360 lists."""
SILENT_BELOW_DBFS = -60.0
"""Level of W below which a clip is silent, in dB relative to a full-scale square wave."""
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

    The key is split at its last ``-``, because an id may contain ``-``.

    Raises:
        ValueError: `key` is not a clip key.
    """
    match = _KEY.fullmatch(key)
    if match is None or clip_key(match[1], int(match[2])) != key:
        raise ValueError(f"{key!r} is not a clip key such as VIDEO_ID-00010")
    return match[1], int(match[2])


def spread(items: Sequence[Item], number: int) -> list[Item]:
    """Return `number` items, spread evenly over all; all of them if there are fewer."""
    number = min(number, len(items))
    return [items[(2 * n + 1) * len(items) // (2 * number)] for n in range(number)]


def key_order(key: str) -> tuple[str, int]:
    """Return the sort key of clips inside a shard: video id, then start."""
    return parse_key(key)


def parse_yt360_clip_name(stem: str) -> tuple[str, int] | None:
    """Return the video id and second in a name like ``kqAZkf5Odyw-80``; None for other names.

    This is how YT-360's authors name clips: YouTube id, ``-``, whole seconds. Other names may have
    this form by chance; see `yt360.shards.builder.inputs.file_names`.
    """
    match = _RELEASED_CLIP.fullmatch(stem)
    return (match[1], int(match[2])) if match else None


def video_id_of(relative: PurePath) -> str:
    """Return the id of a media file that is a whole video: its path without suffix, in NFC.

    Characters outside ``[A-Za-z0-9_-]`` are replaced by ``_``, and a hash of the name is then
    appended to keep ids distinct.

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
class TimeRange:
    """A half-open range of time."""

    start_s: float
    duration_s: float

    @property
    def end_s(self) -> float:
        """Its end."""
        return self.start_s + self.duration_s

    def shifted(self, by_s: float) -> TimeRange:
        """Return the range shifted by `by_s` seconds."""
        return TimeRange(self.start_s + by_s, self.duration_s)


def hull(ranges: Sequence[TimeRange]) -> TimeRange:
    """Return the shortest range that contains all of one or more ranges."""
    start_s = min(each.start_s for each in ranges)
    return TimeRange(start_s, max(each.end_s for each in ranges) - start_s)


def allocate_time(
    whole: TimeRange, ranges: Sequence[TimeRange]
) -> tuple[list[float], list[TimeRange]]:
    """Allocate the time of `whole` to ranges; time in several ranges goes to the first one.

    Returns:
        Seconds allocated to each range, and the parts of `whole` that are in no range, in order of
        time. Together they are as long as `whole`.
    """
    free = [whole] if whole.duration_s > 0 else []
    seconds = []
    for each in ranges:
        before_s = sum(part.duration_s for part in free)
        free = [rest for part in free for rest in _subtract(part, each)]
        seconds.append(before_s - sum(part.duration_s for part in free))
    return seconds, free


def _subtract(whole: TimeRange, part: TimeRange) -> Iterator[TimeRange]:
    """Yield the parts of a range that are outside another one."""
    for start_s, end_s in (
        (whole.start_s, min(whole.end_s, part.start_s)),
        (max(whole.start_s, part.end_s), whole.end_s),
    ):
        if end_s > start_s:
            yield TimeRange(start_s, end_s - start_s)


def clip_starts(start_s: float, end_s: float, clip_s: int, slack_s: float = 0.0) -> list[int]:
    """Return the start times of clips that cover a file without gap or overlap.

    The first clip starts at the first whole second that both video and audio cover; a remainder
    at the end that is shorter than a clip is not used.

    Args:
        start_s: Second at which both video and audio have started, 0 or later.
        end_s: Second at which the first of them ends.
        clip_s: Length of every clip.
        slack_s: How far a clip may extend beyond either end, because containers round times.
    """
    first = max(math.ceil(start_s - slack_s), 0)
    last = math.floor(end_s + slack_s - clip_s)
    return list(range(first, last + 1, clip_s))
