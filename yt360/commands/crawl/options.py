"""Options that ``search``, ``download`` and ``formats`` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from yt360.clips import DEFAULT_CLIP_S

if TYPE_CHECKING:
    from yt360.crawl.search.filters import Filters
    from yt360.crawl.youtube.options import ClientOptions

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_ALLOW = click.option(
    "--allow-url",
    "allow_urls",
    multiple=True,
    metavar="PREFIX",
    help="Also allow URLs that begin with this, as in http://127.0.0.1:8000/ (repeatable).",
)
_CLIENT = (
    click.option("--cookies", type=Path, help="Netscape cookie file of an account."),
    click.option("--proxy", metavar="URL", help="Proxy of all requests (http or SOCKS)."),
    click.option("--timeout-s", default=30.0, show_default=True, help="Socket timeout in seconds."),
)
_PLAYER_CLIENTS = click.option(
    "--player-client",
    "player_clients",
    multiple=True,
    metavar="NAME",
    help="YouTube player client to request, in order of preference (repeatable).",
)
_FILTERS = (
    click.option(
        "--license",
        "license",
        type=click.Choice(["any", "creativecommon"]),
        help="Only videos under this licence.  [default: any]",
    ),
    click.option(
        "--min-duration-s",
        type=float,
        help=f"Exclude shorter videos.  [default: {DEFAULT_CLIP_S}]",
    ),
    click.option("--max-duration-s", type=float, help="Exclude longer videos."),
    click.option("--uploaded-after", metavar="YYYYMMDD", help="Exclude earlier uploads."),
    click.option("--uploaded-before", metavar="YYYYMMDD", help="Exclude later uploads."),
    click.option(
        "--exclude-vr180/--include-vr180",
        default=None,
        help="Exclude videos with VR180 in their title.  [default: exclude]",
    ),
)
_INTERVAL = click.option(
    "--interval-s",
    default=2.0,
    show_default=True,
    help="Minimum interval between two page requests to a site, plus a random fraction of it.",
)


def client_options(function: Decorated) -> Decorated:
    """Add the options of `yt360.crawl.youtube.options.ClientOptions`, without the rate."""
    return _decorate(function, (_ALLOW, *_CLIENT, _PLAYER_CLIENTS))


def search_client_options(function: Decorated) -> Decorated:
    """Add the options of a client that only searches."""
    return _decorate(function, _CLIENT)


def filter_options(function: Decorated) -> Decorated:
    """Add the options of `yt360.crawl.search.filters.Filters`; None means not given."""
    return _decorate(function, _FILTERS)


def interval_option(function: Decorated) -> Decorated:
    """Add ``--interval-s``."""
    return _decorate(function, (_INTERVAL,))


def _decorate(function: Decorated, options: tuple[Callable[..., Any], ...]) -> Decorated:
    for option in reversed(options):
        function = option(function)
    return function


def make_client_options(values: dict[str, Any]) -> ClientOptions:
    """Remove the client's options from a command's values and return them."""
    from yt360.crawl.youtube.options import ClientOptions

    names = ("allow_urls", "cookies", "proxy", "timeout_s", "player_clients")
    return ClientOptions(**{name: values.pop(name) for name in names if name in values})


def make_filters(values: dict[str, Any], stored: dict[str, Any]) -> Filters:
    """Remove the filters from a command's values and return them; stored ones are the defaults."""
    from yt360.crawl.search.filters import Filters

    given = {name: values.pop(name) for name in Filters.__dataclass_fields__ if name in values}
    given = {name: value for name, value in given.items() if value is not None}
    return Filters.from_dict({**stored, **given})
