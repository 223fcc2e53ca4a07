"""``yt360 inspect CATALOG``: inspect the videos of a catalog, or judge them again."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yt360.commands.inspect_page import echo_page, open_page
from yt360.terminal.output import echo

if TYPE_CHECKING:
    from yt360.catalog import State
    from yt360.quality.catalog_config import CatalogRunConfig
    from yt360.quality.report.page import ReportPage

CLAIMS_PER_WORKER = 4
"""Videos that are claimed at a time for each worker on a cluster, which takes them as batches."""


def inspect_videos(
    path: Path, again: tuple[State, ...], report_path: Path | None, options: dict[str, Any]
) -> int:
    """Inspect a catalog; return how many processes died or were stopped."""
    from yt360.catalog import Catalog
    from yt360.devices import usable_cores
    from yt360.execution.engines.choice import open_executor
    from yt360.execution.executor import LocalExecutor, workers_of
    from yt360.quality.catalog_config import CatalogRunConfig
    from yt360.quality.catalog_run import inspect_again, inspect_catalog
    from yt360.terminal.progress import Progress

    engine = open_executor(options.pop("executor"), options.pop("executor_config"), path)
    is_here = isinstance(engine, LocalExecutor)
    options["workers"] = workers_of(engine, options["workers"], 1)
    config = CatalogRunConfig(**{**options, "rejecting": options["rejecting"] or None})
    for check in config.checks.values():
        check.build()  # loads the tagger and the like before anything is changed
    page = open_page(report_path, (path,), config.settings)
    with Catalog(path) as catalog:
        for state in dict.fromkeys(again):
            echo(f"{inspect_again(catalog, state)} {state} videos are queued again")
        waiting = catalog.claims.waiting("inspect")
    with Progress("inspecting", waiting, "videos") as progress:
        report = inspect_catalog(
            path,
            config,
            lambda _: progress.advance(),
            progress.note,
            engine.pool,
            claims_per_worker=1 if is_here else CLAIMS_PER_WORKER,
        )
    echo(*report.lines())
    # The page is drawn on this machine.
    _draw_catalog(path, page, config if is_here else replace(config, workers=usable_cores()))
    if not report.counts and not report.crashes and report_path is None:
        echo(
            f"{path} has no downloaded video to inspect; run `yt360 download {path}`, "
            "or inspect videos again with --again"
        )
    if report.crashes:
        echo(f"error: worker processes that died or hung: {report.crashes}; see above", err=True)
    return report.crashes


def _draw_catalog(
    path: Path, page: AbstractContextManager[ReportPage | None], config: CatalogRunConfig
) -> None:
    """Write the page of a catalog."""
    from yt360.quality.report.catalog_report import report_catalog
    from yt360.terminal.progress import Progress

    with page as opened, Progress("drawing", None, "videos") as progress:
        if opened is not None:
            report_catalog(path, opened, config, progress.advance)
    echo_page(opened)
    if opened is not None and not opened.counts:
        echo(f"no page is written: {path} has no inspected video")


def judge_again(
    path: Path,
    settings: dict[str, str],
    rejecting: tuple[str, ...],
    report_path: Path | None,
    dry_run: bool,
) -> None:
    """Judge the inspected videos of a catalog again."""
    from yt360.catalog import Catalog
    from yt360.quality.catalog_config import CatalogRunConfig
    from yt360.quality.rejudge import rejudge_catalog
    from yt360.terminal.progress import Progress

    config = CatalogRunConfig(settings=settings, rejecting=rejecting or None)
    page = open_page(report_path, (path,), settings)
    with Catalog(path) as catalog, Progress("judging", None, "videos") as progress:
        report = rejudge_catalog(catalog, config, progress.advance, dry_run=dry_run)
    echo(*report.lines())
    _draw_catalog(path, page, config)
