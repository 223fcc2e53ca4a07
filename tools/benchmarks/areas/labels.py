"""`yt360 pseudolabel`: the time outside of the network, which has random weights."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import torch

from benchmarks.areas.delivery import all_cores
from benchmarks.case import Case, Ratio
from benchmarks.labels import noise_clip, noise_dataset, random_checkpoint
from benchmarks.material import Material
from benchmarks.meters import result
from yt360.labels.pseudolabel import LabelOptions, pseudolabel
from yt360.labels.segmenters.panoptic_fpn import PanopticFPNConfig
from yt360.labels.shard_task import LabelReport


def cases(material: Material) -> Iterator[Case]:
    """Yield the cases."""
    report = cache(lambda run: label(material, run))  # for both ways
    yield Case(
        "pseudo-labels of a panorama, by the clock, one thread for the network",
        {
            "pseudolabel": lambda run: _ms(report(run), report(run).elapsed_s),
            "inside the network": lambda run: _ms(report(run), report(run).network_s),
        },
        [Ratio("pseudolabel", "inside the network")],
        meter=result,
        runs=3,
        inputs=1,
        warm_up=0,
    )


def label(material: Material, _: int) -> LabelReport:
    """Label a clip of noise."""
    options = LabelOptions()
    if material.tiny:
        options = LabelOptions(view_size=64, height=32)
    panoramas = 1 if material.tiny else 3
    with tempfile.TemporaryDirectory(prefix="avsa-bench-") as folder, all_cores():
        dataset = Path(folder) / "dataset"
        noise_dataset(dataset, noise_clip(panoramas), panoramas)
        checkpoint = material.kept("panoptic.safetensors", random_checkpoint)
        config = PanopticFPNConfig(checkpoint=checkpoint, short_side=options.view_size)
        device = torch.device("cpu")
        return pseudolabel(dataset, config.build(device), options, device)


def _ms(report: LabelReport, spent_s: float) -> float:
    return 1e3 * spent_s / report.panoramas
