"""Opening media files safely: only local files, only known containers, failures with a reason."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.error

from yt360.errors import BadItem
from yt360.files import MACHINE_TROUBLE
from yt360.media.boxes import BoxReader
from yt360.media.ffmpeg import input_name
from yt360.media.opus import undecodable_family

if TYPE_CHECKING:
    from av.container import InputContainer

# Containers are told apart by content, not by name. Playlists and scripts, which could make FFmpeg
# open other files or addresses, are not among them.
KNOWN_CONTAINERS = (
    "mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "ogg", "wav", "w64", "flac",
    "mpegts", "avi", "aiff", "caf", "flv", "au", "wv", "tta", "truehd", "mlp",
)  # fmt: skip
OPEN_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": ",".join(KNOWN_CONTAINERS)}
# 16K by 8K. A few hostile bytes can declare pictures that fill any memory.
MAX_PIXELS = 1 << 27
# Nor do real videos last for days, as broken timestamps do.
MAX_DURATION_S = 48 * 3600.0

# Their clocks start anywhere; elsewhere time 0 means the start of the presentation.
_ARBITRARY_CLOCK = "mpegts"
# The first page of an Ogg stream, which holds the codec's header, is shorter.
_OGG_PAGE_BYTES = 1 << 16


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """Open a media file for reading with PyAV.

    Raises:
        BadItem: ``"missing-file"``, ``"empty-file"``, ``"unreadable-file"``, ``"truncated"`` (an
            MP4 without its index), ``"undecodable"`` (Opus that FFmpeg does not open) or
            ``"not-media"``; also when reading fails inside the block.
    """
    _check_file(path)
    try:
        container = av.open(input_name(path), options=OPEN_OPTIONS)
    except (av.error.FFmpegError, ValueError) as error:
        raise _why_not_opened(path, error) from error
    with container:
        try:
            yield container
        except av.error.FFmpegError as error:
            if error.errno == errno.ENOMEM:
                raise
            raise BadItem("not-decodable", f"{path.name}: {error.strerror}") from error


def time_origin_s(container: InputContainer) -> float:
    """Return the timestamp that is time 0 of the presentation, in seconds."""
    if container.format.name == _ARBITRARY_CLOCK and container.start_time is not None:
        return container.start_time / 1_000_000
    return 0.0


def _check_file(path: Path) -> None:
    try:
        if not path.is_file():
            kind = "is a folder" if path.is_dir() else "does not exist"
            raise BadItem("missing-file", f"{path} {kind}; give a media file")
        with path.open("rb") as file:
            if not file.read(1):
                raise BadItem("empty-file", f"{path.name} has no content; download it again")
    except OSError as error:
        if error.errno in MACHINE_TROUBLE:
            raise
        raise BadItem("unreadable-file", f"{path}: {error.strerror}") from error


def _why_not_opened(path: Path, error: Exception) -> BadItem:
    with path.open("rb") as file:
        kinds = [box.type for box in BoxReader(file).top()]
        file.seek(0)
        head = file.read(_OGG_PAGE_BYTES)
    is_mp4 = head[4:8] == b"ftyp"
    if is_mp4 and b"moov" not in kinds:
        return BadItem(
            "truncated", f"{path.name} ends before its index (moov box); download it again"
        )
    family = undecodable_family(head) if head.startswith(b"OggS") else None
    if family is not None:
        return BadItem(
            "undecodable",
            f"opus mapping family {family}: FFmpeg cannot open the audio of {path.name}",
        )
    reason = getattr(error, "strerror", None) or str(error)
    return BadItem("not-media", f"{path.name} is no media file that can be read ({reason})")
