"""A catalog at a glance, read from the counters: as quick for a million videos as for ten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from yt360.catalog.records import STATES
from yt360.catalog.rows import read_record

if TYPE_CHECKING:
    from yt360.catalog.catalog import Catalog


@dataclass(frozen=True)
class Summary:
    """Counts of everything in a catalog.

    Attributes:
        states: Videos by state.
        reasons: Videos by (state, reason).
        clips: Clips by ``kept``, ``rejected`` (good ones of rejected videos, which no dataset and
            no list has) or ``dropped/REASON``.
        kept_hours: Length of the kept clips.
        verdicts: Videos by (kind of test, verdict).
        attempts: Attempts by (job, outcome).
        splits: Videos by split.
        listings: Searches and channels by ``KIND/STATE``.
        at_work: Videos that a live worker holds now.
    """

    states: dict[str, int]
    reasons: dict[tuple[str, str], int]
    clips: dict[str, int]
    kept_hours: float
    verdicts: dict[tuple[str, str], int]
    attempts: dict[tuple[str, str], int]
    splits: dict[str, int]
    listings: dict[str, int]
    at_work: int

    @property
    def videos(self) -> int:
        """All videos."""
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
    for row in catalog.connection.execute(
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
    at_work = catalog.connection.execute(
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
        at_work=at_work,
    )


def _pairs(counts: dict[str, int]) -> dict[tuple[str, str], int]:
    pairs = {}
    for key, count in counts.items():
        first, _, second = key.partition("/")
        pairs[first, second] = count
    return pairs


def summary_lines(summary: Summary) -> Iterator[str]:
    """Yield a summary as lines for people."""
    yield f"{summary.videos:8d}  videos"
    for state, count in summary.states.items():
        yield f"{count:8d}    {state}"
        reasons = {r: n for (name, r), n in summary.reasons.items() if name == state}
        for reason, number in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
            yield f"{number:8d}      {reason}"
    if summary.at_work:
        yield f"{summary.at_work:8d}    being worked on now"
    yield f"{summary.clips.get('kept', 0):8d}  clips kept ({summary.kept_hours:.2f} h)"
    for key, count in summary.clips.items():
        if key != "kept":
            words = "of rejected videos" if key == "rejected" else key.replace("/", ": ")
            yield f"{count:8d}    {words}"
    for name, count in summary.splits.items():
        yield f"{count:8d}  videos in {name}"
    for (kind, verdict), count in summary.verdicts.items():
        yield f"{count:8d}  {kind}: {verdict}"
    for (job, outcome), count in summary.attempts.items():
        yield f"{count:8d}  attempts to {job}: {outcome}"
    for key, count in summary.listings.items():
        kind, _, state = key.partition("/")
        yield f"{count:8d}  {kind} listings {state}"
