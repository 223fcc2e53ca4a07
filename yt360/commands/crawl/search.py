"""``yt360 search``: find 360° videos with spatial audio."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yt360.commands.crawl.options import (
    filter_options,
    make_client_options,
    make_filters,
    pace_option,
    search_client_options,
)
from yt360.commands.exclusive_options import refuse
from yt360.commands.group import examples
from yt360.terminal.output import echo

if TYPE_CHECKING:
    from yt360.catalog import Catalog
    from yt360.crawl.search.run import SearchReport


@examples(
    "yt360 search --out my.catalog",
    "yt360 search --queries queries.yaml --language de --language ja --out my.catalog",
    'yt360 search --query "brass band 360" --license creativecommon --out my.catalog',
    "yt360 search --no-queries --expand 5 --out my.catalog",
    "yt360 search --no-queries --again --out my.catalog",
)
@click.command("search")
@click.option("--out", "path", required=True, type=Path, help="Catalog, new or to add to.")
@click.option(
    "--queries", type=Path, help="YAML file of words; the built-in one knows 17 languages."
)
@click.option("--language", "languages", multiple=True, help="Only this language (repeatable).")
@click.option("--query", "texts", multiple=True, help="Search for this text alone (repeatable).")
@click.option("--no-queries", is_flag=True, help="Add no searches; go on with those that are open.")
@click.option(
    "--expand",
    type=click.IntRange(1),
    metavar="HITS",
    help="Then list whole channels of which searches found at least so many videos.",
)
@click.option("--retry", is_flag=True, help="First begin searches that were given up anew.")
@click.option(
    "--again",
    is_flag=True,
    help="First begin searches anew that were read, to find what was uploaded since.",
)
@click.option(
    "--max-pages",
    default=30,
    show_default=True,
    help="Pages to read of each search, also of those that an earlier run ended at fewer.",
)
@filter_options
@pace_option
@search_client_options
@click.pass_context
def command(
    context: click.Context,
    path: Path,
    queries: Path | None,
    languages: tuple[str, ...],
    texts: tuple[str, ...],
    no_queries: bool,
    expand: int | None,
    retry: bool,
    again: bool,
    max_pages: int,
    interval_s: float,
    **options: Any,
) -> None:
    """Search YouTube for 360° videos and put what is found into a catalog.

    Every keyword of every language is searched with every suffix, with YouTube's 360° filter. Each
    page is stored as it is read: stop it whenever you like and run it again to go on. The filters
    are kept in the catalog, and `yt360 download` applies them to what only a video's page tells.
    The exit code is 2 when the search had to end early.
    """
    from yt360.catalog import Catalog
    from yt360.crawl.rate_limit import RateLimitConfig
    from yt360.crawl.search.queries import Query, load_queries
    from yt360.crawl.search.run import SearchConfig, filter_parameter, run_search

    if texts:
        why = "does not go with --query, which searches for its text alone"
        refuse(context, ("queries", "languages", "no_queries"), why)
    if no_queries:
        refuse(context, ("queries", "languages"), "does not go with --no-queries")
    if texts:
        wanted = [Query(text, "") for text in texts]
    else:
        wanted = [] if no_queries else load_queries(queries, languages)
    # All that was asked is judged before a catalog is made.
    filters = make_filters(options, _stored_filters(path))
    config = SearchConfig(
        filters=filters,
        max_pages=max_pages,
        rate_limit=RateLimitConfig(interval_s=interval_s),
        client=make_client_options(options),
    )
    with Catalog(path, create=True) as catalog:
        catalog.set_setting("filters", filters.to_dict())
        parameter = filter_parameter(filters.license == "creativecommon")
        with catalog.transaction():
            for query in wanted:
                catalog.listings.add("search", query.text, parameter, query.language or None)
        if retry:
            echo(f"{catalog.listings.reopen('failed')} searches begin anew")
        if again:
            echo(f"{catalog.listings.reopen('done')} searches are read again")
        if short := catalog.listings.reopen_short(max_pages):
            echo(f"{short} searches that had ended at fewer pages go on")
        stop = threading.Event()
        report = run_search(catalog, config, stop, _note)
        _print(report, catalog)
        if expand is not None and not report.stopped:
            _expand(catalog, expand)
            report = run_search(catalog, config, stop, _note)
            _print(report, catalog)
    context.exit(2 if report.stopped else 0)


def _stored_filters(path: Path) -> dict[str, Any]:
    from yt360.catalog import Catalog
    from yt360.catalog.opening import is_catalog

    if not is_catalog(path):
        return {}
    with Catalog(path) as catalog:
        return catalog.setting("filters", dict[str, Any], {})


def _expand(catalog: Catalog, least_hits: int) -> None:
    channels = catalog.listings.channels_with_hits(least_hits)
    with catalog.transaction():
        new = sum(catalog.listings.add("channel", channel_id) for channel_id, _ in channels)
    echo(f"{len(channels)} channels have {least_hits} hits or more, {new} are new")


def _print(report: SearchReport, catalog: Catalog) -> None:
    from yt360.catalog.reports.summary import summarize

    echo(f"read {report.pages} pages: {report.seen} videos, {report.new} new")
    for reason, count in sorted(report.failed.items()):
        echo(f"  {count} searches given up: {reason}")
    if report.stopped:
        echo(f"stopped early: {report.stopped}")
    echo(f"the catalog knows {summarize(catalog).videos} videos")


def _note(line: str) -> None:
    echo(line, err=True)
