"""Listing the formats of one video, outside of a run."""

from __future__ import annotations

import random
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from yt360.catalog import Catalog
from yt360.catalog.ids import AllowedSites
from yt360.crawl.failures import classify
from yt360.crawl.rate_limit import RateLimitConfig, RateLimiter
from yt360.crawl.youtube.client import YoutubeClient
from yt360.crawl.youtube.options import ClientOptions
from yt360.errors import UserError
from yt360.untrusted.page import read_formats


def list_formats(
    url: str,
    options: ClientOptions,
    stop: threading.Event,
    rate_limit: RateLimitConfig,
    make_client: Callable[..., YoutubeClient] = YoutubeClient,
) -> list[dict[str, Any]]:
    """Return the formats that a video's page offers, as yt-dlp lists them.

    Raises:
        UserError: The site is not allowed, or the video is not available.
    """
    AllowedSites(options.allow_urls).check(url)
    seen: list[dict[str, Any]] = []

    def record_formats(context: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        seen.extend(read_formats(context["formats"]))
        yield context["formats"][-1]

    with (
        tempfile.TemporaryDirectory() as folder,
        Catalog(Path(folder) / "rate-limit.catalog", create=True) as catalog,
    ):
        limiter = RateLimiter(catalog, rate_limit, stop, random.Random())
        client = make_client(options, limiter, stop, {"format": record_formats})
        try:
            client.extract_info(url, download=False)
        except Exception as error:
            failure = classify(error, client.seen_errors)
            message = f"{url}: {failure.reason}: {failure.detail}"
            raise UserError(message, "network", failure.reason) from error
    return seen
