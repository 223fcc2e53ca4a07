"""What axe-core says of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page


def problems(page: Page) -> list[tuple[str, str, str]]:
    """Return the violations of accessibility that axe-core finds: rule, element, what to do."""
    from axe_playwright_python.sync_playwright import Axe

    return [
        (found["id"], node["html"], node["failureSummary"])
        for found in Axe().run(page).response["violations"]
        for node in found["nodes"]
    ]
