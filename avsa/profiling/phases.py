"""The phases of a training step, as named ranges in traces of torch.profiler.

A range costs a few microseconds while nothing is profiled.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import TypeVar

from torch.profiler import record_function

Item = TypeVar("Item")
PREFIX = "avsa: "


class Phase(StrEnum):
    """A part of a step on the host. What the device does belongs to the phase that queued it."""

    DATA = "waiting for data"
    VIEWS = "views and spectrograms"
    ENCODERS = "encoders, forward"
    TASK = "task, forward"
    BACKWARD = "backward"
    OPTIMIZER = "optimizer"
    CHECK = "waiting for the loss"
    LOG = "log, validation, checkpoints"


def phase(name: Phase) -> AbstractContextManager[object]:
    """Return the range of a phase."""
    return record_function(PREFIX + name)


def in_phase(name: Phase, items: Iterator[Item]) -> Iterator[Item]:
    """Yield items; getting each of them is a range of its own."""
    while True:
        with phase(name):
            try:
                item = next(items)
            except StopIteration:
                return
        yield item
