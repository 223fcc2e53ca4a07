"""Download a section: FFmpeg cuts it, and its requests pass the yt-dlp client.

The checks, limits and monitoring of whole files apply to a section too (see `relay.py`), and it
fails with the same exceptions.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from yt_dlp import YoutubeDL

from yt360.crawl.failures import Damaged
from yt360.crawl.sections.http_ranges import Stream
from yt360.crawl.sections.planning import COPY_ARGUMENTS
from yt360.crawl.sections.relay import Relay
from yt360.errors import BadItem
from yt360.media.ffmpeg import disk_error_in, ffmpeg_binary, input_name, raise_for_exit
from yt360.media.ffmpeg_process import start_ffmpeg

PROTOCOLS = ("http", "https")
"""Protocols of yt-dlp whose streams can be downloaded in sections."""
_FORMATS = "mov,matroska,ogg,mpegts,flv,avi,wav,flac,mp3,aac"
_KEPT_ERROR_LINES = 12


def fetch_section(client: YoutubeDL, path: Path, info: Mapping[str, Any]) -> None:
    """Download a section of a video, in place of yt-dlp's downloader.

    The client's options apply as for whole files. Its progress hooks are called several times a
    second, whether or not data arrives, and may raise to end the download.

    Args:
        client: Sends the requests.
        path: The Matroska file, which is replaced atomically.
        info: yt-dlp's description, with ``section_start`` and ``section_end`` in seconds.

    Raises:
        Damaged: The site's data is not media, or does not have the declared size.
        OSError: The disk is full.
        Exception: What the client's requests or the progress hooks raise.
    """
    options = client.params
    part = path.with_name(f"{path.name}.part")
    with Relay(
        [_stream(form) for form in info.get("requested_formats") or [info]],
        client.urlopen,
        retries=options.get("retries") or 0,
        sleep=(options.get("retry_sleep_functions") or {}).get("http") or (lambda _: None),
        max_rate_bytes_per_s=options.get("ratelimit"),
    ) as relay:

        def progress() -> None:
            # Each connection is a transfer of its own: waiting for one is not a slow transfer.
            transfer = {
                "status": "downloading",
                "filename": f"{part} {relay.connections}",
                "downloaded_bytes": relay.relayed_bytes,
            }
            for hook in client._progress_hooks:
                hook(transfer)

        try:
            _run(_section_arguments(relay.addresses, part, info), relay, progress, path)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)  # it cannot be resumed
            raise


def _stream(form: Mapping[str, Any]) -> Stream:
    return Stream(
        url=form["url"],
        headers=form.get("http_headers") or {},
        size_bytes=form.get("filesize"),
        chunk_bytes=(form.get("downloader_options") or {}).get("http_chunk_size"),
    )


def _section_arguments(
    addresses: Sequence[str], target: Path, info: Mapping[str, Any]
) -> list[str]:
    start, end = info.get("section_start") or 0, info["section_end"]
    arguments = ["-nostdin", "-hide_banner", "-loglevel", "error", "-y"]
    for address in addresses:
        # A playlist in place of a video would bypass the relay, so its formats are not allowed.
        arguments += ["-protocol_whitelist", "http,tcp", "-format_whitelist", _FORMATS]
        arguments += [*(["-ss", str(start)] if start else []), "-t", str(end - start)]
        arguments += ["-i", address]
    for number in range(len(addresses) if len(addresses) > 1 else 0):
        arguments += ["-map", f"{number}:0"]
    return [*arguments, "-c", "copy", *COPY_ARGUMENTS, "-f", "matroska", input_name(target)]


def _run(arguments: Sequence[str], relay: Relay, progress: Callable[[], None], path: Path) -> None:
    """Run FFmpeg on a relay's streams; an exception of the relay or of `progress` ends it."""
    process = start_ffmpeg(
        ffmpeg_binary(),
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        # The proxy is for the client, not for connections to the relay.
        env={key: value for key, value in os.environ.items() if key.lower() != "http_proxy"},
    )
    assert process.stderr is not None
    last_lines: deque[str] = deque(maxlen=_KEPT_ERROR_LINES)
    reader = threading.Thread(target=last_lines.extend, args=(process.stderr,), daemon=True)
    reader.start()
    try:
        while process.poll() is None:
            relay.work()
            progress()
        relay.check()
        progress()
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stderr.close()
    if process.returncode and relay.deferred_error is not None:
        raise relay.deferred_error
    lines = [line.strip() for line in last_lines]
    disk_error = next(filter(None, map(disk_error_in, lines)), None)
    try:
        raise_for_exit(process.returncode, lines, path, disk_error)
    except BadItem as error:
        raise Damaged("not-media", error.detail) from error
