"""Snapshots of a folder after a command, without values that depend on the clock."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avsa.training.checkpoint import checkpoints_of
from yt360.catalog.media_folder import MARKER

LOG_TIMES = ("step_s", "views_per_s", "data_wait_s", "memory_mb")
CATALOG_TIMES = ("added_at", "changed_at", "due_at", "made_at", "next_at", "paused_until")
CATALOG_NUMBERS = ("number", "position", "tries", "strikes", "troubles")
UNFINISHED = ("expired", "released", "deferred", "crashed")
"""Outcomes of attempts that a disturbed run may have more of."""
Snapshot = dict[str, str]


def snapshot(folder: Path) -> Snapshot:
    """Return a line for each file and folder in a folder, by path.

    Two folders with equal snapshots hold the same files with the same content: bytes, but for
    catalogs, whose rows are compared without times, counts of attempts and their random id; logs of
    training, whose records are compared without times; the newest checkpoint of a run, whose values
    are compared to the bit; and older ones, TensorBoard's files and the shards of mirrors, which
    are left out.
    """
    found: Snapshot = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name.startswith("cache/") and path.suffix == ".tar":
            continue  # how many shards a mirror has fetched ahead depends on the clock
        if path.is_dir():
            found[name] = "folder"
        elif path.suffix == ".catalog":
            found |= {f"{name}: {key}": row for key, row in _catalog(path)}
        elif path.suffix == ".lock":
            found[name] = "lock"  # it names the process that held it last
        elif path.suffix == ".pt" and path != checkpoints_of(path.parents[1])[-1]:
            continue  # a signal has the step saved at which it comes
        elif path.suffix == ".pt":
            state = _values(torch.load(path, map_location="cpu", weights_only=True))
            found[name] = hashlib.sha256(json.dumps(state).encode()).hexdigest()
        elif path.name == MARKER:
            found[name] = "the mark of a media folder"
        elif path.name == "log.jsonl":
            found |= {f"{name}: {number}": line for number, line in enumerate(_log(path))}
        elif not path.name.startswith("events.out.tfevents."):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Return a line for each entry that differs between two snapshots."""
    return [
        f"{name}: {one.get(name, 'nothing')} became {other.get(name, 'nothing')}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]


def _values(content: Any) -> Any:
    """Return nested values for JSON, with type, shape and a hash of the bytes of each tensor.

    Equal checkpoints may differ in bytes: a pickle refers to what it holds already, and after
    loading equal keys of two dicts are no longer one object.
    """
    if isinstance(content, Tensor):
        stored = content.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        digest = hashlib.sha256(stored).hexdigest()
        return [str(content.dtype), list(content.shape), digest]
    if isinstance(content, Mapping):
        return {str(key): _values(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_values(value) for value in content]
    return repr(content)


def _log(path: Path) -> Iterator[str]:
    for line in path.read_text().splitlines():
        record = json.loads(line)
        yield json.dumps({key: value for key, value in record.items() if key not in LOG_TIMES})


def _catalog(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the rows of a catalog, with ids of videos for their numbers, in an order of their own.

    The order in which videos were found, and how often they were tried, is left out.
    """
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        videos = dict(connection.execute("SELECT number, video_id FROM videos"))
        listings = dict(connection.execute("SELECT number, key FROM listings"))
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema "
                  "WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")]  # fmt: skip
        for table in tables:
            rows = []
            for row in connection.execute(f"SELECT * FROM {table}"):
                values = dict(row)
                if table == "attempts" and values["outcome"] in UNFINISHED:
                    continue
                if table == "settings" and values["key"] == "id":
                    continue
                if table == "counters" and (values["topic"] == "attempt" or not values["count"]):
                    continue
                rows.append(_timeless(table, values, videos, listings))
            for number, text in enumerate(sorted(rows)):
                yield f"{table} {number}", text


def _timeless(
    table: str, values: dict[str, Any], videos: Mapping[int, str], listings: Mapping[int, str]
) -> str:
    left_out = {*CATALOG_TIMES, *CATALOG_NUMBERS}
    if table == "attempts":
        left_out |= {"worker", "started_at", "ended_at"}
    kept = {key: value for key, value in values.items() if key not in left_out}
    if "video" in kept:
        kept["video"] = videos.get(kept["video"], "?")
    if "listing" in kept:
        kept["listing"] = listings.get(kept["listing"], "?")
    return json.dumps(kept, sort_keys=True)
