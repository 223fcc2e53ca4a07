"""Batch norm over parts of a batch, and over ranks."""

import pytest
import torch
from helpers.errors import user_error

from avsa.models.compute import ComputeConfig, place_encoders
from avsa.models.conv2d import Conv2DConfig
from avsa.models.encoders import EncodersConfig
from avsa.models.r2plus1d import R2Plus1DConfig
from avsa.training.distributed import World


def encoders(parts, ranks=1):
    torch.manual_seed(0)
    video = R2Plus1DConfig(base_channels=2, num_stages=2, blocks_per_stage=1)
    config = EncodersConfig(video=video, audio=Conv2DConfig(base_channels=2, num_stages=2))
    world = World(0, ranks, torch.device("cpu"))
    return place_encoders(config.build(4), ComputeConfig(batch_norm_splits=parts), world)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    shapes = (6, 3, 3, 2, 16, 16), (6, 3, 4, 16, 16)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def test_each_part_has_its_own_statistics(batch):
    for parts in (2, 3):
        got = encoders(parts).train()(*batch)
        whole = encoders(1).train()
        cut = [each.chunk(parts) for each in batch]
        pieces = [whole(*piece) for piece in zip(*cut, strict=True)]
        for features, expected in zip(got, zip(*pieces, strict=True), strict=True):
            assert torch.equal(features, torch.cat(expected))
    assert not torch.allclose(encoders(2).train()(*batch)[0], encoders(1).train()(*batch)[0])


def test_parts_are_of_the_global_batch_and_do_not_matter_in_evaluation(batch):
    half = [each[:3] for each in batch]
    # One of two ranks with two parts has its own half as one part.
    for got, expected in zip(encoders(2, ranks=2)(*half), encoders(1)(*half), strict=True):
        assert torch.equal(got, expected)
    for got, expected in zip(encoders(2).eval()(*batch), encoders(1).eval()(*batch), strict=True):
        assert torch.equal(got, expected)


def test_batch_norm_that_cannot_be_synchronized_is_refused():
    made = encoders(1)
    with user_error("conflict", "compute.sync_batch_norm"):
        place_encoders(made, ComputeConfig(sync_batch_norm=True), World(0, 2, torch.device("cpu")))
