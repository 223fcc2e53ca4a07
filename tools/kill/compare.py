"""Snapshots of a folder after a command, without values that depend on the clock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from kill.catalog_rows import catalog_rows
from yt360.catalog.media_folder import MARKER

LOG_TIMES = ("step_s", "views_per_s", "data_wait_s", "memory_mb")
RECORD_TIMES = ("made_at", "command")
"""In the record of an evaluation; the command contains the path of its folder."""
Snapshot = dict[str, str]


def snapshot(folder: Path) -> Snapshot:
    """Return a line for each file and folder in a folder, by path.

    Two folders with equal snapshots hold the same files with the same content: bytes, but for
    catalogs, whose rows are compared without times, counts of attempts and their random id; logs of
    training, whose records are compared without times; records of evaluations, which are compared
    without their time and their command; the newest checkpoint of a run, whose values are compared
    to the bit; and older ones, TensorBoard's files and the shards of mirrors, which are left out.
    """
    found: Snapshot = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name.startswith("cache/") and path.suffix == ".tar":
            continue  # how many shards a mirror has fetched ahead depends on the clock
        if path.is_dir():
            found[name] = "folder"
        elif path.suffix == ".catalog":
            found |= {f"{name}: {key}": row for key, row in catalog_rows(path)}
        elif path.name.endswith(".lock"):
            found[name] = "lock"  # it names the process that held it last
        elif path.suffix == ".pt":
            from kill.checkpoints import newest_sum  # it imports torch

            if newest := newest_sum(path):  # a signal has the step saved at which it comes
                found[name] = newest
        elif path.name == MARKER:
            found[name] = "the mark of a media folder"
        elif path.name == "log.jsonl":
            found |= {f"{name}: {number}": line for number, line in enumerate(_log(path))}
        elif path.parent.name == "eval" and path.suffix == ".json":
            found[name] = _record(path)
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


def _log(path: Path) -> Iterator[str]:
    for line in path.read_text().splitlines():
        record = json.loads(line)
        yield json.dumps({key: value for key, value in record.items() if key not in LOG_TIMES})


def _record(path: Path) -> str:
    record = json.loads(path.read_text())
    return json.dumps({key: value for key, value in record.items() if key not in RECORD_TIMES})
