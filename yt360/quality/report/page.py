"""Write the page: cards in the order of inspection, sorted by doubt at the end."""

from __future__ import annotations

import base64
import hashlib
import heapq
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType

from markupsafe import Markup

from yt360.files import atomic_write, check_page_path
from yt360.pages import embedded, page_environment
from yt360.quality.report.card import Card
from yt360.terminal.text import printable

MOST_CARDS = 1000
STATES = ("accepted", "unsure", "rejected", "failed")
_HERE = Path(__file__).parent


@dataclass(frozen=True, order=True)
class _Place:
    """Where a card is in the spool file; the least doubtful and latest is the smallest."""

    doubt: float
    order: int
    offset: int
    size: int


class ReportPage:
    """A page that is written when the ``with`` block ends, also if it is interrupted.

    Cards wait in a temporary file, so memory does not grow with their number. Without any card,
    nothing is written.

    Args:
        path: The HTML file; it is replaced.
        title: Title of the page.
        checks: Names of all checks, for the filter.
        most: Maximum number of cards; the most doubtful are kept.

    Raises:
        UserError: No page can be written there; see `check_page_path`.
    """

    def __init__(
        self, path: Path, title: str, checks: tuple[str, ...], most: int = MOST_CARDS
    ) -> None:
        check_page_path(path)
        self.path, self.title, self.checks, self.most = path, title, checks, most
        self.counts: Counter[str] = Counter()
        self._places: list[_Place] = []
        self._order = count(0, -1)

    def __enter__(self) -> ReportPage:
        self._spool = tempfile.TemporaryFile(prefix="yt360-report-")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._spool:
            if self.counts:
                self._write(complete=error is None)

    def add(self, card: Card) -> None:
        """Add a card."""
        content = card.html.encode()
        self.counts[card.state] += 1
        place = _Place(card.doubt, next(self._order), self._spool.seek(0, 2), len(content))
        self._spool.write(content)
        if len(self._places) < self.most:
            heapq.heappush(self._places, place)
        else:
            heapq.heappushpop(self._places, place)

    def _write(self, complete: bool) -> None:
        script = embedded(_HERE / "page.js")
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        pieces = (
            page_environment(_HERE)
            .get_template("page.html")
            .generate(
                title=printable(self.title),
                complete=complete,
                counts={state: self.counts[state] for state in STATES},
                total=self.counts.total(),
                shown=len(self._places),
                checks=self.checks,
                cards=self._cards(),
                style=embedded(_HERE / "page.css"),
                script=script,
                script_digest=digest,
            )
        )
        with atomic_write(self.path, "w") as file:
            file.writelines(pieces)

    def _cards(self) -> Iterator[Markup]:
        for place in sorted(self._places, reverse=True):
            self._spool.seek(place.offset)
            yield Markup(self._spool.read(place.size).decode())
