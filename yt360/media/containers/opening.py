"""Open untrusted media files safely: only the given file, allowed containers, and resource limits.

All untrusted bytes reach FFmpeg's demuxers through `open_media`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.error

from yt360.errors import BadItem
from yt360.execution.limits import MAX_PIXELS, allow_time
from yt360.files import MACHINE_ERRORS
from yt360.media.containers.boxes import BoxReader
from yt360.media.containers.opus import undecodable_family
from yt360.media.ffmpeg import input_name
from yt360.untrusted.files import open_regular

if TYPE_CHECKING:
    from av.container import InputContainer

# Allowed demuxers; FFmpeg detects the container by content. Playlists and scripts, which could make
# FFmpeg open other files or URLs, are excluded.
KNOWN_CONTAINERS = (
    "mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "ogg", "wav", "w64", "flac",
    "mpegts", "avi", "aiff", "caf", "flv", "au", "wv", "tta", "truehd", "mlp",
)  # fmt: skip
MAX_SAMPLES = 1 << 22
"""Maximum number of samples per channel in a packet."""
MAX_STREAMS = 256
# Memory limit of the demuxer and of each decoder.
_LIMITS = {
    "max_streams": str(MAX_STREAMS),
    "max_pixels": str(MAX_PIXELS),
    "max_samples": str(MAX_SAMPLES),
}
OPEN_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": ",".join(KNOWN_CONTAINERS)}
# Containers with an index of keyframes and with presentation times; others are read from the start.
SEEKABLE = ("mov", "matroska")
# Maximum plausible duration; broken timestamps exceed it.
MAX_DURATION_S = 48 * 3600.0

# Containers with an arbitrary start time; in others, time 0 is the start of the presentation.
_ARBITRARY_CLOCK = "mpegts"
# Upper bound of the size of the first Ogg page, which contains the codec header.
_OGG_PAGE_BYTES = 1 << 16


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """Open a media file for reading with PyAV.

    Raises:
        BadItem: ``"missing-file"``, ``"empty-file"``, ``"unreadable-file"``, ``"truncated"`` (an
            MP4 file without its index), ``"undecodable"`` (an unsupported Opus mapping),
            ``"not-media"``, or ``"memory"`` (an allocation fails, or the file has more than
            `MAX_STREAMS` streams). Also raised for errors inside the block.
    """
    allow_time(str(path), _size_of(path))
    options = {**OPEN_OPTIONS, **_LIMITS}
    try:
        container = av.open(input_name(path), options=options, metadata_errors="replace")
    except MemoryError as error:
        raise _memory_error(path.name) from error
    except (av.error.FFmpegError, ValueError) as error:
        raise _why_not_opened(path, error) from error
    with container:
        _limit_decoders(container)
        try:
            yield container
        except MemoryError as error:
            raise _memory_error(path.name) from error
        except av.error.FFmpegError as error:
            raise BadItem("not-decodable", f"{path.name}: {error.strerror}") from error


def time_origin_s(container: InputContainer) -> float:
    """Return the timestamp in seconds of time 0 of the presentation."""
    if container.format.name == _ARBITRARY_CLOCK and container.start_time is not None:
        return container.start_time / 1_000_000
    return 0.0


def _memory_error(name: str) -> BadItem:
    return BadItem(
        "memory",
        f"{name}: FFmpeg needs more memory than it may have, or meets more than {MAX_STREAMS} "
        "streams",
    )


def _limit_decoders(container: InputContainer) -> None:
    limits = {name: _LIMITS[name] for name in ("max_pixels", "max_samples")}
    for stream in container.streams:
        if stream.codec_context is not None:
            stream.codec_context.options = dict(limits)


def _size_of(path: Path) -> int:
    """Return the size of a file; raise if it does not exist or is empty."""
    try:
        with open_regular(path) as file:
            size = file.seek(0, 2)
    except FileNotFoundError:
        raise BadItem("missing-file", f"{path} does not exist; give a media file") from None
    except ValueError as error:
        raise BadItem("missing-file", f"{error}; give a media file") from None
    except OSError as error:
        if error.errno in MACHINE_ERRORS:
            raise
        raise BadItem("unreadable-file", f"{path}: {error.strerror}") from error
    if not size:
        raise BadItem("empty-file", f"{path.name} is empty; download it again")
    return size


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
    return BadItem("not-media", f"{path.name} is not a media file that can be read ({reason})")
