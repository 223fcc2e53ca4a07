"""A table that explains the selection of formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yt360.crawl.failures import Unsuitable
from yt360.crawl.youtube.formats import (
    DEFAULT_TARGET,
    Format,
    Target,
    choose,
    has_audio,
    has_video,
    is_degraded,
    is_large_enough,
    is_usable,
    projection_of,
    spatial_audio_of,
)


def explain(formats: Sequence[Format], target: Target = DEFAULT_TARGET) -> list[dict[str, str]]:
    """Return a table of the formats: what each is, and whether and why it is selected.

    Rows have the columns ``id``, ``what``, ``projection``, ``spatial audio``, ``size``, ``rate``,
    ``decision``.
    """
    try:
        choice = choose(formats, target)
        taken = {choice.video["format_id"]: "video"}
        if choice.audio is not None:
            taken[choice.audio["format_id"]] = "audio"
        elif choice.spatial_audio != "none":
            taken[choice.video["format_id"]] = "video and audio"
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
                "projection": projection_of(form) if has_video(form) else "",
                "spatial audio": spatial_audio_of(form) if has_audio(form) else "",
                "size": f"{form.get('width')}x{form.get('height')}" if form.get("height") else "",
                "rate": f"{form['tbr']:.0f} kbit/s" if form.get("tbr") else "",
                "decision": _decision(form, taken, target),
            }
        )
    return rows


def _what(form: Format) -> str:
    codecs = [str(form.get(key)) for key in ("vcodec", "acodec") if form.get(key) != "none"]
    channels = f" {form['audio_channels']}ch" if form.get("audio_channels") else ""
    return " + ".join(codecs) + channels


def _decision(form: Format, taken: Mapping[str, str], target: Target) -> str:
    if form["format_id"] in taken:
        return f"SELECTED as {taken[form['format_id']]}"
    if not is_usable(form):
        return "no URL, or protected"
    if is_degraded(form):
        return "marked as damaged, processed or locked"
    if has_video(form):
        projection = projection_of(form)
        if projection == "flat":
            return "flat video"
        if not is_large_enough(form, target):
            return f"too small for {2 * target.height}x{target.height}"
        return "larger, or less preferred"
    return "not ambisonic" if spatial_audio_of(form) == "none" else "a better track is offered"
