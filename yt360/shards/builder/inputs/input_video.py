"""The inputs of a build: media files, what is stated about them, and what people decided."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yt360.buckets.copies import copies
from yt360.clips import TimeRange, clip_key
from yt360.duplicates.groups import Groups
from yt360.media.layout.field_gain import FieldGain
from yt360.shards.format.dataset_info import FileId, Rejection
from yt360.splits import Split

_FINGERPRINT_BYTES = 65536


@dataclass(frozen=True)
class Front:
    """The azimuth in degrees of the direction that becomes the front, and who decided it."""

    azimuth_deg: float
    decided: str


@dataclass(frozen=True, kw_only=True)
class ClipReview:
    """What people decided about an input; see `yt360.review.applied`.

    Attributes:
        rejected: Second of the uploaded video at which a clip starts -> who rejected it, when and
            why, or None if it is kept; that of None holds for other clips.
        fronts: Second at which a clip starts -> its front; that of None holds for other clips.
        layout: Who decided about the audio layout of the input; None if nobody did.
    """

    rejected: Mapping[int | None, str | None] = field(default_factory=dict)
    fronts: Mapping[int | None, Front] = field(default_factory=dict)
    layout: str | None = None

    @property
    def starts(self) -> set[int]:
        """Seconds at which clips start that people decided about one by one."""
        return {start_s for start_s in (*self.rejected, *self.fronts) if start_s is not None}

    def rejection(self, start_s: int) -> str | None:
        """Return why the clip that starts at a second is rejected; None if it is not."""
        return self.rejected.get(start_s, self.rejected.get(None))

    def front(self, start_s: int) -> Front | None:
        """Return the front of the clip that starts at a second; None for that of the source."""
        return self.fronts.get(start_s, self.fronts.get(None))

    def notes(self, start_s: int) -> list[str]:
        """Return what was decided about a clip, one sentence each."""
        front = self.front(start_s)
        found = [self.layout, None if front is None else front.decided]
        return [each for each in found if each is not None]


@dataclass(frozen=True, kw_only=True)
class InputVideo:
    """A media file to cut clips from, found in a folder or a catalog.

    Attributes:
        video_id: The uploaded video that the file holds, whole or in part.
        video: The file with the video stream.
        companions: Files that may hold its spatial audio; so may the video file itself.
        start_s: Second of the uploaded video at which the file starts.
        segments: The requested clips, in seconds of the uploaded video, starting at whole seconds;
            None cuts the whole file into clips.
        channel: Its channel, for splits by channel; `facts` holds it as ``channel_id`` or
            ``channel``.
        split: Its split, if a list gives it.
        audio_layout: Layout of its audio, if stated for this input; None uses the build's options.
        projection: Projection of its video, if stated for this input.
        inspected: Whether it has passed the checks of `yt360.quality`.
        field_gain: Gain of W of the whole video, if the inspection has measured it.
        directions: CSV file with labelled directions of its sources.
        name: The file's name for reports, relative to the input that held it.
        facts: Source facts for the clips' ``.json``: url, title, license, ... (JSON values).
        review: What people decided about its clips.
    """

    video_id: str
    video: Path
    companions: tuple[Path, ...] = ()
    start_s: int = 0
    segments: tuple[TimeRange, ...] | None = None
    channel: str | None = None
    split: Split | None = None
    audio_layout: str | None = None
    projection: str | None = None
    inspected: bool = False
    field_gain: FieldGain | None = None
    directions: Path | None = None
    name: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    review: ClipReview = ClipReview()

    @property
    def key(self) -> str:
        """Unique name of this input: the key of the clip at its start."""
        return self.clip_key(self.start_s)

    def clip_key(self, start_s: int) -> str:
        """Return the key of the clip that starts at second `start_s` of the uploaded video."""
        return clip_key(self.video_id, start_s)

    @property
    def file_id(self) -> FileId:
        """Identity of the file, and the sort key of inputs."""
        return self.video_id, self.start_s, self.name

    def reject(
        self,
        reason: str,
        detail: str,
        fingerprint: str,
        start_s: int | None = None,
        lost_s: float | None = None,
    ) -> Rejection:
        """Return a rejection of this input, or of its part that starts at second `start_s`."""
        return Rejection(
            video_id=self.video_id,
            file_start_s=self.start_s,
            start_s=start_s,
            file=self.name,
            reason=reason,
            detail=detail.encode(errors="replace").decode(),
            fingerprint=fingerprint,
            lost_s=None if lost_s is None else round(lost_s, 6),
        )


@dataclass(frozen=True)
class FoundInputs:
    """The inputs that were found.

    Attributes:
        videos: Inputs, sorted, without duplicates.
        rejected: Media files that cannot be an input.
        ignored: Number of files that are not media.
        without_media: Ids of accepted videos of a catalog that have no media in its folder.
        duplicates: Groups of videos that hold the same footage (`yt360.duplicates`).
    """

    videos: tuple[InputVideo, ...]
    rejected: tuple[Rejection, ...]
    ignored: int
    without_media: tuple[str, ...] = ()
    duplicates: Groups = ()


def merge_inputs(found: Iterable[FoundInputs]) -> FoundInputs:
    """Merge the inputs of several searches, sorted; the first of several with one id is kept."""
    kept: dict[str, InputVideo] = {}
    rejected: list[Rejection] = []
    without_media: list[str] = []
    duplicates: list[tuple[str, ...]] = []
    ignored = 0
    for each in found:
        ignored += each.ignored
        without_media += each.without_media
        duplicates += each.duplicates
        rejected += each.rejected
        for item in sorted(each.videos, key=lambda item: item.file_id):
            first = kept.setdefault(item.key, item)
            if first is not item:
                detail = f"{first.name} has the same id {item.key}; rename one of them"
                rejected.append(item.reject("same-name", detail, fingerprint_of(item)))
    videos = sorted(kept.values(), key=lambda item: item.file_id)
    return FoundInputs(
        tuple(videos), tuple(rejected), ignored, tuple(without_media), tuple(duplicates)
    )


def fingerprint_of(item: InputVideo) -> str:
    """Return a hash of the size, head and tail of an input's files, and of its stated properties.

    It detects a replaced file or another list of clips without reading the whole file.
    """
    digest = hashlib.blake2b(digest_size=8)
    with copies((item.video, *item.companions)):
        for path in (item.video, *item.companions, *([item.directions] if item.directions else [])):
            digest.update(_head_and_tail(path))
    if item.audio_layout or item.projection:
        digest.update(f"{item.audio_layout}\0{item.projection}".encode())
    if item.segments is not None:
        ranges = sorted({(each.start_s, each.duration_s) for each in item.segments})
        digest.update(f"\0segments {ranges}".encode())
    if item.review != ClipReview():
        digest.update(f"\0review {item.review}".encode())
    return digest.hexdigest()


def _head_and_tail(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_FINGERPRINT_BYTES)
            file.seek(max(size - _FINGERPRINT_BYTES, 0))
            return b"%d\0%b\0%b\0" % (size, head, file.read(_FINGERPRINT_BYTES))
    except OSError as error:
        return b"unreadable %d" % (error.errno or 0)
