"""What a dataset is built from: a list of videos, here found in files and folders."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yt360.clips import clip_key, video_id_of
from yt360.errors import UserError
from yt360.shards.schema import FileId, Rejection
from yt360.shards.sidecar import channel_of, read_sidecar
from yt360.splits import Split

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".ogv", ".avi"})
# In order of preference, should a video have several beside it: lossless first. Raw AAC is not
# among them: without a container nothing tells the encoder's delay, and the sound would come late.
SOUND_SUFFIXES = (".flac", ".wav", ".opus", ".ogg", ".oga", ".mka", ".m4a")
TRUTH_SUFFIXES = frozenset({".json", ".npz"})

_FINGERPRINT_BYTES = 65536


@dataclass(frozen=True, kw_only=True)
class InputVideo:
    """A media file to cut clips from, wherever it came from (a folder, later the catalog).

    Attributes:
        video_id: The whole upload.
        video: The file with the picture.
        sound: The file with its spatial audio; None means the video file itself.
        start_s: Second of the upload at which the file starts.
        segments: Known starts of clips, in seconds of the upload; None cuts the whole file.
        channel: Who uploaded it, for splits by channel. It is found again in the dataset by
            `facts`: their ``channel_id``, or else ``channel``.
        split: A split known beforehand; None leaves it to the hash.
        sound_layout: What the sound of this very input is stated to be; None leaves it to the
            options of the build.
        projection: The same of its picture.
        name: The file's name for reports, relative to the input that held it.
        facts: Source facts for the clips' ``.json``: url, title, license, ... (JSON values).
    """

    video_id: str
    video: Path
    sound: Path | None = None
    start_s: int = 0
    segments: tuple[int, ...] | None = None
    channel: str | None = None
    split: Split | None = None
    sound_layout: str | None = None
    projection: str | None = None
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
        self, reason: str, detail: str, fingerprint: str, start_s: int | None = None
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
        )


@dataclass(frozen=True)
class FoundInputs:
    """What a search for media found.

    Attributes:
        videos: Inputs, sorted, no two alike.
        rejected: Media files that cannot be an input of their own.
        ignored: Number of files that are no media.
    """

    videos: tuple[InputVideo, ...]
    rejected: tuple[Rejection, ...]
    ignored: int


def find_inputs(paths: Sequence[Path], exclude: Path | None = None) -> FoundInputs:
    """Find media in files and folders, and pair each video with its sound by stem.

    A sound file with the stem of a video, in the same folder, is its spatial audio. A file that is
    named itself counts as a video whatever its suffix (unless that is one of sound, JSON or truth
    files), and its sound need not be named.

    Args:
        paths: Files and folders; folders are searched to any depth, hidden files left out.
        exclude: A folder to leave out (the dataset, should it lie inside an input).

    Raises:
        UserError: A path does not exist, or there is no media at all.
    """
    files: dict[Path, str] = {}
    ignored = 0
    for path in paths:
        for file, root in _walk(path, exclude):
            if _is_media(file) or (path == file and file.suffix.lower() not in TRUTH_SUFFIXES):
                files.setdefault(file, _relative_name(file, root))
            else:
                ignored += 1
    videos, lonely = _pair(files)
    if not videos:
        where = ", ".join(str(path) for path in paths)
        raise UserError(f"no video in {where}; known suffixes: {' '.join(sorted(VIDEO_SUFFIXES))}")
    return merge_inputs([FoundInputs(tuple(videos), tuple(lonely), ignored)])


def merge_inputs(found: Iterable[FoundInputs]) -> FoundInputs:
    """Return all inputs of several searches, sorted; of those with the same id, only the first."""
    kept: dict[str, InputVideo] = {}
    rejected: list[Rejection] = []
    ignored = 0
    for each in found:
        ignored += each.ignored
        rejected += each.rejected
        for item in sorted(each.videos, key=lambda item: item.file_id):
            first = kept.setdefault(item.key, item)
            if first is not item:
                detail = f"{first.name} has the same id {item.key}; rename one of them"
                rejected.append(item.reject("same-name", detail, fingerprint_of(item)))
    videos = sorted(kept.values(), key=lambda item: item.file_id)
    return FoundInputs(tuple(videos), tuple(rejected), ignored)


def fingerprint_of(item: InputVideo) -> str:
    """Return a hash of the sizes, beginnings and ends of an input's files, and of what is stated.

    It tells a mended file, or one of which other clips are wanted, from what was seen before,
    without reading it whole.
    """
    digest = hashlib.blake2b(digest_size=8)
    for path in (item.video, item.sound):
        if path is not None:
            digest.update(_ends_of(path))
    if item.sound_layout or item.projection:
        digest.update(f"{item.sound_layout}\0{item.projection}".encode())
    if item.segments is not None:
        digest.update(f"\0segments {sorted(set(item.segments))}".encode())
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
    """Yield (file, the folder that its name is relative to), both absolute."""
    path = Path(os.path.abspath(path))  # noqa: PTH100 (resolve() would follow links and rename)
    if path.is_file():
        yield path, path.parent
        for sound in _sounds_beside(path):
            yield sound, path.parent
        return
    if not path.is_dir():
        raise UserError(f"{path} does not exist; give media files or folders that hold them")
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


def _sounds_beside(video: Path) -> list[Path]:
    names = [suffix for plain in SOUND_SUFFIXES for suffix in (plain, plain.upper())]
    return [file for suffix in names if (file := video.with_suffix(suffix)).is_file()]


def _is_media(file: Path) -> bool:
    return file.suffix.lower() in VIDEO_SUFFIXES or file.suffix.lower() in SOUND_SUFFIXES


def _relative_name(file: Path, root: Path) -> str:
    return os.fsencode(file.relative_to(root).as_posix()).decode(errors="replace")


def _pair(files: Mapping[Path, str]) -> tuple[list[InputVideo], list[Rejection]]:
    by_stem: dict[Path, list[Path]] = {}
    for file in files:
        by_stem.setdefault(file.with_suffix(""), []).append(file)
    videos, lonely = [], []
    for group in by_stem.values():
        pictures, sounds = _picture_and_sound(group)
        sound = min(sounds, key=_sound_preference, default=None)
        for video in pictures:
            videos.append(_input_video(video, sound, files[video]))
        if sound is not None and not pictures:
            item = _input_video(sound, None, files[sound])
            detail = "sound without a video of the same name beside it"
            lonely.append(item.reject("no-video", detail, fingerprint_of(item)))
    return videos, lonely


def _picture_and_sound(group: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    sounds = [file for file in group if file.suffix.lower() in SOUND_SUFFIXES]
    pictures = [file for file in group if file not in sounds]
    if len(pictures) > 1:  # name.mp4 and name.webm: perhaps one of them is only sound
        soundtracks = [file for file in pictures if not _has_picture(file)]
        if len(soundtracks) < len(pictures):
            sounds += soundtracks
            pictures = [file for file in pictures if file not in soundtracks]
    return pictures, sounds


def _has_picture(file: Path) -> bool:
    import av

    try:
        with av.open(str(file)) as container:
            return bool(container.streams.video)
    except (av.FFmpegError, OSError, ValueError):
        return True  # what is wrong with it is told when its turn comes


def _sound_preference(file: Path) -> int:
    suffix = file.suffix.lower()
    return SOUND_SUFFIXES.index(suffix) if suffix in SOUND_SUFFIXES else len(SOUND_SUFFIXES)


def _input_video(video: Path, sound: Path | None, name: str) -> InputVideo:
    video_id, start_s = video_id_of(Path(name))
    facts = read_sidecar(video.with_suffix(".info.json"))
    return InputVideo(
        video_id=video_id,
        video=video,
        sound=sound,
        start_s=start_s,
        channel=channel_of(facts),
        name=name,
        facts=facts,
    )
