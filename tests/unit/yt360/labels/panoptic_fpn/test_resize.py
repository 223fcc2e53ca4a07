"""Resizing gives what Pillow gives."""

import numpy as np
import pytest
import torch
from PIL import Image

from yt360.labels.panoptic_fpn.preprocess import network_size
from yt360.labels.panoptic_fpn.resize import resize_like_pillow


def by_pillow(images, height, width):
    resized = [
        np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
        for image in images
    ]
    return np.stack(resized)


@pytest.mark.parametrize("seed", range(40))
def test_square_and_wide_images_are_equal_to_the_bit(seed):
    rng = np.random.default_rng(seed)
    height = int(rng.integers(1, 150))
    width = int(height * rng.uniform(1, 4))
    size = network_size(height, width, int(rng.integers(1, 150)), int(rng.integers(1, 400)))
    images = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    if seed % 2:  # only black and white: the largest steps
        images = np.where(images < 128, 0, 255).astype(np.uint8)
    found = resize_like_pillow(torch.from_numpy(images), *size)
    assert np.array_equal(found, by_pillow(images, *size))


@pytest.mark.parametrize("size", [(800, 800), (320, 320), (512, 512)])
def test_views_of_the_usual_size_are_equal_to_the_bit(size):
    images = np.random.default_rng(0).integers(0, 256, (1, 512, 512, 3), dtype=np.uint8)
    found = resize_like_pillow(torch.from_numpy(images), *size)
    assert np.array_equal(found, by_pillow(images, *size))


@pytest.mark.parametrize("seed", range(10))
def test_tall_images_differ_by_a_grey_level_at_most(seed):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (1, 150, int(rng.integers(1, 60)), 3), dtype=np.uint8)
    size = network_size(150, images.shape[2], int(rng.integers(1, 60)))
    found = resize_like_pillow(torch.from_numpy(images), *size).numpy().astype(int)
    assert np.abs(found - by_pillow(images, *size)).max() <= 1
