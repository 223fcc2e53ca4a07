"""``yt360 segment``: panoptic segmentation of images and panoramas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from yt360.commands.group import examples
from yt360.commands.labels.options import segmenter_config, segmenter_options
from yt360.terminal.output import echo


@examples(
    "yt360 segment photo.jpg --checkpoint model_final_cafdb1.pkl --out segmented",
    "yt360 segment --panorama room.jpg --checkpoint model_final_cafdb1.pkl --out segmented",
)
@click.command("segment")
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for the results."
)
@segmenter_options
@click.option(
    "--short-side",
    type=click.IntRange(16),
    help="Pixels to which the shorter side of an image is resized.  "
    "[default: 800; for views, their size]",
)
@click.option(
    "--long-side",
    type=click.IntRange(16),
    default=1333,
    show_default=True,
    help="Maximum of the longer side in pixels.",
)
@click.option(
    "--stuff-area",
    type=click.FloatRange(0),
    metavar="PIXELS",
    help="panoptic-fpn, detectron2: minimum area of a stuff segment.  "
    "[default: 4096; for views, scaled to their size]",
)
@click.option("--panorama", is_flag=True, help="The images are equirectangular panoramas.")
@click.option(
    "--views",
    default="ring-8",
    show_default=True,
    help="With --panorama: set of views, or `panorama` to segment the image itself.",
)
@click.option(
    "--view-size",
    type=click.IntRange(16, 8192),
    default=800,
    show_default=True,
    help="With --panorama: width and height of a view in pixels.",
)
@click.option("--height", type=click.IntRange(16, 16384), default=640, show_default=True,
              help="With --panorama: height of the map in pixels.")  # fmt: skip
def command(
    images: tuple[Path, ...],
    out: Path,
    batch: int | None,
    device: str,
    short_side: int | None,
    long_side: int,
    stuff_area: float | None,
    panorama: bool,
    views: str,
    view_size: int,
    height: int,
    **segmenter_choice: Any,
) -> None:
    """Segment images into things and stuff.

    Writes for each image an overlay (NAME.overlay.png), a map of segment ids (NAME.panoptic.png,
    0 for none) and the segments with these ids (NAME.segments.json).
    """
    from yt360.devices import choose_device
    from yt360.labels.panoptic_fpn.merge import STUFF_AREA
    from yt360.labels.segment_images import segment_images
    from yt360.labels.segmenters.batches import Batches, usual_batch
    from yt360.labels.sphere.panorama import PanoramaLabeller
    from yt360.labels.sphere.views import PANORAMA

    if short_side is None and panorama and views != PANORAMA:
        short_side = view_size
    usual: dict[str, Any] = {"long_side": long_side}
    if short_side is not None:
        usual["short_side"] = short_side
    if not panorama:
        usual["stuff_area"] = STUFF_AREA
    config = segmenter_config(usual=usual, stuff_area=stuff_area, **segmenter_choice)
    place = choose_device(device)
    segmenter, labeller = config.build(place), None
    if panorama:
        batches = Batches(segmenter, batch or usual_batch(place))
        labeller = PanoramaLabeller(batches, views, view_size, height, place)
    counts = segment_images(images, out, segmenter, labeller)
    skipped = "".join(
        f", {count} skipped ({reason})"
        for reason, count in sorted(counts.items())
        if reason != "done"
    )
    echo(f"{counts['done']} segmented into {out}{skipped}")
    if not counts["done"]:
        raise SystemExit(2)
