"""What a download run did, counted by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

RETRY = "retry later"


@dataclass
class Report:
    """Counts of a run: every video once, by what came of it last.

    Attributes:
        outcomes: (outcome, reason) -> videos. Outcomes are the states that videos reached, and
            ``retry later`` for those that went back into the queue and are there still.
        bytes: Size of the files that were fetched.
        stopped: Why the run had to end early, or None.
        interrupt: What ended it before, when that was a signal.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    bytes: int = 0
    stopped: str | None = None
    interrupt: KeyboardInterrupt | None = None
    _queued: dict[str, str] = field(default_factory=dict)  # why, by id

    def add(self, video_id: str, outcome: str, reason: str = "", size_bytes: int = 0) -> None:
        """Count one video; that it went back into the queue before counts no longer."""
        before = self._queued.pop(video_id, None)
        if before is not None:
            self.outcomes[RETRY, before] -= 1
            self.outcomes += Counter()  # drops what has come to nought
        if outcome == RETRY:
            self._queued[video_id] = reason
        self.outcomes[outcome, reason] += 1
        self.bytes += size_bytes

    def count(self, outcome: str) -> int:
        """Return how many videos had an outcome, for whatever reason."""
        return sum(n for (name, _), n in self.outcomes.items() if name == outcome)

    def lines(self) -> Iterator[str]:
        """Yield the report as lines: each outcome, its reasons below it, most frequent first."""
        for outcome in dict.fromkeys(name for name, _ in sorted(self.outcomes)):
            size = f" ({self.bytes / 1e6:.1f} MB)" if outcome == "downloaded" else ""
            yield f"{self.count(outcome):8d}  {outcome}{size}"
            reasons = {r: n for (name, r), n in self.outcomes.items() if name == outcome and r}
            for reason, number in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
                yield f"{'':8s}  {number:8d}  {reason}"
        if not self.outcomes:
            yield "nothing was due"
        if self.stopped:
            yield f"stopped early: {self.stopped}"
