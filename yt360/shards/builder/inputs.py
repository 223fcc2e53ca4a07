"""The inputs of a build, and the search for them in files and folders."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from yt360.buckets.copies import copies
from yt360.clips import TimeRange, clip_key
from yt360.duplicates.groups import Groups
from yt360.errors import BadItem, UserError
from yt360.execution.isolation import IsolatedProcess
from yt360.media.layout.field_gain import FieldGain
from yt360.media.pairing import (
    RAW_AUDIO_DETAIL,
    VIDEO_SUFFIXES,
    files_by_key,
    has_media_suffix,
    has_video,
    is_raw_audio,
    pairing_key,
    split_media,
)
from yt360.shards.builder.file_names import FileName, assign_video_ids
from yt360.shards.builder.info_json import channel_of, read_info_json
from yt360.shards.format.schema import FileId, Rejection
from yt360.splits import Split

TRUTH_SUFFIXES = frozenset({".json", ".npz"})

NO_VIDEO_DETAIL = "audio without a video of the same name among the inputs"
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


def find_inputs(paths: Sequence[Path], exclude: Path | None = None) -> FoundInputs:
    """Find media in files and folders, and pair each video with its companions by name.

    An audio file in the same folder whose name differs from that of a video only in the suffix may
    hold its spatial audio: see `yt360.media.audio.selection`. A path to a file counts as
    a video whatever its suffix, except for suffixes of audio, JSON and ground-truth files; its
    companions are found beside it.

    Args:
        paths: Files and folders; folders are searched to any depth, without hidden files.
        exclude: A folder to leave out, such as a dataset inside an input.

    Raises:
        UserError: A path does not exist, or there is no media.
    """
    files: dict[Path, str] = {}
    ignored = 0
    for path in map(_absolute, paths):
        for file, root in _walk(path, exclude):
            is_media = has_media_suffix(file) or is_raw_audio(file)
            if is_media or (path == file and file.suffix.lower() not in TRUTH_SUFFIXES):
                files.setdefault(file, _relative_name(file, root))
            else:
                ignored += 1
    with IsolatedProcess() as isolated:
        videos, orphans = _pair(files, partial(_has_video_stream, isolated))
    if not videos:
        where = ", ".join(str(path) for path in paths)
        suffixes = " ".join(sorted(VIDEO_SUFFIXES))
        raise UserError(f"no video in {where}; known suffixes: {suffixes}", code="empty")
    return merge_inputs([FoundInputs(tuple(videos), tuple(orphans), ignored)])


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


def _walk(path: Path, exclude: Path | None) -> Iterator[tuple[Path, Path]]:
    """Yield (file, root); the file's name is relative to the root."""
    if path.is_file():
        yield path, path.parent
        return
    if not path.is_dir():
        fault = "is neither a regular file nor a folder" if path.exists() else "does not exist"
        raise UserError(
            f"{path} {fault}; give media files or folders of them", code="missing", key=path
        )
    excluded = exclude.resolve() if exclude else None
    seen: set[Path] = set()
    for folder, subfolders, names in os.walk(path, followlinks=True):
        real = Path(folder).resolve()
        if real == excluded or real in seen:  # links may form a cycle
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            file = Path(folder) / name
            if not name.startswith(".") and file.is_file():
                yield file, path


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 (resolve() would follow links and rename)


def _relative_name(file: Path, root: Path) -> str:
    name = os.fsencode(file.relative_to(root).as_posix()).decode(errors="replace")
    return unicodedata.normalize("NFC", name)


def _has_video_stream(isolated: IsolatedProcess, file: Path) -> bool:
    """Return whether a file has a video stream; True also if reading it crashes."""
    try:
        return isolated.call(file.name, has_video, file)
    except BadItem:
        return True  # its analysis reports the crash


def _pair(
    files: Mapping[Path, str], has_video: Callable[[Path], bool]
) -> tuple[list[InputVideo], list[Rejection]]:
    """Return the videos among files with their companions, and audio files without a video."""
    given: dict[tuple[Path, str], list[Path]] = {}
    for file in files:
        given.setdefault((file.parent, pairing_key(file)), []).append(file)
    beside = {folder: files_by_key(folder) for folder in dict.fromkeys(f for f, _ in given)}
    found: list[tuple[Path, tuple[Path, ...]]] = []
    unused: list[tuple[Path, str, str]] = []
    for (folder, key), group in given.items():
        raw = [file for file in group if is_raw_audio(file)]
        media = {*group, *filter(has_media_suffix, beside[folder].get(key, ()))} - {*raw}
        with_video, companions = split_media(media, has_video)
        videos = [file for file in with_video if file in files]
        found += [(video, tuple(companions)) for video in videos]
        if videos:
            unused += [(file, "no-encoder-delay", RAW_AUDIO_DETAIL) for file in raw]
        else:
            orphans = [file for file in [*companions, *raw] if file in files]
            unused += [(file, "no-video", NO_VIDEO_DETAIL) for file in orphans]
    files_with_companions = [*found, *((file, ()) for file, _, _ in unused)]
    items = _input_videos(files_with_companions, files, beside)
    rejected = [
        item.reject(reason, detail, fingerprint_of(item))
        for item, (_, reason, detail) in zip(items[len(found) :], unused, strict=True)
    ]
    return items[: len(found)], rejected


def _input_videos(
    found: Sequence[tuple[Path, tuple[Path, ...]]],
    names: Mapping[Path, str],
    beside: Mapping[Path, Mapping[str, Sequence[Path]]],
) -> list[InputVideo]:
    """Return inputs for (video, companions), with the facts of their names and info files."""
    infos = [_info_of(video, beside[video.parent]) for video, _ in found]
    ids = assign_video_ids(
        [
            FileName(PurePath(names[video]), stated_id)
            for (video, _), (stated_id, _) in zip(found, infos, strict=True)
        ]
    )
    return [
        InputVideo(
            video_id=video_id,
            video=video,
            companions=companions,
            start_s=start_s,
            channel=channel_of(facts),
            name=names[video],
            facts=facts,
        )
        for (video, companions), (video_id, start_s), (_, facts) in zip(
            found, ids, infos, strict=True
        )
    ]


def _info_of(
    video: Path, beside: Mapping[str, Sequence[Path]]
) -> tuple[str | None, dict[str, Any]]:
    files = beside.get(f"{pairing_key(video)}.info", ())
    info = next((file for file in files if file.suffix == ".json"), None)
    return read_info_json(info) if info else (None, {})
