"""How well sound and picture of each clip match by trained models, as columns of the list.

Scores are computed in the background, one clip at a time and in the order of the list, and kept on
disk (`yt360.explore.layers.score_file`). Without runs there is nothing to compute.
"""

from __future__ import annotations

import math
import os
import sys
import threading
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from yt360.errors import BadItem
from yt360.explore.layers.model_lock import ModelLock
from yt360.explore.layers.score_file import ScoreFile
from yt360.explore.sources.source import Column, Rows

MAX_CHANGES = 20_000
"""Scores of one answer of `Scores.since`."""
_NICENESS = 10


class ScoringRun(Protocol):
    """A trained model that scores clips."""

    @property
    def identity(self) -> str:
        """A text that changes with its scores, such as a hash of its weights and its settings."""

    def score(self, key: str, split: str) -> float | None:
        """Return how well sound and picture of a clip match; None if the model has no scores.

        Raises:
            BadItem: The clip cannot be read.
        """


class ScoredClips(Protocol):
    """The clips that are scored."""

    @property
    def num_clips(self) -> int:
        """Number of rows that are clips."""

    def key(self, row: int) -> str:
        """Return the key of a clip."""

    def split(self, row: int) -> str | None:
        """Return the split of a clip."""

    def is_local(self, row: int) -> bool:
        """Return whether reading a clip transfers nothing from elsewhere."""


class Scores:
    """The scores of all clips by all runs; may be used from many threads.

    Args:
        clips: The clips.
        runs: The runs by name.
        lock: Held while a model computes.
        folder: Folder of score files.
        dataset: A text that changes with the content of the clips.
    """

    def __init__(
        self,
        clips: ScoredClips,
        runs: Mapping[str, ScoringRun],
        lock: ModelLock,
        folder: Path,
        dataset: str,
    ) -> None:
        self._clips, self._names, self._runs = clips, list(runs), list(runs.values())
        self.lock = lock
        self._files = [ScoreFile(folder, [run.identity, dataset]) for run in self._runs]
        self._values = [array("d", [math.nan]) * clips.num_clips for _ in runs]
        self._states = [bytearray(clips.num_clips) for _ in runs]  # 1: known, or cannot be read
        self._changes = array("q")
        self._writing = threading.Lock()
        self._stopped = threading.Event()
        self._is_complete = not runs
        self._has_read = False
        self._thread: threading.Thread | None = None

    @property
    def columns(self) -> Sequence[Column]:
        """A column for each run."""
        return [
            Column(
                name=f"score {name}",
                title=f"Alignment score of {name}",
                type="number",
                role="score",
            )
            for name in self._names
        ]

    def rows(self, start: int, stop: int) -> Rows:
        """Return what is known of the rows [start, stop); rows that are no clips have no scores."""
        others = [None] * (stop - max(start, min(stop, self._clips.num_clips)))
        return {
            column.name: [*(None if math.isnan(x) else x for x in values[start:stop]), *others]
            for column, values in zip(self.columns, self._values, strict=True)
        }

    def since(self, number: int) -> dict[str, Any]:
        """Return what has become known after the first `number` scores, as JSON values.

        Returns:
            ``next``: the `number` to ask for after this answer; ``done`` and ``total``: scores;
            ``complete``: whether no others follow; ``scores``: ``[rows, values]`` by column.
        """
        is_complete, end = self._is_complete, len(self._changes)
        first = min(max(0, number), end)
        last = min(first + MAX_CHANGES, end)
        found: dict[str, tuple[list[int], list[float]]] = {
            column.name: ([], []) for column in self.columns
        }
        names = list(found)
        for change in self._changes[first:last]:
            row, run = divmod(change, len(names))
            value = self._values[run][row]
            if not math.isnan(value):
                rows, values = found[names[run]]
                rows.append(row)
                values.append(value)
        return {
            "next": last,
            "done": end,
            "total": len(self._runs) * self._clips.num_clips,
            "complete": is_complete and last == end,
            "scores": {name: pair for name, pair in found.items() if pair[0]},
        }

    def note(self, run: int, row: int, score: Any) -> None:
        """Take a score that was computed elsewhere, as for the page of a clip."""
        if isinstance(score, int | float) and math.isfinite(score):
            self._read_files()
            self._keep(run, row, float(score))

    def start(self) -> None:
        """Compute in the background until all scores are known, or until `stop`."""
        if self._runs:
            self._thread = threading.Thread(target=self._compute_quietly, daemon=True)
            self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Stop after the clip that is computed now."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def compute(self) -> None:
        """Compute the scores that are not known, of clips that need no transfer."""
        self._read_files()
        useful = list(range(len(self._runs)))
        for row in range(self._clips.num_clips):
            for run in list(useful):
                if self._stopped.is_set():
                    return
                if not self._states[run][row] and not self._compute_one(run, row):
                    useful.remove(run)
            if not useful:
                break
        self._is_complete = True

    def _compute_quietly(self) -> None:
        if sys.platform == "linux":  # there, a thread and those that it starts have a priority
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        try:
            self.compute()
        finally:
            self._is_complete = True

    def _read_files(self) -> None:
        """Take what former servers computed."""
        if self._has_read or not self._runs:
            return
        self._has_read = True
        row_of = {
            (self._clips.split(row), self._clips.key(row)): row
            for row in range(self._clips.num_clips)
        }
        for run, file in enumerate(self._files):
            for split, key, score in file.read():
                row = row_of.get((split, key))
                if row is not None:
                    self._set(run, row, score)

    def _compute_one(self, run: int, row: int) -> bool:
        """Compute a score; return whether the run has scores at all."""
        split = self._clips.split(row)
        if split is None or not self._clips.is_local(row):
            return True
        try:
            with self.lock.hold(is_urgent=False):
                score = self._runs[run].score(self._clips.key(row), split)
        except BadItem:
            self._set(run, row, math.nan)
            return True
        if score is None:
            return False
        self._keep(run, row, score)
        return True

    def _keep(self, run: int, row: int, score: float) -> None:
        split = self._clips.split(row)
        if split is not None and self._set(run, row, score):
            self._files[run].append(split, self._clips.key(row), score)

    def _set(self, run: int, row: int, score: float) -> bool:
        """Set a score, NaN if the clip cannot be read; return whether it was unknown."""
        with self._writing:
            if self._states[run][row]:
                return False
            self._values[run][row] = score
            self._states[run][row] = True
            self._changes.append(row * len(self._runs) + run)
            return True
