"""``yt360 explore``: a page to look at clips and listen to them."""

from __future__ import annotations

from pathlib import Path

import click

from yt360.commands.exclusive_options import refuse
from yt360.commands.group import examples
from yt360.terminal.output import echo


@examples(
    "yt360 explore DATASET",
    "yt360 explore footage/",
    "yt360 explore my.catalog",
    "yt360 explore DATASET --run runs/avsa",
    "yt360 explore s3://bucket/DATASET",
    "yt360 explore DATASET --export SITE",
    "yt360 explore DATASET --host 0.0.0.0",
)
@click.command("explore")
@click.argument("place", metavar="DATASET|CATALOG|FOLDER")
@click.option(
    "--run",
    "runs",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Run of `avsa train` whose views, scores and Grad-CAM are shown; repeatable.",
)
@click.option(
    "--directions",
    type=click.Path(path_type=Path),
    help="Known directions of sources: a folder that `yt360 scenes` wrote, or a CSV file with key, "
    "azimuth_deg and elevation_deg.",
)
@click.option(
    "--export",
    "out",
    metavar="SITE",
    type=click.Path(path_type=Path),
    help="Write the page as a folder that any web server or a bucket can show, and exit. Repeating "
    "it continues, and writes only what has changed.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. If other machines can reach it, only who has the link, which "
    "contains a token, can open the page.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port; 0 takes any free one.  [default: the first free one from 8360]",
)
@click.option("--no-browser", is_flag=True, help="Print the link without opening it.")
@click.pass_context
def command(
    context: click.Context,
    place: str,
    runs: tuple[Path, ...],
    directions: Path | None,
    out: Path | None,
    host: str,
    port: int | None,
    no_browser: bool,
) -> None:
    """Look at 360° clips and listen to them on a page in the browser.

    It shows the clips of a dataset (a folder or a URL), of a catalog, or of a folder of 360°
    videos, and what was left out of them, and why. The page is served until Ctrl-C. What is kept,
    rejected or corrected there is stored in the catalog, or beside the clips in review.jsonl, and
    `yt360 build-shards` honours it.
    """
    from yt360.explore.application import Explorer, export, serve
    from yt360.explore.decoding import Decoding

    if out is not None:
        refuse(context, ("host", "port", "no_browser"), "is for the server, not for --export")
    with (
        Decoding() as decoding,
        Explorer(place, runs, directions, decoding, is_patient=out is not None) as explorer,
    ):
        if out is not None:
            export(explorer, out)
            return
        try:
            serve(explorer, host, port, open_page=not no_browser)
        except KeyboardInterrupt as interrupt:
            if type(interrupt) is not KeyboardInterrupt:
                raise  # terminated, not Ctrl-C, which is how one ends it
            echo("stopped")
