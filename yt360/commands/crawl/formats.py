"""``yt360 formats``: show and explain which streams of a video would be taken."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import click

from yt360.commands.crawl.options import client_options, make_client_options
from yt360.commands.group import examples
from yt360.errors import UserError
from yt360.terminal.output import echo
from yt360.terminal.text import table

_NUMBERS = ("abr", "audio_channels", "fps", "height", "language_preference", "tbr", "width")
_COLUMNS = ("id", "what", "projection", "spatial audio", "size", "rate", "verdict")


@examples(
    "yt360 formats kqAZkf5Odyw",
    "yt360 formats -- -oytwMeyR74",
    "yt360 formats kqAZkf5Odyw --player-client web --player-client tv",
    "yt360 formats --info video.info.json",
)
@click.command("formats")
@click.argument("video", metavar="ID_OR_URL", required=False)
@click.option("--info", type=Path, help="Explain a yt-dlp info file instead of asking the site.")
@click.option("--height", default=320, show_default=True, help="Rows of the clips to be fed.")
@client_options
def command(video: str | None, info: Path | None, height: int, **options: Any) -> None:
    """List a video's streams, and say of each why it is taken or not."""
    from yt360.crawl.failures import Unsuitable
    from yt360.crawl.youtube.formats import Target, choose, explain

    if (video is None) == (info is None):
        raise UserError("give a video id or address, or --info FILE, and not both")
    target = Target(height=height)
    if info is not None:
        formats = _read_info(info)
    else:
        formats = _ask(str(video), make_client_options(options))
    rows = explain(formats, target)
    echo(*table([_COLUMNS, *([row[name] for name in _COLUMNS] for row in rows)]))
    try:
        choice = choose(formats, target)
    except Unsuitable as no:
        echo(f"not taken: {no.reason}: {no.detail}")
        return
    size = f"feeds {2 * height}x{height}" if choice.feeds_target else "smaller than wanted"
    echo(
        f"taken: {choice.format_ids} ({choice.projection}, {size}; "
        f"spatial audio: {choice.spatial_audio})"
    )


def _ask(video: str, options: Any) -> list[dict[str, Any]]:
    from yt360.catalog.ids import is_video_id, watch_url
    from yt360.crawl.youtube.list_formats import list_formats

    url = watch_url(video) if is_video_id(video) else video
    return list_formats(url, options, threading.Event())


def _read_info(path: Path) -> list[dict[str, Any]]:
    from yt360.untrusted.page import read_formats, read_info_file

    try:
        content = read_info_file(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not an info file of yt-dlp: {error}") from error
    formats = content.get("formats") if isinstance(content, dict) else None
    if not isinstance(formats, list):
        raise UserError(f"{path} is not an info file of yt-dlp: it has no list `formats`")
    for number, form in enumerate(formats, 1):
        _check_format(form, f"{path}, format {number}")
    return read_formats(formats)


def _check_format(form: Any, where: str) -> None:
    if not isinstance(form, dict) or not isinstance(form.get("format_id"), str):
        raise UserError(f"{where} has no `format_id`")
    for name in _NUMBERS:
        value = form.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise UserError(f"{where}: `{name}` {value!r:.60} is not a number")
