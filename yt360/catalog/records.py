"""What the catalog holds, as plain records.

A video is in one of seven states:

===========  ====================================================================  ==============
state        meaning                                                               next job
===========  ====================================================================  ==============
found        its id is known; nobody has asked for its page yet                    describe
wanted       its facts are known and pass the filters; its media is not here       download
downloaded   its media is here; nobody has looked inside                           inspect
accepted     inspected, and at least one clip is good                              none
rejected     a filter or a test says no; ``reason`` and the verdicts say why       none
unavailable  gone (removed, private, ...) or not for us (region, age, login)       none
failed       given up after repeated trouble; ``--retry failed`` tries again       none
===========  ====================================================================  ==============
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from yt360.catalog.media_folder import recorded_path
from yt360.catalog.rows import VideoId
from yt360.clips import DEFAULT_CLIP_S

State = Literal["found", "wanted", "downloaded", "accepted", "rejected", "unavailable", "failed"]
STATES: tuple[State, ...] = get_args(State)
Job = Literal["describe", "download", "inspect"]
JOB_STATES: dict[Job, tuple[State, ...]] = {
    "describe": ("found",),
    "download": ("wanted", "found"),
    "inspect": ("downloaded",),
}
"""Which states a job takes videos from, in order of preference."""


@dataclass(frozen=True, kw_only=True)
class Video:
    """A video and its source facts, as its page declares them (nothing here is measured).

    Attributes:
        projection: As declared.
        stated_projection: What the inspection was told that the picture is; None to find out.
        stated_sound_layout: The same of the sound.
    """

    video_id: VideoId
    url: str
    state: State
    reason: str | None = None
    detail: str | None = None
    tries: int = 0
    title: str | None = None
    channel_id: str | None = None
    channel: str | None = None
    license: str | None = None
    upload_date: str | None = None
    duration_s: float | None = None
    projection: str | None = None
    spatial_audio: str | None = None
    stated_sound_layout: str | None = None
    stated_projection: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """The right to work on one video until `expires_at`; keep it alive with `Claims.renew`.

    Attributes:
        token: Names this very claim. Whoever writes a result shows it; a claim that has expired
            and was handed to another worker is refused then.
    """

    video_id: VideoId
    url: str
    job: Job
    token: str
    attempt: int
    expires_at: float
    tries: int
    state: State


@dataclass(frozen=True, kw_only=True)
class MediaFile:
    """A downloaded file. `path` is relative to the media folder; its time 0 is `start_s`.

    Attributes:
        role: ``"video"``, ``"sound"``, or ``"both"`` in one file.
        start_s: Second of the video at which the file begins: 0 for a whole video.
        end_s: Where a section ends; None for a whole video.
    """

    role: Literal["video", "sound", "both"]
    path: Annotated[str, recorded_path]
    bytes: int
    start_s: float = 0.0
    end_s: float | None = None
    format_id: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one test says of a video, with the numbers behind it (JSON values)."""

    kind: str
    verdict: str
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A stretch of a video that begins at a whole second.

    Attributes:
        kept: Whether it goes into a dataset; if not, `reason` says why.
        origin: ``"released"`` for imported lists, ``"inspect"`` for clips of our own.
    """

    start_s: int
    duration_s: float = DEFAULT_CLIP_S
    kept: bool = True
    reason: str | None = None
    origin: str = "inspect"
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try of one job on one video."""

    job: Job
    worker: str
    started_at: float
    ended_at: float | None
    outcome: str
    reason: str | None
    detail: str | None
