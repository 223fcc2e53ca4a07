"""What a catalog has for the columns of the list: reasons, outcomes of checks, measurements."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from yt360.catalog.catalog import Catalog
from yt360.catalog.records import STATES as VIDEO_STATES
from yt360.catalog.records import Verdict
from yt360.explore.sources.dataset import unit_of

MAX_NUMBER_COLUMNS = 80
"""Measurements that the list shows; the page of a clip has all."""
_SAMPLED_VERDICTS = 20


def reasons(catalog: Catalog) -> tuple[str, ...]:
    """Return all reasons, and the states of videos that have none."""
    clips = catalog.execute(
        "SELECT DISTINCT substr(key, 9) FROM counters WHERE topic = 'clip' AND key LIKE 'dropped/%'"
    )
    videos = catalog.execute(
        "SELECT DISTINCT substr(key, instr(key, '/') + 1) FROM counters WHERE topic = 'reason'"
    )
    found = {str(row[0]) for row in chain(clips, videos)}
    return (*sorted(found - set(VIDEO_STATES)), *VIDEO_STATES)


def outcomes(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Return the outcomes of each check that the catalog has."""
    found: dict[str, list[str]] = {}
    for row in catalog.execute("SELECT key FROM counters WHERE topic = 'verdict' ORDER BY key"):
        kind, _, outcome = str(row["key"]).partition("/")
        found.setdefault(kind, []).append(outcome)
    return {kind: tuple(outcomes) for kind, outcomes in found.items()}


def measurements(catalog: Catalog, kinds: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the check and the name of the measurements that some of its verdicts have."""
    found: dict[tuple[str, str], None] = {}
    for kind in kinds:
        for row in catalog.execute(
            "SELECT numbers FROM verdicts WHERE kind = ? LIMIT ?", (kind, _SAMPLED_VERDICTS)
        ):
            found.update(dict.fromkeys((kind, name) for name in numbers_of(row["numbers"])))
    return tuple(found)[:MAX_NUMBER_COLUMNS]


def numbers_of(text: Any) -> dict[str, float]:
    """Return the numbers in a verdict."""
    try:
        content = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    pairs = content.items() if isinstance(content, dict) else ()
    return {name: value for name, value in pairs if number_or_none(value) is not None}


def verdict_rows(verdict: Verdict) -> Iterator[dict[str, Any]]:
    """Yield the outcome and the numbers of a check, as ``clip.json`` lists them."""
    detail = str(verdict.numbers.get("detail", ""))
    text = f"{verdict.verdict}: {detail}" if detail else verdict.verdict
    yield {"name": verdict.kind, "value": None, "unit": "", "text": text}
    for name, value in verdict.numbers.items():
        if number_or_none(value) is not None:
            unit = unit_of(name)
            yield {"name": f"{verdict.kind}: {name}", "value": value, "unit": unit, "text": ""}


def text_or_none(value: Any) -> str | None:
    """Return a text; None for anything else."""
    return value if isinstance(value, str) else None


def number_or_none(value: Any) -> float | None:
    """Return a finite number; None for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) else None
