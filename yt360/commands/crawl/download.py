"""``yt360 download``: download the videos of a catalog."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import click

from yt360.commands.crawl.options import (
    client_options,
    filter_options,
    interval_option,
    make_client_options,
    make_filters,
)
from yt360.commands.executor_options import executor_options
from yt360.commands.group import PATH_OR_URL, examples, renamed_options
from yt360.terminal.output import echo


@examples(
    "yt360 download my.catalog",
    "yt360 download my.catalog --workers 2 --limit-rate-mb 4 --cookies cookies.txt",
    "yt360 download my.catalog --media s3://BUCKET/media",
    "yt360 download my.catalog --describe-only",
    "yt360 download my.catalog --retry failed",
    "yt360 download my.catalog --executor ray:10.0.0.1:6379 --workers 8",
)
@click.command("download")
@click.argument("path", metavar="CATALOG", type=Path)
@click.option(
    "--media",
    type=PATH_OR_URL,
    metavar="FOLDER|URL",
    help="Media folder, also in a bucket (s3://BUCKET/NAME).  [default: NAME-media next to "
    "CATALOG]",
)
@click.option(
    "--workers",
    default=4,
    show_default=True,
    help="Videos downloaded at the same time, on all machines together.",
)
@click.option("--per-site", type=int, help="Maximum number of them from one site.")
@click.option("--limit", type=int, help="Maximum number of videos to settle.")
@click.option("--describe-only", is_flag=True, help="Only read and check the pages.")
@click.option(
    "--sections",
    type=click.Choice(["auto", "never"]),
    default="auto",
    show_default=True,
    help="Download only sections around known clips if that saves enough, or always whole videos.",
)
@click.option("--height", default=320, show_default=True, help="Height of the clips in pixels.")
@click.option("--allow-stereo", is_flag=True, help="Also download videos without ambisonic audio.")
@click.option("--allow-flat", is_flag=True, help="Also download videos without a 360° projection.")
@click.option("--max-attempts", default=5, show_default=True, help="Maximum attempts per video.")
@click.option(
    "--wait-s", default=900.0, show_default=True, help="Maximum wait for retries in seconds."
)
@click.option(
    "--lease-s",
    default=120.0,
    show_default=True,
    help="Seconds after which a worker that does not renew its claim loses its video.",
)
@click.option(
    "--retry",
    type=click.Choice(["failed", "unavailable", "rejected"]),
    multiple=True,
    help="First queue the videos of this state again (repeatable).",
)
@click.option("--limit-rate-mb", type=float, help="Bandwidth limit of the run in 10^6 bytes/s.")
@click.option(
    "--min-rate-kb",
    default=10.0,
    show_default=True,
    help="Minimum rate of a transfer in 10^3 bytes/s; a slower one is restarted.",
)
@click.option(
    "--min-free-gb", default=5.0, show_default=True, help="Disk space to keep free in 10^9 bytes."
)
@renamed_options({"--max-tries": "--max-attempts"})
@executor_options
@filter_options
@interval_option
@client_options
def command(
    path: Path,
    media: Path | None,
    retry: tuple[str, ...],
    executor: str,
    executor_config: Path | None,
    **options: Any,
) -> None:
    """Download the videos of a catalog with spatial audio, in the smallest sufficient size.

    Run it again after any interruption, or several times at once: partial files are resumed and
    nothing is downloaded twice. Every video ends as downloaded, rejected, unavailable or failed,
    with its reason; `yt360 catalog show CATALOG ID` reports on one.
    With --executor, workers on several machines fetch at the pace of one (docs/cluster.md).
    The exit code is 2 when the run ended early.
    """
    from yt360.buckets.address import as_bucket_url
    from yt360.buckets.cache import media_workspace
    from yt360.catalog import Catalog
    from yt360.crawl.download.remote.driver import run_on_executor
    from yt360.crawl.download.run import run_download
    from yt360.execution.engines.choice import open_executor
    from yt360.execution.executor import LocalExecutor
    from yt360.terminal.progress import Progress

    with Catalog(path) as catalog:
        # All options are checked before the catalog is changed.
        config = _config(
            make_filters(options, catalog.setting("filters", dict[str, Any], {})), options
        )
        url = catalog.media_url if media is None else as_bucket_url(media)
        local = media_workspace(url) if url else media or catalog.media
        engine = open_executor(executor, executor_config, local)
        if media is not None:
            catalog.set_media(media)
        for state in retry:
            ids = [video.video_id for video in catalog.videos.select(state)]  # type: ignore[arg-type]
            echo(f"{catalog.videos.requeue(ids)} {state} videos are queued again")
        waiting = catalog.claims.waiting("describe" if config.describe_only else "download")
    with Progress("downloading", waiting, "videos") as progress:
        arguments = threading.Event(), progress.note, lambda _id, _outcome: progress.advance()
        if isinstance(engine, LocalExecutor):
            report = run_download(path, config, *arguments)
        else:
            report = run_on_executor(path, config, engine, *arguments)
    echo(*report.lines())
    if report.interrupt is not None:
        raise report.interrupt
    if report.stopped is not None:
        sys.exit(2)


def _config(filters: Any, options: dict[str, Any]) -> Any:
    from dataclasses import replace

    from yt360.crawl.download.config import VIDEO_RETRY, DownloadConfig, TransferOptions
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
    selection = Selection(target=target, filters=filters, sections=options.pop("sections"))
    transfer = TransferOptions(
        min_rate_bytes_per_s=options.pop("min_rate_kb") * 1e3,
        min_free_bytes=options.pop("min_free_gb") * 1e9,
    )
    return DownloadConfig(
        rate_limit=RateLimitConfig(interval_s=options.pop("interval_s")),
        client=client,
        selection=selection,
        transfer=transfer,
        max_rate_bytes_per_s=rate_mb * 1e6 if rate_mb else None,
        retry=replace(VIDEO_RETRY, max_attempts=options.pop("max_attempts")),
        **options,
    )
