"""Sharing work between machines through the file system they have in common.

A claim is a small file. Making it is atomic, and whoever made it keeps its time fresh; when its
maker dies, at once on the same machine or after `LEASE_S` elsewhere, the next worker takes it over.
Two workers that hold one claim by bad luck do no harm: each writes a file of its own and renames it
into place, and both write the same bytes. What a killed worker was writing is removed when nobody
can be writing it any more (`yt360.labels.format.leftovers`).
"""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from yt360.files import naming
from yt360.untrusted.parsing import read_json

LEASE_S = 600.0
BEAT_S = 60.0
_MAX_CLAIM_BYTES = 10_000


@contextmanager
def claimed(path: Path, lease_s: float = LEASE_S, beat_s: float = BEAT_S) -> Iterator[bool]:
    """Try to claim `path`, and hold the claim for the length of the block.

    Args:
        path: The claim's file; its folder must exist and be shared by all workers.
        lease_s: How long a claim counts whose maker cannot be asked.
        beat_s: How often it is refreshed, less than `lease_s`.

    Yields:
        Whether the claim is ours.
    """
    token = uuid.uuid4().hex
    if not _take(path, token, lease_s):
        yield False
        return
    stop = threading.Event()
    heart = threading.Thread(target=_beat, args=(path, token, stop, beat_s), daemon=True)
    heart.start()
    try:
        yield True
    finally:
        stop.set()
        heart.join()
        if _read(path).get("token") == token:
            path.unlink(missing_ok=True)


def _take(path: Path, token: str, lease_s: float) -> bool:
    mine = path.with_name(f"{path.name}.{token}")
    try:
        with naming(path):
            mine.write_text(json.dumps({"token": token, **_here(), "pid": os.getpid()}))
        if _link(mine, path):
            return True
        # Both times are those of the file server, so machines need not agree about the time.
        now = mine.stat().st_mtime
        return is_abandoned(path, now, lease_s) and _take_over(path, mine, token, now, lease_s)
    finally:
        mine.unlink(missing_ok=True)


def _link(mine: Path, path: Path) -> bool:
    try:
        os.link(mine, path)
    except FileExistsError:
        return False
    return True


def is_abandoned(path: Path, now: float, lease_s: float = LEASE_S) -> bool:
    """Return whether the maker of a claim is dead, or has not kept it fresh.

    Args:
        path: The claim's file.
        now: The time of the file server, in seconds since 1970.
        lease_s: How long a claim counts whose maker cannot be asked.
    """
    try:
        age_s = now - path.stat().st_mtime
    except FileNotFoundError:
        return False  # just released: the next look at the work finds it
    if age_s > lease_s:
        return True
    holder = _read(path)
    here = {key: holder.get(key) for key in _here()} == _here()
    return here and not _is_alive(holder.get("pid"))


def _take_over(path: Path, mine: Path, token: str, now: float, lease_s: float) -> bool:
    """Replace an abandoned claim; the right to replace is a claim too, so only one does it."""
    right = path.with_name(f"{path.name}.takeover")
    if not _take(right, token, lease_s):
        return False
    try:
        if not is_abandoned(path, now, lease_s):
            return False  # another one replaced it before the right was ours
        mine.replace(path)
        return True
    finally:
        right.unlink(missing_ok=True)


def _beat(path: Path, token: str, stop: threading.Event, beat_s: float) -> None:
    while not stop.wait(beat_s):
        if _read(path).get("token") != token:
            return
        try:
            os.utime(path)
        except FileNotFoundError:
            return


@dataclass(frozen=True, kw_only=True)
class _Holder:
    """Who holds a claim, as its file says."""

    token: str
    host: str = ""
    boot: str = ""
    space: str = ""
    pid: Annotated[int, Field(ge=1, lt=1 << 31)]


def _read(path: Path) -> dict[str, Any]:
    try:
        return asdict(read_json(path, _Holder, _MAX_CLAIM_BYTES))
    except (OSError, ValueError):
        return {}


@cache
def _here() -> dict[str, str]:
    """Return what tells apart the places (machines, containers) that number processes anew."""
    facts = {"host": socket.gethostname(), "boot": "", "space": ""}
    with suppress(OSError):
        facts["boot"] = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        facts["space"] = str(Path("/proc/self/ns/pid").readlink())
    return facts


def _is_alive(pid: Any) -> bool:
    if not isinstance(pid, int):
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
