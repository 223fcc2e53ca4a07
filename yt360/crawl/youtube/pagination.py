"""Pagination of searches and channels, so that a listing can be left and continued later."""

from __future__ import annotations

import json
from collections.abc import Callable

from yt_dlp.networking import Request


class Pagination:
    """Observes the page requests of a listing, and continues a listing at a stored page.

    yt-dlp yields the entries of search results and channels one by one. It requests the next page
    when it needs it, with a ``continuation`` token. Before that request is sent, all entries of the
    page before have been yielded, and can be stored together with the token. To continue later, the
    first request of a new listing gets the stored token.

    Args:
        resume: Token of the page to begin with; None for the first page.
        turned: Called with the token of each next page. It may raise to end the listing.
        resumed: Called when the stored page is requested; the entries before it are known.
    """

    def __init__(
        self, resume: str | None, turned: Callable[[str], None], resumed: Callable[[], None]
    ) -> None:
        self._resume = resume
        self._turned = turned
        self._resumed = resumed
        self._last: str | None = None

    def before(self, request: Request) -> None:
        """Handle a page request that is about to be sent; change it when resuming."""
        body = json.loads(request.data)
        if self._resume is not None:
            body["continuation"], self._resume = self._resume, None
            self._last = body["continuation"]
            request.data = json.dumps(body).encode()
            self._resumed()
            return
        token = body.get("continuation")
        if token and token != self._last:  # the same token again is a retry of the same page
            self._last = token
            self._turned(token)
