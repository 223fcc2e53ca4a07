"""Count the classes in a label set, next to those in the authors' maps of YT-360."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from yt360.errors import BadItem
from yt360.labels.classes import CLASSES, NAMES, NO_CLASS, NUM_CLASSES, SUBSET, YT360_FRACTION_NONE
from yt360.labels.format.label_set import DEFAULT_NAME, LabelSet
from yt360.labels.format.reader import LabelReader
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.splits import SPLITS
from yt360.terminal.progress import Progress

BAR = 30


@dataclass(frozen=True)
class LabelCounts:
    """Counts over a set of labels.

    Attributes:
        labels: The label set.
        pixels: (135,) int64 number of pixels of each joint class; the last one is "none".
        clips: Number of clips with labels.
        clips_of: (134,) int64 number of clips in which each class occurs.
        all_clips: Number of clips of the dataset.
        maps: Number of maps.
        damaged: Number of clips with unreadable labels.
    """

    labels: LabelSet
    pixels: np.ndarray
    clips: int
    clips_of: np.ndarray
    all_clips: int
    maps: int
    damaged: int

    @property
    def fractions(self) -> np.ndarray:
        """Fraction (135,) of all pixels, in [0, 1]."""
        return self.pixels / max(1, self.pixels.sum())

    def most_frequent(self, number: int = 32) -> list[int]:
        """Return up to `number` classes that occur, most frequent first."""
        order = np.argsort(-self.pixels[:NUM_CLASSES], kind="stable")[:number]
        return [int(label) for label in order if self.pixels[label]]

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "labels": self.labels.name,
            "clips": self.clips,
            "clips_without_labels": self.all_clips - self.clips,
            "damaged": self.damaged,
            "maps": self.maps,
            "fraction_none": float(self.fractions[NO_CLASS]),
            "classes": {
                entry.name: {
                    "fraction": float(self.fractions[number]),
                    "clips": int(self.clips_of[number]),
                    "yt360_fraction": entry.yt360_fraction,
                }
                for number, entry in enumerate(CLASSES)
            },
        }

    def lines(self) -> list[str]:
        """Return tables for people: this set's 32 most frequent classes, and the paper's 32."""
        fractions = self.fractions
        lines = [
            f"labels {self.labels.name!r}: {self.clips} of {self.all_clips} clips, "
            f"{self.maps} maps of {self.labels.width}x{self.labels.height}, "
            f"{self.labels.fps:g} a second" + (f", {self.damaged} damaged" if self.damaged else ""),
            "",
            f"{'32 most frequent here':<24}  pixels  clips  YT-360  (*: one of the paper's 32)",
        ]
        top = self.most_frequent()
        for label in top:
            bar = "#" * round(BAR * fractions[label] / fractions[top[0]])
            name = NAMES[label] + (" *" if label in SUBSET else "")
            lines.append(
                f"{name:<24} {fractions[label]:7.2%} {self.clips_of[label]:6d} "
                f"{CLASSES[label].yt360_fraction:7.2%}  {bar}"
            )
        lines += [f"{'none':<24} {fractions[NO_CLASS]:7.2%} {'':6} {YT360_FRACTION_NONE:7.2%}", ""]
        absent = [label for label in SUBSET if label not in top]
        lines.append(f"{'of the paper, not above':<24}  pixels  clips  YT-360")
        for label in absent:
            lines.append(
                f"{NAMES[label]:<24} {fractions[label]:7.2%} {self.clips_of[label]:6d} "
                f"{CLASSES[label].yt360_fraction:7.2%}"
            )
        return lines


def count_labels(dataset: Path, name: str = DEFAULT_NAME) -> LabelCounts:
    """Count the classes of a set of labels.

    As in the published fractions of YT-360, pixels are not weighted by their area on the sphere.

    Raises:
        UserError: `dataset` is not a dataset or has no such labels.
    """
    labels = LabelSet.load(dataset, name)
    readers = [LabelReader(dataset, split, name) for split in SPLITS]
    all_clips = DatasetInfo.load(dataset).num_clips
    pixels = np.zeros(NUM_CLASSES + 1, dtype=np.int64)
    clips_of = np.zeros(NUM_CLASSES, dtype=np.int64)
    clips = maps = damaged = 0
    with Progress("counting", sum(len(reader) for reader in readers), "clips") as progress:
        for reader in readers:
            for key in reader.keys:
                try:
                    joint = reader.read(key).joint
                except BadItem as error:
                    progress.note(f"skipped {key}: {error.detail}")
                    damaged += 1
                else:
                    counts = np.bincount(joint.ravel(), minlength=NUM_CLASSES + 1)
                    pixels += counts
                    clips_of += counts[:NUM_CLASSES] > 0
                    clips += 1
                    maps += len(joint)
                progress.advance()
    return LabelCounts(labels, pixels, clips, clips_of, all_clips, maps, damaged)
