"""What the server needs of decoding, layers and reviews; their code is passed to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ParamSpec, Protocol, TypeVar

from yt360.explore.sources.source import Column, Rows

P = ParamSpec("P")
Result = TypeVar("Result")

NO_LAYERS: dict[str, Any] = {
    "level": None,
    "energy": None,
    "labels": None,
    "directions": [],
    "runs": {},
}


class Decoder(Protocol):
    """Where functions that decode media run; see `yt360.explore.decoding.Decoding`."""

    def call(
        self, item: str, function: Callable[P, Result], *args: P.args, **kwargs: P.kwargs
    ) -> Result:
        """Return ``function(*args, **kwargs)``; `item` names what it reads, for errors.

        Raises:
            BadItem: `function` raised it, or crashed.
        """


class Layers(Protocol):
    """What is drawn over clips. All methods may be called from many threads."""

    @property
    def columns(self) -> Sequence[Column]:
        """Columns that the list has because of layers."""

    def rows(self, start: int, stop: int) -> Rows:
        """Return what is known so far of the rows [start, stop) in these columns."""

    def finish(self) -> None:
        """Find out what is not known yet of these columns."""

    def changes(self, number: int) -> Mapping[str, Any] | None:
        """Return what has become known of these columns; None if nothing ever does.

        Args:
            number: Changes that the caller has; see `yt360.explore.layers.scores.Scores.since`.
        """

    def site(self) -> Mapping[str, Any]:
        """Return what ``site.json`` says of layers: ``runs`` and ``classes``."""

    def facts(self, clip: int) -> Mapping[str, Any]:
        """Return what ``clip.json`` says of layers; the keys of `NO_LAYERS`.

        Raises:
            BadItem: The clip cannot be read.
        """

    def file(self, clip: int, name: str) -> tuple[bytes, str] | None:
        """Return the content and the media type of a file of a clip; None if there is none.

        Args:
            clip: Number of the clip.
            name: Such as ``"energy.bin"`` or ``"labels/3.png"``; anything may be asked for.

        Raises:
            BadItem: The clip cannot be read.
        """


class Review(Protocol):
    """Decisions of people about clips. All methods may be called from many threads."""

    def version(self) -> str:
        """Return a text that changes with the decisions."""

    def state(self) -> Mapping[str, Any]:
        """Return all decisions as JSON values."""

    def decide(self, request: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        """Store a decision; return an HTTP status and its answer.

        Raises:
            UserError: The request is not a decision.
        """

    def lines(self) -> Iterator[bytes]:
        """Yield the decisions as lines of JSON."""


class NoLayers:
    """No layers at all."""

    columns: Sequence[Column] = ()

    def rows(self, start: int, stop: int) -> Rows:  # noqa: ARG002
        """Return no columns."""
        return {}

    def finish(self) -> None:
        """Do nothing."""

    def changes(self, number: int) -> Mapping[str, Any] | None:  # noqa: ARG002
        """Return None."""
        return None

    def site(self) -> Mapping[str, Any]:
        """Return no runs and no classes."""
        return {"runs": [], "classes": []}

    def facts(self, clip: int) -> Mapping[str, Any]:  # noqa: ARG002
        """Return nothing for every layer."""
        return NO_LAYERS

    def file(self, clip: int, name: str) -> tuple[bytes, str] | None:  # noqa: ARG002
        """Return None."""
        return None
