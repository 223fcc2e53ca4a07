"""Further features that kill the process that computes them, or its parent, once."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class KillOnce:
    """Adds no features; the first call of all processes ends a process by SIGKILL.

    Attributes:
        mark: File that exists from then on.
        whole_job: End the parent of the calling process, such as a job of a batch system.
    """

    mark: Path
    whole_job: bool = False
    identity: dict[str, Any] = field(default_factory=dict)

    def __call__(self, model: Any, batch: Any) -> dict[str, Any]:  # noqa: ARG002
        try:
            self.mark.touch(exist_ok=False)
        except FileExistsError:
            return {}
        os.kill(os.getppid() if self.whole_job else os.getpid(), signal.SIGKILL)
        signal.pause()  # this process ends with its parent
        raise AssertionError
