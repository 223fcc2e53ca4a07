"""A summary of a catalog, read from its counters in a time that does not depend on its size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from yt360.catalog.catalog import Catalog
from yt360.catalog.records import STATES
from yt360.catalog.rows import read_record


@dataclass(frozen=True)
class Summary:
    """Counts of everything in a catalog.

    Attributes:
        states: Videos by state.
        reasons: Videos by (state, reason).
        clips: Clips by ``kept``, ``rejected`` (kept clips of rejected videos, which are in no
            dataset and no list) or ``dropped/REASON``.
        kept_hours: Total length of the kept clips.
        verdicts: Videos by (kind of check, verdict).
        attempts: Attempts by (job, outcome).
        splits: Videos by split.
        listings: Searches and channels by ``KIND/STATE``.
        claimed: Videos that are being processed.
    """

    states: dict[str, int]
    reasons: dict[tuple[str, str], int]
    clips: dict[str, int]
    kept_hours: float
    verdicts: dict[tuple[str, str], int]
    attempts: dict[tuple[str, str], int]
    splits: dict[str, int]
    listings: dict[str, int]
    claimed: int

    @property
    def videos(self) -> int:
        """Number of videos."""
        return sum(self.states.values())


@dataclass(frozen=True)
class _Counter:
    topic: str
    key: str
    count: int
    seconds: float


def summarize(catalog: Catalog) -> Summary:
    """Return the counts of a catalog."""
    topics: dict[str, dict[str, int]] = {}
    hours = 0.0
    clips: dict[str, int] = {}
    for row in catalog.execute(
        "SELECT topic, key, count, max(seconds, 0.0) AS seconds FROM counters WHERE count > 0 "
        "ORDER BY topic, key"
    ):
        counter = read_record(_Counter, row)
        topics.setdefault(counter.topic, {})[counter.key] = counter.count
        if counter.topic == "kept_of":
            name = "rejected" if counter.key == "rejected" else "kept"
            clips[name] = clips.get(name, 0) + counter.count
            hours += counter.seconds / 3600 if name == "kept" else 0.0
    dropped = topics.get("clip", {})
    clips.update((key, count) for key, count in dropped.items() if key != "kept")
    claimed = catalog.execute(
        "SELECT count(*) FROM videos WHERE claim IS NOT NULL AND due_at > ?", (catalog.clock(),)
    ).fetchone()[0]
    states = topics.get("state", {})
    return Summary(
        states={state: states[state] for state in STATES if state in states},
        reasons=_pairs(topics.get("reason", {})),
        clips=clips,
        kept_hours=hours,
        verdicts=_pairs(topics.get("verdict", {})),
        attempts=_pairs(topics.get("attempt", {})),
        splits=topics.get("split", {}),
        listings=topics.get("listing", {}),
        claimed=claimed,
    )


def _pairs(counts: dict[str, int]) -> dict[tuple[str, str], int]:
    pairs = {}
    for key, count in counts.items():
        first, _, second = key.partition("/")
        pairs[first, second] = count
    return pairs


def summary_lines(summary: Summary) -> Iterator[str]:
    """Yield a summary as lines."""
    yield f"{summary.videos:8d}  videos"
    for state, count in summary.states.items():
        yield f"{count:8d}    {state}"
        reasons = {r: n for (name, r), n in summary.reasons.items() if name == state}
        for reason, number in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
            yield f"{number:8d}      {reason}"
    if summary.claimed:
        yield f"{summary.claimed:8d}    being processed"
    yield f"{summary.clips.get('kept', 0):8d}  clips kept ({summary.kept_hours:.2f} h)"
    for key, count in summary.clips.items():
        if key != "kept":
            name = "of rejected videos" if key == "rejected" else key.replace("/", ": ")
            yield f"{count:8d}    {name}"
    for name, count in summary.splits.items():
        yield f"{count:8d}  videos in {name}"
    for (kind, verdict), count in summary.verdicts.items():
        yield f"{count:8d}  {kind}: {verdict}"
    for (job, outcome), count in summary.attempts.items():
        yield f"{count:8d}  attempts to {job}: {outcome}"
    for key, count in summary.listings.items():
        kind, _, state = key.partition("/")
        yield f"{count:8d}  {kind} listings {state}"
