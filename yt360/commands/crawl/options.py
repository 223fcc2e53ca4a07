"""Options that ``search``, ``download`` and ``formats`` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from yt360.crawl.search.filters import Filters
    from yt360.crawl.youtube.client import ClientOptions

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_ALLOW = click.option(
    "--allow-url",
    "allow_urls",
    multiple=True,
    metavar="PREFIX",
    help="Also ask addresses that begin so, as in http://127.0.0.1:8000/ (repeatable).",
)
_SESSION = (
    click.option("--cookies", type=Path, help="Netscape cookie file of an account."),
    click.option("--proxy", metavar="URL", help="Proxy for everything (http or SOCKS)."),
    click.option("--timeout-s", default=30.0, show_default=True, help="Longest silence."),
)
_CLIENTS = click.option(
    "--player-client",
    "player_clients",
    multiple=True,
    metavar="NAME",
    help="YouTube player client to ask; repeat it for more, the first ones come first.",
)
_FILTERS = (
    click.option(
        "--license",
        "license",
        type=click.Choice(["any", "creativecommon"]),
        help="Keep only videos under this licence.  [default: any]",
    ),
    click.option("--min-duration-s", type=float, help="Leave out shorter videos.  [default: 10]"),
    click.option("--max-duration-s", type=float, help="Leave out longer videos."),
    click.option("--uploaded-after", metavar="YYYYMMDD", help="Leave out earlier uploads."),
    click.option("--uploaded-before", metavar="YYYYMMDD", help="Leave out later uploads."),
    click.option(
        "--exclude-vr180/--include-vr180",
        default=None,
        help="Leave out videos that call themselves VR180.  [default: exclude]",
    ),
)
_PACE = click.option(
    "--interval-s",
    default=2.0,
    show_default=True,
    help="Least time between two page requests to a site; a random share is added.",
)


def client_options(function: Decorated) -> Decorated:
    """Add the options of `yt360.crawl.youtube.client.ClientOptions`, less the rate limit."""
    return _decorate(function, (_ALLOW, *_SESSION, _CLIENTS))


def search_client_options(function: Decorated) -> Decorated:
    """Add the options of a client that only searches."""
    return _decorate(function, _SESSION)


def filter_options(function: Decorated) -> Decorated:
    """Add the options of `yt360.crawl.search.filters.Filters`; None means not given."""
    return _decorate(function, _FILTERS)


def pace_option(function: Decorated) -> Decorated:
    """Add ``--interval-s``."""
    return _decorate(function, (_PACE,))


def _decorate(function: Decorated, options: tuple[Callable[..., Any], ...]) -> Decorated:
    for option in reversed(options):
        function = option(function)
    return function


def make_client_options(values: dict[str, Any]) -> ClientOptions:
    """Take the client's options out of a command's values and build them."""
    from yt360.crawl.youtube.client import ClientOptions

    names = ("allow_urls", "cookies", "proxy", "timeout_s", "player_clients")
    return ClientOptions(**{name: values.pop(name) for name in names if name in values})


def make_filters(values: dict[str, Any], stored: dict[str, Any]) -> Filters:
    """Take the filters out of a command's values; what is not given is as stored before."""
    from yt360.crawl.search.filters import Filters

    given = {name: values.pop(name) for name in Filters.__dataclass_fields__ if name in values}
    return Filters.from_dict({**stored, **_given(given)})


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
