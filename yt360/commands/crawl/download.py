"""``yt360 download``: fetch the videos of a catalog."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import click

from yt360.commands.crawl.options import (
    client_options,
    filter_options,
    make_client_options,
    make_filters,
    pace_option,
)
from yt360.commands.group import examples
from yt360.terminal.output import echo


@examples(
    "yt360 download my.catalog",
    "yt360 download my.catalog --workers 2 --limit-rate-mb 4 --cookies cookies.txt",
    "yt360 download my.catalog --describe-only",
    "yt360 download my.catalog --retry failed",
)
@click.command("download")
@click.argument("path", metavar="CATALOG", type=Path)
@click.option(
    "--media", type=Path, help="Folder of the files.  [default: NAME-media beside CATALOG]"
)
@click.option("--workers", default=4, show_default=True, help="Videos fetched at the same time.")
@click.option("--per-site", type=int, help="At most so many of them from one site.")
@click.option("--limit", type=int, help="Stop when so many videos are settled.")
@click.option("--describe-only", is_flag=True, help="Only read the pages and judge them.")
@click.option(
    "--sections",
    type=click.Choice(["auto", "never"]),
    default="auto",
    show_default=True,
    help="Fetch only the parts around known clips where that saves enough, or whole videos.",
)
@click.option("--height", default=320, show_default=True, help="Rows of the clips to be fed.")
@click.option("--allow-stereo", is_flag=True, help="Take videos without ambisonic sound too.")
@click.option("--allow-flat", is_flag=True, help="Take videos without a 360° picture too.")
@click.option("--max-attempts", default=5, show_default=True, help="Maximum attempts per video.")
@click.option("--wait-s", default=900.0, show_default=True, help="Wait so long for retries.")
@click.option(
    "--lease-s",
    default=120.0,
    show_default=True,
    help="A worker loses its video after so many seconds without a sign of life.",
)
@click.option(
    "--retry",
    type=click.Choice(["failed", "unavailable", "rejected"]),
    multiple=True,
    help="First put videos in this state back into the queue, to be fetched anew.",
)
@click.option("--limit-rate-mb", type=float, help="Cap of the whole run in 10^6 bytes a second.")
@click.option(
    "--min-rate-kb", default=10.0, show_default=True, help="A slower transfer is taken up anew."
)
@click.option("--min-free-gb", default=5.0, show_default=True, help="Room to leave on the disk.")
@filter_options
@pace_option
@client_options
def command(path: Path, media: Path | None, retry: tuple[str, ...], **options: Any) -> None:
    """Fetch the videos of a catalog: picture and spatial sound, in the smallest useful size.

    Run it again after any interruption, or several times at once: partial files are resumed and
    nothing is fetched twice. Every video ends as downloaded, rejected, unavailable or failed, with
    its reason; `yt360 catalog show CATALOG ID` tells the whole story of one.
    The exit code is 2 when the run had to end early.
    """
    from yt360.catalog import Catalog
    from yt360.crawl.download.run import run_download
    from yt360.terminal.progress import Progress

    with Catalog(path) as catalog:
        # All that was asked is judged before the catalog is changed.
        config = _config(
            make_filters(options, catalog.setting("filters", dict[str, Any], {})), options
        )
        if media is not None:
            catalog.set_media(media)
        for state in retry:
            ids = [video.video_id for video in catalog.videos.select(state)]  # type: ignore[arg-type]
            echo(f"{catalog.videos.requeue(ids)} {state} videos are queued again")
        waiting = catalog.claims.waiting("describe" if config.describe_only else "download")
    with Progress("downloading", waiting, "videos") as progress:
        report = run_download(
            path,
            config,
            threading.Event(),
            progress.note,
            lambda _id, _outcome: progress.advance(),
        )
    echo(*report.lines())
    if report.interrupt is not None:
        raise report.interrupt
    if report.stopped is not None:
        sys.exit(2)


def _config(filters: Any, options: dict[str, Any]) -> Any:
    from yt360.crawl.download.config import DownloadConfig
    from yt360.crawl.download.fetch import TransferOptions
    from yt360.crawl.download.plan import Selection
    from yt360.crawl.rate_limit import RateLimitConfig
    from yt360.crawl.youtube.formats import Target

    rate_mb = options.pop("limit_rate_mb")
    client = make_client_options(options)
    target = Target(
        height=options.pop("height"),
        require_spatial_audio=not options.pop("allow_stereo"),
        require_360=not options.pop("allow_flat"),
    )
    wanted = Selection(target=target, filters=filters, sections=options.pop("sections"))
    transfer = TransferOptions(
        min_rate_bytes_per_s=options.pop("min_rate_kb") * 1e3,
        min_free_bytes=options.pop("min_free_gb") * 1e9,
    )
    return DownloadConfig(
        rate_limit=RateLimitConfig(interval_s=options.pop("interval_s")),
        client=client,
        selection=wanted,
        transfer=transfer,
        rate_limit_bytes_per_s=rate_mb * 1e6 if rate_mb else None,
        **options,
    )
