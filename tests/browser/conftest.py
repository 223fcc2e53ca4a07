"""One browser for all tests of pages; every test has a context of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import MISSING, Watch, chromium, find_chromium
from helpers.explore_site import VIEWER, Site, serve
from helpers.viewer_site import full_site, viewer_page


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say at the very end that nothing was tested, if there is no browser."""
    if find_chromium() is None and terminalreporter.stats.get("skipped"):
        number = len(terminalreporter.stats["skipped"])
        terminalreporter.section("the page was NOT tested", red=True, bold=True)
        terminalreporter.line(f"{number} tests of pages were skipped: {MISSING}")


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Return the browser; it ends with this folder, since its event loop blocks other tests."""
    with chromium() as started:
        yield started


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a site or an address and returns the page.

    When the test ends, the page must have reported no error and asked no other server for anything.
    """
    with ExitStack() as stack:
        watches = list[Watch]()

        def open_page(
            site: Site | str,
            hash_: str = "",
            *,
            size: tuple[int, int] = (1000, 700),
            **context: Any,
        ) -> Any:
            if isinstance(site, Site):
                site.answers.setdefault("static/viewer/viewer.js", VIEWER)
                site.answers.setdefault("static/style/viewer.css", b"")
                address = stack.enter_context(serve(site))
            else:
                address = site
            made = browser.new_context(
                viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce", **context
            )
            stack.callback(made.close)
            page = made.new_page()
            page.set_default_timeout(20_000)
            watches.append(Watch(page, address))
            page.goto(address + hash_)
            page.wait_for_selector("html[data-ready]")
            return page

        yield open_page
        assert [error for watch in watches for error in watch.errors] == []
        assert [address for watch in watches for address in watch.foreign] == []


@pytest.fixture(scope="package")
def viewer_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the site of `full_site`."""
    folder = Path(tmp_path_factory.mktemp("viewer"))
    full_site(folder)
    return folder


@pytest.fixture(scope="module")
def _viewer_page(browser: Any, viewer_site: Path) -> Iterator[Any]:
    with viewer_page(browser, viewer_site) as opened:
        yield opened


@pytest.fixture
def page(_viewer_page: Any) -> Any:
    """Return the page of the tests of a module, without a viewer yet."""
    _viewer_page.evaluate("() => { window.viewer?.dispose(); window.viewer = null; }")
    return _viewer_page


@pytest.fixture
def own_page(browser: Any, viewer_site: Path) -> Iterator[Any]:
    """Return a page for one test that changes more than the viewer."""
    with viewer_page(browser, viewer_site) as opened:
        yield opened
