"""A step does not wait for the device before its optimizer has been queued."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from avsa.config.recipe import load_config
from avsa.models.compute import autocast, place_encoders
from avsa.training.distributed import World
from avsa.training.learner import is_plausible
from avsa.training.optimizer import build_optimizer, step_if

# What waits for the device: reading a value of a tensor on the host, shapes that depend on values,
# and tensors made of numbers of the host, which are copied from memory that is not page-locked.
READS = {
    "aten::_local_scalar_dense",
    "aten::is_nonzero",
    "aten::nonzero",
    "aten::masked_select",
    "aten::lift_fresh",
}
TINY = [
    "views.height=16",
    "views.width=16",
    "encoders.video={base_channels: 4, num_stages: 2, blocks_per_stage: 1}",
    "encoders.audio={base_channels: 4, num_stages: 2}",
]


def is_mask(index):
    return index is not None and index.dtype == torch.bool


class Reads(TorchDispatchMode):
    """Records operations that read a value."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.name().partition(".")[0]
        if name in READS or (name == "aten::index" and any(map(is_mask, args[1]))):
            self.names.append(name)
        return func(*args, **(kwargs or {}))


def test_reads_are_noticed():
    with Reads() as reads:
        torch.ones(()).item()
        bool(torch.ones(()) > 0)
        torch.tensor(1.0)
        torch.ones(2)[torch.ones(2) > 0]
    assert len(reads.names) == 4


@pytest.mark.parametrize(
    "recipe", ["avc", "avc-transformer", "avts", "avsa", "avsa-published", "avsa-regression"]
)
def test_nothing_waits_from_the_views_to_the_queued_optimizer(recipe):
    config = load_config(recipe, TINY)
    world = World(0, 1, torch.device("cpu"))
    stage = list(config.stages)[-1]
    encoders = place_encoders(config.encoders.build(4), config.compute, world).train()
    task = config.stages[stage].task.build(config.encoders.feature_dim).train()
    parameters = [*encoders.parameters(), *task.parameters()]
    optimizer = build_optimizer(parameters, config.optimizer, fused=True)
    windows = config.stage_data(stage).windows_per_clip
    views = config.stage_views(stage).num_views
    clips = (
        torch.randn(3 * windows, views, 3, 2, 16, 16),
        torch.randn(3 * windows, views, 4, 16, 16),
    )
    directions = torch.nn.functional.normalize(torch.randn(3 * windows, views, 3), dim=-1)
    with Reads() as reads:
        with autocast(config.compute, world.device):
            features = (*encoders(*clips), directions)
            loss, metrics = task(*(each.unflatten(0, (3, windows)) for each in features))
        loss.backward()
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        torch.nn.utils.clip_grads_with_norm_(parameters, 1.0, norm)
        step_if(is_plausible(loss, norm, norm), optimizer)
    assert metrics and not reads.names
