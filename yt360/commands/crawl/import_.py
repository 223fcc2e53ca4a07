"""``yt360 import``: put known videos into a catalog."""

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
@click.option("--segments", type=Path, help="Lines of VIDEO_ID t0,t1,...: where clips start.")
@click.option("--train", type=Path, help="Video ids that train, one a line.")
@click.option("--test", type=Path, help="Video ids that test, one a line.")
@click.option("--ids", type=Path, help="Video ids, one a line, of which nothing else is known.")
@click.option(
    "--urls", type=Path, help="Addresses, one a line; other sites need --allow-url later."
)
def command(
    path: Path,
    segments: Path | None,
    train: Path | None,
    test: Path | None,
    ids: Path | None,
    urls: Path | None,
) -> None:
    """Put videos, their clips and splits from text lists into a catalog.

    The lists are those in which YT-360 was released; `yt360 catalog export --format released`
    gives them back. Importing again adds what is new and changes nothing else. Segments of a video
    that was inspected replace the clips that were chosen then, and it has to be inspected anew.
    """
    from yt360.catalog import Catalog
    from yt360.catalog.lists.yt360_lists import import_lists, import_urls, parse_ids, parse_segments

    if not any((segments, train, test, ids, urls)):
        raise UserError("nothing to import: give --segments, --train, --test, --ids or --urls")
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
        raise UserError(f"cannot read {path}: {error}") from error
