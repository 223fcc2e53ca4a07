"""Which classes the labels of clips have, for the list."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from yt360.errors import BadItem, UserError
from yt360.labels.classes import NAMES, NO_CLASS, NUM_CLASSES
from yt360.labels.format.label_set import default_label_set
from yt360.labels.format.reader import LabelReader

BUDGET_S = 2.0
"""Longest time that a request for a part of the list spends on labels; a clip takes 3 to 20 ms."""
MAX_KNOWN = 500_000
"""Clips whose classes are kept in memory, in 100 bytes each."""


class PresentClasses:
    """The classes of clips, found out step by step and kept; may be used from many threads.

    Args:
        folder: The dataset folder.
        clock: Returns seconds.

    Attributes:
        names: Names of the classes; None if the dataset has no labels.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._name = default_label_set(folder)
        self.names = None if self._name is None else NAMES
        self._readers: dict[str, LabelReader | None] = {}
        self._known: dict[tuple[str, str], bytes] = {}
        self._lock = threading.Lock()

    def deadline(self, budget_s: float = BUDGET_S) -> float:
        """Return the time at which a request that begins now stops to read labels."""
        return math.inf if budget_s == math.inf else self._clock() + budget_s

    def of(self, split: str, key: str, deadline: float = math.inf) -> list[int] | None:
        """Return the numbers of the classes of a clip, rising.

        Args:
            split: Its split.
            key: Its key.
            deadline: From `deadline`; after it, only what is known is returned.

        Returns:
            The classes; None if they are not known yet, or if the clip has no labels that can be
            read.
        """
        if self._name is None:
            return None
        found = self._known.get((split, key))
        if found is None:
            if self._clock() > deadline:
                return None
            found = self._read(split, key)
            if len(self._known) < MAX_KNOWN:
                self._known[split, key] = found
        return [*found] or None

    def _read(self, split: str, key: str) -> bytes:
        reader = self._reader(split)
        try:
            if reader is None or key not in reader:
                return b""
            joint = reader.read(key).joint
        except BadItem:
            return b""
        counts = np.bincount(joint.ravel(), minlength=NUM_CLASSES)[:NO_CLASS]
        return bytes(np.flatnonzero(counts).tolist())

    def _reader(self, split: str) -> LabelReader | None:
        with self._lock:
            if split not in self._readers:
                assert self._name is not None
                try:
                    self._readers[split] = LabelReader(self._folder, split, self._name)
                except UserError:
                    self._readers[split] = None
            return self._readers[split]
