"""The records of a catalog.

A video is in one of seven states:

===========  ====================================================================  ==============
state        meaning                                                               next job
===========  ====================================================================  ==============
found        its id is known; its page has not been requested                      describe
wanted       its facts are known and pass the filters                              download
downloaded   its media is downloaded and not yet inspected                         inspect
accepted     inspected; at least one clip is kept                                  none
rejected     a filter or a check rejects it; see ``reason`` and the verdicts       none
unavailable  removed, private, or refused to us (region, age, login)               none
failed       the maximum of attempts failed; ``--retry failed`` tries again        none
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
"""The states that a job takes videos from, in order of preference."""


@dataclass(frozen=True, kw_only=True)
class Video:
    """A video and its source facts as its page declares them; nothing is measured.

    Attributes:
        projection: Projection that the page declares.
        stated_projection: Projection that the user states; None to detect it.
        stated_sound_layout: Audio layout that the user states; None to detect it.
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
    """The exclusive right to process one video until `expires_at`; `Claims.renew` extends it.

    Attributes:
        token: Identifies this claim. Results are stored only under a valid token, so the late
            result of an expired claim is refused.
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
    """A downloaded file.

    Attributes:
        role: ``"video"``, ``"sound"`` (audio), or ``"both"`` in one file.
        path: The file, relative to the media folder.
        start_s: Second of the video at time 0 of the file: 0 for a whole video.
        end_s: End of a section in seconds of the video; None for a whole video.
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
    """The verdict of one quality check on a video, with its measurements (JSON values)."""

    kind: str
    verdict: str
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A clip of a video; it begins at a whole second.

    Attributes:
        kept: Whether the clip goes into a dataset; if not, `reason` says why.
        origin: ``"released"`` for imported lists, ``"inspect"`` for clips that an inspection chose.
    """

    start_s: int
    duration_s: float = DEFAULT_CLIP_S
    kept: bool = True
    reason: str | None = None
    origin: str = "inspect"
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at one job on one video."""

    job: Job
    worker: str
    started_at: float
    ended_at: float | None
    outcome: str
    reason: str | None
    detail: str | None
