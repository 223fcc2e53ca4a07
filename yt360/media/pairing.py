"""Pair videos with audio files of the same name (docs/media.md)."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

from yt360.errors import BadItem

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".ogv", ".avi"})
AUDIO_SUFFIXES = (
    ".flac", ".wav", ".w64", ".rf64", ".bw64", ".amb", ".aiff", ".aif", ".aifc", ".caf", ".au",
    ".wv", ".tta", ".thd", ".mlp", ".opus", ".ogg", ".oga", ".mka", ".m4a", ".m4b",
)  # fmt: skip
"""Suffixes of audio files; earlier ones win ties."""

RAW_AUDIO_SUFFIXES = frozenset(
    {".aac", ".ac3", ".eac3", ".ec3", ".dts", ".latm", ".loas", ".mp2", ".mp3", ".mpa", ".wma"}
)
"""Suffixes of audio files that are refused because they do not store the encoder delay."""

RAW_AUDIO_DETAIL = (
    "this format does not store the delay of its encoder, so the audio would be 5 to 43 ms late; "
    "convert the original to .wav, .flac or .m4a"
)


def pairing_key(path: Path) -> str:
    """Return the file name without suffix, which paired files share.

    The name is normalized to NFC, because some file systems decompose accented letters.
    """
    return unicodedata.normalize("NFC", path.stem)


def files_by_key(folder: Path) -> dict[str, list[Path]]:
    """Return the visible files of a folder by `pairing_key`; empty for an unreadable folder."""
    found: dict[str, list[Path]] = {}
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 (creates no Path for hidden files)
    except OSError:
        return {}
    for name in names:
        if not name.startswith("."):
            found.setdefault(pairing_key(Path(name)), []).append(folder / name)
    return {key: [file for file in files if file.is_file()] for key, files in found.items()}


def has_media_suffix(path: Path) -> bool:
    """Return whether the suffix is that of a video or of a supported audio file."""
    suffix = path.suffix.lower()
    return suffix in VIDEO_SUFFIXES or suffix in AUDIO_SUFFIXES


def is_raw_audio(path: Path) -> bool:
    """Return whether the suffix is one of `RAW_AUDIO_SUFFIXES`."""
    return path.suffix.lower() in RAW_AUDIO_SUFFIXES


def has_video(path: Path) -> bool:
    """Return whether a file has a video stream; True for an unreadable file.

    The error is reported when the file is opened as a video.
    """
    from yt360.media.containers.opening import open_media  # decoders: slow imports
    from yt360.media.containers.tracks import is_cover

    try:
        with open_media(path) as container:
            return not all(map(is_cover, container.streams.video))
    except BadItem:
        return True


def split_media(
    files: Iterable[Path], has_video: Callable[[Path], bool] = has_video
) -> tuple[list[Path], list[Path]]:
    """Split files of one pairing key into videos and audio files.

    If several files have video suffixes, such as ``name.mp4`` and ``name.webm``, those without a
    video stream count as audio. Audio files are ordered as in `AUDIO_SUFFIXES`.
    """
    files = sorted(files, key=_suffix_order)
    audio_files = [file for file in files if file.suffix.lower() in AUDIO_SUFFIXES]
    videos = files[len(audio_files) :]
    if len(videos) > 1:
        without = [file for file in videos if not has_video(file)]
        if len(without) < len(videos):
            audio_files += without
            videos = [file for file in videos if file not in without]
    return videos, audio_files


def audio_files_beside(video: Path) -> tuple[Path, ...]:
    """Return the audio files that pair with a video; empty if `video` is an audio file."""
    beside = files_by_key(video.parent).get(pairing_key(video), ())
    videos, audio_files = split_media({video, *filter(has_media_suffix, beside)})
    return tuple(audio_files) if video in videos else ()


def _suffix_order(file: Path) -> tuple[int, str]:
    suffix = file.suffix.lower()
    known = suffix in AUDIO_SUFFIXES
    return AUDIO_SUFFIXES.index(suffix) if known else len(AUDIO_SUFFIXES), file.name
