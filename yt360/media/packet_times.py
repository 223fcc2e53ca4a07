"""Measure the duration of media files by packet timestamps, without decoding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import av

from yt360.errors import BadItem
from yt360.media.containers.opening import open_media
from yt360.media.containers.tracks import read_tracks, undecodable

if TYPE_CHECKING:
    from av.container import InputContainer


def declared_and_measured_s(path: Path) -> tuple[float | None, float]:
    """Return the declared duration and the end time of the last packet, in seconds.

    Raises:
        BadItem: ``"undecodable"`` if FFmpeg has no decoder for the video or the audio, or the
            reasons of `open_media`.
    """
    end_s = 0.0
    with open_media(path) as container:
        declared_s = container.duration / av.time_base if container.duration else None
        _check_decodable(path, container)
        for packet in container.demux():
            if packet.pts is not None and packet.time_base is not None:
                stop = (packet.pts + (packet.duration or 0)) * packet.time_base
                end_s = max(end_s, float(stop))
    return declared_s, end_s


def decodable_spans_s(path: Path) -> list[tuple[float, float]]:
    """Return the start and end in seconds of the decodable part of each stream.

    Raises:
        BadItem: ``"empty"`` if there are no packets, or the reasons of `open_media`.
    """
    spans: dict[int, tuple[float, float]] = {}
    with open_media(path) as container:
        for packet in container.demux():
            if packet.pts is None or packet.time_base is None:
                continue
            if packet.stream_index not in spans and not packet.is_keyframe:
                continue  # packets before the first keyframe are not decodable
            start_s = float(packet.pts * packet.time_base)
            end_s = start_s + float((packet.duration or 0) * packet.time_base)
            begin_s, last_s = spans.get(packet.stream_index, (start_s, end_s))
            spans[packet.stream_index] = min(begin_s, start_s), max(last_s, end_s)
    if not spans:
        raise BadItem("empty", f"{path.name} contains no packets")
    return list(spans.values())


def read_metadata(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the text tags of a file with the given upper-case names.

    Raises:
        BadItem: The reasons of `open_media`.
    """
    with open_media(path) as container:
        tags = {key.upper(): value for key, value in container.metadata.items()}
    return {name: tags[name] for name in names if name in tags}


def _check_decodable(path: Path, container: InputContainer) -> None:
    """Check that a file has tracks, and that some of its video and of its audio is decodable."""
    tracks = read_tracks(path, container)
    if not tracks:
        raise BadItem("not-media", f"{path.name} contains neither video nor audio")
    for kind in ("video", "audio"):
        of_kind = [track.undecodable for track in tracks if track.stream.type == kind]
        names = [track for track in of_kind if track is not None]
        refusal = undecodable(path, names, kind)
        if refusal is not None and len(names) == len(of_kind):
            raise refusal
