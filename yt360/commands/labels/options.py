"""Options that `yt360 segment` and `yt360 pseudolabel` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from yt360.labels.segmenters.kinds import KINDS

_OPTIONS = (
    click.option("--segmenter", "kind", type=click.Choice(KINDS), default=KINDS[0],
                 show_default=True, help="What segments the pictures."),
    click.option("--checkpoint", type=click.Path(path_type=Path), metavar="FILE",
                 help="panoptic-fpn, detectron2: weights, such as model_final_cafdb1.pkl; .pkl, "
                 ".pth or .safetensors. detectron2 downloads those of its zoo without it."),
    click.option("--model", metavar="NAME",
                 help="transformers: folder or hub name; detectron2: config of its model zoo."),
    click.option("--scenes", type=click.Path(path_type=Path), metavar="FOLDER",
                 help="truth: folder that `yt360 scenes` wrote."),
    click.option("--device", default="auto", show_default=True,
                 help="auto, cpu, cuda or cuda:NUMBER."),
    click.option("--batch", type=click.IntRange(1),
                 help="Pictures at once; halved when a GPU's memory is too small. "
                 "[default: 8 on a GPU, 1 on a CPU]"),
)  # fmt: skip


def segmenter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command with the options of a segmenter."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
