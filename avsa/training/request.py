"""The arguments of ``avsa train`` with all defaults resolved, and the outcome of a run."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from avsa.config.recipe import load_config, recipe_names
from avsa.config.train_config import TrainConfig
from avsa.data.clips import open_datasets, open_video_ids
from avsa.data.joined_clips import JoinedClips, left_out_notes
from avsa.data.remote.mirror import dataset_folder
from avsa.data.training_order import count_videos
from avsa.tracking.trackers import curves
from avsa.training.curriculum import fit_batches, keep_batches
from avsa.training.distributed import from_first_rank
from avsa.training.metrics_log import FILE_NAME as LOG_FILE
from avsa.training.run_folder import read_config, read_datasets
from yt360.errors import UserError


@dataclass(frozen=True)
class Request:
    """The arguments of ``avsa train`` with all defaults resolved.

    Attributes:
        config: The recipe, fitted to the dataset.
        datasets: Folders of shards.
        run: Folder of the run.
        notes: Notes about reduced batch sizes, and about clips that are left out.
    """

    config: TrainConfig
    datasets: tuple[Path, ...]
    run: Path
    notes: list[str]


def resolve_request(
    data: Path | Sequence[Path] | None,
    recipe: str | None,
    overrides: Sequence[str],
    out: Path | None,
    resume: bool,
    ranks: int = 1,
    cache_gb: float | None = None,
) -> Request:
    """Return recipe, datasets and folder; defaults come from the run to be resumed.

    If the datasets are too small for a batch, the batch size is reduced (`fit_batches`), unless
    `overrides` set it. A resumed run keeps its batch sizes, whatever the number of ranks.
    `cache_gb` limits the local copy of a remote dataset.

    Raises:
        UserError: An argument is missing, or the datasets do not fit together.
    """
    datasets = (data,) if isinstance(data, Path) else tuple(data or ())
    # A collective call: every rank must make it, whatever its arguments.
    proposed = from_first_rank(next_run_folder(recipe or "run"))
    if resume:
        if out is None:
            raise UserError(
                "--resume needs --out RUN, the folder of the run", code="missing", key="--out"
            )
        config, notes = read_config(out, overrides), list[str]()
        if recipe:
            asked = load_config(recipe, overrides)
            config, notes = keep_batches(asked, read_config(out), _chosen_batches(asked, overrides))
        if not datasets:
            datasets = tuple(dataset_folder(each, cache_gb) for each in read_datasets(out))
        return Request(config, datasets, out, notes)
    if not datasets or recipe is None:
        raise UserError(
            "--data DATASET and --recipe NAME are needed to start a run; "
            f"recipes: {', '.join(recipe_names())}",
            code="missing",
            key="--recipe" if datasets else "--data",
        )
    config = load_config(recipe, overrides)
    with closing(open_datasets(datasets, "train", open_video_ids)) as clips:
        num_videos = count_videos(clips.video_ids)
        left_out = left_out_notes(clips) if isinstance(clips, JoinedClips) else []
    config, notes = fit_batches(config, num_videos, ranks, _chosen_batches(config, overrides))
    return Request(config, datasets, out or proposed, [*left_out, *notes])


def _chosen_batches(config: TrainConfig, overrides: Sequence[str]) -> list[str]:
    """Return the stages whose batch size is set by an override."""
    return [
        name
        for name in config.stages
        if any(text.startswith(f"stages.{name}.batch_size=") for text in overrides)
    ]


def next_run_folder(recipe: str, parent: Path = Path("runs")) -> Path:
    """Return the first of ``runs/RECIPE-1``, ``runs/RECIPE-2``, ... that does not exist."""
    name = Path(recipe).stem
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a call of `train`.

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

    def lines(self, run: Path, track: Sequence[str] = ("tensorboard",)) -> list[str]:
        """Return lines that name the results and what to do next.

        Args:
            run: Folder of the run.
            track: Names of its trackers.
        """
        end = f"stopped by {self.stopped_by}, " if self.stopped_by else ""
        lines = [
            f"{end}step {self.step} of {self.steps}; checkpoint: {self.checkpoint}",
            "; curves: ".join([f"log: {run / LOG_FILE}", *curves(track, run)]),
            f'use it: model = avsa.load("{run}")',
        ]
        if self.step < self.steps:
            lines.append(f"resume: avsa train --out {run} --resume")
        return lines
