"""Do what `avsa train` does until its first batch is ready, and end there.

    PYTHONPATH=. python -m tools.benchmarks.training_start --data DATASET --recipe small --out RUN

A program of its own, so that its time and memory are those of a process that trains. It runs the
command, and takes the place of the loop over batches.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import NoReturn
from unittest.mock import patch

from avsa import cli
from yt360.execution.collection import uncollected_imports
from yt360.execution.freed_memory import keep_freed_memory


def main() -> None:
    """Start training with the arguments of this program."""
    # As the command does it: memory before Arrow is imported, and imports without collections.
    keep_freed_memory(os.environ)
    with uncollected_imports():
        from avsa.training import loop

    sys.argv = ["avsa", "train", *sys.argv[1:]]
    with patch.object(loop, "train_stage", first_batch):
        cli.main()


def first_batch(_learner: object, batches: Iterator[object], *_others: object) -> NoReturn:
    """Wait for the first batch, end the decoder processes, and end this one."""
    from avsa.data.decoder_pool import DECODERS

    next(batches)
    DECODERS.close()
    os._exit(0)  # the end of a process that has loaded torch takes another 125 MiB


if __name__ == "__main__":
    main()
