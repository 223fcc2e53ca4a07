"""``avsa eval action``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from avsa.commands.evals.common import (
    carry_out,
    refused_worker_options,
    setting_options,
    subject_options,
)
from yt360.commands.group import examples
from yt360.errors import UserError


@examples(
    "avsa eval action runs/avsa --dataset ucf101 --root UCF-101",
    "avsa eval action kinetics --dataset hmdb51 --root HMDB51 --folds 1 --out runs/kinetics",
)
@click.command("action")
@click.option("--dataset", help="ucf101 or hmdb51; required.")
@click.option(
    "--root", type=click.Path(path_type=Path), help="Folder of UCF101 or HMDB51; required."
)
@click.option("--folds", help="Folds, separated by commas.  [default: 1,2,3]")
@click.option(
    "--kinetics-weights",
    type=click.Path(path_type=Path),
    help="File of the weights of torchvision's r2plus1d_18, for kinetics.  [default: in the cache "
    "of torchvision]",
)
@subject_options
@setting_options
@refused_worker_options
def command(
    subject: str,
    dataset: str | None,
    root: Path | None,
    folds: str | None,
    kinetics_weights: Path | None,
    **shared: Any,
) -> None:
    """Fine-tune the video encoder to recognize actions, and test it (Table 4).

    RUN is the folder of a run, a checkpoint, scratch (new weights) or kinetics (R(2+1)D-18 trained
    on Kinetics). --root has a folder of videos for each class; the split lists ucfTrainTestlist or
    testTrainMulti_7030_splits lie in it or beside it.

    Prints the accuracy of single clips (clip@1 and clip@5, 25 random clips of each video) and of
    videos (video@1 and video@5, average of 25 evenly spaced clips), averaged over the folds.
    """
    if root is None and "root" not in shared["settings"]:
        raise UserError(
            "--root is missing; give the folder of UCF101 or HMDB51", "missing", "--root"
        )
    options = {
        "dataset": dataset,
        "root": root and root.absolute(),
        "folds": None if folds is None else _numbers(folds),
        "kinetics_weights": kinetics_weights and kinetics_weights.absolute(),
    }
    carry_out("action", subject, options, **shared)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(
            f"--folds is {text!r}; give numbers separated by commas, such as 1,2,3", key="--folds"
        ) from None
