"""The report of a download run: counts by outcome and reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

RETRY = "retry later"


@dataclass
class Report:
    """Counts of a run. Each video counts once, with its last outcome.

    Attributes:
        outcomes: (outcome, reason) -> number of videos. Outcomes are the new states of videos, and
            ``retry later`` for those that are in the queue again.
        bytes: Total size of the downloaded files.
        stopped: Why the run ended early, or None.
        interrupt: The signal that ended the run, or None.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    bytes: int = 0
    stopped: str | None = None
    interrupt: KeyboardInterrupt | None = None
    _queued: dict[str, str] = field(default_factory=dict)  # video id -> reason

    def add(self, video_id: str, outcome: str, reason: str = "", size_bytes: int = 0) -> None:
        """Count a video; it replaces an earlier ``retry later`` of the same video."""
        before = self._queued.pop(video_id, None)
        if before is not None:
            self.outcomes[RETRY, before] -= 1
            self.outcomes += Counter()  # drops counts of 0
        if outcome == RETRY:
            self._queued[video_id] = reason
        self.outcomes[outcome, reason] += 1
        self.bytes += size_bytes

    def count(self, outcome: str) -> int:
        """Return the number of videos with an outcome, over all reasons."""
        return sum(n for (name, _), n in self.outcomes.items() if name == outcome)

    def lines(self) -> Iterator[str]:
        """Yield the report as lines: each outcome with its reasons, most frequent first."""
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
