"""The search for the inputs of a build in files and folders."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from yt360.errors import BadItem, UserError
from yt360.execution.isolation import IsolatedProcess
from yt360.files import resolved
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
from yt360.shards.builder.inputs.file_names import FileName, assign_video_ids
from yt360.shards.builder.inputs.info_json import channel_of, read_info_json
from yt360.shards.builder.inputs.input_video import (
    FoundInputs,
    InputVideo,
    fingerprint_of,
    merge_inputs,
)
from yt360.shards.format.dataset_info import Rejection

TRUTH_SUFFIXES = frozenset({".json", ".npz"})
NO_VIDEO_DETAIL = "audio without a video of the same name among the inputs"


def find_inputs(
    paths: Sequence[Path], exclude: Path | None = None, walk: Callable[..., Any] = os.walk
) -> FoundInputs:
    """Find media in files and folders, and pair each video with its companions by name.

    An audio file in the same folder whose name differs from that of a video only in the suffix may
    hold its spatial audio: see `yt360.media.audio.selection`. A path to a file counts as a video
    whatever its suffix, except for suffixes of audio, JSON and ground-truth files; its companions
    are found beside it.

    Args:
        paths: Files and folders; folders are searched to any depth, without hidden files. Folders
            in them that cannot be read are among the rejected inputs.
        exclude: A folder to leave out, such as a dataset inside an input.
        walk: Lists folders, as `os.walk` does.

    Raises:
        UserError: A path does not exist, or there is no media.
    """
    files: dict[Path, str] = {}
    closed: dict[Path, tuple[str, str]] = {}
    ignored = 0

    def add_closed(folder: Path, root: Path, why: str) -> None:
        base = root.parent if folder == root else root
        closed.setdefault(folder, (_relative_name(folder, base), why))

    for path in map(_absolute, paths):
        for file, root in _walk(path, exclude, add_closed, walk):
            is_media = has_media_suffix(file) or is_raw_audio(file)
            if is_media or (path == file and file.suffix.lower() not in TRUTH_SUFFIXES):
                files.setdefault(file, _relative_name(file, root))
            else:
                ignored += 1
    with IsolatedProcess() as isolated:
        videos, orphans = _pair(files, closed, partial(_has_video_stream, isolated))
    if not videos:
        where = ", ".join(str(path) for path in paths)
        suffixes = " ".join(sorted(VIDEO_SUFFIXES))
        unread = "".join(f"; {folder} cannot be read: {why}" for folder, (_, why) in closed.items())
        raise UserError(f"no video in {where}; known suffixes: {suffixes}{unread}", code="empty")
    return merge_inputs([FoundInputs(tuple(videos), tuple(orphans), ignored)])


def _walk(
    path: Path,
    exclude: Path | None,
    add_closed: Callable[[Path, Path, str], None],
    walk: Callable[..., Any],
) -> Iterator[tuple[Path, Path]]:
    """Yield (file, root); the file's name is relative to the root. A broken link is a file, too.

    Args:
        path: A file or a folder.
        exclude: A folder to leave out.
        add_closed: Called with each folder that cannot be read, its root and the reason.
        walk: See `find_inputs`.
    """
    if path.is_file():
        yield path, path.parent
        return
    if not path.is_dir():
        fault = "is neither a regular file nor a folder" if path.exists() else "does not exist"
        raise UserError(
            f"{path} {fault}; give media files or folders of them", code="missing", key=path
        )
    excluded = resolved(exclude) if exclude else None
    seen: set[Path] = set()

    def note(error: OSError) -> None:
        add_closed(Path(error.filename), path, error.strerror or str(error))

    for folder, subfolders, names in walk(path, followlinks=True, onerror=note):
        real = resolved(Path(folder))
        if real == excluded or real in seen:  # links may form a cycle
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            file = Path(folder) / name
            if not name.startswith(".") and (file.is_file() or _is_broken_link(file)):
                yield file, path


def _is_broken_link(file: Path) -> bool:
    return file.is_symlink() and not file.exists()


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
    files: Mapping[Path, str],
    closed: Mapping[Path, tuple[str, str]],
    has_video: Callable[[Path], bool],
) -> tuple[list[InputVideo], list[Rejection]]:
    """Return the videos among files with their companions, and what is rejected.

    Those are audio files without a video, and folders that cannot be read.

    Args:
        files: Path -> name.
        closed: Folder that cannot be read -> its name, and the reason.
        has_video: Whether a file has a video stream.
    """
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
    unused += [(folder, "unreadable-folder", why) for folder, (_, why) in closed.items()]
    beside |= {folder.parent: files_by_key(folder.parent) for folder in closed}
    names = {**files, **{folder: name for folder, (name, _) in closed.items()}}
    files_with_companions = [*found, *((file, ()) for file, _, _ in unused)]
    items = _input_videos(files_with_companions, names, beside)
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
