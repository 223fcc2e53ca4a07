"""Pairs of recordings that have something in common, and their table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from yt360.duplicates.compare import Match
from yt360.duplicates.kinds import KINDS
from yt360.duplicates.sources import Source
from yt360.files import atomic_write

PAIRS_FILE = "pairs.parquet"
_NUMBERS = (
    "score", "start_a_s", "start_b_s", "duration_s", "yaw_deg", "place", "motion", "audio",
)  # fmt: skip
_SCHEMA = pa.schema(
    [("kind", pa.string()), ("video_a", pa.string()), ("video_b", pa.string())]
    + [(name, pa.float64()) for name in _NUMBERS]
)


@dataclass(frozen=True)
class Pair:
    """Two recordings and what they have in common.

    Attributes:
        source_a: Media of the first one.
        video_a: Video of the first one.
        source_b: Media of the second one.
        video_b: Video of the second one.
        match: What they have in common.
    """

    source_a: Source
    video_a: str
    source_b: Source
    video_b: str
    match: Match

    @property
    def order(self) -> tuple[Any, ...]:
        """Sort key: kind, then score, the best first."""
        match = self.match
        kind = KINDS.index(match.kind)
        return kind, -match.score, self.video_a, self.video_b, match.start_a_s, match.start_b_s

    def row(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"video_a": self.video_a, "video_b": self.video_b, **asdict(self.match)}


def write_pairs(path: Path, pairs: Sequence[Pair]) -> None:
    """Write a table of pairs atomically as Parquet."""
    table = pa.Table.from_pylist([pair.row() for pair in pairs], schema=_SCHEMA)
    with atomic_write(path) as file:
        pq.write_table(table, file, compression="zstd")
