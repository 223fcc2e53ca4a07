"""``yt360 explore``: a page to look at clips and listen to them."""

from __future__ import annotations

import click

from yt360.commands.group import examples
from yt360.terminal.output import echo


@examples(
    "yt360 explore DATASET",
    "yt360 explore s3://bucket/DATASET",
    "yt360 explore DATASET --host 0.0.0.0 --no-browser",
)
@click.command("explore")
@click.argument("place", metavar="DATASET")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. On any other than a loopback address, the link has a token, and "
    "only who has the link can open the page.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port; 0 takes any free one.  [default: the first free one from 8360]",
)
@click.option("--no-browser", is_flag=True, help="Print the link without opening it.")
def command(place: str, host: str, port: int | None, no_browser: bool) -> None:
    """Look at the clips of DATASET and listen to them on a page in the browser.

    The page is served until Ctrl-C.
    """
    from yt360.explore.decoding import Decoding
    from yt360.explore.parts import NoLayers
    from yt360.explore.security import access_for
    from yt360.explore.server import create_app
    from yt360.explore.serving import has_browser, link_to, listen, open_browser, serve
    from yt360.explore.site import Site
    from yt360.explore.sources.opening import open_source

    source = open_source(place)
    with listen(host, port) as bound, Decoding() as decoding:
        number = bound.getsockname()[1]
        access = access_for(host, number)
        link = link_to(host, number, access)
        site = Site(source, NoLayers(), decoding)

        def ready() -> None:
            echo(f"{source.title}: {source.num_clips} clips, {source.num_rejected} left out")
            echo(f"open {link}  (Ctrl-C stops)")
            if not no_browser and has_browser(host):
                open_browser(link)

        serve(create_app(site, access=access), bound, ready, stopping=decoding.stop)
