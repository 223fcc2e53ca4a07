"""``yt360 search``: search for 360° videos with spatial audio."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yt360.commands.crawl.options import (
    filter_options,
    interval_option,
    make_client_options,
    make_filters,
    search_client_options,
)
from yt360.commands.exclusive_options import refuse
from yt360.commands.group import examples
from yt360.terminal.output import echo
from yt360.terminal.text import counted

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
@click.option(
    "--out", "path", required=True, type=Path, help="Catalog, which is created when missing."
)
@click.option("--queries", type=Path, help="YAML file of keywords.  [default: 17 languages]")
@click.option("--language", "languages", multiple=True, help="Only this language (repeatable).")
@click.option("--query", "texts", multiple=True, help="Search only for this text (repeatable).")
@click.option("--no-queries", is_flag=True, help="Add no searches; continue open ones.")
@click.option(
    "--expand",
    type=click.IntRange(1),
    metavar="HITS",
    help="Then list all videos of channels with at least this number of videos found.",
)
@click.option("--retry", is_flag=True, help="First restart failed searches.")
@click.option(
    "--again",
    is_flag=True,
    help="First restart finished searches, to find recent uploads.",
)
@click.option(
    "--max-pages",
    default=30,
    show_default=True,
    help="Maximum number of pages of each search; continues searches that ended at fewer.",
)
@filter_options
@interval_option
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
    """Search YouTube for 360° videos and add them to a catalog.

    Every keyword of every language is searched with every suffix, with YouTube's 360° filter. Each
    page is stored when it is read, so the search can be stopped at any time and continued by the
    same command. The filters are stored in the catalog; `yt360 download` applies those that need
    the video's page. The exit code is 2 when the search ended early, or every search failed.
    """
    from yt360.catalog import Catalog
    from yt360.crawl.rate_limit import RateLimitConfig
    from yt360.crawl.search.config import SearchConfig
    from yt360.crawl.search.queries import Query, load_queries
    from yt360.crawl.search.run import filter_parameter, run_search

    if texts:
        why = "does not go with --query, which searches for its text alone"
        refuse(context, ("queries", "languages", "no_queries"), why)
    if no_queries:
        refuse(context, ("queries", "languages"), "does not go with --no-queries")
    if texts:
        wanted = [Query(text, "") for text in texts]
    else:
        wanted = [] if no_queries else load_queries(queries, languages)
    # All options are checked before a catalog is created.
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
            echo(f"{catalog.listings.reopen('failed')} failed searches are restarted")
        if again:
            echo(f"{catalog.listings.reopen('done')} finished searches are restarted")
        if short := catalog.listings.reopen_short(max_pages):
            echo(f"{short} searches that ended at fewer pages are continued")
        stop = threading.Event()
        report = run_search(catalog, config, stop, _note)
        _print(report, catalog)
        if expand is not None and not report.stopped:
            _expand(catalog, expand)
            report = run_search(catalog, config, stop, _note)
            _print(report, catalog)
    context.exit(2 if report.has_failed else 0)


def _stored_filters(path: Path) -> dict[str, Any]:
    from yt360.catalog import Catalog
    from yt360.catalog.opening import is_catalog

    if not is_catalog(path):
        return {}
    with Catalog(path) as catalog:
        return catalog.setting("filters", dict[str, Any], {})


def _expand(catalog: Catalog, min_hits: int) -> None:
    channels = catalog.listings.channels_with_hits(min_hits)
    with catalog.transaction():
        new = sum(catalog.listings.add("channel", channel_id) for channel_id, _ in channels)
    echo(f"{len(channels)} channels have {min_hits} hits or more, {new} are new")


def _print(report: SearchReport, catalog: Catalog) -> None:
    from yt360.catalog.reports.summary import summarize

    pages, seen = counted(report.pages, "page"), counted(report.seen, "video")
    echo(f"read {pages}: {seen}, {report.new} new")
    for reason, count in sorted(report.failed.items()):
        echo(f"  searches that failed ({reason}): {count}")
    if report.failed:
        echo("  `yt360 search --no-queries --retry --out CATALOG` tries them again")
    if report.stopped:
        echo(f"stopped early: {report.stopped}")
    echo(f"the catalog has {summarize(catalog).videos} videos")


def _note(line: str) -> None:
    echo(line, err=True)
