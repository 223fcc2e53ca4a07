"""What a worker of an evaluation opens once: the model, and a split of a dataset."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch

from avsa.data.clips import open_clips
from avsa.data.loader import DataConfig
from avsa.hub.load import Model, load
from avsa.training.repeatability import deterministic_kernels
from avsa.training.run_folder import fingerprint
from yt360.devices import device_of_worker
from yt360.errors import UserError
from yt360.shards.format.reader import ShardReader


@dataclass(frozen=True, kw_only=True)
class WorkerInputs:
    """The model and the split of tasks; equal ones are opened once by a worker.

    Attributes:
        subject: Path of the model.
        weights_sha256: `Model.weights_hash` of it.
        device: See `avsa.evals.workers.pool.Workers`.
        dataset: Folder of the dataset.
        split: Split of it.
        clips: Fingerprint of the split.
        threads: Threads with which torch computes on a CPU. The last bits of features depend on
            it, so it is that of the command.
        decoders: Decoder processes; None for as many as ``OMP_NUM_THREADS``, by which engines tell
            a process its number of cores, or else 1.
    """

    subject: str
    weights_sha256: str
    device: str
    dataset: Path
    split: str
    clips: str
    threads: int
    decoders: int | None

    @contextmanager
    def opened(self) -> Iterator[tuple[Model, ShardReader]]:
        """Return the model and the split in a block that computes as the command would.

        Raises:
            UserError: They cannot be opened here, or are not those of the command
                (``"conflict"``).
        """
        model, clips = _open(self)
        with deterministic_kernels(model.config.compute.deterministic):
            yield model, clips

    def loading(self, data: DataConfig) -> DataConfig:
        """Return the data options with the decoder processes of a worker."""
        count = self.decoders or max(1, int(os.environ.get("OMP_NUM_THREADS", "1")))
        return replace(data, num_workers=count)


@lru_cache(maxsize=1)
def _open(inputs: WorkerInputs) -> tuple[Model, ShardReader]:
    torch.set_num_threads(inputs.threads)
    model = load(inputs.subject, str(device_of_worker(inputs.device)))
    if model.weights_hash() != inputs.weights_sha256:
        raise UserError(
            f"{inputs.subject} has other weights in a worker than when the command began; "
            "evaluate a checkpoint file while its run still trains",
            "conflict",
            inputs.subject,
        )
    clips = open_clips(inputs.dataset, inputs.split)
    if fingerprint(clips) != inputs.clips:
        raise UserError(
            f"the split {inputs.split} of {inputs.dataset} has other clips in a worker than in the "
            "command; all machines need the same dataset at this path",
            "conflict",
            inputs.dataset,
        )
    return model, clips
