"""Asking for one video's page outside of a run."""

from __future__ import annotations

import random
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from yt360.catalog import Catalog
from yt360.catalog.ids import AllowedSites
from yt360.crawl.rate_limit import Pace, PaceConfig
from yt360.crawl.youtube.failures import classify
from yt360.crawl.youtube.session import Session, SessionOptions
from yt360.errors import UserError
from yt360.untrusted.page import read_formats


def ask_formats(
    url: str,
    options: SessionOptions,
    stop: threading.Event,
    make_session: Callable[..., Session] = Session,
) -> list[dict[str, Any]]:
    """Return the formats that a video's page offers, as yt-dlp lists them.

    Raises:
        UserError: The site is not allowed, or says no; the message has its reason.
    """
    AllowedSites(options.allow_urls).check(url)
    seen: list[dict[str, Any]] = []

    def note_formats(context: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        seen.extend(read_formats(context["formats"]))
        yield context["formats"][-1]

    with (
        tempfile.TemporaryDirectory() as folder,
        Catalog(Path(folder) / "pace.catalog", create=True) as catalog,
    ):
        pace = Pace(catalog, PaceConfig(), stop, random.Random())
        session = make_session(options, pace, stop, {"format": note_formats})
        try:
            session.extract_info(url, download=False)
        except Exception as error:
            failure = classify(error, session.seen_errors)
            raise UserError(f"{url}: {failure.reason}: {failure.detail}") from error
    return seen
