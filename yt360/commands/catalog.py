"""``yt360 catalog``: inspect, query, export and change a catalog."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from yt360.commands.exclusive_options import refuse
from yt360.commands.group import PATH_OR_URL, StrictGroup, examples
from yt360.errors import UserError
from yt360.splits import PAPER_TEST_FRACTION
from yt360.terminal.output import echo
from yt360.terminal.text import table

_QUERY_COLUMNS = ("video_id", "state", "reason", "split", "clips_kept", "duration_s", "title")


@click.group("catalog", cls=StrictGroup)
def command() -> None:
    """Show, query, export, split and check a catalog."""


@examples(
    "yt360 catalog show my.catalog",
    "yt360 catalog show my.catalog kqAZkf5Odyw",
    "yt360 catalog show my.catalog -- -oytwMeyR74",
)
@command.command("show", short_help="Summarize a catalog, or report on one video.")
@click.argument("path", metavar="CATALOG", type=Path)
@click.argument("video_id", required=False)
def show(path: Path, video_id: str | None) -> None:
    """Summarize a catalog, or report on one video: its state, attempts, verdicts and clips."""
    from yt360.catalog import Catalog
    from yt360.catalog.reports.summary import summarize, summary_lines
    from yt360.catalog.reports.video_report import video_lines

    with Catalog(path) as catalog:
        lines = video_lines(catalog, video_id) if video_id else summary_lines(summarize(catalog))
        echo(*lines)


@examples(
    "yt360 catalog query my.catalog --state rejected --reason no-spatial-audio",
    "yt360 catalog query my.catalog --channel UC... --format csv --limit 0",
    'yt360 catalog query my.catalog --sql "SELECT license, count(*) FROM videos GROUP BY license"',
)
@command.command("query", short_help="Print videos, or the rows of an SQL query.")
@click.argument("path", metavar="CATALOG", type=Path)
@click.option("--state", help="Only videos in this state.")
@click.option("--reason", help="Only videos with this reason.")
@click.option("--channel", metavar="ID", help="Only videos of this channel.")
@click.option("--split", help="Only videos of this split.")
@click.option("--sql", metavar="SELECT", help="A query in SQL, which cannot change anything.")
@click.option(
    "--limit",
    type=click.IntRange(0, 10**9),
    default=50,
    show_default=True,
    help="Maximum number of rows; 0 for all.",
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["table", "csv", "jsonl"]),
    default="table",
    show_default=True,
    help="Output format.",
)
@click.pass_context
def query(
    context: click.Context,
    path: Path,
    sql: str | None,
    limit: int,
    file_format: str,
    **criteria: Any,
) -> None:
    r"""Print the videos that meet all conditions, or the rows of an SQL query.

    Control characters are escaped: as in JSON with --format jsonl, which is exact, and as in \x1b
    with the others. `yt360 catalog export` writes exact CSV.
    """
    from yt360.catalog import Catalog
    from yt360.catalog.lists.export import row_lines
    from yt360.catalog.reports.query import run_sql, select_videos

    if sql is not None:
        refuse(context, criteria, "cannot be combined with --sql; put the condition into the query")
    with Catalog(path) as catalog:
        if sql is not None:
            columns, rows = run_sql(catalog, sql, limit)
        else:
            columns, rows = select_videos(catalog, limit, _QUERY_COLUMNS, **criteria)
        if file_format == "table":
            none_is_empty = (["" if value is None else value for value in row] for row in rows)
            echo(*table([columns, *none_is_empty]))
        else:
            for line in row_lines(columns, rows, file_format):  # type: ignore[arg-type]
                echo(line)


class _ExportFormat(click.Choice[str]):
    """The formats of an export. The former name of one is refused with its new name."""

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        if value == "released":
            message = "--format released was renamed; use --format yt360-lists"
            raise UserError(message, "unknown-name", "released")
        return super().convert(value, param, ctx)


@examples(
    "yt360 catalog export my.catalog videos.csv",
    "yt360 catalog export my.catalog clips.parquet --table clips",
    "yt360 catalog export my.catalog lists/ --format yt360-lists",
)
@command.command("export", short_help="Export a table, or the lists of YT-360.")
@click.argument("path", metavar="CATALOG", type=Path)
@click.argument("out", type=Path)
@click.option("--table", default="videos", show_default=True, help="Table to export.")
@click.option(
    "--format",
    "file_format",
    type=_ExportFormat(["csv", "jsonl", "parquet", "yt360-lists"]),
    help="File format; 'yt360-lists' writes YT-360's lists into a folder.  [default: by suffix]",
)
@click.pass_context
def export(context: click.Context, path: Path, out: Path, table: str, file_format: Any) -> None:
    """Export a table (videos, clips, verdicts, attempts, files) or YT-360's text lists."""
    from yt360.catalog import Catalog
    from yt360.catalog.lists.export import export_table
    from yt360.catalog.lists.yt360_lists import export_lists

    if file_format == "yt360-lists":
        refuse(
            context,
            ("table",),
            "cannot be combined with --format yt360-lists, which writes all lists",
        )
    with Catalog(path) as catalog:
        if file_format == "yt360-lists":
            for name, count in export_lists(catalog, out).items():
                echo(f"{out / name}: {count} lines")
        else:
            echo(f"{out}: {export_table(catalog, table, out, file_format)} rows")


@examples("yt360 catalog split my.catalog", "yt360 catalog split my.catalog --by video")
@command.command("split", short_help="Assign splits to accepted videos.")
@click.argument("path", metavar="CATALOG", type=Path)
@click.option(
    "--test-fraction",
    default=PAPER_TEST_FRACTION,
    help="Expected fraction of test videos, 0 to 1.  [default: 0.1816, as in YT-360]",
)
@click.option(
    "--by",
    type=click.Choice(["channel", "video"]),
    default="channel",
    show_default=True,
    help="Grouping that must not cross the split.",
)
def split(path: Path, test_fraction: float, by: Any) -> None:
    """Assign a split to accepted videos without one. The split of a video never changes.

    Videos that `yt360 dedup` found to be duplicates share a split.
    """
    from yt360.catalog import Catalog
    from yt360.catalog.reports.summary import summarize
    from yt360.duplicates.groups import find_groups, folder_of_catalog

    duplicates = find_groups(folder_of_catalog(path))
    with Catalog(path) as catalog:
        count = catalog.splits.assign(test_fraction, by, duplicates=duplicates)
        echo(f"{count} videos were assigned a split")
        for name, count in summarize(catalog).splits.items():
            echo(f"{count:8d}  {name}")


@examples(
    "yt360 catalog drop my.catalog kqAZkf5Odyw --reason withdrawn --delete-media",
    "yt360 catalog drop my.catalog -- -oytwMeyR74",
)
@command.command("drop", short_help="Reject videos for good.")
@click.argument("path", metavar="CATALOG", type=Path)
@click.argument("video_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--reason", default="withdrawn", show_default=True, help="Reason to record.")
@click.option(
    "--delete-media",
    is_flag=True,
    help="Also delete all of its files, including partial ones.",
)
def drop(path: Path, video_ids: tuple[str, ...], reason: str, delete_media: bool) -> None:
    """Reject videos for good, for example because their owner withdrew them."""
    from yt360.catalog import Catalog

    if delete_media:
        from yt360.crawl.download.video_folder import delete_media as delete_files

    with Catalog(path) as catalog:
        for video_id in video_ids:
            catalog.videos.drop(video_id, reason)
            files = delete_files(catalog, video_id) if delete_media else 0
            echo(f"{video_id}: rejected ({reason}), {files} files deleted")


@examples("yt360 catalog check my.catalog")
@command.command("check", short_help="Read all of a catalog and list its faults.")
@click.argument("path", metavar="CATALOG", type=Path)
def check(path: Path) -> None:
    """Read all of a catalog and list its faults.

    Run it once on a catalog that somebody else made. The exit code is 1 when a fault is found.
    """
    from yt360.catalog import Catalog
    from yt360.catalog.integrity import catalog_faults

    is_whole = True
    with Catalog(path) as catalog:
        for line in catalog_faults(catalog):
            is_whole = False
            echo(line)
    if not is_whole:
        sys.exit(1)
    echo(f"{path} has no faults")


@examples("yt360 catalog media my.catalog", "yt360 catalog media my.catalog /disk/media")
@command.command("media", short_help="Print or set the media folder.")
@click.argument("path", metavar="CATALOG", type=Path)
@click.argument("folder", metavar="[FOLDER|URL]", required=False, type=PATH_OR_URL)
def media(path: Path, folder: Path | None) -> None:
    """Print the media folder of a catalog, or set it and mark it as the catalog's.

    A folder outside of the catalog's folder is used only when it is marked, and files are written
    and deleted only in a marked folder, since anybody can write the name of a folder into a
    catalog.
    """
    from yt360.catalog import Catalog

    with Catalog(path) as catalog:
        if folder is not None:
            catalog.set_media(folder)
        echo(catalog.media_url or catalog.media)
