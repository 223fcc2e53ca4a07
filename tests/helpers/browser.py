"""The system's Chromium, driven by playwright, for tests of pages.

No browser is downloaded: the one of the system is used (Debian's package ``chromium``), or the one
that ``YT360_CHROMIUM`` names. Tests are skipped where there is none; with
``YT360_REQUIRE_BROWSER=1`` they fail instead.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FLAGS = (
    "--no-sandbox",  # continuous integration runs as root
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu-watchdog",  # on a busy machine it ends the process that draws
)

_NAMES = ("chromium", "chromium-browser", "google-chrome")


MISSING = "no Chromium: install Debian's package chromium, or set YT360_CHROMIUM to its path"


def find_chromium(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the browser's executable; None if there is none."""
    stated = environment.get("YT360_CHROMIUM")
    found = stated or next(filter(None, map(shutil.which, _NAMES)), None)
    return Path(found) if found and Path(found).is_file() else None


def chromium_path() -> Path:
    """Return the browser's executable, or skip the test (fail it if a browser is required)."""
    found = find_chromium()
    if found is not None:
        return found
    if os.environ.get("YT360_REQUIRE_BROWSER") == "1":
        pytest.fail(MISSING)
    pytest.skip(MISSING)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser without a window."""
    path = chromium_path()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, headless=True, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def wait_until(page: Page, expression: str, arg: object = None, timeout_s: float = 30) -> None:
    """Wait until JavaScript is true in the page; an AssertionError says what was not.

    `page.wait_for_function` does not work here: the page's Content-Security-Policy forbids it to
    evaluate a text.
    """
    end = time.monotonic() + timeout_s
    while not page.evaluate(expression, arg):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(30)


class Watch:
    """What a page complains about and whom it asks: errors, and addresses of other origins.

    Attributes:
        errors: Uncaught errors and those on the console, such as of the Content-Security-Policy.
        foreign: Addresses of requests to anything but the page's own origin.
        requests: Addresses of all requests.
    """

    def __init__(self, page: Page, origin: str) -> None:
        self.errors, self.foreign, self.requests = list[str](), list[str](), list[str]()
        page.on("pageerror", lambda error: self.errors.append(f"{error.name}: {error.message}"))
        page.on("console", self._on_console)
        page.on("request", lambda request: self._on_request(request.url, origin))

    def _on_console(self, message: object) -> None:
        kind, text = getattr(message, "type", ""), getattr(message, "text", "")
        if kind == "error" and "Failed to load resource" not in text:
            self.errors.append(text)

    def _on_request(self, url: str, origin: str) -> None:
        self.requests.append(url)
        if not url.startswith((origin, "blob:", "data:")):
            self.foreign.append(url)
