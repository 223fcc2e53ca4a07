"""``yt360 import``: add known videos to a catalog."""

from __future__ import annotations

from pathlib import Path

import click

from yt360.commands.group import examples
from yt360.errors import UserError
from yt360.terminal.output import echo


@examples(
    "yt360 import --segments segments.txt --train train.txt --test test.txt my.catalog",
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
def command(
    path: Path,
    segments: Path | None,
    train: Path | None,
    test: Path | None,
    ids: Path | None,
    urls: Path | None,
) -> None:
    """Add videos, their clips and splits from text lists to a catalog.

    The lists have the format of the YT-360 release; `yt360 catalog export --format yt360-lists`
    writes them. Importing again adds new entries and changes nothing else. The segments of an
    inspected video replace its clips, and it must be inspected again.
    """
    from yt360.catalog import Catalog
    from yt360.catalog.lists.yt360_lists import import_lists, import_urls, parse_ids, parse_segments

    if not any((segments, train, test, ids, urls)):
        message = "nothing to import: give --segments, --train, --test, --ids or --urls"
        raise UserError(message, "empty")
    known = parse_segments(_read(segments), str(segments)) if segments else {}
    splits = {
        name: parse_ids(_read(file), str(file))
        for name, file in (("train", train), ("test", test))
        if file
    }
    plain = parse_ids(_read(ids), str(ids)) if ids else []
    addresses = _read(urls).split() if urls else []
    with Catalog(path, create=True) as catalog, catalog.transaction():
        done = import_lists(catalog, known, splits, plain)
        new_urls = import_urls(catalog, addresses)
    echo(f"{done.videos + len(addresses)} videos, {done.new_videos + new_urls} of them new")
    echo(f"{done.clips} clips")
    for name, count in done.splits.items():
        echo(f"{count} videos in {name}")


def _read(path: Path) -> str:
    from yt360.catalog.lists.yt360_lists import MAX_LIST_BYTES
    from yt360.untrusted.files import read_limited

    try:
        return read_limited(path, MAX_LIST_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}", "system", path) from error
