"""Options that `yt360 segment` and `yt360 pseudolabel` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yt360.commands.registry_options import EntryName, EntryOption, set_option
from yt360.labels.segmenters import SEGMENTERS

if TYPE_CHECKING:
    from yt360.labels.segmenters.base import SegmenterConfig

_OPTIONS = (
    click.option("--segmenter", "kind", cls=EntryOption, type=EntryName(SEGMENTERS),
                 default="panoptic-fpn", show_default=True,
                 help="The segmenter; --plugin adds others."),
    click.option("--checkpoint", type=click.Path(path_type=Path), metavar="FILE",
                 help="panoptic-fpn, detectron2: weights, such as model_final_cafdb1.pkl; .pkl, "
                 ".pth or .safetensors. detectron2 downloads those of its zoo without it."),
    click.option("--model", metavar="NAME",
                 help="transformers: folder or hub name; detectron2: config of its model zoo."),
    click.option("--scenes", type=click.Path(path_type=Path), metavar="FOLDER",
                 help="truth: folder that `yt360 scenes` wrote."),
    set_option("Set an option of the segmenter; repeatable."),
    click.option("--device", default="auto", show_default=True,
                 help="auto, cpu, cuda or cuda:NUMBER."),
    click.option("--batch", type=click.IntRange(1),
                 help="Images at once; halved when a GPU's memory is too small. "
                 "[default: 8 on a GPU, 1 on a CPU]"),
)  # fmt: skip


def segmenter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command with the options of a segmenter."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def segmenter_config(
    kind: str, settings: dict[str, str], usual: dict[str, Any], **given: Any
) -> SegmenterConfig:
    """Return the config of the segmenter that the options choose.

    Args:
        kind: Its name.
        settings: Its options by ``--set``.
        usual: Values for those options that the segmenter has and nobody set.
        given: Its options that have an option of the command; None for not given.

    Raises:
        UserError: The segmenter lacks an option, or needs one that is not given.
    """
    given = {key: value for key, value in given.items() if value is not None}
    return SEGMENTERS.configure(kind, given | settings, usual)
