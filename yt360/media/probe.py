"""Probe a media file: headers, metadata, all packets, and excerpts of its audio and video."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from av.error import FFmpegError

from yt360.errors import BadItem
from yt360.media.audio.reader import AudioReader, is_valid_audio
from yt360.media.containers.opening import MAX_DURATION_S, MAX_PIXELS, open_media, time_origin_s
from yt360.media.containers.tracks import Track, read_tracks
from yt360.media.info import AudioStream, MediaInfo, VideoStream
from yt360.media.layout.detection import detect_layout
from yt360.media.layout.field_statistics import Samples
from yt360.media.quantiles import median
from yt360.media.video.color import IPT_MATRIX, IPT_PROFILE, ColorTags
from yt360.media.video.frame_sample import first_frame, look_at_pixels

if TYPE_CHECKING:
    from av import VideoCodecContext
    from av import VideoStream as StoredVideo
    from av.container import InputContainer

LISTEN_PIECES = 8
LISTEN_PIECE_S = 1.0
# Tolerance of frame intervals, which covers timestamps rounded to milliseconds.
_EQUAL_INTERVALS_S = 0.0015
_ODD_INTERVALS_ALLOWED = 0.02


@dataclass
class _PacketTimes:
    """Start and duration of each packet of a stream, in its time base and in file order."""

    start: array[int] = field(default_factory=lambda: array("q"))
    duration: array[int] = field(default_factory=lambda: array("q"))


def probe(path: str | Path, *, audio_layout: str | None = None) -> MediaInfo:
    """Read headers, metadata and packets of a file; decode excerpts of its audio and a few frames.

    Args:
        path: MP4, MOV, WebM, Matroska, OGG, WAV, FLAC or other supported file.
        audio_layout: Layout that the user or a catalog states for multi-channel audio.

    Raises:
        BadItem: The file is not a media file, or a stream cannot be decoded.
    """
    path = Path(path)
    with open_media(path) as container:
        tracks = read_tracks(path, container)
        if not tracks:
            raise BadItem("not-media", f"{path.name} contains neither video nor audio")
        decodable = [track for track in tracks if track.undecodable is None]
        videos = [track for track in decodable if track.stream.type == "video"]
        audios = [track for track in decodable if track.stream.type == "audio"]
        for track in videos:
            _check_size(path, track.stream.width, track.stream.height)
        times = _packet_times(container)
        origin_s = time_origin_s(container)
        for track in tracks:
            _check_times(path, times[track.stream.index], track.stream.time_base, origin_s)
        video = tuple(
            _video_stream(
                track,
                times[track.stream.index],
                origin_s,
                _rotation_deg(container, track.stream) if times[track.stream.index].start else 0,
            )
            for track in videos
        )
        audio = tuple(
            _audio_stream(path, track, times[track.stream.index], origin_s, audio_layout)
            for track in audios
        )
        undecodable = tuple(t.undecodable for t in tracks if t.undecodable is not None)
        ends_s = [stream.end_s for stream in video] + [stream.end_s for stream in audio]
        ends_s += [
            _span_s(times[t.stream.index], t.stream.time_base or Fraction(1), None)[1] - origin_s
            for t in tracks
            if t.undecodable is not None
        ]
        info = MediaInfo(
            path=path,
            container=container.format.name,
            size_bytes=path.stat().st_size,
            duration_declared_s=(container.duration or 0) / 1_000_000,
            duration_measured_s=max(ends_s),
            video=video,
            audio=audio,
            undecodable=undecodable,
        )
        main = info.main_video
        if main is None:
            return info
        looked_at = replace(main, pixels=look_at_pixels(container, main))
    return replace(info, video=tuple(looked_at if it is main else it for it in video))


def listen(path: Path, position: int, start_s: float, end_s: float) -> tuple[list[Samples], int]:
    """Decode excerpts of an audio stream, evenly spaced over [start_s, end_s).

    Invalid samples (`yt360.media.audio.reader.is_valid_audio`) are replaced by silence.

    Returns:
        Excerpts (C, S) of about a second each, and their sample rate.
    """
    with AudioReader(path, position) as reader:
        rate = reader.sample_rate_hz
        count = round(LISTEN_PIECE_S * rate)
        first, last = round(start_s * rate), round(end_s * rate)
        if last - first <= 2 * LISTEN_PIECES * count:
            return [_read_valid(reader, first, max(last - first, 1))], rate
        starts = np.linspace(first, last - count, LISTEN_PIECES).astype(int)
        return [_read_valid(reader, int(start), count) for start in starts], rate


def _read_valid(reader: AudioReader, start: int, count: int) -> Samples:
    samples, _ = reader.read(start, count)
    return np.where(is_valid_audio(samples), samples, np.float32(0))


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise BadItem("too-large", f"{path.name} has frames of {width}x{height} pixels")


def _check_times(
    path: Path, times: _PacketTimes, time_base: Fraction | None, origin_s: float
) -> None:
    """Check that timestamps are plausible; broken and hostile files have others."""
    if not times.start:
        return
    unit = float(time_base or 1)
    first_s, last_s = (float(end(times.start)) * unit - origin_s for end in (min, max))
    end_s = last_s + max(times.duration) * unit
    if not -MAX_DURATION_S <= first_s <= end_s <= MAX_DURATION_S:
        raise BadItem(
            "implausible-times",
            f"{path.name} claims times from {first_s:,.0f} s to {end_s:,.0f} s; "
            f"allowed are {MAX_DURATION_S:,.0f} s before and after 0",
        )


def _packet_times(container: InputContainer) -> dict[int, _PacketTimes]:
    times = {stream.index: _PacketTimes() for stream in container.streams}
    for packet in container.demux():
        # Discarded packets are before the start in the edit list.
        if packet.pts is not None and packet.size and not packet.is_discard:
            stream_times = times[packet.stream_index]
            stream_times.start.append(packet.pts)
            stream_times.duration.append(packet.duration or 0)
    return times


def _span_s(times: _PacketTimes, time_base: Fraction, first: int | None) -> tuple[float, float]:
    """Return start and end in seconds, excluding times before the declared start `first`."""
    if not times.start:
        return 0.0, 0.0
    start, duration = np.array(times.start), np.array(times.duration)
    begin = start.min() if first is None else max(int(start.min()), first)
    return float(begin * time_base), float((start + duration).max() * time_base)


def _video_stream(
    track: Track, times: _PacketTimes, origin_s: float, rotation_deg: int
) -> VideoStream:
    stream: StoredVideo = track.stream
    time_base = stream.time_base or Fraction(1)
    frame_times = np.sort(np.array(times.start, np.int64)) * float(time_base)
    intervals = np.diff(frame_times)
    typical = median(intervals) if len(intervals) else 0.0
    odd = np.abs(intervals - typical) > _EQUAL_INTERVALS_S
    start_s, end_s = _span_s(times, time_base, None)
    context = stream.codec_context
    return VideoStream(
        index=stream.index,
        codec=context.name,
        width=context.width,
        height=context.height,
        rotation_deg=rotation_deg,
        pixel_format=context.pix_fmt or "",
        color=_color_tags(context, track.dolby_vision_profile),
        frame_rate_declared=float(stream.average_rate or 0),
        frame_rate_measured=_rate(frame_times),
        variable_frame_rate=bool(len(odd)) and bool(odd.mean() > _ODD_INTERVALS_ALLOWED),
        frames_measured=len(frame_times),
        start_s=start_s - origin_s,
        duration_declared_s=float((stream.duration or 0) * time_base),
        # In some containers the last packet has no duration.
        duration_measured_s=float(max(end_s, frame_times[-1] + typical) - start_s)
        if len(frame_times)
        else 0.0,
        projection=track.projection,
    )


def _color_tags(context: VideoCodecContext, dolby_vision_profile: int | None) -> ColorTags:
    tags = ColorTags.of(context)
    if dolby_vision_profile == IPT_PROFILE:
        return replace(tags, matrix=IPT_MATRIX)
    # Some RGB codecs do not declare the matrix.
    return replace(tags, matrix="gbr") if context.format and context.format.is_rgb else tags


def _rate(frame_times: np.ndarray) -> float:
    if len(frame_times) < 2 or frame_times[-1] <= frame_times[0]:
        return 0.0
    return float((len(frame_times) - 1) / (frame_times[-1] - frame_times[0]))


def _audio_stream(
    path: Path, track: Track, times: _PacketTimes, origin_s: float, stated: str | None
) -> AudioStream:
    stream, position, sa3d = track.stream, track.position, track.sa3d
    time_base = stream.time_base or Fraction(1)
    start_s, end_s = _span_s(times, time_base, stream.start_time)
    start_s, end_s = start_s - origin_s, end_s - origin_s
    codec = stream.codec_context.name
    if stream.channels > 2:
        pieces, rate = listen(path, position, start_s, end_s)
        layout = detect_layout(
            pieces, rate, codec=codec, declared=track.layout, sa3d=sa3d, stated=stated
        )
    else:
        layout = detect_layout([np.zeros((stream.channels, 0), np.float32)], stream.rate)
    return AudioStream(
        index=stream.index,
        position=position,
        codec=codec,
        sample_rate_hz=stream.rate,
        channels=stream.channels,
        layout_declared=track.layout,
        start_s=start_s,
        duration_declared_s=float((stream.duration or 0) * time_base),
        duration_measured_s=end_s - start_s,
        sa3d=sa3d,
        layout=layout,
    )


def _rotation_deg(container: InputContainer, stream: StoredVideo) -> int:
    """Return the rotation of the first frame; decoding it also checks the stream."""
    stream.thread_count = 1  # with more, a decoder takes more packets before the first frame
    container.seek(0)
    try:
        frame = first_frame(container, stream)
    except FFmpegError:
        frame = None
    if frame is None:
        container.seek(0)
        frame = next(container.decode(stream), None)
    if frame is None:
        raise BadItem("not-decodable", f"{Path(container.name).name}: no frame can be decoded")
    return round(frame.rotation / 90) * 90
