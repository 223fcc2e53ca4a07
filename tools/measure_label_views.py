"""Measure how well fused views recover the truth of synthetic scenes, and what they cost.

The segmenter returns the ground truth of each scene, rendered into perspective views. A second one
makes errors at borders: half of the objects that the border of a view cuts get the class of the
background, as real networks fail on objects that are only partly visible. Prints a table in
Markdown.

    python tools/measure_label_views.py --scenes 12 --times 2
    python tools/measure_label_views.py --set max_elevation_deg=90  # objects anywhere
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from yt360.labels.classes import NUM_THINGS
from yt360.labels.segmenters.base import ImageOrigin, Segmentation
from yt360.labels.segmenters.batches import Batches
from yt360.labels.segmenters.truth import connected
from yt360.labels.sphere.panorama import PanoramaLabeller
from yt360.labels.sphere.views import VIEW_SETS
from yt360.randomness import keyed_generator
from yt360.scenes.world.parameters import choose_parameters
from yt360.scenes.world.sampling import sample_scene
from yt360.scenes.world.scene import Scene
from yt360.sphere import equirect_grid

BORDER = 2  # pixels around a class border that do not count as "away from borders"


class SceneSegmenter:
    """The ground truth of a scene in any direction, with or without errors at view borders."""

    def __init__(self, scene: Scene, border_errors: bool) -> None:
        self.scene, self.border_errors = scene, border_errors
        self.network_s = 0.0
        self.facts: dict[str, str] = {}

    def segment(self, images: Tensor, sources: Sequence[ImageOrigin]) -> list[Segmentation]:  # noqa: ARG002
        """Look up every pixel's direction."""
        return [self._one(source, number) for number, source in enumerate(sources)]

    def _one(self, source: ImageOrigin, number: int) -> Segmentation:
        assert source.directions is not None
        classes = self.scene.class_at(source.directions.numpy(), source.time_s)
        instances = connected(classes)
        if self.border_errors:
            classes = self._with_border_errors(classes, instances.numpy(), source, number)
        found = torch.from_numpy(classes)
        return Segmentation(found, torch.ones(found.shape), instances)

    def _with_border_errors(
        self, classes: np.ndarray, instances: np.ndarray, source: ImageOrigin, number: int
    ) -> np.ndarray:
        border = np.concatenate([instances[0], instances[-1], instances[:, 0], instances[:, -1]])
        wrong = classes.copy()
        assert source.directions is not None
        background = self.scene.background_classes(source.directions.numpy())
        for cut in np.unique(border[border > 0]):
            draw = keyed_generator(self.scene.name, number, int(cut), str(source.time_s))
            if draw.random() < 0.5:
                where = instances == cut
                wrong[where] = background[where]
        return wrong


def inner(classes: np.ndarray) -> np.ndarray:
    """Return a mask (H, W) of pixels that see one class within `BORDER` pixels."""
    wide = np.pad(np.pad(classes, ((0, 0), (BORDER, BORDER)), mode="wrap"),
                  ((BORDER, BORDER), (0, 0)), mode="edge")  # fmt: skip
    windows = np.lib.stride_tricks.sliding_window_view(wide, (2 * BORDER + 1, 2 * BORDER + 1))
    same: np.ndarray = (windows == classes[..., None, None]).all((-1, -2))
    return same


def measure(name: str, side: int, scenes: Sequence[Scene], times: Sequence[float],
            height: int) -> dict[str, float]:  # fmt: skip
    """Return accuracies in percent and the time of cutting and fusing one panorama."""
    grid = equirect_grid(height, 2 * height)
    blank = torch.zeros(1, height, 2 * height, 3, dtype=torch.uint8)
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}

    def add(what: str, right: np.ndarray) -> None:
        sums[what] = sums.get(what, 0.0) + float(right.sum())
        counts[what] = counts.get(what, 0) + right.size

    for scene in scenes:
        for at in times:
            truth = scene.class_at(grid.numpy(), at)
            clear, things = inner(truth), truth < NUM_THINGS
            for errors in (False, True):
                labeller = PanoramaLabeller(
                    Batches(SceneSegmenter(scene, errors), 100), name, side, height
                )
                found = labeller.segment(blank, ["x"], [at], instances=False)[0].classes.numpy()
                right = found == truth
                if errors:
                    add("things, errors", right[things])
                else:
                    add("inner", right[clear])
                    add("all", right)
                    add("things", right[things])
    return {what: 100 * sums[what] / counts[what] for what in sums}


def overlap(name: str) -> float:
    """Return the mean number of views that show a point of the sphere."""
    grid = equirect_grid(90, 180, dtype=torch.float64)
    weight = torch.linalg.vector_norm(grid[..., :2], dim=-1)
    number = VIEW_SETS[name].in_view(grid)[1].sum(0)
    return float((number * weight).sum() / weight.sum())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=12)
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--height", type=int, default=320)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE",
                        help="parameters of the scenes, such as max_elevation_deg=90")  # fmt: skip
    parser.add_argument("--views", nargs="+", default=list(VIEW_SETS), choices=list(VIEW_SETS))
    arguments = parser.parse_args()
    parameters = choose_parameters("default", arguments.set)
    scenes = [sample_scene(0, n, parameters, 10.0) for n in range(arguments.scenes)]
    times = np.linspace(0, 10, arguments.times + 2)[1:-1].tolist()
    print("| views | number | field | side | seen by | pixels | inner | all | things | errors |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in arguments.views:
        for side in arguments.sides:
            found = measure(name, side, scenes, times, arguments.height)
            views = VIEW_SETS[name]
            print(
                f"| {name} | {len(views)} | {views.hfov_deg:g}° | {side} | {overlap(name):.2f} | "
                f"{len(views) * side * side / 1e6:.2f} M | {found['inner']:.2f} | "
                f"{found['all']:.2f} | {found['things']:.2f} | {found['things, errors']:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
