"""The decisions of people about videos and clips."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

from yt360.catalog.database import Table
from yt360.errors import UserError
from yt360.review.decisions import Decision, in_order


class Decisions(Table):
    """The ``decisions`` table; rows are only added. See `yt360.review`."""

    def read(self) -> list[Decision]:
        """Return all decisions by time.

        Raises:
            UserError: A row is not a decision.
        """
        rows = self._db.execute(
            "SELECT id, key, action, value, note, who, made_at, undoes FROM decisions"
        )
        found = []
        for row in rows:
            columns = dict(row)
            try:
                columns["when"] = columns.pop("made_at")
                columns["value"] = json.loads(columns["value"])
                found.append(Decision.parse(json.dumps(columns)))
            except (TypeError, ValueError) as error:
                raise UserError(
                    f"{self._db.path} contains a decision that is none ({error}); get the catalog "
                    "again",
                    key=self._db.path,
                ) from None
        return in_order(found)

    def version(self) -> str:
        """Return a text that changes with the decisions."""
        row = self._db.execute("SELECT count(*) AS count FROM decisions").fetchone()
        return str(row["count"])

    def add(self, make: Callable[[list[Decision]], Decision]) -> Decision:
        """Add what `make` returns for the stored decisions, in one transaction.

        Args:
            make: Whatever it raises is raised, and nothing is added.
        """
        with self._db.transaction():
            decision = make(self.read())
            columns = asdict(decision)
            columns["made_at"] = columns.pop("when")
            columns["value"] = json.dumps(columns["value"])
            marks = ", ".join("?" * len(columns))
            self._db.execute(
                f"INSERT INTO decisions ({', '.join(columns)}) VALUES ({marks})",
                [*columns.values()],
            )
        return decision
