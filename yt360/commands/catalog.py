"""``yt360 catalog``: look into a catalog, and get things out of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from yt360.commands.exclusive_options import refuse
from yt360.commands.group import StrictGroup, examples
from yt360.terminal.output import echo
from yt360.terminal.text import table

_QUERY_COLUMNS = ("video_id", "state", "reason", "split", "clips_kept", "duration_s", "title")


@click.group("catalog", cls=StrictGroup)
def command() -> None:
    """Look into a catalog, and get things out of it."""


@examples(
    "yt360 catalog show my.catalog",
    "yt360 catalog show my.catalog kqAZkf5Odyw",
    "yt360 catalog show my.catalog -- -oytwMeyR74",
)
@command.command("show")
@click.argument("path", metavar="CATALOG", type=Path)
@click.argument("video_id", required=False)
def show(path: Path, video_id: str | None) -> None:
    """Sum up a catalog, or tell the whole story of one video: why it is in or out."""
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
@command.command("query")
@click.argument("path", metavar="CATALOG", type=Path)
@click.option("--state", help="Only videos in this state.")
@click.option("--reason", help="Only videos with this reason.")
@click.option("--channel", metavar="ID", help="Only videos of this channel.")
@click.option("--split", help="Only videos of this split.")
@click.option("--sql", metavar="SELECT", help="A query of your own; it cannot change anything.")
@click.option(
    "--limit",
    type=click.IntRange(0, 10**9),
    default=50,
    show_default=True,
    help="Rows to print; 0 for all.",
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["table", "csv", "jsonl"]),
    default="table",
    show_default=True,
    help="How to print rows.",
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
    r"""Print the videos that meet all the conditions, or the rows of an SQL query.

    Control characters are printed as escapes: those of JSON with --format jsonl, which holds every
    value exactly, and such as \x1b with the others. `yt360 catalog export` writes exact CSV, too.
    """
    from yt360.catalog import Catalog
    from yt360.catalog.lists.export import row_lines
    from yt360.catalog.reports.query import run_sql, select_videos

    if sql is not None:
        refuse(context, criteria, "does not go with --sql; put the condition into the query")
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


@examples(
    "yt360 catalog export my.catalog videos.csv",
    "yt360 catalog export my.catalog clips.parquet --table clips",
    "yt360 catalog export my.catalog lists/ --format released",
)
@command.command("export")
@click.argument("path", metavar="CATALOG", type=Path)
@click.argument("out", type=Path)
@click.option("--table", default="videos", show_default=True, help="What to write.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["csv", "jsonl", "parquet", "released"]),
    help="The suffix of OUT tells it otherwise; 'released' writes YT-360's lists into a folder.",
)
@click.pass_context
def export(context: click.Context, path: Path, out: Path, table: str, file_format: Any) -> None:
    """Write a table (videos, clips, verdicts, attempts, files) or the released text lists."""
    from yt360.catalog import Catalog
    from yt360.catalog.lists.export import export_table
    from yt360.catalog.lists.yt360_lists import export_lists

    if file_format == "released":
        refuse(context, ("table",), "does not go with --format released, which writes all lists")
    with Catalog(path) as catalog:
        if file_format == "released":
            for name, count in export_lists(catalog, out).items():
                echo(f"{out / name}: {count} lines")
        else:
            echo(f"{out}: {export_table(catalog, table, out, file_format)} rows")


@examples("yt360 catalog split my.catalog", "yt360 catalog split my.catalog --by video")
@command.command("split")
@click.argument("path", metavar="CATALOG", type=Path)
@click.option(
    "--test-fraction",
    default=1000 / 5506,
    show_default="0.18, as in YT-360",
    help="Expected share that tests, 0 to 1.",
)
@click.option(
    "--by",
    type=click.Choice(["channel", "video"]),
    default="channel",
    show_default=True,
    help="What is never torn between train and test.",
)
def split(path: Path, test_fraction: float, by: Any) -> None:
    """Give accepted videos that have none a split; the others keep theirs for ever."""
    from yt360.catalog import Catalog
    from yt360.catalog.reports.summary import summarize

    with Catalog(path) as catalog:
        echo(f"{catalog.splits.assign(test_fraction, by)} videos have a split now")
        for name, count in summarize(catalog).splits.items():
            echo(f"{count:8d}  {name}")


@examples(
    "yt360 catalog drop my.catalog kqAZkf5Odyw --reason withdrawn --delete-media",
    "yt360 catalog drop my.catalog -- -oytwMeyR74",
)
@command.command("drop")
@click.argument("path", metavar="CATALOG", type=Path)
@click.argument("video_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--reason", default="withdrawn", show_default=True, help="Word to count it by.")
@click.option(
    "--delete-media",
    is_flag=True,
    help="Also remove all of its files from the disk, parts of files too.",
)
def drop(path: Path, video_ids: tuple[str, ...], reason: str, delete_media: bool) -> None:
    """Reject videos for good, because their owner withdrew them or you do not want them."""
    from yt360.catalog import Catalog

    if delete_media:
        from yt360.crawl.download.video_folder import delete_media as delete_files

    with Catalog(path) as catalog:
        for video_id in video_ids:
            catalog.videos.drop(video_id, reason)
            files = delete_files(catalog, video_id) if delete_media else 0
            echo(f"{video_id}: rejected ({reason}), {files} files removed")


@examples("yt360 catalog check my.catalog")
@command.command("check")
@click.argument("path", metavar="CATALOG", type=Path)
def check(path: Path) -> None:
    """Read the whole of a catalog, and say what is damaged in it.

    Run it once on a catalog that you got from somebody else. The exit code is 1 when something is
    damaged.
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
    echo(f"{path} is whole")


@examples("yt360 catalog media my.catalog", "yt360 catalog media my.catalog /disk/media")
@command.command("media")
@click.argument("path", metavar="CATALOG", type=Path)
@click.argument("folder", required=False, type=Path)
def media(path: Path, folder: Path | None) -> None:
    """Print the media folder of a catalog, or set it and mark it as the catalog's.

    A folder outside of the catalog's own is used only when it is marked, and files are written and
    removed only in a marked one, since anybody can write a folder's name into a catalog.
    """
    from yt360.catalog import Catalog

    with Catalog(path) as catalog:
        if folder is not None:
            catalog.set_media(folder)
        echo(catalog.media)
