"""Clips and videos that cannot be read: kept for a resumed evaluation, and noted in its record."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from avsa.training.distributed import World, gather_lists
from yt360.errors import UserError
from yt360.files import write_json
from yt360.shards.format.reader import ShardReader
from yt360.terminal.text import printable
from yt360.untrusted.parsing import read_json

logger = logging.getLogger(__name__)
NAMED = 5
"""Clips or videos that a note names."""


class Unreadable:
    """Reasons by name of what could not be read; kept in a file a rank for a resumed evaluation.

    Args:
        work: Folder of the files (`avsa.evals.base.Context.work`), which is created.
        name: First part of their names.
        world: This process and the other ranks.

    Attributes:
        reasons: What this rank has found, and all ranks of a killed evaluation.
    """

    def __init__(self, work: Path, name: str, world: World) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self._path, self._lock = work / f"{name}-unreadable-{world.rank}.json", threading.Lock()
        self.reasons: dict[str, str] = {}
        for path in work.glob(f"{name}-unreadable-*.json"):
            self.reasons |= read_json(path, dict[str, str])

    def add(self, name: str, reason: str, detail: str = "") -> None:
        """Add a clip or video; the first time, log `detail` if there is one."""
        name = printable(name)
        with self._lock:
            if name not in self.reasons:
                self.reasons[name] = reason
                write_json(self._path, self.reasons)
                if detail:
                    logger.warning("%s cannot be read: %s", name, printable(detail))

    def add_all(self, reasons: Mapping[str, str]) -> None:
        """Add clips with their reasons, which the loader has logged."""
        for name, reason in reasons.items():
            self.add(name, reason)

    def of_all_ranks(self) -> dict[str, str]:
        """Return what all ranks have found; a collective call."""
        return dict(sorted(gather_lists(list(self.reasons.items()))))


def replaced_notes(reasons: Mapping[str, str], clips: ShardReader) -> tuple[str, ...]:
    """Return the note on training clips that cannot be read."""
    if not reasons:
        return ()
    return (
        f"{len(reasons)} of {len(clips)} clips of the split {clips.split} cannot be read and were "
        f"replaced: {named(reasons)}. To evaluate again when they are repaired, remove this "
        "record.",
    )


def left_out_notes(missing: int, samples: int, split: str) -> tuple[str, ...]:
    """Return the note on samples that are left out because their clips cannot be read."""
    if not missing:
        return ()
    return (
        f"{missing} of {samples} samples of the split {split} are left out, because their clips "
        "cannot be read (`yt360 check` shows the reasons). To evaluate again when they are "
        "repaired, remove this record and eval/features.",
    )


def named(reasons: Mapping[str, str]) -> str:
    """Return some names with their reasons, and the number of the others."""
    texts = [f"{name} ({reason})" for name, reason in sorted(reasons.items())[:NAMED]]
    more = [f"and {len(reasons) - NAMED} more"] if len(reasons) > NAMED else []
    return ", ".join([*texts, *more])


def unreadable_split(clips: ShardReader) -> UserError:
    """Return the error of a split of which no clip can be read."""
    return UserError(
        f"no clip of the split {clips.split} of {clips.dataset} can be read; "
        f"`yt360 check {clips.dataset}` shows the reasons",
        "empty",
        clips.split,
    )
