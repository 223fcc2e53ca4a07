"""``yt360 catalog``: look into a catalog, and get things out of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from yt360.cli_group import StrictGroup, examples
from yt360.commands.exclusive_options import refuse

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
    from yt360.catalog.story import story_lines
    from yt360.catalog.summary import summarize, summary_lines

    with Catalog(path) as catalog:
        lines = story_lines(catalog, video_id) if video_id else summary_lines(summarize(catalog))
        for line in lines:
            click.echo(line)


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
    """Print the videos that meet all the conditions, or the rows of an SQL query."""
    from yt360.catalog import Catalog
    from yt360.catalog.export import write_rows
    from yt360.catalog.query import run_sql, select_videos

    if sql is not None:
        refuse(context, criteria, "does not go with --sql; put the condition into the query")
    with Catalog(path) as catalog:
        if sql is not None:
            columns, rows = run_sql(catalog, sql, limit)
        else:
            columns, rows = select_videos(catalog, limit, _QUERY_COLUMNS, **criteria)
        if file_format == "table":
            _print_table(columns, [tuple(row) for row in rows])
        else:
            write_rows(sys.stdout, columns, rows, file_format)  # type: ignore[arg-type]


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
    from yt360.catalog.export import export_table
    from yt360.catalog.released import export_lists

    if file_format == "released":
        refuse(context, ("table",), "does not go with --format released, which writes all lists")
    with Catalog(path) as catalog:
        if file_format == "released":
            for name, count in export_lists(catalog, out).items():
                click.echo(f"{out / name}: {count} lines")
        else:
            click.echo(f"{out}: {export_table(catalog, table, out, file_format)} rows")


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
    from yt360.catalog.summary import summarize

    with Catalog(path) as catalog:
        click.echo(f"{catalog.splits.assign(test_fraction, by)} videos have a split now")
        for name, count in summarize(catalog).splits.items():
            click.echo(f"{count:8d}  {name}")


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
        from yt360.crawl.removal import remove_media

    with Catalog(path) as catalog:
        for video_id in video_ids:
            catalog.videos.drop(video_id, reason)
            files = remove_media(catalog, video_id) if delete_media else 0
            click.echo(f"{video_id}: rejected ({reason}), {files} files removed")


def _print_table(columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    cells = [tuple("" if value is None else str(value) for value in row) for row in rows]
    widths = [
        max([len(name), *(len(row[index]) for row in cells)]) for index, name in enumerate(columns)
    ]
    for line in [tuple(columns), *cells]:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())
