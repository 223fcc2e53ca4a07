"""``yt360 pseudolabel``: label every clip of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from yt360.buckets.address import as_bucket_url
from yt360.commands.executor_options import executor_options, workers_option
from yt360.commands.group import examples
from yt360.commands.labels.options import segmenter_config, segmenter_options
from yt360.errors import UserError
from yt360.splits import SPLITS, Split
from yt360.terminal.output import echo

MAX_SHARD = 999_999
MAX_DIGITS = 100  # of a number, before Python refuses to read it


@examples(
    "yt360 pseudolabel DATASET --checkpoint model_final_cafdb1.pkl",
    "yt360 pseudolabel DATASET --segmenter transformers \\",
    "    --model facebook/mask2former-swin-tiny-coco-panoptic --name mask2former",
    "yt360 pseudolabel DATASET --checkpoint model_final_cafdb1.pkl --executor slurm:gpu \\",
    "    --executor-config gpu.yaml --workers 8",
    "yt360 pseudolabel DATASET --segmenter truth --scenes SCENES --name truth",
    "yt360 pseudolabel s3://BUCKET/DATASET --checkpoint model_final_cafdb1.pkl",
)
@click.command("pseudolabel")
@click.argument("dataset")
@segmenter_options
@click.option("--name", default="panoptic", show_default=True, help="Name of the label set.")
@click.option(
    "--views",
    default="ring-8",
    show_default=True,
    help="Set of views, or `panorama` to segment the equirectangular image itself.",
)
@click.option(
    "--view-size",
    type=click.IntRange(16, 8192),
    default=512,
    show_default=True,
    help="Width and height of a view in pixels.",
)
@click.option("--fps", type=float, default=4.0, show_default=True, help="Label maps per second.")
@click.option(
    "--height",
    type=click.IntRange(16, 16384),
    default=320,
    show_default=True,
    help="Height of the label maps in pixels; the width is twice the height.",
)
@click.option(
    "--split",
    type=click.Choice(["all", "train", "test"]),
    default="all",
    show_default=True,
    help="Split to label.",
)
@click.option("--shards", metavar="NUMBERS", help="Only label these shards, such as 0-9,12.")
@click.option(
    "--precision",
    type=click.Choice(["auto", "full"]),
    default="auto",
    show_default=True,
    help="auto: float16 on a GPU (panoptic-fpn, transformers). full: always float32.",
)
@workers_option
@executor_options
def command(
    dataset: str,
    batch: int | None,
    device: str,
    name: str,
    views: str,
    view_size: int,
    fps: float,
    height: int,
    split: Split | Literal["all"],
    shards: str | None,
    precision: str,
    workers: int | None,
    executor: str,
    executor_config: Path | None,
    **segmenter_choice: Any,
) -> None:
    """Label the clips of DATASET and write the labels next to the shards.

    Processes on one machine share its GPUs. Several machines can also run the same command on one
    dataset; they share the work. Run it again after an interruption, or to retry clips that were
    skipped.

    DATASET may be in a bucket, such as s3://BUCKET/DATASET; one command at a time labels it.
    """
    from yt360.buckets.cache import cache_folder
    from yt360.execution.engines.choice import open_executor
    from yt360.execution.executor import workers_of
    from yt360.labels.bucket_labels import pseudolabel_in_bucket
    from yt360.labels.pseudolabel import LabelOptions, pseudolabel_in_processes

    url = as_bucket_url(dataset)
    # Workers label a dataset in a bucket in its workspace.
    output = cache_folder() / "pseudolabel" if url else Path(dataset)
    engine = open_executor(executor, executor_config, output)
    options = LabelOptions(
        name=name,
        views=views,
        view_size=view_size,
        fps=fps,
        height=height,
        batch=batch,
        device=device,
        splits=SPLITS if split == "all" else (split,),
        shards=None if shards is None else parse_numbers(shards),
    )
    usual = {"short_side": view_size, "mixed_precision": precision == "auto"}
    segmenter = segmenter_config(usual=usual, **segmenter_choice)
    number = workers_of(engine, workers, 1)
    if url is None:
        report = pseudolabel_in_processes(Path(dataset), segmenter, options, number, engine.pool)
    else:
        report = pseudolabel_in_bucket(url, segmenter, options, number, engine.pool)
    echo(f"{report.clips} clips labelled, {report.panoramas} panoramas")
    if report.panoramas:
        echo(
            f"{report.elapsed_s / report.panoramas:.3g} s of a worker per panorama, "
            f"{report.outside_fraction:.1%} of it outside the network"
        )
    for reason, count in sorted(report.skipped.items()):
        echo(f"{count} clips skipped: {reason}; the next run tries them again")
    if report.elsewhere:
        echo(f"{report.elsewhere} shards are being labelled by other workers")


def parse_numbers(text: str) -> frozenset[int]:
    """Return the numbers in a list such as ``"0-9,12"``.

    Raises:
        UserError: It is not such a list.
    """
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not _is_number(first) or (dash and not _is_number(last)):
            raise UserError(
                f"--shards {text!r} is not a list of numbers such as 0-9,12", key="--shards"
            )
        start, end = int(first), int(last or first)
        if end > MAX_SHARD:
            raise UserError(
                f"--shards {text!r} contains {end}; the maximum is {MAX_SHARD}", key="--shards"
            )
        if end < start:
            raise UserError(f"--shards {text!r}: {start}-{end} is descending; "
                            f"write {end}-{start}", key="--shards")  # fmt: skip
        numbers.update(range(start, end + 1))
    return frozenset(numbers)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS
