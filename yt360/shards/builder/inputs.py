"""What a dataset is built from: a list of videos, here found in files and folders."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from yt360.clips import Stretch, clip_key
from yt360.errors import BadItem, UserError
from yt360.execution.isolation import IsolatedProcess
from yt360.media.companions import (
    RAW_AUDIO_DETAIL,
    VIDEO_SUFFIXES,
    files_by_key,
    has_media_suffix,
    has_picture,
    is_raw_audio,
    pairing_key,
    split_media,
)
from yt360.shards.builder.naming import FileName, video_of_each
from yt360.shards.builder.sidecar import channel_of, read_sidecar
from yt360.shards.format.schema import FileId, Rejection
from yt360.splits import Split

TRUTH_SUFFIXES = frozenset({".json", ".npz"})

NO_VIDEO_DETAIL = "audio without a video of the same name among the inputs"
_FINGERPRINT_BYTES = 65536


@dataclass(frozen=True, kw_only=True)
class InputVideo:
    """A media file to cut clips from, wherever it came from (a folder, later the catalog).

    Attributes:
        video_id: The whole upload.
        video: The file with the picture.
        companions: Files that may hold its spatial audio; the video file itself may, too.
        start_s: Second of the upload at which the file starts.
        segments: Known clips, in seconds of the upload, that start at whole ones; None cuts the
            whole file.
        channel: Who uploaded it, for splits by channel. It is found again in the dataset by
            `facts`: their ``channel_id``, or else ``channel``.
        split: A split known beforehand; None leaves it to the hash.
        sound_layout: What the sound of this very input is stated to be; None leaves it to the
            options of the build.
        projection: The same of its picture.
        inspected: Whether it has passed the tests of `yt360.quality` already.
        name: The file's name for reports, relative to the input that held it.
        facts: Source facts for the clips' ``.json``: url, title, license, ... (JSON values).
    """

    video_id: str
    video: Path
    companions: tuple[Path, ...] = ()
    start_s: int = 0
    segments: tuple[Stretch, ...] | None = None
    channel: str | None = None
    split: Split | None = None
    sound_layout: str | None = None
    projection: str | None = None
    inspected: bool = False
    name: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name of this input among all: the key of the clip at its start."""
        return self.clip_key(self.start_s)

    def clip_key(self, start_s: int) -> str:
        """Return the key of the clip that starts at second `start_s` of the upload."""
        return clip_key(self.video_id, start_s)

    @property
    def file_id(self) -> FileId:
        """Which file this is; inputs are sorted by it."""
        return self.video_id, self.start_s, self.name

    def reject(
        self,
        reason: str,
        detail: str,
        fingerprint: str,
        start_s: int | None = None,
        lost_s: float | None = None,
    ) -> Rejection:
        """Return a rejection of this input, or of its stretch at second `start_s`."""
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
    """What a search for media found.

    Attributes:
        videos: Inputs, sorted, no two alike.
        rejected: Media files that cannot be an input of their own.
        ignored: Number of files that are no media.
        without_media: Ids of accepted videos of a catalog that have no media in its folder.
    """

    videos: tuple[InputVideo, ...]
    rejected: tuple[Rejection, ...]
    ignored: int
    without_media: tuple[str, ...] = ()


def find_inputs(paths: Sequence[Path], exclude: Path | None = None) -> FoundInputs:
    """Find media in files and folders, and pair each video with its companions by name.

    An audio file with the name of a video but for the suffix, in the same folder, may hold its
    spatial audio: see `yt360.media.companions`. A file that is named itself counts as a video
    whatever its suffix (unless that is one of audio, JSON or truth files), and its companions need
    not be named.

    Args:
        paths: Files and folders; folders are searched to any depth, hidden files left out.
        exclude: A folder to leave out (the dataset, should it lie inside an input).

    Raises:
        UserError: A path does not exist, or there is no media at all.
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
        videos, lonely = _pair(files, partial(_has_picture, isolated))
    if not videos:
        where = ", ".join(str(path) for path in paths)
        raise UserError(f"no video in {where}; known suffixes: {' '.join(sorted(VIDEO_SUFFIXES))}")
    return merge_inputs([FoundInputs(tuple(videos), tuple(lonely), ignored)])


def merge_inputs(found: Iterable[FoundInputs]) -> FoundInputs:
    """Return all inputs of several searches, sorted; of those with the same id, only the first."""
    kept: dict[str, InputVideo] = {}
    rejected: list[Rejection] = []
    without_media: list[str] = []
    ignored = 0
    for each in found:
        ignored += each.ignored
        without_media += each.without_media
        rejected += each.rejected
        for item in sorted(each.videos, key=lambda item: item.file_id):
            first = kept.setdefault(item.key, item)
            if first is not item:
                detail = f"{first.name} has the same id {item.key}; rename one of them"
                rejected.append(item.reject("same-name", detail, fingerprint_of(item)))
    videos = sorted(kept.values(), key=lambda item: item.file_id)
    return FoundInputs(tuple(videos), tuple(rejected), ignored, tuple(without_media))


def fingerprint_of(item: InputVideo) -> str:
    """Return a hash of the sizes, beginnings and ends of an input's files, and of what is stated.

    It tells a mended file, or one of which other clips are wanted, from what was seen before,
    without reading it whole.
    """
    digest = hashlib.blake2b(digest_size=8)
    for path in (item.video, *item.companions):
        digest.update(_ends_of(path))
    if item.sound_layout or item.projection:
        digest.update(f"{item.sound_layout}\0{item.projection}".encode())
    if item.segments is not None:
        spans = sorted({(each.start_s, each.duration_s) for each in item.segments})
        digest.update(f"\0segments {spans}".encode())
    return digest.hexdigest()


def _ends_of(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_FINGERPRINT_BYTES)
            file.seek(max(size - _FINGERPRINT_BYTES, 0))
            return b"%d\0%b\0%b\0" % (size, head, file.read(_FINGERPRINT_BYTES))
    except OSError as error:
        return b"unreadable %d" % (error.errno or 0)


def _walk(path: Path, exclude: Path | None) -> Iterator[tuple[Path, Path]]:
    """Yield (file, the folder that its name is relative to)."""
    if path.is_file():
        yield path, path.parent
        return
    if not path.is_dir():
        fault = "is neither a regular file nor a folder" if path.exists() else "does not exist"
        raise UserError(f"{path} {fault}; give media files or folders that hold them")
    excluded = exclude.resolve() if exclude else None
    seen: set[Path] = set()
    for folder, subfolders, names in os.walk(path, followlinks=True):
        real = Path(folder).resolve()
        if real == excluded or real in seen:  # links may form a ring
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


def _has_picture(isolated: IsolatedProcess, file: Path) -> bool:
    """Return whether a file holds a picture; True also where reading it crashes."""
    try:
        return isolated.call(file.name, has_picture, file)
    except BadItem:
        return True  # that is told when its turn comes


def _pair(
    files: Mapping[Path, str], has_picture: Callable[[Path], bool]
) -> tuple[list[InputVideo], list[Rejection]]:
    """Return the videos among files with what lies beside them, and what belongs to no video."""
    given: dict[tuple[Path, str], list[Path]] = {}
    for file in files:
        given.setdefault((file.parent, pairing_key(file)), []).append(file)
    beside = {folder: files_by_key(folder) for folder in dict.fromkeys(f for f, _ in given)}
    found: list[tuple[Path, tuple[Path, ...]]] = []
    unused: list[tuple[Path, str, str]] = []
    for (folder, key), group in given.items():
        raw = [file for file in group if is_raw_audio(file)]
        media = {*group, *filter(has_media_suffix, beside[folder].get(key, ()))} - {*raw}
        pictures, companions = split_media(media, has_picture)
        videos = [file for file in pictures if file in files]
        found += [(video, tuple(companions)) for video in videos]
        if videos:
            unused += [(file, "no-encoder-delay", RAW_AUDIO_DETAIL) for file in raw]
        else:
            lonely = [file for file in [*companions, *raw] if file in files]
            unused += [(file, "no-video", NO_VIDEO_DETAIL) for file in lonely]
    everything = [*found, *((file, ()) for file, _, _ in unused)]
    items = _input_videos(everything, files, beside)
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
    """Return inputs for (video, companions), with what their names and sidecars tell."""
    told = [_sidecar_of(video, beside[video.parent]) for video, _ in found]
    ids = video_of_each(
        [
            FileName(PurePath(names[video]), stated_id)
            for (video, _), (stated_id, _) in zip(found, told, strict=True)
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
            found, ids, told, strict=True
        )
    ]


def _sidecar_of(
    video: Path, beside: Mapping[str, Sequence[Path]]
) -> tuple[str | None, dict[str, Any]]:
    files = beside.get(f"{pairing_key(video)}.info", ())
    sidecar = next((file for file in files if file.suffix == ".json"), None)
    return read_sidecar(sidecar) if sidecar else (None, {})
