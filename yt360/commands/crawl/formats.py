"""``yt360 formats``: list the streams of a video and explain the selection."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import click

from yt360.commands.crawl.options import client_options, interval_option, make_client_options
from yt360.commands.group import examples
from yt360.errors import UserError
from yt360.terminal.output import echo
from yt360.terminal.text import table

_NUMBERS = ("abr", "audio_channels", "fps", "height", "language_preference", "tbr", "width")
_COLUMNS = ("id", "what", "projection", "spatial audio", "size", "rate", "decision")


@examples(
    "yt360 formats kqAZkf5Odyw",
    "yt360 formats -- -oytwMeyR74",
    "yt360 formats kqAZkf5Odyw --player-client web --player-client tv",
    "yt360 formats --info video.info.json",
)
@click.command("formats")
@click.argument("video", metavar="ID_OR_URL", required=False)
@click.option("--info", type=Path, help="Read a yt-dlp info file instead of the site.")
@click.option("--height", default=320, show_default=True, help="Height of the clips in pixels.")
@interval_option
@client_options
def command(
    video: str | None, info: Path | None, height: int, interval_s: float, **options: Any
) -> None:
    """List the streams of a video, and explain why each is selected or not."""
    from yt360.crawl.failures import Unsuitable
    from yt360.crawl.youtube.format_table import explain
    from yt360.crawl.youtube.formats import Target, choose

    if (video is None) == (info is None):
        message = "give either a video id or URL, or --info FILE"
        raise UserError(message, "conflict", "info")
    target = Target(height=height)
    if info is not None:
        formats = _read_info(info)
    else:
        formats = _request(str(video), make_client_options(options), interval_s)
    rows = explain(formats, target)
    echo(*table([_COLUMNS, *([row[name] for name in _COLUMNS] for row in rows)]))
    try:
        choice = choose(formats, target)
    except Unsuitable as error:
        echo(f"not selected: {error.reason}: {error.detail}")
        return
    size = f"sufficient for {2 * height}x{height}" if choice.is_large_enough else "too small"
    echo(
        f"selected: {choice.format_ids} ({choice.projection}, {size}; "
        f"spatial audio: {choice.spatial_audio})"
    )


def _request(video: str, options: Any, interval_s: float) -> list[dict[str, Any]]:
    from yt360.catalog.ids import is_video_id, watch_url
    from yt360.crawl.rate_limit import RateLimitConfig
    from yt360.crawl.youtube.list_formats import list_formats

    url = watch_url(video) if is_video_id(video) else video
    return list_formats(url, options, threading.Event(), RateLimitConfig(interval_s=interval_s))


def _read_info(path: Path) -> list[dict[str, Any]]:
    from yt360.untrusted.page import read_formats, read_info_file

    try:
        content = read_info_file(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} is not an info file of yt-dlp: {error}", "invalid", path
        ) from error
    formats = content.get("formats") if isinstance(content, dict) else None
    if not isinstance(formats, list):
        message = f"{path} is not an info file of yt-dlp: it has no list `formats`"
        raise UserError(message, "invalid", path)
    for number, form in enumerate(formats, 1):
        _check_format(form, f"{path}, format {number}")
    return read_formats(formats)


def _check_format(form: Any, where: str) -> None:
    if not isinstance(form, dict) or not isinstance(form.get("format_id"), str):
        raise UserError(f"{where} has no `format_id`", "invalid", "format_id")
    for name in _NUMBERS:
        value = form.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise UserError(f"{where}: `{name}` {value!r:.60} is not a number", "invalid", name)
