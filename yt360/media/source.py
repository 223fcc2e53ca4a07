"""A source: the picture and the sound that clips are cut from, checked and ready."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yt360.ambisonics.formats import AmbisonicFormat
from yt360.errors import BadItem
from yt360.media.audio import Samples, SoundReader, apply_format, is_sound
from yt360.media.color import ColorTags
from yt360.media.companions import AudioChoice, choose_audio
from yt360.media.containers.tracks import undecodable
from yt360.media.ffmpeg import BINARY_VARIABLE, ffmpeg_binary, missing_color_filters
from yt360.media.info import AudioStream, MediaInfo, VideoStream
from yt360.media.projection import PicturePlan, plan_picture
from yt360.media.tone_mapping import mapping_facts


@dataclass(frozen=True)
class Source:
    """A 360° video and its ambisonic sound.

    Attributes:
        video: The file with the picture.
        video_stream: The stream that is used.
        sound: The file with the sound: the same one, or a companion.
        sound_stream: The ambisonic stream that is used.
        picture: How the picture becomes mono equirectangular.
        start_s: First time that both picture and sound cover.
        end_s: End of what both cover (half open).
        audio_choice: Which audio was chosen and which was not; see `AudioChoice.note`.
        spatial_candidates: How many tracks there were to choose from that are spatial.
    """

    video: Path
    video_stream: VideoStream
    sound: Path
    sound_stream: AudioStream
    picture: PicturePlan
    start_s: float
    end_s: float
    audio_choice: str = ""
    spatial_candidates: int = 1

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of it, a line each."""
        return (self.audio_choice,) if self.spatial_candidates > 1 else ()

    def facts(self) -> dict[str, Any]:
        """Return what is known of the source, as plain JSON values for a clip's record."""
        video, sound = self.video_stream, self.sound_stream
        layout, color = sound.layout, self.picture.color
        return {
            "video": {
                "codec": video.codec,
                "width": video.width,
                "height": video.height,
                "fps": round(video.frame_rate_measured, 6),
                "variable_frame_rate": video.variable_frame_rate,
                "projection": self.picture.kind,
                "stereo_mode": self.picture.stereo_mode,
                "pose_deg": list(self.picture.pose_deg),
                "rotation_deg": video.rotation_deg,
                "evidence": list(self.picture.evidence),
                **({"color": mapping_facts(color)} if color.is_foreign else {}),
            },
            "sound": {
                "codec": sound.codec,
                "sample_rate_hz": sound.sample_rate_hz,
                "channels": sound.channels,
                "layout": layout.name,
                "note": layout.format.note if layout.format else "",
                "evidence": list(layout.evidence),
                "doubts": [asdict(doubt) for doubt in layout.doubts],
                **({"choice": self.audio_choice} if self.audio_choice else {}),
            },
        }


def open_source(
    video: Path,
    companions: Sequence[Path] = (),
    *,
    projection: str = "auto",
    stereo_mode: str = "auto",
    sound_layout: str | None = None,
) -> Source:
    """Inspect a video (and its companion audio files) and decide how it is converted.

    Args:
        video: A media file with a picture.
        companions: Files with audio in step with it; see `yt360.media.companions.choose_audio`.
        projection: A key of `yt360.media.projection.PROJECTIONS`.
        stereo_mode: One of `yt360.media.projection.STEREO_MODES`.
        sound_layout: A key of `yt360.media.layout.names.STATED_LAYOUTS`; None to find out.

    Raises:
        UserError: An option that does not exist.
        BadItem: Why this is not a 360° video with spatial sound: ``"no-video"``, ``"no-audio"``,
            ``"not-spatial"``, ``"undecodable"``, ``"truncated"``, ``"no-common-time"``,
            ``"no-tone-mapping"``, or a
            reason of `plan_picture` or `probe`.
    """
    choice = choose_audio(video, companions, sound_layout=sound_layout)
    info = choice.video
    if info.video:
        check_whole(info)
    video_stream = info.main_video
    if video_stream is None:
        absent = BadItem("no-video", f"{video.name} has no picture")
        raise undecodable(video, info.undecodable, "video") or absent
    sound_stream = _spatial_stream(choice)
    check_whole(choice.info)
    picture = plan_picture(
        video_stream, spatial_sound=True, projection=projection, stereo_mode=stereo_mode
    )
    if picture.color.is_foreign:
        _check_color_filters(video.name, picture.color)
    start_s = max(video_stream.start_s, sound_stream.start_s)
    end_s = min(video_stream.end_s, sound_stream.end_s)
    if end_s <= start_s:
        raise BadItem(
            "no-common-time",
            f"{video.name}: the picture lasts from {video_stream.start_s:.2f} to "
            f"{video_stream.end_s:.2f} s, the sound from {sound_stream.start_s:.2f} to "
            f"{sound_stream.end_s:.2f} s",
        )
    picture = replace(picture, evidence=(*picture.evidence, *info.why_video))
    return Source(
        video,
        video_stream,
        choice.info.path,
        sound_stream,
        picture,
        start_s,
        end_s,
        choice.note,
        choice.spatial,
    )


def w_levels_dbfs(source: Source, window_s: float = 1.0) -> NDArray[np.float64]:
    """Return the level of the W channel in each window from time 0 on.

    Args:
        source: From `open_source`.
        window_s: Length of a window in seconds.

    Returns:
        RMS levels in dB relative to a full-scale square wave, floor -200; window i covers
        ``[i, i + 1) * window_s``. The last, shorter window is included. NaN where the sound of any
        channel is none (`yt360.media.audio.is_sound`).
    """
    layout = source.sound_stream.layout.format
    assert layout is not None
    levels: list[float] = []
    with SoundReader(source.sound, source.sound_stream.position) as reader:
        end = round(source.sound_stream.end_s * reader.sample_rate_hz)
        start = 0
        while start < end:
            stop = min(round((len(levels) + 1) * window_s * reader.sample_rate_hz), end)
            stored, _ = reader.read(start, stop - start)
            levels.append(_w_level_dbfs(stored, layout))
            start = stop
    return np.array(levels)


def _w_level_dbfs(stored: Samples, layout: AmbisonicFormat) -> float:
    if not is_sound(stored).all():
        return math.nan
    w = apply_format(stored, layout)[0]
    power = float(np.mean(np.square(w, dtype=np.float64)))
    return 10 * math.log10(max(power, 1e-20))


def _check_color_filters(name: str, color: ColorTags) -> None:
    binary = ffmpeg_binary()
    lacking = missing_color_filters(binary)
    if lacking:
        raise BadItem(
            "no-tone-mapping",
            f"{name}: the picture is {color.dynamic_range} of {color.gamut} primaries, and "
            f"{binary} has no filter {' or '.join(lacking)}; unset {BINARY_VARIABLE} and try again",
        )


def check_whole(info: MediaInfo) -> None:
    """Refuse a file that holds clearly less than it declares.

    Raises:
        BadItem: ``"truncated"``.
    """
    if info.is_truncated:
        raise BadItem(
            "truncated",
            f"{info.path.name} declares {info.duration_declared_s:.1f} s and holds "
            f"{info.duration_measured_s:.1f} s; download it again",
        )


def _spatial_stream(choice: AudioChoice) -> AudioStream:
    name, stream = choice.info.path.name, choice.stream
    if choice.undecodable is not None:
        raise choice.undecodable
    if stream is None:
        raise BadItem("no-audio", f"{name} has no sound")
    if not choice.is_spatial:
        found = [f"{each.layout.name} ({each.layout.evidence[0]})" for each in choice.info.audio]
        why = "; ".join([*found, *filter(None, [choice.note])])
        raise BadItem("not-spatial", f"{name} has no ambisonic sound: {why}")
    evidence = (*stream.layout.evidence, *choice.info.why_audio)
    return replace(stream, layout=replace(stream.layout, evidence=evidence))
