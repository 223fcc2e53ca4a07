"""Decisions as the page reads and makes them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from yt360.review.decisions import Decision, parse_request, undone_ids


class DecisionStore(Protocol):
    """Where decisions are stored; may be used from many threads and processes."""

    def read(self) -> list[Decision]:
        """Return all decisions by time."""

    def version(self) -> str:
        """Return a text that changes with the decisions."""

    def add(self, make: Callable[[list[Decision]], Decision]) -> Decision:
        """Add what `make` returns for the stored decisions, while nobody else adds one."""


class _Conflict(Exception):
    """Somebody decided about the clip after what the page has seen."""


class ReviewService:
    """Answers the requests of the page about decisions.

    Args:
        store: Where they are stored.
        clock: Returns seconds since 1970.
    """

    def __init__(self, store: DecisionStore, clock: Callable[[], float] = time.time) -> None:
        self._store, self._clock = store, clock

    def version(self) -> str:
        """Return a text that changes with the decisions."""
        return self._store.version()

    def state(self) -> dict[str, Any]:
        """Return all decisions as JSON values, with whether they were taken back."""
        version = self.version()  # before reading, so that a newer one is never taken for it
        return {"version": version, "decisions": _as_json(self._store.read())}

    def lines(self) -> Iterator[bytes]:
        """Yield all decisions as lines of JSON."""
        return (each.to_line() for each in self._store.read())

    def decide(self, request: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Store a decision.

        Args:
            request: See `parse_request`; ``seen`` is the id of the newest decision about the key
                that the page knows, or None.

        Returns:
            200 and the decision; or 409 and all decisions about the key, if ``seen`` is not the
            newest one, or an undo names no decision about the key that stands.

        Raises:
            UserError: It is not a decision, or cannot be stored.
        """
        conflicting: list[Decision] = []

        def make(stored: list[Decision]) -> Decision:
            now = datetime.fromtimestamp(self._clock(), UTC)
            if stored:  # never before an earlier decision, whatever the clocks say
                last = datetime.fromisoformat(stored[-1].when)
                now = max(now, last + timedelta(microseconds=1))
            when = f"{now:%Y-%m-%dT%H:%M:%S.%f}Z"
            decision = parse_request(dict(request), id=secrets.token_hex(8), when=when)
            same = [each for each in stored if each.key == decision.key]
            newest = same[-1].id if same else None
            undone = undone_ids(same)
            standing = {each.id for each in same if each.action != "undo"} - undone
            is_stale = "seen" in request and request["seen"] != newest
            if is_stale or (decision.undoes is not None and decision.undoes not in standing):
                conflicting.extend(same)
                raise _Conflict
            return decision

        try:
            decision = self._store.add(make)
        except _Conflict:
            return 409, {"code": "conflict", "decisions": _as_json(conflicting)}
        return 200, {**asdict(decision), "undone": False}


def _as_json(decisions: list[Decision]) -> list[dict[str, Any]]:
    undone = undone_ids(decisions)
    return [{**asdict(each), "undone": each.id in undone} for each in decisions]
