"""How a call of `avsa.training.loop.train` ended."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

from avsa.training.metrics_log import FILE_NAME as LOG_FILE


@dataclass(frozen=True)
class Outcome:
    """How a call of `train` ended.

    Attributes:
        step: Steps done in total.
        steps: Steps requested.
        checkpoint: The newest checkpoint.
        stopped_by: Name of the signal that ended it early, or None.
    """

    step: int
    steps: int
    checkpoint: Path
    stopped_by: str | None

    @property
    def exit_code(self) -> int:
        """0 if all steps are done, else the exit code of the signal, such as 130 for Ctrl-C."""
        if self.step >= self.steps:
            return 0
        # A rank without a signal of its own stops with the rank that received one.
        return 128 + signal.Signals[self.stopped_by or "SIGTERM"]

    def lines(self, run: Path) -> list[str]:
        """Return where the results are and what to do next, in a few lines."""
        end = f"stopped by {self.stopped_by}, " if self.stopped_by else ""
        lines = [
            f"{end}step {self.step} of {self.steps}; checkpoint: {self.checkpoint}",
            f"log: {run / LOG_FILE}; curves: tensorboard --logdir {run}",
            f'use it: model = avsa.load("{run}")',
        ]
        if self.step < self.steps:
            lines.append(f"resume: avsa train --out {run} --resume")
        return lines
