"""A source: the validated video and audio that clips are cut from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yt360.ambisonics.formats import to_ambix
from yt360.errors import BadItem
from yt360.media.audio.reader import AudioReader, are_all_valid
from yt360.media.audio.selection import AudioSelection, select_audio
from yt360.media.containers.tracks import undecodable
from yt360.media.ffmpeg import BINARY_VARIABLE, ffmpeg_binary, missing_color_filters
from yt360.media.info import AudioStream, MediaInfo, VideoStream
from yt360.media.layout.field_gain import FieldGainMeter
from yt360.media.layout.sound_field import FieldAnalyzer
from yt360.media.video.color import ColorTags
from yt360.media.video.projection import ResolvedProjection, resolve_projection
from yt360.media.video.tone_mapping import mapping_facts


@dataclass(frozen=True)
class Source:
    """A 360° video and its ambisonic audio.

    Attributes:
        video: The video file.
        video_stream: The video stream in use.
        audio: The file with the audio: `video` itself or an audio file.
        audio_stream: The ambisonic stream in use.
        projection: Mapping of the video to the sphere.
        start_s, end_s: Interval that both video and audio cover (half open).
        audio_note: Selected and unused audio tracks; see `AudioSelection.note`.
        num_spatial_tracks: Number of spatial audio tracks among the candidates.
        container: FFmpeg's name of the container of the video; empty if it is unknown.
    """

    video: Path
    video_stream: VideoStream
    audio: Path
    audio_stream: AudioStream
    projection: ResolvedProjection
    start_s: float
    end_s: float
    audio_note: str = ""
    num_spatial_tracks: int = 1
    container: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user, one line each."""
        return (self.audio_note,) if self.num_spatial_tracks > 1 else ()

    def facts(self) -> dict[str, Any]:
        """Return the facts of the source that each clip stores, as plain JSON values."""
        video, audio = self.video_stream, self.audio_stream
        layout, color = audio.layout, self.projection.color
        return {
            "video": {
                "codec": video.codec,
                "width": video.width,
                "height": video.height,
                "fps": round(video.frame_rate_measured, 6),
                "variable_frame_rate": video.variable_frame_rate,
                "projection": self.projection.kind,
                "stereo_mode": self.projection.stereo_mode,
                "pose_deg": list(self.projection.pose_deg),
                "rotation_deg": video.rotation_deg,
                "evidence": list(self.projection.evidence),
                **({"color": mapping_facts(color)} if color.needs_mapping else {}),
            },
            "sound": {
                "codec": audio.codec,
                "sample_rate_hz": audio.sample_rate_hz,
                "channels": audio.channels,
                "layout": layout.name,
                "note": layout.format.note if layout.format else "",
                "evidence": list(layout.evidence),
                "doubts": [asdict(warning) for warning in layout.warnings],
                **({"choice": self.audio_note} if self.audio_note else {}),
            },
        }


def open_source(
    video: Path,
    audio_files: Sequence[Path] = (),
    *,
    projection: str = "auto",
    stereo_mode: str = "auto",
    audio_layout: str | None = None,
) -> Source:
    """Probe a video and its audio files, and determine their conversion.

    Args:
        video: Video file.
        audio_files: Audio files in sync with it; see `yt360.media.audio.selection`.
        projection: One of `yt360.media.names.PROJECTIONS`.
        stereo_mode: One of `yt360.media.names.STEREO_MODES`.
        audio_layout: One of `yt360.media.names.AUDIO_LAYOUTS`; None to detect it.

    Raises:
        UserError: The projection, stereo mode or layout is unknown.
        BadItem: The file is not a usable 360° video with spatial audio: ``"no-video"``,
            ``"no-audio"``, ``"not-spatial"``, ``"undecodable"``, ``"truncated"``,
            ``"no-common-time"``, ``"no-tone-mapping"``, or a reason of `resolve_projection` or
            `probe`.
    """
    selection = select_audio(video, audio_files, audio_layout=audio_layout)
    info = selection.video
    if info.video:
        check_whole(info)
    video_stream = info.main_video
    if video_stream is None:
        error = undecodable(video, info.undecodable, "video")
        raise error or BadItem("no-video", f"{video.name} has no video stream")
    audio_stream = _spatial_stream(selection)
    check_whole(selection.info)
    resolved = resolve_projection(
        video_stream, spatial_audio=True, projection=projection, stereo_mode=stereo_mode
    )
    if resolved.color.needs_mapping:
        _check_color_filters(video.name, resolved.color)
    start_s = max(video_stream.start_s, audio_stream.start_s)
    end_s = min(video_stream.end_s, audio_stream.end_s)
    if end_s <= start_s:
        raise BadItem(
            "no-common-time",
            f"{video.name}: the video lasts from {video_stream.start_s:.2f} to "
            f"{video_stream.end_s:.2f} s, the audio from {audio_stream.start_s:.2f} to "
            f"{audio_stream.end_s:.2f} s",
        )
    return Source(
        video,
        video_stream,
        selection.info.path,
        audio_stream,
        replace(resolved, evidence=(*resolved.evidence, *info.why_video)),
        start_s,
        end_s,
        selection.note,
        selection.num_spatial,
        info.container,
    )


def w_levels_dbfs(
    source: Source, window_s: float = 1.0, gain_meter: FieldGainMeter | None = None
) -> NDArray[np.float64]:
    """Return the level of the W channel in consecutive windows from time 0.

    Args:
        source: From `open_source`.
        window_s: Length of a window in seconds.
        gain_meter: Also receives the sound field, without windows that have invalid samples.

    Returns:
        RMS levels in dB relative to a full-scale square wave, floor -200; window i covers
        ``[i, i + 1) * window_s``. The last, shorter window is included. NaN for a window with
        invalid samples (`yt360.media.audio.reader.is_valid_audio`) in any channel.
    """
    layout = source.audio_stream.layout.format
    assert layout is not None
    levels: list[float] = []
    with AudioReader(source.audio, source.audio_stream.position) as reader:
        analyzer = FieldAnalyzer(reader.sample_rate_hz)
        end = round(source.audio_stream.end_s * reader.sample_rate_hz)
        start = 0
        while start < end:
            stop = min(round((len(levels) + 1) * window_s * reader.sample_rate_hz), end)
            stored, _ = reader.read(start, stop - start)
            start = stop
            if not are_all_valid(stored):
                levels.append(math.nan)
                continue
            ambix = to_ambix(stored, layout)
            power = float(np.mean(np.square(ambix[0], dtype=np.float64)))
            levels.append(10 * math.log10(max(power, 1e-20)))
            if gain_meter is not None:
                for segment in analyzer.feed(ambix):
                    gain_meter.feed(segment)
    return np.array(levels)


def check_whole(info: MediaInfo) -> None:
    """Check that a file is not truncated.

    Raises:
        BadItem: ``"truncated"``: it is clearly shorter than declared.
    """
    if info.is_truncated:
        raise BadItem(
            "truncated",
            f"{info.path.name} declares {info.duration_declared_s:.1f} s but contains "
            f"{info.duration_measured_s:.1f} s; download it again",
        )


def _check_color_filters(name: str, color: ColorTags) -> None:
    binary = ffmpeg_binary()
    missing = missing_color_filters(binary)
    if missing:
        raise BadItem(
            "no-tone-mapping",
            f"{name}: the video is {color.dynamic_range} of {color.gamut} primaries, and "
            f"{binary} has no filter {' or '.join(missing)}; unset {BINARY_VARIABLE}",
        )


def _spatial_stream(selection: AudioSelection) -> AudioStream:
    name, stream = selection.info.path.name, selection.stream
    if selection.undecodable is not None:
        raise selection.undecodable
    if stream is None:
        raise BadItem("no-audio", f"{name} has no audio")
    if not selection.is_spatial:
        found = [f"{it.layout.name} ({it.layout.evidence[0]})" for it in selection.info.audio]
        why = "; ".join([*found, *filter(None, [selection.note])])
        raise BadItem("not-spatial", f"{name} has no ambisonic audio: {why}")
    evidence = (*stream.layout.evidence, *selection.info.why_audio)
    return replace(stream, layout=replace(stream.layout, evidence=evidence))
