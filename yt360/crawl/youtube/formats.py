"""Selection of formats: ambisonic audio first, then the smallest video that is large enough.

The input is yt-dlp's list of formats. YouTube's description of a format is in ``format_note``, a
comma-separated list: the projection (``equirectangular``, ``mesh``; yt-dlp since 2026 removes the
word "rectangular", which leaves ``equi``; none for flat video) and the kind of spatial audio
(``ambisonics_quad``, ``ambisonics_5_1``, ``foa_with_non_diegetic``; none for stereo and for
surround 5.1). ``mesh`` is an equi-angular cubemap for 360° uploads and half of the sphere for
VR180; the file itself declares which.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from yt360.config import config_class
from yt360.crawl.failures import Unsuitable
from yt360.untrusted.page import file_part

Format = Mapping[str, Any]
SpatialAudio = Literal["quad", "foa+stereo", "aac-5.1", "unknown", "none"]
Projection = Literal["equirectangular", "equirectangular-3d", "mesh", "unknown", "flat"]

_AUDIO_WORDS: dict[str, SpatialAudio] = {
    "ambisonics_quad": "quad",
    "foa_with_non_diegetic": "foa+stereo",
    "ambisonics_5_1": "aac-5.1",
}
# Four-channel Opus and Vorbis are plain ambiX. The six-channel AAC is the same audio at a lower
# rate in a channel layout that some decoders reorder.
_AUDIO_ORDER: tuple[SpatialAudio, ...] = ("quad", "foa+stereo", "aac-5.1")
_PROJECTION_ORDER: tuple[Projection, ...] = (
    "equirectangular",
    "equirectangular-3d",
    "mesh",
    "unknown",
    "flat",
)
# Among streams of one size, the one that decodes fastest is preferred.
_CODEC_ORDER = ("avc1", "h264", "vp9", "vp09", "av01", "hev1", "hvc1")
_DEGRADED = frozenset({"damaged", "drc", "ai-upscaled", "pot"})  # "pot": a token is missing
_PROTOCOL_ORDER = ("https", "http", "http_dash_segments", "m3u8_native", "m3u8")


@config_class
class Target:
    """The clips that a video must provide: 2:1 equirectangular frames."""

    height: Annotated[int, Field(ge=2)] = 320
    """Rows of the frames."""
    require_spatial_audio: bool = True
    """Exclude videos without an ambisonic track."""
    require_360: bool = True
    """Exclude videos without a 360° projection."""

    @property
    def pixels_per_quarter(self) -> float:
        """Pixels per 90° of the clips, along the horizon and from pole to horizon."""
        return self.height / 2


DEFAULT_TARGET = Target()


@dataclass(frozen=True)
class Choice:
    """The selected streams. `audio` is None when it is in the same file as the video."""

    video: Format
    audio: Format | None
    projection: Projection
    spatial_audio: SpatialAudio
    is_large_enough: bool

    @property
    def format_ids(self) -> str:
        """The selection in yt-dlp's notation."""
        return "+".join(f["format_id"] for f in (self.video, self.audio) if f is not None)


def choose(formats: Sequence[Format], target: Target = DEFAULT_TARGET) -> Choice:
    """Select a video and an audio stream.

    Audio: an ambisonic track (see `spatial_audio_of`), four channels before six, then the highest
    bit rate. Video: the best available projection, in it the smallest stream that is large enough
    for the target, or the largest if none is.

    Args:
        formats: The ``formats`` of a yt-dlp info dict.
        target: What the streams must provide.

    Raises:
        Unsuitable: ``"no-spatial-audio"``, ``"not-360"`` or ``"no-picture"``.
    """
    usable = [f for f in formats if is_usable(f)]
    audios = sorted((f for f in usable if has_audio(f)), key=_audio_order)
    videos = sorted((f for f in usable if has_video(f)), key=lambda f: _video_order(f, target))
    if not videos:
        raise Unsuitable("no-picture", f"none of {len(formats)} formats is a video stream")
    video = videos[0]
    projection = projection_of(video)
    if target.require_360 and projection == "flat":
        raise Unsuitable("not-360", f"all {len(videos)} video streams are flat")
    if spatial_audio_of(video) == "unknown":
        # A plain file of a site that declares nothing: the inspection measures it.
        return Choice(video, None, projection, "unknown", True)
    audio = audios[0] if audios else None
    kind: SpatialAudio = spatial_audio_of(audio) if audio else "none"
    if target.require_spatial_audio and kind == "none":
        offered = ", ".join(sorted({_audio_words(f) for f in audios})) or "no audio"
        raise Unsuitable("no-spatial-audio", f"offered: {offered}")
    if audio is not None and audio["format_id"] == video["format_id"]:
        audio = None
    return Choice(video, audio, projection, kind, is_large_enough(video, target))


def spatial_audio_of(form: Format) -> SpatialAudio:
    """Return what kind of spatial audio a format carries.

    Six AAC channels that YouTube does not declare as ambisonics are surround 5.1: ``"none"``. Four
    Opus or Vorbis channels are always ambisonics, since YouTube serves no quadraphonic audio.
    """
    for word in _words(form):
        if word in _AUDIO_WORDS:
            return _AUDIO_WORDS[word]
    if form.get("acodec") is None and form.get("vcodec") is None:
        return "unknown"
    codec = str(form.get("acodec") or "none")
    if form.get("audio_channels") == 4 and codec.startswith(("opus", "vorbis")):
        return "quad"
    return "none"


def projection_of(form: Format) -> Projection:
    """Return the projection that ``format_note`` declares."""
    for word in _words(form):
        if word.startswith("equi"):
            return "equirectangular-3d" if "threed" in word else "equirectangular"
        if word == "mesh":
            return "mesh"
    return "unknown" if form.get("vcodec") is None and form.get("acodec") is None else "flat"


def is_large_enough(form: Format, target: Target) -> bool:
    """Return whether a stream has as many pixels in every direction as the target needs.

    A quarter of the horizon is a quarter of the width of an equirectangular frame, and a third of
    the width of a cubemap (two rows of three faces); from pole to horizon is half the height of
    both. A 3D frame has each eye in one half.
    """
    width, height = form.get("width") or 0, form.get("height") or 0
    projection = projection_of(form)
    if projection == "unknown":
        return True
    rows = height / 2 if projection == "equirectangular-3d" else height
    quarter = width / (3 if projection == "mesh" else 4)
    return min(quarter, rows / 2) >= target.pixels_per_quarter


def _video_order(form: Format, target: Target) -> tuple[Any, ...]:
    enough = is_large_enough(form, target)
    pixels = (form.get("width") or 0) * (form.get("height") or 0)
    return (
        _PROJECTION_ORDER.index(projection_of(form)),
        is_degraded(form),
        not enough,
        pixels if enough else -pixels,
        has_audio(form),
        _rank(str(form.get("vcodec")), _CODEC_ORDER),
        _rank(str(form.get("protocol")), _PROTOCOL_ORDER),
        form.get("fps") or 0,
        form.get("tbr") or 0,
        str(form["format_id"]),
    )


def _audio_order(form: Format) -> tuple[Any, ...]:
    kind = spatial_audio_of(form)
    return (
        _AUDIO_ORDER.index(kind) if kind in _AUDIO_ORDER else len(_AUDIO_ORDER),
        is_degraded(form),
        has_video(form),
        -(form.get("language_preference") or -1),
        _rank(str(form.get("protocol")), _PROTOCOL_ORDER),
        -(form.get("abr") or form.get("tbr") or 0),
        str(form["format_id"]),
    )


def format_part(form: Format) -> str:
    """Return the part of a file name for a format: its id, or a hash of it.

    The ids of other sites than YouTube may hold any characters.
    """
    name = str(form["format_id"])
    digest = hashlib.blake2b(name.encode(errors="replace"), digest_size=8)
    return file_part(name) or digest.hexdigest()


def is_usable(form: Format) -> bool:
    """Return whether a format has a URL and a file extension, and no DRM."""
    has_name = "ext" not in form or file_part(form["ext"]) is not None
    return bool(form.get("url")) and has_name and form.get("has_drm") is not True


def is_degraded(form: Format) -> bool:
    """Return whether YouTube marks a format as damaged or processed, or it needs a token."""
    return not _DEGRADED.isdisjoint(_words(form))


def has_video(form: Format) -> bool:
    """Return whether a format has a video stream, or may have one."""
    if form.get("ext") == "mhtml":
        return False
    return form.get("vcodec") != "none"


def has_audio(form: Format) -> bool:
    """Return whether a format has an audio stream, or may have one."""
    return form.get("acodec") != "none" and form.get("ext") != "mhtml"


def _words(form: Format) -> list[str]:
    return re.split(r"[,\s()]+", str(form.get("format_note") or "").lower())


def _audio_words(form: Format) -> str:
    channels = form.get("audio_channels")
    return f"{form.get('acodec') or '?'} with {channels or '?'} channels"


def _rank(text: str, order: Sequence[str]) -> int:
    return next((i for i, prefix in enumerate(order) if text.startswith(prefix)), len(order))
