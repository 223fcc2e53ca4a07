"""The options that `yt360 segment` and `yt360 pseudolabel` have in common."""

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
                 help="panoptic-fpn, detectron2: weights (.pkl, .pth or .safetensors), such as "
                 "model_final_cafdb1.pkl. By default, detectron2 downloads those of its zoo."),
    click.option("--model", metavar="NAME",
                 help="transformers: folder or hub name. detectron2: config in its model zoo."),
    click.option("--scenes", type=click.Path(path_type=Path), metavar="FOLDER",
                 help="truth: folder written by `yt360 scenes`, or a folder of such folders."),
    set_option("Set an option of the segmenter; repeatable."),
    click.option("--device", default="auto", show_default=True,
                 help="auto, cpu, cuda or cuda:NUMBER."),
    click.option("--batch", type=click.IntRange(1, 1024),
                 help="Batch size; halved if a GPU runs out of memory.  "
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
    """Return the config of the segmenter that the options select.

    Args:
        kind: Name of the segmenter.
        settings: Its options from ``--set``.
        usual: Defaults of the command for options that the segmenter has and that are not set.
        given: Its options from the command's own options; None if not given.

    Raises:
        UserError: The segmenter lacks an option, or needs one that is not given.
    """
    given = {key: value for key, value in given.items() if value is not None}
    return SEGMENTERS.configure(kind, given | settings, usual)
