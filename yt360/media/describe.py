"""Describe a media file as text and as JSON values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from yt360.errors import BadItem
from yt360.media.audio.selection import AudioSelection
from yt360.media.info import AudioStream, VideoStream
from yt360.media.video.color import ColorTags
from yt360.media.video.projection import resolve_projection

_LABEL_WIDTH = 12
# Minimum difference in seconds between declared and measured duration that is shown.
_NOTABLE_S = 0.1


def describe(choice: AudioSelection) -> list[str]:
    """Return a description of a file and its audio files as lines of text.

    Args:
        choice: From `yt360.media.audio.selection.select_audio`.
    """
    info = choice.video
    lines = [
        str(info.path),
        _line(
            "file",
            f"{info.container}, {info.size_bytes / 1e6:.2f} MB, "
            f"{info.duration_measured_s:.2f} s ({info.duration_declared_s:.2f} s declared)",
        ),
    ]
    if info.is_truncated:
        lines.append(_line("", "TRUNCATED: it holds less than it declares"))
    for video in info.video:
        lines += _describe_video(video, spatial_audio=choice.is_spatial)
        if video is info.main_video:
            lines += [_line("", why) for why in info.why_video]
    for audio in info.audio:
        lines += _describe_audio(audio)
        if audio is info.main_audio:
            lines += [_line("", why) for why in info.why_audio]
    for track in info.undecodable:
        label = f"{track.kind} {track.index}"
        lines.append(_line(label, f"undecodable: {track.describe()}"))
    if choice.note:
        lines.append(_line("selected", choice.note))
    return lines


def as_values(choice: AudioSelection) -> dict[str, Any]:
    """Return a description of a file and its audio files as plain JSON values."""
    info = choice.video
    return {
        **asdict(info),
        "path": str(info.path),
        "is_truncated": info.is_truncated,
        "video": [{**asdict(it), "dynamic_range": it.color.dynamic_range} for it in info.video],
        "audio_choice": choice.note,
    }


def _describe_video(stream: VideoStream, *, spatial_audio: bool) -> list[str]:
    rate = "variable rate, " if stream.variable_frame_rate else ""
    turned = f", turned by {stream.rotation_deg}°" if stream.rotation_deg else ""
    try:
        plan = resolve_projection(stream, spatial_audio=spatial_audio)
        shown = f"{plan.kind}, {plan.stereo_mode}"
        if any(plan.pose_deg):
            shown += ", pose {:g}° {:g}° {:g}°".format(*plan.pose_deg)
        reasons = list(plan.evidence)
    except BadItem as refusal:
        shown, reasons = f"refused ({refusal.reason})", [refusal.detail]
    return [
        _line(
            f"video {stream.index}",
            f"{stream.codec} {stream.width}x{stream.height}{turned}, {rate}"
            f"{stream.frame_rate_measured:.3f} fps ({stream.frame_rate_declared:.3f} declared), "
            f"{stream.frames_measured} frames, {_span(stream)}",
        ),
        *_describe_color(stream.color),
        _line("projection", shown),
        *(_line("", f"because: {reason}") for reason in reasons),
    ]


def _describe_color(tags: ColorTags) -> list[str]:
    if not tags.needs_mapping:
        return []
    said = ", ".join(
        f"{name} {value or 'unsaid'}"
        for name, value in (("transfer", tags.transfer), ("primaries", tags.primaries))
    )
    becomes = "tone mapped to SDR" if tags.is_hdr else "mapped to BT.709"
    return [_line("colour", f"{tags.dynamic_range} ({said}), {becomes} in clips")]


def _describe_audio(stream: AudioStream) -> list[str]:
    layout = stream.layout
    shown = layout.name if layout.is_spatial else f"{layout.name}: not spatial"
    if layout.format is not None and layout.format.note:
        shown += f" ({layout.format.note})"
    return [
        _line(
            f"audio {stream.index}",
            f"{stream.codec}, {stream.channels} channels (declared {stream.layout_declared!r}), "
            f"{stream.sample_rate_hz} Hz, {_span(stream)}",
        ),
        _line("layout", shown),
        *(_line("", f"because: {reason}") for reason in layout.evidence),
        *(_line("", f"warning: {each.code}: {each.detail}") for each in layout.warnings),
    ]


def _span(stream: VideoStream | AudioStream) -> str:
    declared_s, measured_s = stream.duration_declared_s, stream.duration_measured_s
    differs = declared_s > 0 and abs(declared_s - measured_s) > _NOTABLE_S
    declared = f" ({declared_s:.2f} s declared)" if differs else ""
    return f"from {stream.start_s:.3f} to {stream.end_s:.3f} s{declared}"


def _line(label: str, text: str) -> str:
    return f"  {label:<{_LABEL_WIDTH}}{text}"
