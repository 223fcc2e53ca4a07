"""Painted spheres, and a segmenter that reads classes off the paint: pure test material."""

from types import SimpleNamespace

import pytest
import torch
from scipy import ndimage

from yt360.labels.classes import NO_CLASS, NUM_THINGS, palette
from yt360.labels.segmenters.base import Segmentation
from yt360.sphere import angle_between, direction, equirect_grid

SKY, GRASS, PERSON, CAR = 120, 126, 0, 2


class PaintSegmenter:
    """Sees only pixels: a pixel's class is the one whose palette colour is nearest."""

    def __init__(self):
        self.network_s = 0.0
        self.facts = {"segmenter": "paint"}
        self.calls = []
        self._colors = torch.from_numpy(palette()).float()
        self._used = torch.tensor([SKY, GRASS, PERSON, CAR, NO_CLASS])

    def segment(self, pictures, sources):
        self.calls.append(len(pictures))
        assert len(pictures) == len(sources)
        distance = torch.cdist(pictures.float().flatten(1, 2), self._colors[self._used])
        classes = self._used[distance.argmin(-1)].reshape(pictures.shape[:3])
        return [self._one(each.to(torch.uint8)) for each in classes]

    def _one(self, classes):
        parts, _ = ndimage.label((classes < NUM_THINGS).numpy())
        instances = torch.from_numpy(parts).int()
        scores = (classes != NO_CLASS).float()
        return Segmentation(classes, scores, instances)


def painted(height=160, objects=()):
    """Sky above grass, with round objects (azimuth_deg, elevation_deg, radius_deg, class).

    Returns the picture (1, H, 2H, 3) uint8 and its classes (H, 2H) uint8.
    """
    grid = equirect_grid(height, 2 * height)
    classes = torch.where(grid[..., 2] > 0, SKY, GRASS)
    for azimuth, elevation, radius, label in objects:
        centre = direction(torch.tensor(azimuth).deg2rad(), torch.tensor(elevation).deg2rad())
        classes[angle_between(grid, centre) < torch.tensor(radius).deg2rad()] = label
    classes = classes.to(torch.uint8)
    return torch.from_numpy(palette())[classes.long()][None], classes


def away_from_borders(classes, pixels=2):
    """Mask (H, W) of pixels that have only their own class within `pixels` around them."""
    wide = classes.float()[None, None]
    wide = torch.cat([wide[..., -pixels:], wide, wide[..., :pixels]], -1)
    wide = torch.nn.functional.pad(wide, (0, 0, pixels, pixels), mode="replicate")
    size = 2 * pixels + 1
    top = torch.nn.functional.max_pool2d(wide, size, 1)
    low = -torch.nn.functional.max_pool2d(-wide, size, 1)
    return (top == low)[0, 0]


@pytest.fixture(scope="session")
def paint():
    """Painted spheres, the segmenter that reads them, and a mask of what is unmistakable."""
    return SimpleNamespace(
        Segmenter=PaintSegmenter, sphere=painted, away_from_borders=away_from_borders
    )
