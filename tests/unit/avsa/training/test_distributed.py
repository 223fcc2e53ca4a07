"""Two processes over gloo must do what one does with the whole batch."""

import socket

import pytest
import torch
import torch.distributed as dist
from helpers import processes
from helpers.errors import user_error
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from avsa.models.compute import ComputeConfig, autocast
from avsa.models.conv2d import Conv2DConfig
from avsa.models.encoders import EncodersConfig
from avsa.models.r2plus1d import R2Plus1DConfig
from avsa.models.translation import TranslationConfig
from avsa.tasks.avc import AvcConfig
from avsa.tasks.avsa import AvsaConfig
from avsa.tasks.infonce import InfoNCEConfig
from avsa.tasks.regression import RegressionConfig
from avsa.training.distributed import (
    from_first_rank,
    gather,
    joined_world,
    mean_over_ranks,
    require_agreement,
)
from avsa.training.gradient_cache import forward_backward_in_parts
from yt360.errors import UserError

RANKS, CLIPS, VIEWS = 2, 4, 3

TASKS = {
    "avc": AvcConfig(),
    "avsa": AvsaConfig(
        translation=TranslationConfig(kind="transformer", dropout=0.0),
        info_nce=InfoNCEConfig(within_clip_weight=0.5, chunk_size=5),
    ),
    "avsa-published": AvsaConfig(info_nce=InfoNCEConfig(negatives="published")),
    "regression": RegressionConfig(),
}


def networks(task):
    """Encoders and task in double precision, with the batch norms' statistics fixed."""
    torch.manual_seed(0)
    config = EncodersConfig(
        video=R2Plus1DConfig(base_channels=2, num_stages=2, blocks_per_stage=1),
        audio=Conv2DConfig(base_channels=2, num_stages=2),
    )
    return config.build(4).double().eval(), TASKS[task].build(config.feature_dim).double()


def inputs(clips=slice(None)):
    generator = torch.Generator().manual_seed(1)
    video = torch.randn(CLIPS, VIEWS, 3, 2, 8, 8, generator=generator).double()
    audio = torch.randn(CLIPS, VIEWS, 4, 8, 8, generator=generator).double()
    directions = nn.functional.normalize(torch.randn(CLIPS, VIEWS, 3, generator=generator), dim=-1)
    return video[clips], audio[clips], directions.double()[clips]


def float32():
    return autocast(ComputeConfig(), torch.device("cpu"))


def loss_of(head, directions):
    """The task's loss of features, one window a clip."""
    return lambda video, audio: head(video[:, None], audio[:, None], directions[:, None])


def step(task, batch, wrap, parts):
    encoders, head = networks(task)
    *views, directions = batch
    shared, loss_of_features = wrap(encoders), loss_of(wrap(head), directions)
    if parts > 1:
        loss, metrics = forward_backward_in_parts(shared, loss_of_features, views, float32, parts)
    else:
        loss, metrics = loss_of_features(*shared(*views))
        loss.backward()
    loss = loss.detach()
    values = mean_over_ranks(torch.stack([loss, *(m.double() for m in metrics.values())]))
    gradients = [p.grad for p in [*encoders.parameters(), *head.parameters()]]
    return values, gradients


def gathered_in(dtype, rank):
    """What `gather` gives of values in bfloat16 that travel in a type, and their gradient."""
    generator = torch.Generator().manual_seed(rank)
    values = torch.randn(3, 5, generator=generator).bfloat16().requires_grad_()
    gathered = gather(values.to(dtype))
    weights = torch.randn(gathered.shape, generator=generator) * 1.001**rank
    (gathered * weights).sum().backward()
    return [gathered.detach(), values.grad]


def start(rank, port):
    dist.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=RANKS
    )
    torch.set_num_threads(1)


def shared_steps(rank, port, results):
    start(rank, port)
    mine = slice(rank * CLIPS // RANKS, (rank + 1) * CLIPS // RANKS)
    outcome = {
        (task, parts): step(task, inputs(mine), DistributedDataParallel, parts)
        for task in TASKS
        for parts in (1, 2)
    }
    outcome["bfloat16"] = gathered_in(torch.bfloat16, rank)
    outcome["bfloat16 as float32"] = gathered_in(torch.float32, rank)
    outcome["gathered"] = gather(torch.full((1, 2), float(rank)))
    outcome["from first"] = from_first_rank({"rank": rank})
    try:
        require_agreement({"dataset": "same", "optimizer.lr": rank})
    except UserError as error:
        outcome["disagreement"] = [error.code, error.key]
    torch.save(outcome, f"{results}/{rank}.pt")
    dist.destroy_process_group()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """What each of two ranks computed on its half of the batch."""
    results = tmp_path_factory.mktemp("ranks")
    port = str(free_port())
    ranks = [
        processes.start(__file__, "shared_steps", rank, port, results) for rank in range(RANKS)
    ]
    for rank in ranks:
        rank.join(120)
    assert [rank.exitcode for rank in ranks] == [0] * RANKS
    return [torch.load(results / f"{rank}.pt", weights_only=True) for rank in range(RANKS)]


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("task", TASKS)
def test_loss_and_gradients_on_two_ranks_are_those_of_the_whole_batch(shared, task, parts):
    whole_values, whole_gradients = step(task, inputs(), lambda module: module, 1)
    for rank in range(RANKS):
        values, gradients = shared[rank][task, parts]
        assert values[0].item() == pytest.approx(whole_values[0].item(), rel=1e-9)
        torch.testing.assert_close(gradients, whole_gradients)


@pytest.mark.parametrize("task", TASKS)
def test_parts_on_one_rank_change_neither_loss_nor_gradients(task):
    whole, parts = (step(task, inputs(), lambda module: module, parts) for parts in (1, 4))
    torch.testing.assert_close(parts, whole)


def test_gathered_tensors_come_in_order_of_rank(shared):
    for outcome in shared:
        assert outcome["gathered"].tolist() == [[0.0, 0.0], [1.0, 1.0]]


def test_embeddings_in_bfloat16_travel_as_they_are_without_loss(shared):
    for outcome in shared:
        half, full = outcome["bfloat16"], outcome["bfloat16 as float32"]
        assert [each.dtype for each in half] == [torch.float32, torch.bfloat16]
        assert all(map(torch.equal, half, full))


def test_values_of_the_first_rank_reach_the_others(shared):
    assert [outcome["from first"] for outcome in shared] == [{"rank": 0}] * RANKS


def test_ranks_that_disagree_get_an_error(shared):
    for outcome in shared:
        assert outcome["disagreement"] == ["conflict", "optimizer.lr"]


def test_parts_update_running_statistics_as_one_pass_over_them_does():
    encoders, head = (module.float().train() for module in networks("avc"))
    before = {name: value.clone() for name, value in encoders.state_dict().items()}
    video, audio, directions = (each.float() for each in inputs())
    loss_of_features = loss_of(head, directions)
    forward_backward_in_parts(encoders, loss_of_features, (video, audio), float32, parts=2)
    after = {name: value.clone() for name, value in encoders.state_dict().items()}
    encoders.load_state_dict(before)
    with torch.no_grad():
        for half in (slice(0, 2), slice(2, 4)):
            encoders(video[half], audio[half])
    torch.testing.assert_close(after, encoders.state_dict())


def test_without_torchrun_there_is_one_rank(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined_world("cpu") as world:
        assert (world.rank, world.size, world.is_first) == (0, 1, True)
        tensor = torch.ones(2)
        assert gather(tensor) is tensor
        assert torch.equal(mean_over_ranks(tensor), tensor)


def test_a_missing_rank_is_an_error(monkeypatch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "RANK": "0"}
    for name, value in address.items():
        monkeypatch.setenv(name, value)
    with user_error("network"), joined_world("cpu", timeout_s=1.0):
        raise AssertionError("nobody else is here")
    monkeypatch.delenv("MASTER_ADDR")
    with user_error("network"), joined_world("cpu"):
        raise AssertionError("nobody else is here")
