"""Do what `avsa train` does with the index of a dataset before its first batch.

    PYTHONPATH=. python -m tools.benchmarks.training_start DATASET

A program of its own, so that its time and memory are those of a process that trains.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path

from avsa.data.clips import open_clips
from avsa.training import loop  # noqa: F401 - a process that trains has loaded it
from avsa.training.curriculum import lay_out, require_stages_fit
from avsa.training.request import resolve_request
from avsa.training.run_folder import fingerprint


def main() -> None:
    """Resolve the request, open both splits, check them, and order the first epoch."""
    dataset = Path(sys.argv[1])
    request = resolve_request(dataset, "avsa", [], Path("run"), False)
    with (
        closing(open_clips(dataset, "train")) as clips,
        closing(open_clips(dataset, "test")) as held_out,
    ):
        stages = lay_out(request.config, clips.video_ids, clips.shard_numbers, 1)
        require_stages_fit(request.config, clips, held_out)
        first = stages[0].order.batch(0)
        print(fingerprint(clips), fingerprint(held_out), clips.keys[first[0].clip], flush=True)
    os._exit(0)  # the end of a process that has loaded torch takes another 125 MiB


if __name__ == "__main__":
    main()
