"""The page that ``yt360 inspect --report`` writes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from yt360.terminal.output import echo

if TYPE_CHECKING:
    from yt360.quality.report.page import ReportPage


def open_page(
    path: Path | None, inputs: tuple[Path, ...], settings: dict[str, str]
) -> AbstractContextManager[ReportPage | None]:
    """Return the page to write, or a context without one."""
    if path is None:
        return nullcontext()
    from yt360.quality.configs import configure_checks
    from yt360.quality.report.page import ReportPage

    title = f"Inspection of {inputs[0]}" + (f" and {len(inputs) - 1} more" if inputs[1:] else "")
    return ReportPage(path, title, tuple(configure_checks(settings)))


def echo_page(page: ReportPage | None, *, err: bool = False) -> None:
    """Print where the page is, if one was written."""
    if page is not None and page.counts:
        echo(f"{page.path}: the report", err=err)
