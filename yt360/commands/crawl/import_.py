"""``yt360 import``: add known videos to a catalog."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yt360.commands.exclusive_options import refuse
from yt360.commands.group import examples, unique_keys
from yt360.errors import UserError
from yt360.terminal.output import echo

if TYPE_CHECKING:
    from yt360.catalog import Catalog

YT360_NAME = "yt360"


@examples(
    "yt360 import --segments segments.txt --train train.txt --test test.txt my.catalog",
    "yt360 import --list sphere360-train.csv --split train --name sphere360 my.catalog",
    "yt360 import --list 360-1m.parquet --column start= my.catalog",
    "yt360 import --ids ids.txt my.catalog",
    "yt360 import --urls addresses.txt my.catalog",
)
@click.command("import")
@click.argument("path", metavar="CATALOG", type=Path)
@click.option("--segments", type=Path, help="Lines of VIDEO_ID t0,t1,...: start times of clips.")
@click.option("--train", type=Path, help="Video ids of the train split, one per line.")
@click.option("--test", type=Path, help="Video ids of the test split, one per line.")
@click.option("--ids", type=Path, help="Further video ids, one per line.")
@click.option("--urls", type=Path, help="URLs, one per line; other sites need --allow-url later.")
@click.option(
    "--list",
    "lists",
    type=Path,
    multiple=True,
    metavar="FILE",
    help="A list of any origin: CSV, Parquet or lines of text with YouTube ids or addresses, and "
    "optionally start and end seconds and splits; repeatable.",
)
@click.option(
    "--column",
    "named",
    multiple=True,
    metavar="ROLE=NAME",
    callback=unique_keys,
    help="Column of --list with the video, start, end or split, if it is not found or not right; "
    "ROLE= for none; repeatable.",
)
@click.option(
    "--split", type=click.Choice(["train", "test"]), help="Split of the videos of --list."
)
@click.option(
    "--clip-s",
    type=click.IntRange(1, 3600),
    default=10,
    show_default=True,
    help="Length of the clips of --list whose end is not given, in seconds.",
)
@click.option(
    "--name",
    help="Name of the list in the catalog.  [default: the file's, or 'yt360' for --segments, "
    "--train and --test]",
)
@click.pass_context
def command(context: click.Context, path: Path, **given: Any) -> None:
    """Add videos, their clips and splits from lists to a catalog.

    --segments, --train and --test have the format of the YT-360 release; `yt360 catalog export
    --format yt360-lists` writes them. The format and the columns of a --list are recognized by its
    content, and printed. Importing again adds new entries and changes nothing else. The clips of a
    list replace those of an inspected video, and it must be inspected again. `yt360 stats CATALOG
    --survival` counts the videos of each list that are still available.
    """
    from yt360.catalog import Catalog

    lists, name = given["lists"], given["name"]
    texts = {key: given[key] for key in ("segments", "train", "test", "ids", "urls") if given[key]}
    if not lists and not texts:
        message = "nothing to import: give --segments, --train, --test, --ids, --urls or --list"
        raise UserError(message, "empty")
    if not lists:
        refuse(context, ("named", "split", "clip_s"), "is for --list")
    plans = [_plan(file, given["named"]) for file in lists]
    parsed = _parse(texts)
    with Catalog(path, create=True) as catalog:
        if texts:
            _import_texts(catalog, texts, parsed, name)
        for file, columns in plans:
            _import_table(catalog, file, columns, given)


def _plan(path: Path, named: tuple[str, ...]) -> tuple[Any, Any]:
    """Recognize the format and the columns of a list."""
    from yt360.catalog.lists.list_columns import choose_columns
    from yt360.catalog.lists.list_files import open_list

    for each in named:
        if "=" not in each:
            message = f"--column {each} is not ROLE=NAME, such as start=begin_s"
            raise UserError(message, "invalid", "--column")
    file = open_list(path)
    roles = {role.strip(): name for role, _, name in (each.partition("=") for each in named)}
    return file, choose_columns(file, roles)


def _import_table(catalog: Catalog, file: Any, columns: Any, given: dict[str, Any]) -> None:
    from yt360.catalog.lists.list_columns import describe
    from yt360.catalog.lists.table_lists import import_table

    echo(describe(file, columns))
    name = given["name"] or file.path.stem
    done = import_table(catalog, file, columns, name, given["split"], given["clip_s"])
    echo(
        f"list {name!r}: {done.rows} rows, {done.listed} videos added to the list, "
        f"{done.new_videos} of them new; {done.new_clips} clips added"
    )
    for split, count in sorted(done.splits.items()):
        echo(f"{count} videos in {split}")
    if done.kept_splits:
        echo(f"{done.kept_splits} videos keep the other split that they had before")
    for what, count in done.unread.items():
        number, cell = done.first_unread[what]
        echo(f"{count} rows have {what}, the first is row {number}: {cell!r:.60}")


def _parse(texts: dict[str, Path]) -> dict[str, Any]:
    from yt360.catalog.lists.yt360_lists import parse_ids, parse_segments

    parsed: dict[str, Any] = {}
    for key, file in texts.items():
        content = _read(file)
        if key == "urls":
            parsed[key] = content.split()
        else:
            parse: Any = parse_segments if key == "segments" else parse_ids
            parsed[key] = parse(content, str(file))
    return parsed


def _import_texts(
    catalog: Catalog, texts: dict[str, Path], parsed: dict[str, Any], name: str | None
) -> None:
    """Import text lists in one transaction."""
    from yt360.catalog.ids import id_of_url
    from yt360.catalog.lists.yt360_lists import import_lists, import_urls

    segments, ids, urls = (parsed.get(key, ()) for key in ("segments", "ids", "urls"))
    splits: dict[str, list[str]] = {key: parsed[key] for key in ("train", "test") if key in parsed}
    with catalog.transaction():
        done = import_lists(catalog, dict(segments), splits, ids)
        new_urls = import_urls(catalog, urls)
        released = [*segments, *(each for members in splits.values() for each in members)]
        for key, members in (
            (None, released),
            ("ids", ids),
            ("urls", [*map(id_of_url, urls)]),
        ):
            if members:
                catalog.lists.add(name or (texts[key].stem if key else YT360_NAME), members)
    echo(f"{done.videos + len(urls)} videos, {done.new_videos + new_urls} of them new")
    echo(f"{done.clips} clips")
    for split, count in done.splits.items():
        echo(f"{count} videos in {split}")


def _read(path: Path) -> str:
    from yt360.catalog.lists.yt360_lists import MAX_LIST_BYTES
    from yt360.untrusted.files import read_limited

    try:
        return read_limited(path, MAX_LIST_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}", "system", path) from error
