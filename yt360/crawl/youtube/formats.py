"""Which streams of a video to take: ambisonic sound first, then the smallest picture that feeds it.

Works on yt-dlp's list of formats. What YouTube says of a stream stands in ``format_note``, a list
of words between commas: the projection (``equirectangular``, ``mesh``; yt-dlp since 2026 takes the
word "rectangular" out, so it reads ``equi``; nothing for flat video) and the kind of spatial audio
(``ambisonics_quad``, ``ambisonics_5_1``, ``foa_with_non_diegetic``; nothing for stereo and for true
5.1). ``mesh`` is an equi-angular cubemap for 360° uploads and half a sphere for VR180 ones; the
file itself tells which.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from yt360.crawl.failures import Unsuitable
from yt360.errors import UserError
from yt360.untrusted.page import file_part

Format = Mapping[str, Any]
SpatialAudio = Literal["quad", "foa+stereo", "aac-5.1", "unknown", "none"]
Projection = Literal["equirectangular", "equirectangular-3d", "mesh", "unknown", "flat"]

_AUDIO_WORDS: dict[str, SpatialAudio] = {
    "ambisonics_quad": "quad",
    "foa_with_non_diegetic": "foa+stereo",
    "ambisonics_5_1": "aac-5.1",
}
# Four-channel Opus and Vorbis are plain ambiX. The six-channel AAC is the same sound at a lower
# rate behind a layout that decoders like to "correct".
_AUDIO_ORDER: tuple[SpatialAudio, ...] = ("quad", "foa+stereo", "aac-5.1")
_PROJECTION_ORDER: tuple[Projection, ...] = (
    "equirectangular",
    "equirectangular-3d",
    "mesh",
    "unknown",
    "flat",
)
# All feed the same output; what decodes fastest wins among pictures of one size.
_CODEC_ORDER = ("avc1", "h264", "vp9", "vp09", "av01", "hev1", "hvc1")
_DOUBTS = frozenset({"damaged", "drc", "ai-upscaled", "pot"})  # "pot": a token is missing
_PROTOCOL_ORDER = ("https", "http", "http_dash_segments", "m3u8_native", "m3u8")


@dataclass(frozen=True, kw_only=True)
class Target:
    """The clips that a video must feed: 2:1 equirectangular, `height` rows.

    Attributes:
        require_spatial_audio: Leave out videos without an ambisonic track.
        require_360: Leave out videos without a 360° projection.

    Raises:
        UserError: `height` is not positive.
    """

    height: int = 320
    require_spatial_audio: bool = True
    require_360: bool = True

    def __post_init__(self) -> None:
        if self.height < 2:
            raise UserError(f"{self.height} rows are too few: at least 2")

    @property
    def pixels_per_quarter(self) -> float:
        """Pixels of the output over 90° of the horizon (and from pole to horizon)."""
        return self.height / 2


@dataclass(frozen=True)
class Choice:
    """The streams to take. `sound` is None when it comes in the picture's file."""

    video: Format
    sound: Format | None
    projection: Projection
    spatial_audio: SpatialAudio
    feeds_target: bool

    @property
    def format_ids(self) -> str:
        """What was chosen, in words of yt-dlp."""
        return "+".join(f["format_id"] for f in (self.video, self.sound) if f is not None)


def choose(formats: Sequence[Format], target: Target = Target()) -> Choice:
    """Choose picture and sound.

    Sound: an ambisonic track (see `spatial_audio_of`), four channels before six, then the highest
    bit rate. Picture: the best projection that is offered, in it the smallest picture that feeds
    the target, and the largest if none does.

    Args:
        formats: The ``formats`` of a yt-dlp info dict.
        target: What the video must feed.

    Raises:
        Unsuitable: ``"no-spatial-audio"``, ``"not-360"`` or ``"no-picture"``.
    """
    usable = [f for f in formats if _is_usable(f)]
    sounds = sorted((f for f in usable if _has_sound(f)), key=_sound_order)
    pictures = sorted((f for f in usable if _has_picture(f)), key=lambda f: _order(f, target))
    if not pictures:
        raise Unsuitable("no-picture", f"none of {len(formats)} formats is a video stream")
    picture = pictures[0]
    projection = projection_of(picture)
    if target.require_360 and projection == "flat":
        raise Unsuitable("not-360", f"all {len(pictures)} video streams are flat")
    if spatial_audio_of(picture) == "unknown":
        # A plain file of a site that tells nothing: take it whole, the inspection will see.
        return Choice(picture, None, projection, "unknown", True)
    sound = sounds[0] if sounds else None
    kind: SpatialAudio = spatial_audio_of(sound) if sound else "none"
    if target.require_spatial_audio and kind == "none":
        offered = ", ".join(sorted({_audio_words(f) for f in sounds})) or "no sound at all"
        raise Unsuitable("no-spatial-audio", f"offered: {offered}")
    if sound is not None and sound["format_id"] == picture["format_id"]:
        sound = None
    return Choice(picture, sound, projection, kind, feeds(picture, target))


def spatial_audio_of(form: Format) -> SpatialAudio:
    """Return what kind of spatial audio a format carries.

    Six AAC channels without YouTube's word for ambisonics are a film's 5.1: ``"none"``. Four Opus
    or Vorbis channels are ambisonics even without the word, as YouTube serves no quadraphony.
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
    """Return the projection that a format's note declares."""
    for word in _words(form):
        if word.startswith("equi"):
            return "equirectangular-3d" if "threed" in word else "equirectangular"
        if word == "mesh":
            return "mesh"
    return "unknown" if form.get("vcodec") is None and form.get("acodec") is None else "flat"


def feeds(form: Format, target: Target) -> bool:
    """Return whether a picture has as many pixels in every direction as the target needs.

    A quarter of the horizon is a quarter of an equirectangular picture's width and a third of a
    cubemap's (two rows of three faces); from pole to horizon is half its height in both. A 3D
    picture shows each eye in half of it.
    """
    width, height = form.get("width") or 0, form.get("height") or 0
    projection = projection_of(form)
    if projection == "unknown":
        return True
    rows = height / 2 if projection == "equirectangular-3d" else height
    quarter = width / (3 if projection == "mesh" else 4)
    return min(quarter, rows / 2) >= target.pixels_per_quarter


def _order(form: Format, target: Target) -> tuple[Any, ...]:
    enough = feeds(form, target)
    pixels = (form.get("width") or 0) * (form.get("height") or 0)
    return (
        _PROJECTION_ORDER.index(projection_of(form)),
        _is_doubtful(form),
        not enough,
        pixels if enough else -pixels,
        _has_sound(form),
        _rank(str(form.get("vcodec")), _CODEC_ORDER),
        _rank(str(form.get("protocol")), _PROTOCOL_ORDER),
        form.get("fps") or 0,
        form.get("tbr") or 0,
        str(form["format_id"]),
    )


def _sound_order(form: Format) -> tuple[Any, ...]:
    kind = spatial_audio_of(form)
    return (
        _AUDIO_ORDER.index(kind) if kind in _AUDIO_ORDER else len(_AUDIO_ORDER),
        _is_doubtful(form),
        _has_picture(form),
        -(form.get("language_preference") or -1),
        _rank(str(form.get("protocol")), _PROTOCOL_ORDER),
        -(form.get("abr") or form.get("tbr") or 0),
        str(form["format_id"]),
    )


def format_part(form: Format) -> str:
    """Return what of a format's id stands in the name of its file: the id, or a hash of it.

    Ids of other sites than YouTube may hold any characters.
    """
    name = str(form["format_id"])
    digest = hashlib.blake2b(name.encode(errors="replace"), digest_size=8)
    return file_part(name) or digest.hexdigest()


def _is_usable(form: Format) -> bool:
    has_name = "ext" not in form or file_part(form["ext"]) is not None
    return bool(form.get("url")) and has_name and form.get("has_drm") is not True


def _is_doubtful(form: Format) -> bool:
    return not _DOUBTS.isdisjoint(_words(form))


def _has_picture(form: Format) -> bool:
    if form.get("ext") == "mhtml":
        return False
    return form.get("vcodec") != "none"


def _has_sound(form: Format) -> bool:
    return form.get("acodec") != "none" and form.get("ext") != "mhtml"


def _words(form: Format) -> list[str]:
    return re.split(r"[,\s()]+", str(form.get("format_note") or "").lower())


def _audio_words(form: Format) -> str:
    channels = form.get("audio_channels")
    return f"{form.get('acodec') or '?'} with {channels or '?'} channels"


def _rank(text: str, order: Sequence[str]) -> int:
    return next((i for i, prefix in enumerate(order) if text.startswith(prefix)), len(order))


def explain(formats: Sequence[Format], target: Target = Target()) -> list[dict[str, str]]:
    """Return a table of the formats: what each is, and whether and why it was taken.

    Rows have the columns ``id``, ``what``, ``projection``, ``spatial audio``, ``size``, ``rate``,
    ``verdict``.
    """
    try:
        choice = choose(formats, target)
        taken = {choice.video["format_id"]: "picture"}
        if choice.sound is not None:
            taken[choice.sound["format_id"]] = "sound"
        elif choice.spatial_audio not in ("none",):
            taken[choice.video["format_id"]] = "picture and sound"
    except Unsuitable:
        taken = {}
    rows = []
    for form in formats:
        if form.get("ext") == "mhtml":
            continue
        rows.append(
            {
                "id": str(form["format_id"]),
                "what": _what(form),
                "projection": projection_of(form) if _has_picture(form) else "",
                "spatial audio": spatial_audio_of(form) if _has_sound(form) else "",
                "size": f"{form.get('width')}x{form.get('height')}" if form.get("height") else "",
                "rate": f"{form['tbr']:.0f} kbit/s" if form.get("tbr") else "",
                "verdict": _verdict(form, taken, target),
            }
        )
    return rows


def _what(form: Format) -> str:
    codecs = [str(form.get(key)) for key in ("vcodec", "acodec") if form.get(key) != "none"]
    channels = f" {form['audio_channels']}ch" if form.get("audio_channels") else ""
    return " + ".join(codecs) + channels


def _verdict(form: Format, taken: Mapping[str, str], target: Target) -> str:
    if form["format_id"] in taken:
        return f"TAKEN as {taken[form['format_id']]}"
    if not _is_usable(form):
        return "no address or protected"
    if _is_doubtful(form):
        return "marked as damaged, processed or locked"
    if _has_picture(form):
        projection = projection_of(form)
        if projection == "flat":
            return "flat picture"
        if not feeds(form, target):
            return f"too small for {2 * target.height}x{target.height}"
        return "larger or of a later choice"
    return "not ambisonic" if spatial_audio_of(form) == "none" else "a better track is offered"
